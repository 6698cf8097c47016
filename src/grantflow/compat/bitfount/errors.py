"""What goes wrong with a session: the original's errors, and those that callers can tell apart."""

from __future__ import annotations

from collections.abc import Callable

from grantflow import GrantError, Problem


class BitfountError(Exception):
    """The base of Bitfount's own errors."""


class AuthEnvironmentError(BitfountError):
    """The environment holds something that cannot be used to sign in."""


class AuthenticatedUserError(BitfountError, AssertionError):
    """Somebody else signed in than the session is for, or nobody did."""


class AuthenticationFailedError(BitfountError, ConnectionError):
    """No token; ``problem`` holds the value that says why: a denial, an expiry, trouble."""

    def __init__(self, cause: GrantError) -> None:
        super().__init__(str(cause))
        self.problem: Problem = cause.problem

    def __reduce__(self) -> tuple[Callable[[Problem], AuthenticationFailedError], tuple[Problem]]:
        return _again, (self.problem,)


def _again(problem: Problem) -> AuthenticationFailedError:
    return AuthenticationFailedError(GrantError(problem))
