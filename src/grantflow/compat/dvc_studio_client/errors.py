"""What a sign-in at Studio raises: requests' own errors, and those that callers can tell apart.

The cause of each is a ``GrantError``, whose ``problem`` is the value behind it.
"""

from __future__ import annotations

import io

import requests
from requests.exceptions import ConnectTimeout, InvalidJSONError, ReadTimeout, SSLError

from grantflow import Denied, Expired, Failed, Fault, GrantError, InvalidResponse, Problem, Response


class StudioAuthError(Exception):
    """The sign-in came to nothing."""


class InvalidScopesError(StudioAuthError, ValueError):
    """A scope is none of ``AVAILABLE_SCOPES``."""


class AuthorizationExpiredError(StudioAuthError):
    """The device code ran out before anybody approved it."""


class AuthorizationDeniedError(StudioAuthError, requests.HTTPError):
    """The person said no."""


class UnusableAnswerError(StudioAuthError, InvalidJSONError):
    """Studio agreed, in words that cannot be read."""


def error_of(problem: Problem, reply: Response | Fault | None) -> Exception:
    """Return what a problem is to callers of the original; ``reply`` was the last one."""
    cause = GrantError(problem)
    error = _error(problem, reply, str(cause))
    error.__cause__ = cause
    return error


def _error(problem: Problem, reply: Response | Fault | None, words: str) -> Exception:
    match problem, reply:
        case Expired(), _:
            return AuthorizationExpiredError(
                "failed to authenticate: This 'device_code' has expired."
            )
        case Failed(Denied()), Response():
            return AuthorizationDeniedError(words, response=_as_requests(reply))
        case Failed(InvalidResponse(status=200)), _:
            return UnusableAnswerError(words)
        case _, Response():
            return requests.HTTPError(words, response=_as_requests(reply))
        case _, Fault(kind="timeout", reached="no"):
            return ConnectTimeout(words)
        case _, Fault(kind="timeout"):
            return ReadTimeout(words)
        case _, Fault(kind="tls"):
            return SSLError(words)
        case _:
            return requests.ConnectionError(words)


def _as_requests(reply: Response) -> requests.Response:
    made = requests.Response()
    made.status_code = reply.status
    made.headers.update(reply.headers)
    made.raw = io.BytesIO(reply.body)
    return made
