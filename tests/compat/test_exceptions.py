"""One policy for the bases of exceptions: what an original raises is caught here as well."""

from __future__ import annotations

import json
import pickle

import httpx
import pytest
import requests

from grantflow import (
    Denied,
    Expired,
    Failed,
    Fault,
    InteractionRequired,
    InvalidResponse,
    Problem,
    Refused,
    Response,
    Unreachable,
)
from grantflow.compat.bitfount import errors as bitfount
from grantflow.compat.dagshub import errors as dagshub
from grantflow.compat.dvc_studio_client import errors as dvc
from grantflow.compat.errors import UnreadableAnswer, network_error, url_error
from grantflow.compat.flytekit import names as flytekit
from grantflow.compat.stanford_green import errors as stanford

DENIED = Failed(Denied(""))
REFUSED = Failed(Refused("invalid_client", status=401))
UNUSABLE = Failed(InvalidResponse("HTTP 200: HTML", 200))
BROKEN = Failed(Unreachable(Fault("http", "maybe", "HTTP 503 (HTML)"), 1))
SILENT = Failed(Unreachable(Fault("other", "maybe"), 1))
JSON = (requests.exceptions.JSONDecodeError, json.JSONDecodeError, ValueError, KeyError)
NETWORK = (requests.ConnectionError, requests.RequestException, OSError)

CASES: list[tuple[str, Exception, tuple[type[Exception], ...]]] = [
    ("dvc: expired", dvc.error_of(Expired(), None), (dvc.AuthorizationExpiredError,)),
    (
        "dvc: denied",
        dvc.error_of(DENIED, Response(400, {}, b"")),
        (dvc.AuthorizationDeniedError, dvc.StudioAuthError, requests.HTTPError),
    ),
    ("dvc: refused", dvc.error_of(REFUSED, Response(401, {}, b"")), (requests.HTTPError,)),
    (
        "dvc: unusable",
        dvc.error_of(UNUSABLE, Response(200, {}, b"")),
        (dvc.UnusableAnswerError, dvc.StudioAuthError, *JSON),
    ),
    ("dvc: silent", dvc.error_of(SILENT, Fault("other", "maybe")), NETWORK),
    ("flytekit: expired", flytekit.error_of(Expired()), (flytekit.AuthenticationError,)),
    ("flytekit: refused", flytekit.error_of(REFUSED), (flytekit.AuthenticationError, RuntimeError)),
    ("flytekit: unusable", flytekit.error_of(UNUSABLE), (flytekit.AuthenticationError, *JSON)),
    ("flytekit: a page", flytekit.error_of(BROKEN), (flytekit.AuthenticationError, *JSON)),
    ("flytekit: silent", flytekit.error_of(SILENT), NETWORK),
    ("stanford: refused", stanford.error_of(REFUSED), (requests.HTTPError,)),
    ("stanford: silent", stanford.error_of(SILENT), (requests.HTTPError,)),
    ("stanford: unusable", stanford.error_of(UNUSABLE), (RuntimeError, *JSON)),
    (
        "stanford: an error in a 200",
        stanford.error_of(Failed(Refused("invalid_client", status=200))),
        (RuntimeError, *JSON),
    ),
    ("bitfount: denied", bitfount.failure(DENIED), (ConnectionError, *NETWORK)),
    ("bitfount: expired", bitfount.failure(Expired()), (ConnectionError, *NETWORK)),
    ("bitfount: refused", bitfount.failure(REFUSED), (requests.HTTPError, ConnectionError)),
    ("bitfount: broken", bitfount.failure(BROKEN), (requests.HTTPError, ConnectionError)),
    ("bitfount: silent", bitfount.failure(SILENT), (ConnectionError, *NETWORK)),
    ("bitfount: unusable", bitfount.failure(UNUSABLE), (ConnectionError, *JSON)),
    ("dagshub: nobody may be asked", dagshub.no_token("h", InteractionRequired()), (RuntimeError,)),
    ("dagshub: refused", dagshub.no_token("h", REFUSED), (RuntimeError,)),
    ("dagshub: silent", dagshub.no_token("h", SILENT), (RuntimeError, httpx.TransportError)),
    (
        "dagshub: unchecked",
        dagshub.unchecked(BROKEN),
        (dagshub.InvalidTokenError, RuntimeError),
    ),
    (
        "dagshub: unchecked in silence",
        dagshub.unchecked(SILENT),
        (dagshub.InvalidTokenError, RuntimeError, httpx.TransportError),
    ),
]


@pytest.mark.parametrize(("name", "error", "kinds"), CASES, ids=[name for name, _, _ in CASES])
def test_what_an_original_raises_is_caught(
    name: str, error: Exception, kinds: tuple[type[Exception], ...]
) -> None:
    assert [kind for kind in kinds if not isinstance(error, kind)] == []
    assert str(error)
    assert "line 1 column 1" not in str(error)


@pytest.mark.parametrize(("name", "error", "kinds"), CASES, ids=[name for name, _, _ in CASES])
def test_it_crosses_processes(
    name: str, error: Exception, kinds: tuple[type[Exception], ...]
) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert problem_of(again) == problem_of(error)


def problem_of(error: Exception) -> Problem | None:
    found: Problem | None = getattr(error, "problem", None)
    return found


def test_a_status_comes_with_a_response() -> None:
    for problem, status in ((REFUSED, 401), (BROKEN, 503)):
        error = bitfount.failure(problem)
        assert isinstance(error, requests.HTTPError)
        assert error.response is not None
        assert (error.response.status_code, error.response.content) == (status, b"")


def test_no_document_is_kept() -> None:
    """``JSONDecodeError`` has one, which may hold a token."""
    error = UnreadableAnswer("HTTP 200: HTML")
    assert (error.doc, error.pos, str(error)) == ("", 0, "HTTP 200: HTML")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("timeout", "no"), requests.exceptions.ConnectTimeout),
        (Fault("timeout", "maybe"), requests.exceptions.ReadTimeout),
        (Fault("tls", "no"), requests.exceptions.SSLError),
        (Fault("refused", "no"), requests.ConnectionError),
        (Fault("name", "no"), requests.ConnectionError),
        (Fault("other", "maybe"), requests.ConnectionError),
    ],
)
def test_no_answer_is_the_exception_of_requests(fault: Fault, kind: type[Exception]) -> None:
    assert type(network_error(fault, "x")) is kind


def test_a_url_that_cannot_be_used() -> None:
    for url in ("host/path", "http://host/path"):
        error = url_error("url", url, "must be an absolute https URL")
        assert isinstance(error, requests.RequestException)
        assert isinstance(error, ValueError)
        assert str(error) == "url: must be an absolute https URL"
    assert isinstance(url_error("url", "host", ""), requests.exceptions.MissingSchema)
    assert isinstance(url_error("url", "ftp://host", ""), requests.exceptions.InvalidURL)
