"""The exceptions of a session: those of the original, and more specific ones."""

from __future__ import annotations

import requests

from grantflow import (
    Failed,
    Fault,
    GrantError,
    InvalidResponse,
    Problem,
    Refused,
    Response,
    Unreachable,
)
from grantflow.compat.errors import UnreadableAnswer, response_of


class BitfountError(Exception):
    """The base of Bitfount's own errors."""


class AuthEnvironmentError(BitfountError):
    """The environment holds something that cannot be used to sign in."""


class AuthenticatedUserError(BitfountError, AssertionError):
    """The signed-in user is not the session's, or there is none."""


class AuthenticationFailedError(BitfountError, requests.ConnectionError, ConnectionError):
    """No token; ``problem`` is the value that says why: a denial, an expiry, trouble.

    It is a ``RequestException`` too: a session raises it from ``get`` and the like.
    """

    def __init__(self, cause: GrantError) -> None:
        super().__init__(str(cause))
        self.problem: Problem = cause.problem

    def __reduce__(self) -> tuple[object, ...]:
        return failure, (self.problem,)


class AuthenticationRefusedError(AuthenticationFailedError, requests.HTTPError):
    """The authorization server answered with an error; ``response`` has its status alone."""

    def __init__(self, cause: GrantError, status: int) -> None:
        super().__init__(cause)
        self.response: requests.Response | None = response_of(Response(status, {}, b""))


class UnusableAnswerError(AuthenticationFailedError, UnreadableAnswer):
    """The authorization server answered with success, but its answer cannot be used."""

    def __init__(self, cause: GrantError) -> None:
        UnreadableAnswer.__init__(self, str(cause))
        self.problem: Problem = cause.problem

    def __reduce__(self) -> tuple[object, ...]:
        return failure, (self.problem,)


def failure(problem: Problem) -> AuthenticationFailedError:
    """Return the exception that says ``problem``."""
    cause = GrantError(problem)
    match problem:
        case Failed(InvalidResponse(status=int(status))) if 200 <= status < 300:
            return UnusableAnswerError(cause)
        case Failed(Refused(status=int(status)) | InvalidResponse(status=int(status))):
            return AuthenticationRefusedError(cause, status)
        case Failed(Unreachable(Fault(kind="http") as fault)):
            return AuthenticationRefusedError(cause, _status(fault))
        case _:
            return AuthenticationFailedError(cause)


def _status(fault: Fault) -> int:
    number = fault.detail.removeprefix("HTTP ")[:3]
    return int(number) if number.isdecimal() else 503
