"""The exceptions: those of the original, and more specific ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import httpx

from grantflow import Failed, InteractionRequired, Problem, Unreachable
from grantflow.compat.errors import message_of


class InvalidTokenError(Exception):
    """DagsHub said that it does not take the token."""

    def __init__(self, message: str = "The token is not a valid DagsHub token") -> None:
        super().__init__(message)


class OauthNonInteractiveShellException(Exception):  # noqa: N818 - the original's name
    """Never raised, there or here; importable because it was."""


class NoTokenError(RuntimeError):
    """No token; ``problem`` holds the value that says why."""

    def __init__(self, message: str, problem: Problem) -> None:
        super().__init__(message)
        self.problem: Problem = problem

    def __reduce__(self) -> tuple[type[NoTokenError], tuple[str, Problem]]:
        return type(self), (str(self), self.problem)


class NoAnswerError(NoTokenError, httpx.TransportError):
    """No token, for no answer came; a ``TransportError`` of ``httpx`` as well."""

    def __init__(self, message: str, problem: Problem) -> None:
        NoTokenError.__init__(self, message, problem)
        httpx.TransportError.__init__(self, message)


class UncheckedTokenError(InvalidTokenError, RuntimeError):
    """Whether a token is valid is not known; ``problem`` says why. Nothing was changed.

    An ``InvalidTokenError``, for that is what the original raises.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"The token could not be checked: {message_of(problem)}")
        self.problem: Problem = problem

    def __reduce__(self) -> tuple[Callable[[Problem], UncheckedTokenError], tuple[Problem]]:
        return unchecked, (self.problem,)


class NoAnswerUncheckedError(UncheckedTokenError, httpx.TransportError):
    """Whether a token is valid is not known, for no answer came."""

    def __init__(self, problem: Problem) -> None:
        UncheckedTokenError.__init__(self, problem)
        httpx.TransportError.__init__(self, str(self))


def unchecked(problem: Problem) -> UncheckedTokenError:
    """Return the error for a token that could not be checked."""
    return NoAnswerUncheckedError(problem) if _silent(problem) else UncheckedTokenError(problem)


def no_token(host: str, problem: Problem, notes: Iterable[str] = ()) -> NoTokenError:
    """Return the error for a problem at ``host``; ``notes`` say what else went wrong."""
    if isinstance(problem, InteractionRequired):
        because = () if problem.because is None else (problem.because,)
        why = "".join(f"\n({each})" for each in dict.fromkeys((*notes, *because)))
        return NoTokenError(
            f"No valid tokens found for host '{host}'.\n"
            "Sign in with add_oauth_token(), store a token with add_app_token(), "
            f"or set DAGSHUB_USER_TOKEN{why}",
            problem,
        )
    kind = NoAnswerError if _silent(problem) else NoTokenError
    return kind(f"Signing in at '{host}' failed: {message_of(problem)}", problem)


def _silent(problem: Problem) -> bool:
    match problem:
        case Failed(Unreachable(fault)):
            return fault.kind != "http"
        case _:
            return False
