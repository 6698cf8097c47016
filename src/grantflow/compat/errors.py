"""What several of these modules raise, so that callers of the originals catch it as they did.

The policy of all five modules:

1. An exception is an instance of every class that the original raises for the same cause: an
   ``except`` written for the original still catches it. Classes that only a mistake raises there
   (``AttributeError``, ``TypeError``) are left out.
2. Its ``problem``, or that of its cause, is the value to decide on.
3. An argument that cannot be used is a ``ValueError`` before anything is sent; a URL that cannot be
   used is also the exception of ``requests`` for such a URL.
"""

from __future__ import annotations

import io

import requests
from requests.exceptions import (
    ConnectTimeout,
    InvalidURL,
    JSONDecodeError,
    MissingSchema,
    ReadTimeout,
    SSLError,
)

from grantflow import Fault, GrantError, Problem, Response


class UnreadableAnswer(JSONDecodeError, KeyError):  # noqa: N818 - a base, not raised itself
    """An answer without what it should hold, which the originals found by reading JSON and keys."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message, "", 0)
        self.message = message

    def __str__(self) -> str:
        return self.message  # without a position in a document that is not kept

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message,)


def message_of(problem: Problem) -> str:
    """Return one line that says what went wrong."""
    return str(GrantError(problem))


def network_error(fault: Fault, message: str) -> requests.RequestException:
    """Return the exception of ``requests`` for a request without an answer."""
    match fault:
        case Fault(kind="timeout", reached="no"):
            return ConnectTimeout(message)
        case Fault(kind="timeout"):
            return ReadTimeout(message)
        case Fault(kind="tls"):
            return SSLError(message)
        case _:
            return requests.ConnectionError(message)


def url_error(argument: str, url: str, problem: str) -> InvalidURL | MissingSchema:
    """Return the exception of ``requests``, also a ``ValueError``, for a URL that is unusable."""
    message = f"{argument}: {problem}"
    return InvalidURL(message) if "://" in url else MissingSchema(message)


def response_of(reply: Response) -> requests.Response:
    """Return an answer as ``requests`` has it, for the ``response`` of an ``HTTPError``."""
    made = requests.Response()
    made.status_code = reply.status
    made.headers.update(reply.headers)
    made.raw = io.BytesIO(reply.body)
    return made
