"""The exceptions of a sign-in at Studio: those of requests, and more specific ones.

The cause of each is a ``GrantError`` with a ``problem``, the value to decide on.
"""

from __future__ import annotations

import requests

from grantflow import Denied, Expired, Failed, Fault, GrantError, InvalidResponse, Problem, Response
from grantflow.compat.errors import UnreadableAnswer, network_error, response_of


class StudioAuthError(Exception):
    """The sign-in failed."""


class InvalidScopesError(StudioAuthError, ValueError):
    """A scope is not one of ``AVAILABLE_SCOPES``."""


class AuthorizationExpiredError(StudioAuthError):
    """The device code expired before it was approved."""


class AuthorizationDeniedError(StudioAuthError, requests.HTTPError):
    """The person denied the request."""


class UnusableAnswerError(StudioAuthError, UnreadableAnswer):
    """Studio answered with success, but its answer cannot be used."""


def error_of(problem: Problem, reply: Response | Fault | None) -> Exception:
    """Return what a problem is to callers of the original; ``reply`` was the last one."""
    cause = GrantError(problem)
    error = _error(problem, reply, str(cause))
    error.__cause__ = cause
    return error


def _error(problem: Problem, reply: Response | Fault | None, message: str) -> Exception:
    match problem, reply:
        case Expired(), _:
            return AuthorizationExpiredError(
                "failed to authenticate: This 'device_code' has expired."
            )
        case Failed(Denied()), Response():
            return AuthorizationDeniedError(message, response=response_of(reply))
        case Failed(InvalidResponse(status=200)), _:
            return UnusableAnswerError(message)
        case _, Response():
            return requests.HTTPError(message, response=response_of(reply))
        case _, Fault():
            return network_error(reply, message)
        case _:
            return requests.ConnectionError(message)
