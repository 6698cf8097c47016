"""flytekit's own words: its constants, the kinds of grant and its exceptions."""

from __future__ import annotations

import enum

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
from grantflow.compat.errors import UnreadableAnswer, message_of, network_error

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


class UnusableAnswerError(AuthenticationError, UnreadableAnswer):
    """An answer that is not an OAuth answer: a page, or JSON without what it should hold."""

    def __init__(self, message: str = "", problem: Expired | Failed | None = None) -> None:
        UnreadableAnswer.__init__(self, message)
        self.problem = problem

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.problem)


def error_of(
    problem: Expired | Failed, what: str | None = None
) -> AuthenticationError | requests.RequestException:
    """Return the exception that says ``problem``, after the words of ``what``."""
    said = message_of(problem)
    match problem:
        case Failed(Unreachable(Fault(kind) as fault)) if kind != "http":
            return network_error(fault, said)
        case Failed(Refused(status=int(code)) | InvalidResponse(status=int(code))) if what is None:
            what = f"Status Code ({code}) received from IDP:"
        case _:
            pass
    message = said if what is None else f"{what} {said}"
    match problem:
        case Failed(InvalidResponse() | Unreachable()):
            return UnusableAnswerError(message, problem)
        case _:
            return AuthenticationError(message, problem)
