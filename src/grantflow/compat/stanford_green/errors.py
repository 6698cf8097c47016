"""Why there is no token, in exceptions that callers of the original catch already."""

from __future__ import annotations

import requests

from grantflow import Expired, Failed, InvalidResponse, Refused
from grantflow.compat.errors import UnreadableAnswer, message_of


class TokenRequestError(requests.HTTPError):
    """No token after the last attempt, or a refusal that no attempt would change.

    ``problem`` is the value that says why.
    """

    def __init__(self, message: str = "", problem: Expired | Failed | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class UnusableAnswerError(RuntimeError, UnreadableAnswer):
    """A success without a token or its end; the original raised one of its bases.

    ``problem`` is the value that says why, ``None`` if a token came without a usable end.
    """

    def __init__(self, message: str = "", problem: Expired | Failed | None = None) -> None:
        UnreadableAnswer.__init__(self, message)
        self.problem = problem

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.problem)


def error_of(problem: Expired | Failed) -> TokenRequestError | UnusableAnswerError:
    """Return the exception that says ``problem``."""
    said = message_of(problem)
    match problem:
        case Failed(InvalidResponse(status=int(status)) | Refused(status=int(status))) if (
            200 <= status < 300
        ):
            return UnusableAnswerError(said, problem)
        case _:
            message = f"token request failed; last error message: {said}"
            return TokenRequestError(message, problem)
