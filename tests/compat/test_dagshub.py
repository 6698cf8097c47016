"""What callers of dagshub.auth rely on (H1 to H14), and what no longer hurts them."""

from __future__ import annotations

import io
import logging
import os
import pickle
import re
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter

from grantflow import (
    DeviceAuthorization,
    Expired,
    Failed,
    InteractionRequired,
    InvalidResponse,
    Secret,
    StoreError,
    Token,
    TokenSource,
    Unreachable,
)
from grantflow.compat import dagshub as auth
from grantflow.compat.dagshub import (
    InvalidTokenError,
    NoTokenError,
    TokenStorage,
    UncheckedTokenError,
    screen,
)
from grantflow.compat.dagshub.cache import TokensCache
from grantflow.compat.dagshub.config import client_of, host_of, timeout
from grantflow.compat.dagshub.store import HostTokens, Known
from grantflow.compat.dagshub.token_auth import (
    AppDagshubToken,
    EnvVarDagshubToken,
    OAuthDagshubToken,
)
from grantflow.compat.dagshub.user import User
from grantflow.stores import PrivateFile
from grantflow.testing import VirtualClock
from tests.support.compat_wire import Heard, Says, wire
from tests.support.dagshub_stage import (
    ALICE,
    EXCHANGE,
    ISSUED,
    MIDDLEMAN,
    REFUSED,
    RESOURCE,
    USER,
    DagsHub,
    bearer,
    dagshub,
)
from tests.support.error_reports import Failing, disk_full, shown

LATER = datetime(2099, 1, 2, tzinfo=UTC)
GOOD = AppDagshubToken("good-token")
FAKE = AppDagshubToken("fake-token")
EXPIRED = OAuthDagshubToken("old-token", datetime(1990, 1, 1, 16, 24, 53, 451259, tzinfo=UTC))


@pytest.fixture
def hub() -> Iterator[DagsHub]:
    with dagshub() as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "dagshub" / "tokens"


