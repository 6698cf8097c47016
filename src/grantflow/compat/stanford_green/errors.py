"""Why there is no token, in exceptions that callers of the original catch already."""

from __future__ import annotations

import requests

from grantflow import Expired, Failed, InvalidResponse
from grantflow.core.messages import sentence


class TokenRequestError(requests.HTTPError):
    """No token after the last attempt, or a refusal that no attempt would change.

    ``problem`` is the value that says why.
    """

    def __init__(self, message: str = "", problem: Expired | Failed | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class UnusableAnswerError(RuntimeError, ValueError, KeyError):
    """A 200 without a token or its end.

    The original raised one of the three, by what was missing; whoever caught it still does.
    """

    def __str__(self) -> str:
        return Exception.__str__(self)  # a KeyError puts quotes around its message


def error_of(problem: Expired | Failed) -> TokenRequestError | UnusableAnswerError:
    """Return the exception that says ``problem``."""
    said = sentence(problem)
    match problem:
        case Failed(InvalidResponse(status=int(status))) if 200 <= status < 300:
            return UnusableAnswerError(said)
        case _:
            message = f"token request failed; last error message: {said}"
            return TokenRequestError(message, problem)
