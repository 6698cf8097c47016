"""flytekit's own words: its constants, the kinds of grant and its exceptions."""

from __future__ import annotations

import enum
from typing import Final

import requests

from grantflow import (
    Expired,
    Failed,
    Fault,
    InvalidResponse,
    Refused,
    SlowDownAsked,
    StillPending,
    Unreachable,
)
from grantflow.core.messages import sentence

utf_8: str = "utf-8"
error_slow_down: str = "slow_down"
error_auth_pending: str = "authorization_pending"


class GrantType(str, enum.Enum):  # noqa: UP042 - its str() is another
    """What a token is asked for with."""

    CLIENT_CREDS = "client_credentials"
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
    REFRESH_TOKEN = "refresh_token"


class AccessTokenNotFoundError(RuntimeError):
    """There is no access token. Nothing here raises it; it is there to be caught."""


class AuthenticationError(RuntimeError):
    """No token. ``problem`` is the value that says why, ``None`` where no server was asked."""

    def __init__(self, message: str = "", problem: Expired | Failed | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class AuthenticationPending(RuntimeError):  # noqa: N818 - its name is given
    """A person has not decided. Ask again, less often where ``event`` is a ``SlowDownAsked``."""

    def __init__(
        self, message: str = "", event: StillPending | SlowDownAsked | None = None
    ) -> None:
        super().__init__(message)
        self.event = event


_NETWORK: Final[dict[str, type[requests.RequestException]]] = {
    "timeout": requests.Timeout,
    "refused": requests.ConnectionError,
    "name": requests.ConnectionError,
    "tls": requests.exceptions.SSLError,
    "other": requests.ConnectionError,
}


def error_of(
    problem: Expired | Failed, what: str | None = None
) -> AuthenticationError | requests.RequestException:
    """Return the exception that says ``problem``, after the words of ``what``."""
    said = sentence(problem)
    match problem:
        case Failed(Unreachable(Fault(kind))) if kind in _NETWORK:
            return _NETWORK[kind](said)
        case Failed(Refused(status=int(code)) | InvalidResponse(status=int(code))) if what is None:
            what = f"Status Code ({code}) received from IDP:"
        case _:
            pass
    return AuthenticationError(said if what is None else f"{what} {said}", problem)