@pytest.fixture(autouse=True)
def opened(hub: DagsHub, file: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The links that a browser was told to open."""
    links: list[str] = []

    def browser(url: str) -> bool:
        links.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browser)
    monkeypatch.setattr(screen, "greeted", set())
    for name in ("DAGSHUB_USER_TOKEN", "DAGSHUB_CLIENT_ID", "DAGSHUB_QUIET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", hub.url)
    monkeypatch.setenv("DAGSHUB_CLIENT_TOKENS_CACHE", str(file))
    return links


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def storage(clock: VirtualClock) -> TokenStorage:
    return TokenStorage(clock=clock)


Getter = Callable[["auth.DagshubAuthenticator", str], int]


def by_requests(authenticator: auth.DagshubAuthenticator, url: str) -> int:
    return requests.get(url, auth=authenticator, timeout=5).status_code


def by_httpx(authenticator: auth.DagshubAuthenticator, url: str) -> int:
    with httpx.Client(auth=authenticator) as client:
        return client.get(url).status_code


def by_async_httpx(authenticator: auth.DagshubAuthenticator, url: str) -> int:
    async def got() -> int:
        async with httpx.AsyncClient(auth=authenticator) as client:
            return (await client.get(url)).status_code

    return anyio.run(got)


either_library = pytest.mark.parametrize("get", [by_requests, by_httpx, by_async_httpx])


def text_of(file: Path) -> str:
    return file.read_text("utf-8") if file.exists() else ""


def test_h1_an_empty_cache_is_an_error_where_nobody_may_be_asked(
    storage: TokenStorage, hub: DagsHub
) -> None:
    with pytest.raises(RuntimeError, match="No valid tokens found for host") as caught:
        storage.get_token(fail_if_no_token=True)
    assert isinstance(caught.value, NoTokenError)
    assert caught.value.problem == InteractionRequired()
    with pytest.raises(RuntimeError, match=re.escape(f"'{hub.url}'")):
        auth.get_token(fail_if_no_token=True)
    with pytest.raises(RuntimeError):
        auth.get_authenticator(fail_if_no_token=True)
    assert hub.asked() == []


def test_h2_a_refused_app_token_is_not_added(storage: TokenStorage, file: Path) -> None:
    with pytest.raises(InvalidTokenError, match="not a valid DagsHub token"):
        storage.add_token(FAKE)
    with pytest.raises(InvalidTokenError):
        auth.add_app_token("fake-token")
    assert not file.exists()


def test_h3_a_valid_app_token_is_added(hub: DagsHub, file: Path) -> None:
    auth.add_app_token("good-token")
    assert "good-token" in text_of(file)
    assert auth.get_token(fail_if_no_token=True) == "good-token"
    assert hub.asked() == [(USER, "good-token")]


@pytest.mark.parametrize("token", [EXPIRED, FAKE], ids=["h4", "h5"])
def test_h4_h5_a_token_that_has_ended_or_is_refused_leaves_the_file(
    token: OAuthDagshubToken | AppDagshubToken, storage: TokenStorage, file: Path
) -> None:
    storage.add_token(token, skip_validation=True)
    assert token.token_text in text_of(file)
    with pytest.raises(RuntimeError):
        storage.get_token(fail_if_no_token=True)
    assert token.token_text not in text_of(file)


def test_h6_a_token_may_be_added_unchecked(storage: TokenStorage, hub: DagsHub, file: Path) -> None:
    storage.add_token(GOOD, skip_validation=True)
    assert "good-token" in text_of(file)
    assert hub.asked() == []


def test_h7_a_token_can_be_checked(storage: TokenStorage, hub: DagsHub) -> None:
    assert storage.is_valid_token(GOOD, host=hub.url)
    assert storage.is_valid_token("good-token", hub.url)
    assert not storage.is_valid_token(FAKE, hub.url)


def test_h8_of_a_refused_and_a_good_token_the_good_one_is_used(
    storage: TokenStorage, file: Path
) -> None:
    for token in (FAKE, GOOD):
        storage.add_token(token, skip_validation=True)
    assert storage.get_token() == "good-token"
    assert "fake-token" not in text_of(file)


def test_h9_the_token_of_the_environment_goes_first(
    storage: TokenStorage, hub: DagsHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add_token(GOOD)
    hub.good.add("token-set-in-env-var")
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", "token-set-in-env-var")
    found = storage.get_token_object()
    assert type(found) is EnvVarDagshubToken
    assert found.token_text == "token-set-in-env-var"
    monkeypatch.delenv("DAGSHUB_USER_TOKEN")
    assert storage.get_token_object() == GOOD  # the environment is read at each call


def test_h10_an_authenticator_survives_pickle_and_its_token_is_not_in_it(
    hub: DagsHub, storage: TokenStorage
) -> None:
    storage.add_token(GOOD)
    before = auth.get_authenticator()
    pickled = pickle.dumps(before)
    assert b"good-token" not in pickled
    after = pickle.loads(pickled)
    assert isinstance(after, auth.DagshubAuthenticator)
    assert after.token_text == before.token_text == "good-token"
    assert by_requests(after, hub.cats) == by_requests(before, hub.cats) == 200


def test_an_unpickled_authenticator_asks_nobody_where_nobody_may_be_asked(
    hub: DagsHub, storage: TokenStorage, file: Path
) -> None:
    storage.add_token(GOOD)
    pickled = pickle.dumps(storage.get_authenticator(fail_if_no_token=True))
    file.unlink()
    after = pickle.loads(pickled)
    with pytest.raises(NoTokenError):
        _ = after.token_text
    assert hub.sign_ins == 0


@either_library
def test_h11_after_a_401_the_next_token_is_tried_once(
    get: Getter, hub: DagsHub, storage: TokenStorage, file: Path
) -> None:
    hub.good.add("second-token")
    storage.add_token(GOOD)
    storage.add_token("second-token")
    authenticator = storage.get_authenticator()
    hub.good.remove("good-token")
    hub.wire.heard.clear()
    assert get(authenticator, hub.cats) == 200
    assert hub.asked() == [
        (RESOURCE, "good-token"),
        (USER, "good-token"),
        (USER, "second-token"),
        (RESOURCE, "second-token"),
    ]
    assert "good-token" not in text_of(file)
    assert authenticator.token_text == "second-token"


@either_library
def test_h11_at_last_a_person_is_asked(
    get: Getter, hub: DagsHub, storage: TokenStorage, file: Path, opened: list[str]
) -> None:
    hub.good.add("second-token")
    storage.add_token(GOOD)
    storage.add_token("second-token")
    authenticator = storage.get_authenticator()
    hub.good.clear()
    assert get(authenticator, hub.cats) == 200
    assert len(opened) == hub.sign_ins == 1
    assert ISSUED in text_of(file)
    assert "good-token" not in text_of(file)
    assert "second-token" not in text_of(file)


@either_library
def test_h11_and_never_where_nobody_may_be_asked(
    get: Getter, hub: DagsHub, storage: TokenStorage, opened: list[str]
) -> None:
    storage.add_token(GOOD)
    authenticator = storage.get_authenticator(fail_if_no_token=True)
    hub.good.clear()
    assert get(authenticator, hub.cats) == 401
    assert hub.sign_ins == len(opened) == 0
    with pytest.raises(NoTokenError):
        storage.get_token(fail_if_no_token=True)


@either_library
def test_h12_a_refused_token_of_the_environment_is_not_replaced(
    get: Getter, hub: DagsHub, storage: TokenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add_token(GOOD)
    hub.good.add("env-token")
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", "env-token")
    authenticator = storage.get_authenticator()
    hub.good.remove("env-token")
    hub.wire.heard.clear()
    assert get(authenticator, hub.cats) == 401
    assert hub.asked() == [(RESOURCE, "env-token")]
    with pytest.raises(RuntimeError, match="Provided DagsHub token is not valid") as caught:
        storage.get_token()
    assert isinstance(caught.value, NoTokenError)
    assert isinstance(caught.value.problem, Failed)


def test_h13_a_sign_in_is_a_link_a_held_request_and_an_exchange(
    hub: DagsHub, file: Path, opened: list[str], clock: VirtualClock
) -> None:
    hub.agreed.clear()
    shown: list[DeviceAuthorization] = []

    def prompt(code: DeviceAuthorization) -> None:
        shown.append(code)
        hub.agreed.set()  # the link is shown while the request is not answered yet

    storage = TokenStorage(clock=clock, prompt=prompt)
    assert storage.get_token() == ISSUED
    link = urlsplit(shown[0].verification_uri)
    assert f"{link.scheme}://{link.netloc}" == hub.url
    assert link.path == "/login/oauth/authorize"
    asked = {name: texts[0] for name, texts in parse_qs(link.query).items()}
    assert sorted(asked) == ["client_id", "middleman_request_id", "state"]
    assert asked["client_id"].startswith("32b60ba385aa7cec")
    assert re.fullmatch("[0-9a-f]{64}", asked["middleman_request_id"])
    held, exchange = hub.wire.heard
    assert (held.method, held.path, held.form) == (
        "POST",
        MIDDLEMAN,
        {"request_id": asked["middleman_request_id"]},
    )
    assert (exchange.method, exchange.path, exchange.form) == (
        "POST",
        EXCHANGE,
        {"client_id": asked["client_id"], "code": "the-code", "state": asked["state"]},
    )
    found = storage.get_token_object()
    assert found == OAuthDagshubToken(ISSUED, LATER.replace(microsecond=123456))
    assert storage.get_token_object(fail_if_no_token=True).token_text == ISSUED
    assert hub.sign_ins == 1
    assert clock.slept == []


def test_h13_by_hand_with_a_referrer(
    hub: DagsHub, file: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSHUB_CLIENT_ID", "my client")
    auth.add_app_token("good-token")
    auth.add_oauth_token(referrer="co&lab")
    assert "client_id=my+client" in opened[0]
    assert "referrer=co%26lab" in opened[0]
    assert ISSUED in text_of(file)
    assert all("referrer" not in each.form for each in hub.wire.heard)
    auth.add_oauth_token()
    first, second = (parse_qs(urlsplit(link).query) for link in opened)
    for name in ("state", "middleman_request_id"):  # nobody can guess the next one
        assert first[name] != second[name]
    assert auth.get_token() == "good-token"  # app tokens go before those of sign-ins


def test_h13_what_was_just_issued_needs_no_question(hub: DagsHub, storage: TokenStorage) -> None:
    storage.add_oauth_token()
    assert storage.get_token(fail_if_no_token=True) == ISSUED
    assert [path for path, _ in hub.asked()] == [MIDDLEMAN, EXCHANGE]


@pytest.mark.parametrize(
    ("path", "status", "times"),
    [(MIDDLEMAN, 500, 6), (MIDDLEMAN, 400, 1), (MIDDLEMAN, 404, 1), (EXCHANGE, 400, 1)],
)
def test_h14_a_sign_in_that_fails_says_how_and_not_with_what(
    path: str, status: int, times: int, hub: DagsHub, storage: TokenStorage, file: Path
) -> None:
    hub.wire.script(path, [Says(status, b'{"secret": "in the body"}')])
    with pytest.raises(RuntimeError, match=f"HTTP {status}") as caught:
        storage.add_oauth_token()
    assert isinstance(caught.value, NoTokenError)
    assert isinstance(caught.value.problem, (Expired, Failed))
    assert "in the body" not in str(caught.value)
    # Trouble is waited out while the user may still approve; a definite answer is not.
    sent = len(hub.wire.at(path))
    assert sent >= times if status == 500 else sent == times
    assert not file.exists()
    with pytest.raises(RuntimeError, match=f"Signing in at .* failed: .*HTTP {status}"):
        storage.get_token()


@pytest.mark.parametrize("path", [MIDDLEMAN, EXCHANGE])
@pytest.mark.parametrize("body", [b"<html>secret page</html>", b"{}", b"[]", b"", b"\xff", b"7"])
def test_h14_an_answer_that_is_none_is_told_and_asked_for_once(
    path: str, body: bytes, hub: DagsHub, storage: TokenStorage, file: Path
) -> None:
    hub.wire.script(path, [Says(200, body)])
    with pytest.raises(RuntimeError, match="HTTP 200|invalid response from the server") as caught:
        storage.add_oauth_token()
    assert isinstance(caught.value, NoTokenError)
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, InvalidResponse)
    assert "secret page" not in str(caught.value)
    assert len(hub.wire.at(path)) == 1
    assert not file.exists()


@pytest.mark.parametrize("path", [MIDDLEMAN, EXCHANGE, USER])
def test_no_redirect_is_followed(path: str, hub: DagsHub, storage: TokenStorage) -> None:
    with wire() as elsewhere:
        hub.wire.script(path, [Says(307, b"", {"Location": f"{elsewhere.url}{path}"})])
        with pytest.raises((NoTokenError, UncheckedTokenError)):
            storage.add_token(GOOD) if path == USER else storage.add_oauth_token()
        assert elsewhere.heard == []


TROUBLE = {
    "503": Says(503),
    "500 with JSON": Says(500, {"message": "token is not valid"}),
    "429": Says(429),
    "403": Says(403),
    "404": Says(404),
    "a redirect": Says(302, b"", {"Location": "/login"}),
    "no answer": Says(None),
    "HTML": Says(200, b"<html>maintenance</html>"),
    "somebody else's JSON": Says(200, {"status": "ok"}),
    "no login": Says(200, {"username": "alice"}),
    "no username": Says(200, {"login": "alice", "username": None}),
    "a list": Says(200, [1]),
    "nested": Says(200, b"[" * 100_000),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_in_asking_says_nothing_about_a_token(
    name: str, hub: DagsHub, storage: TokenStorage, file: Path
) -> None:
    storage.add_token(GOOD, skip_validation=True)
    before = text_of(file)
    hub.wire.script(USER, [TROUBLE[name]])
    assert storage.get_token(fail_if_no_token=True) == "good-token"
    assert by_requests(storage.get_authenticator(), hub.cats) == 200
    assert text_of(file) == before
    with pytest.raises(UncheckedTokenError, match="could not be checked") as caught:
        storage.is_valid_token(GOOD)
    assert isinstance(caught.value.problem, Failed)
    passes = name in ("503", "500 with JSON", "429", "no answer")
    assert isinstance(caught.value.problem.error, Unreachable if passes else InvalidResponse)
    with pytest.raises(UncheckedTokenError):
        storage.add_token("another-token")
    assert text_of(file) == before


@either_library
def test_a_refused_request_and_trouble_in_asking_keep_the_token_and_use_the_next(
    get: Getter, hub: DagsHub, storage: TokenStorage, file: Path
) -> None:
    hub.good.add("second-token")
    storage.add_token(GOOD)
    storage.add_token("second-token")
    authenticator = storage.get_authenticator(fail_if_no_token=True)
    hub.good.remove("good-token")
    hub.wire.script(USER, [Says(503)])
    assert get(authenticator, hub.cats) == 200
    assert authenticator.token_text == "second-token"
    assert "good-token" in text_of(file)


def test_a_token_is_judged_without_the_cookies_of_another(
    hub: DagsHub, storage: TokenStorage
) -> None:
    def user(heard: Heard) -> Says:
        if hub.takes(heard) or "session=alice" in heard.headers.get("cookie", ""):
            return Says(200, ALICE.body, {"Set-Cookie": "session=alice; Path=/"})
        return REFUSED

    hub.wire.script(USER, [user])
    assert storage.is_valid_token(GOOD)
    assert not storage.is_valid_token(FAKE)


def test_a_resource_that_refuses_a_good_token_costs_no_token(
    hub: DagsHub, storage: TokenStorage, file: Path
) -> None:
    storage.add_token(GOOD)
    authenticator = storage.get_authenticator(fail_if_no_token=True)
    hub.wire.script(RESOURCE, [REFUSED])
    assert by_httpx(authenticator, hub.cats) == 401
    assert "good-token" in text_of(file)
    assert authenticator.token_text == "good-token"
    assert storage.get_token(fail_if_no_token=True) == "good-token"


def test_a_token_is_asked_about_once_as_long_as_it_is_good(
    hub: DagsHub, storage: TokenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add_token(GOOD, skip_validation=True)
    hub.good.add("env-token")
    for _ in range(3):
        storage.get_token()
        storage.get_authenticator()
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", "env-token")
    for _ in range(3):
        storage.get_token()
    assert hub.asked() == [(USER, "good-token"), (USER, "env-token")]


def test_app_tokens_go_before_those_of_sign_ins(hub: DagsHub, storage: TokenStorage) -> None:
    hub.good.add("app-token")
    storage.add_token(OAuthDagshubToken("good-token", LATER))
    assert storage.get_token() == "good-token"
    storage.add_token("app-token")
    assert storage.get_token() == "app-token"


def test_a_token_that_is_there_is_not_added_again(
    hub: DagsHub, storage: TokenStorage, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage.add_token(GOOD)
    before = text_of(file)
    storage.add_token("good-token")
    assert text_of(file) == before
    assert "stored already" in caplog.text
    assert len(hub.asked()) == 1


@pytest.mark.parametrize("token", ["", " ", "a\nb", "tök", "a\x1bb"])
def test_what_cannot_be_a_token_is_not_added(
    token: str, hub: DagsHub, storage: TokenStorage
) -> None:
    with pytest.raises(ValueError, match="token: one line"):
        storage.add_token(token)
    assert hub.asked() == []


def test_each_deployment_has_tokens_of_its_own(
    hub: DagsHub, storage: TokenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dagshub() as other:
        other.good = {"other-token"}
        storage.add_token(GOOD)
        storage.add_token("other-token", other.url)
        assert storage.get_token() == "good-token"
        assert storage.get_token(other.url) == "other-token"
        hub.good.clear()
        with pytest.raises(RuntimeError):
            TokenStorage().get_token(fail_if_no_token=True)
        assert storage.get_token(other.url) == "other-token"
        assert {token for _, token in other.asked()} == {"other-token"}
        # The token of the environment is for the configured one alone.
        monkeypatch.setenv("DAGSHUB_USER_TOKEN", "env-token")
        assert storage.get_token(other.url) == "other-token"
        monkeypatch.setenv("DAGSHUB_CLIENT_HOST", other.url)
        other.good.add("env-token")
        assert storage.get_token() == "env-token"


@pytest.mark.parametrize(
    ("added", "wanted"),
    [
        ("https://x.example/", "https://x.example"),
        ("https://X.Example", "https://x.example:443/"),
        ("x.example", "HTTPS://x.example"),
        ("http://[::1]:80", "http://[::1]/"),
        ("http://localhost:3000/", "http://LOCALHOST:3000"),
    ],
)
def test_a_deployment_has_one_name_however_it_is_spelt(
    added: str, wanted: str, storage: TokenStorage, file: Path
) -> None:
    for first, second in ((added, wanted), (wanted, added)):
        storage.add_token(GOOD, first, skip_validation=True)
        storage.add_token(GOOD, second, skip_validation=True)
    assert text_of(file).count("good-token") == 1


@pytest.mark.parametrize(
    "host",
    [
        "http://dagshub.com",
        "https://dagshub.com/alice",
        "https://u:p@dagshub.com",
        "https://dagshub.com?x=1",
        "ftp://dagshub.com",
        "https://",
        "https://dags hub.com",
        "https://[",
        "https://dagshub.com:port",
    ],
)
def test_a_host_that_cannot_be_used_is_refused_and_named(
    host: str, storage: TokenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="^host: (must|contains) "):
        storage.add_token(GOOD, host)
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", host)
    with pytest.raises(ValueError, match="^DAGSHUB_CLIENT_HOST: (must|contains) "):
        storage.get_token(fail_if_no_token=True)


@pytest.mark.parametrize("given", ["", "good-token"])
def test_a_call_that_names_its_host_needs_no_other(
    given: str, hub: DagsHub, storage: TokenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add_token(GOOD)
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", given)
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", "ftp://x")
    assert storage.get_token_object(hub.url, fail_if_no_token=True) == GOOD


def test_how_long_an_answer_is_waited_for_is_read_at_each_call(
    hub: DagsHub, storage: TokenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = threading.Event()

    def user(heard: Heard) -> Says:
        late.wait(60)
        return Says(503)

    hub.wire.script(USER, [user])
    monkeypatch.setenv("DAGSHUB_HTTP_TIMEOUT", "0.1")
    with pytest.raises(UncheckedTokenError) as caught:
        storage.is_valid_token(GOOD)
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, Unreachable)
    assert caught.value.problem.error.fault.kind == "timeout"
    late.set()


@pytest.mark.parametrize(
    ("said", "waits"),
    [("", (10, 30)), ("60", (10, 60)), ("2.5", (2.5, 2.5)), (" 1e3 ", (10, 1000))],
)
def test_the_time_is_in_seconds_and_no_connection_takes_longer_than_ten(
    said: str, waits: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSHUB_HTTP_TIMEOUT", said)
    assert timeout() == waits


@pytest.mark.parametrize("said", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_that_is_none_is_named(
    said: str, storage: TokenStorage, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSHUB_HTTP_TIMEOUT", said)
    for call in (storage.get_token, storage.add_oauth_token, storage.get_authenticator):
        with pytest.raises(ValueError, match="^DAGSHUB_HTTP_TIMEOUT: a positive number"):
            call()
    assert opened == []


def test_dagshub_itself_is_the_default(
    storage: TokenStorage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", "")
    storage.add_token(GOOD, skip_validation=True)
    assert "https://dagshub.com:\n" in text_of(file)


def test_an_empty_host_is_none(storage: TokenStorage, hub: DagsHub, file: Path) -> None:
    storage.add_token(GOOD, "", skip_validation=True)
    assert f"{hub.url}:\n" in text_of(file)


def test_the_file_may_be_elsewhere_in_each_call(hub: DagsHub, file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    hub.good.add("second-token")
    auth.add_app_token("good-token")
    auth.add_app_token("second-token", cache_location=elsewhere)
    assert auth.get_token() == "good-token"
    assert auth.get_token(cache_location=str(elsewhere)) == "second-token"
    found = auth.get_authenticator(cache_location=elsewhere)
    assert found.token_text == "second-token"
    assert auth.get_token_object(cache_location=elsewhere) == AppDagshubToken("second-token")
    elsewhere.unlink()
    auth.add_oauth_token(cache_location=elsewhere)
    assert ISSUED in text_of(elsewhere)
    auth.clear_token_cache(force=True, cache_location=elsewhere)
    assert not elsewhere.exists()
    assert file.exists()


def test_a_file_that_cannot_be_used_costs_no_token(
    hub: DagsHub, storage: TokenStorage, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.mkdir(parents=True)
    with pytest.raises(NoTokenError, match="cannot read"):
        storage.get_token(fail_if_no_token=True)
    assert storage.get_token() == ISSUED
    assert "could not be saved" in caplog.text
    with pytest.raises(StoreError, match="cannot read"):
        storage.add_token(GOOD)


def test_a_refused_token_that_cannot_be_removed_is_not_used(
    storage: TokenStorage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add_token(FAKE, skip_validation=True)
    storage.add_token(GOOD, skip_validation=True)
    storage.add_token(OAuthDagshubToken("ended", LATER.replace(year=2026)), skip_validation=True)

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", read_only)
    clock = VirtualClock(wall=LATER.replace(year=2027))
    storage = TokenStorage(clock=clock)
    assert storage.get_token(fail_if_no_token=True) == "good-token"
    assert "fake-token" in text_of(file)


def test_a_token_source_may_keep_and_forget(
    hub: DagsHub, storage: TokenStorage, clock: VirtualClock, file: Path
) -> None:
    client = client_of(host_of())
    known = Known(lambda host, token: User("alice", Secret("{}")))
    store = HostTokens(TokensCache(file), client, host_of(), known, clock, asks=True)
    source = TokenSource(client, store=store, clock=clock, interactive=False)
    storage.add_token(OAuthDagshubToken("good-token", LATER), "https://x.example", True)
    keys = (source.key, source.app_key)
    assert [store.read(key) for key in keys] == [None, None]
    source.adopt("app-token")
    assert source.token().access_token == Secret("app-token")
    with store.claim(source.key) as entry:
        entry.save(Token(access_token="oauth-token"))
        assert entry.token == store.read(source.key)
    assert None not in [store.read(key) for key in keys]
    source.try_logout()
    assert [store.read(key) for key in keys] == [None, None]
    source.adopt("app-token")
    source.try_logout()
    assert "app-token" not in text_of(file)
    assert "good-token" in text_of(file)


def test_another_process_s_sign_in_is_seen(hub: DagsHub, storage: TokenStorage) -> None:
    with pytest.raises(NoTokenError):
        storage.get_token(fail_if_no_token=True)
    TokenStorage().add_token(GOOD)
    assert storage.get_token(fail_if_no_token=True) == "good-token"


def test_threads_share_one_sign_in(hub: DagsHub, opened: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(auth.get_token) for _ in range(8)]
        assert {each.result(60) for each in found} == {ISSUED}
    assert hub.sign_ins == len(opened) == 1


CHILD = """
import webbrowser
webbrowser.open = lambda url: True
from grantflow.compat.dagshub import get_token
print("ready", flush=True)
print(get_token())
"""


def test_processes_share_one_sign_in(hub: DagsHub) -> None:
    hub.agreed.clear()
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for each in children:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        assert hub.asked_to_wait.wait(60)
        hub.agreed.set()
        assert {each.communicate(timeout=60)[0].strip() for each in children} == {ISSUED}
    finally:
        for each in children:
            each.kill()
            each.communicate()
    assert hub.sign_ins == 1


def barred(hub: DagsHub) -> None:
    """Let the resource refuse a token that DagsHub knows: it lacks a permission, say."""

    def resource(heard: Heard) -> Says:
        return Says(200, b"cats") if bearer(heard) == ISSUED else REFUSED

    hub.wire.script(RESOURCE, [resource])


def test_threads_share_one_sign_in_after_a_token_was_not_enough(
    hub: DagsHub, storage: TokenStorage, opened: list[str]
) -> None:
    storage.add_token(GOOD)
    barred(hub)
    hub.agreed.clear()
    late = threading.Timer(0.3, hub.agreed.set)  # so that all of them are refused before
    late.start()
    with ThreadPoolExecutor(4) as pool:
        authenticators = [TokenStorage().get_authenticator() for _ in range(4)]
        found = [pool.submit(by_requests, each, hub.cats) for each in authenticators]
        assert {each.result(60) for each in found} == {200}
    late.join()
    assert hub.sign_ins == len(opened) == 1


REFUSED_CHILD = """
import sys, webbrowser
webbrowser.open = lambda url: True
import requests
from grantflow.compat.dagshub import get_authenticator
authenticator = get_authenticator()
print("ready", flush=True)
sys.stdin.readline()
print(requests.get(sys.argv[1], auth=authenticator, timeout=20).status_code)
"""


def test_processes_share_one_sign_in_after_a_token_was_not_enough(
    hub: DagsHub, storage: TokenStorage
) -> None:
    storage.add_token(GOOD)
    barred(hub)
    program = [sys.executable, "-c", REFUSED_CHILD, hub.cats]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    try:
        for each in children:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in children:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        assert {each.communicate(timeout=60)[0].strip() for each in children} == {"200"}
    finally:
        for each in children:
            each.kill()
            each.communicate()
    assert hub.sign_ins == 1


def test_who_may_not_ask_waits_for_nobody_who_does(hub: DagsHub, storage: TokenStorage) -> None:
    hub.agreed.clear()
    asking = threading.Event()

    def prompt(code: DeviceAuthorization) -> None:
        asking.set()

    signing_in = TokenStorage(prompt=prompt)
    with ThreadPoolExecutor(1) as pool, dagshub() as other:
        found = pool.submit(signing_in.get_token)
        assert asking.wait(60)
        with pytest.raises(NoTokenError):
            storage.get_token(fail_if_no_token=True)
        other_s = storage.get_token(other.url)  # a sign-in elsewhere is no hindrance
        storage.add_token(GOOD)  # nor is the file locked
        assert storage.get_token() == "good-token"
        assert not found.done()
        hub.agreed.set()
        assert (found.result(60), other_s) == (ISSUED, ISSUED)


def test_what_appears_while_somebody_else_signs_in_is_checked_and_used(
    hub: DagsHub, storage: TokenStorage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def waited(self: TokensCache, host: str, *, wait: bool) -> Iterator[bool]:
        self.add(host, FAKE)
        self.add(host, GOOD)
        yield True

    monkeypatch.setattr(TokensCache, "signing_in", waited)
    assert storage.get_token() == "good-token"
    assert "fake-token" not in text_of(file)
    assert hub.sign_ins == 0


def test_of_many_who_write_none_loses_what_another_wrote(storage: TokenStorage, file: Path) -> None:
    def add(number: int) -> None:
        TokenStorage().add_token(f"token-{number:02}", skip_validation=True)

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(add, number) for number in range(24)]:
            each.result(60)
    assert sorted(re.findall(r"token-\d\d", text_of(file))) == [f"token-{n:02}" for n in range(24)]


def test_a_request_that_is_prepared_again_is_watched_once(
    hub: DagsHub, storage: TokenStorage
) -> None:
    storage.add_token(GOOD)
    authenticator = storage.get_authenticator()
    request = requests.Request("GET", hub.cats).prepare()
    authenticator(request)
    watching = len(request.hooks["response"])
    authenticator(request)
    assert len(request.hooks["response"]) == watching


def test_a_token_goes_to_its_deployment_alone(hub: DagsHub, storage: TokenStorage) -> None:
    storage.add_token(GOOD)
    authenticator = storage.get_authenticator()
    with wire() as elsewhere:
        elsewhere.script("/", [Says(401)])
        for get in (by_requests, by_httpx, by_async_httpx):
            assert get(authenticator, f"{elsewhere.url}/") == 401
        hub.wire.script(RESOURCE, [Says(302, b"", {"Location": f"{elsewhere.url}/"})])
        assert by_requests(authenticator, hub.cats) == 401
        assert len(elsewhere.heard) == 4
        assert all("authorization" not in each.headers for each in elsewhere.heard)
    assert storage.get_token() == "good-token"


def test_an_authenticator_without_a_token_says_so_in_either_library(
    hub: DagsHub, clock: VirtualClock, file: Path
) -> None:
    storage = TokenStorage(clock=clock)
    storage.add_token(OAuthDagshubToken("good-token", LATER))
    authenticator = storage.get_authenticator(fail_if_no_token=True)
    clock.advance(timedelta(days=36525))
    for get in (by_requests, by_httpx, by_async_httpx):
        with pytest.raises(NoTokenError, match="No valid tokens found"):
            get(authenticator, hub.cats)
    assert "good-token" not in text_of(file)


def test_errors_survive_a_pickle(hub: DagsHub, storage: TokenStorage) -> None:
    """Task runners send exceptions from process to process."""
    with pytest.raises(NoTokenError) as none:
        storage.get_token(fail_if_no_token=True)
    hub.wire.script(USER, [Says(503)])
    with pytest.raises(UncheckedTokenError) as unchecked:
        storage.is_valid_token(GOOD)
    for error in (none.value, unchecked.value):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (str(again), again.problem) == (str(error), error.problem)


def test_the_link_is_alone_on_its_line_before_the_browser_opens(
    hub: DagsHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed: list[str] = []

    def browser(url: str) -> bool:
        printed.append(capsys.readouterr().err)
        assert url in printed[0].splitlines()
        raise webbrowser.Error("no browser here")

    monkeypatch.setattr(webbrowser, "open", browser)
    auth.add_oauth_token()
    assert len(printed) == 1
    assert capsys.readouterr().out == ""


def test_who_is_signed_in_is_said_once(
    hub: DagsHub,
    storage: TokenStorage,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.wire.script(USER, [Says(200, {"login": "a", "username": "ali\x1bce"})])
    storage.is_valid_token(GOOD)
    storage.is_valid_token("another-token")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Accessing as ali\\u001bce\n")
    monkeypatch.setattr(screen, "greeted", set())
    monkeypatch.setenv("DAGSHUB_QUIET", "1")
    storage.is_valid_token(GOOD)
    assert capsys.readouterr().err == ""


def test_nothing_shows_a_secret(
    hub: DagsHub,
    storage: TokenStorage,
    file: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[object] = []

    def fails(action: Callable[[], object]) -> None:
        with pytest.raises((RuntimeError, InvalidTokenError, OSError)) as caught:
            action()
        shown.extend((caught.value, repr(caught.value)))

    storage.add_token("secret-fake", skip_validation=True)
    storage.get_token()  # by a sign-in
    fails(lambda: storage.add_token("secret-other"))
    hub.wire.script(USER, [Says(500, b"secret-echo")])
    fails(lambda: storage.add_token("secret-other"))
    hub.wire.script(EXCHANGE, [Says(400, {"error": "the-code is over"})])
    fails(storage.add_oauth_token)
    authenticator = storage.get_authenticator()
    by_requests(authenticator, hub.cats)
    file.write_text("secret-damage: [")
    storage.add_token("secret-third", skip_validation=True)
    file.write_text(f"{hub.url}: [{{access_token: secret-x, token_type: secret-kind}}]")
    fails(lambda: storage.get_token(fail_if_no_token=True))
    shown += [storage, authenticator, GOOD, EXPIRED, EnvVarDagshubToken("secret-env")]
    text = caplog.text + "".join(capfd.readouterr()) + "".join(map(repr, shown))
    for secret in ("secret-", ISSUED, "the-code", "good-token", "old-token"):
        assert secret not in text.replace("The token is not", "")


def test_no_frame_of_ours_shows_a_secret(
    hub: DagsHub, storage: TokenStorage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reporter of errors sends all local variables away, not only the messages."""
    fails = Failing(monkeypatch)

    def damaged() -> None:
        file.write_text("[secret-damage")
        storage.add_token("secret-new", skip_validation=True)

    fails(lambda: auth.add_app_token("secret-bad"))
    fails(lambda: storage.add_token("secret-\n-lines"))
    fails(lambda: storage.add_token("secret-bad", "ftp://x"))
    fails(lambda: storage.is_valid_token("secret-bad", "ftp://x"))
    for at, name in ((HTTPAdapter, "send"), (PrivateFile, "read"), (os, "fsync")):
        fails(lambda: auth.add_app_token("good-token"), at, name)
        fails(lambda: storage.add_token(Secret("good-token")), at, name)
    fails(lambda: auth.add_oauth_token(), webbrowser, "open")
    fails(lambda: auth.add_oauth_token(), HTTPAdapter, "send")
    fails(lambda: auth.add_oauth_token(), os, "fsync", disk_full)

    storage.add_token("secret-first", skip_validation=True)
    hub.good.add("secret-first")
    fails(lambda: storage.add_token("good-token"), os, "fsync", disk_full)
    fails(storage.remove_expired_tokens, VirtualClock, "now")
    fails(lambda: storage.invalidate_token(AppDagshubToken("secret-first")), os, "fsync", disk_full)
    fails(TokenStorage().get_token, HTTPAdapter, "send")
    authenticator = storage.get_authenticator(fail_if_no_token=True)
    fails(lambda: by_requests(authenticator, hub.cats), HTTPAdapter, "send")
    fails(lambda: by_httpx(authenticator, hub.cats), httpx.HTTPTransport, "handle_request")
    over = httpx.AsyncHTTPTransport
    fails(lambda: by_async_httpx(authenticator, hub.cats), over, "handle_async_request")
    hub.good.clear()
    for get in (by_requests, by_httpx, by_async_httpx):
        fails(lambda get=get: get(authenticator, hub.cats), TokensCache, "tokens")
    fails(lambda: storage.get_token(fail_if_no_token=True))
    fails(damaged, Path, "rename", disk_full)
    file.write_text(f"{hub.url}: {{secret-no: list}}")
    fails(lambda: storage.add_token("secret-new", skip_validation=True))
    file.write_text("{version: 2, secret-later: secret-x}")
    fails(lambda: storage.add_token("secret-new", skip_validation=True))
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", "secret-env")
    for call in (storage.get_token, storage.get_authenticator):
        fails(call)
        fails(call, HTTPAdapter, "send")
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", "ftp://x")
    fails(storage.get_token)
    words = ("secret-", "good-token", ISSUED, "the-code")
    assert {place for error in fails.errors for place in shown(error, *words)} == set()


def answered(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("" if text is None else f"{text}\n"))


@pytest.mark.parametrize("said", ["", "n", "no", "x", None])
def test_the_cache_is_not_cleared_unless_that_is_wanted(
    said: str | None,
    storage: TokenStorage,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    storage.add_token(GOOD)
    answered(said, monkeypatch)
    auth.clear_token_cache()
    assert "good-token" in text_of(file)
    out = capsys.readouterr().out
    assert "[y/(N)]" in out
    assert "Nothing was removed" in out


@pytest.mark.parametrize("force", [False, True])
def test_the_cache_is_cleared_of_all_tokens(
    force: bool, storage: TokenStorage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add_token(GOOD)
    file.write_text("[damaged")
    storage.add_token(FAKE, "https://x.example", skip_validation=True)
    assert len([each for each in file.parent.iterdir() if "damaged" in each.name]) == 1
    answered("Y", monkeypatch)
    auth.clear_token_cache(force)
    assert list(file.parent.iterdir()) == []
    with pytest.raises(RuntimeError):
        storage.get_token(fail_if_no_token=True)


def test_a_cache_that_is_not_there_is_no_error(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auth.clear_token_cache(force=True)
    assert "There is no token cache" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["yaml", "httpx", "anyio"])
def test_what_is_missing_is_named_with_what_installs_it(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import grantflow.compat.dagshub"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    last = ended.stderr.strip().splitlines()[-1]
    told = f"grantflow.compat.dagshub needs {missing}: pip install 'grantflow[dagshub]'"
    assert last == f"ImportError: {told}"
