"""What callers pass, and what the environment says, brought into one form."""

from __future__ import annotations

import os

from grantflow import Secret
from grantflow.compat.errors import url_error
from grantflow.flows import endpoint_problem


def wrapped(value: str | Secret) -> Secret:
    """Return a secret that came as text as a ``Secret``, for frames that a report may show."""
    return value if isinstance(value, Secret) else Secret(value)


def maybe_wrapped(value: str | Secret | None) -> Secret | None:
    """Return a secret that may be missing; an empty text is missing."""
    return wrapped(value) if value else None


def checked_url(argument: str, url: str) -> str:
    """Return a URL that a secret may be sent to; raises ``url_error``."""
    if (problem := endpoint_problem(url)) is not None:
        raise url_error(argument, url, problem)
    return url


def variable(name: str) -> str:
    """Return a variable of the environment, empty if it is not set."""
    return os.environ.get(name, "").strip()
