"""What goes wrong: the original's errors, and those that callers can tell apart."""

from __future__ import annotations

from collections.abc import Iterable

from grantflow import InteractionRequired, Problem
from grantflow.core.messages import sentence


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


class UncheckedTokenError(RuntimeError):
    """Whether a token is valid is not known; ``problem`` says why. Nothing was changed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"The token could not be checked: {sentence(problem)}")
        self.problem: Problem = problem

    def __reduce__(self) -> tuple[type[UncheckedTokenError], tuple[Problem]]:
        return type(self), (self.problem,)


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
    return NoTokenError(f"Signing in at '{host}' failed: {sentence(problem)}", problem)
