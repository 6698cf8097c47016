"""Why a sign-in failed, as values. Remote misbehaviour is a value; only local mistakes raise."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias, final

from attrs import field, frozen

from grantflow.core.values.response import Fault


@final
@frozen
class Denied:
    """The person, or a rule made for them, said no (``access_denied``, RFC 8628 section 3.5)."""

    description: str | None = None


@final
@frozen
class Refused:
    """The server refused with an error code (RFC 6749 section 5.2).

    ``code`` is in the RFC's spelling, ``raw`` as it was sent, ``status`` the HTTP status. ``ahead``
    is by how much the server's clock is ahead of this machine's, if something signed was refused
    and the answer's ``Date`` shows that one of them is off.
    """

    code: str
    description: str | None = None
    uri: str | None = None
    status: int | None = None
    raw: str | None = None
    ahead: timedelta | None = field(default=None, kw_only=True)


@final
@frozen
class InvalidResponse:
    """The server answered something that is no OAuth answer.

    ``problem`` says what was wrong and where. It never holds the body, which may hold secrets.
    """

    problem: str
    status: int | None = None


@final
@frozen
class Unreachable:
    """No usable answer came: the last ``fault``, after ``tries`` requests."""

    fault: Fault
    tries: int


@final
@frozen
class Cancelled:
    """The caller gave up."""


Error: TypeAlias = Denied | Refused | InvalidResponse | Unreachable | Cancelled


@final
@frozen
class InteractionRequired:
    """Only a person could help, and nobody may be asked (``interactive=False``).

    ``because`` says what became of the credentials that were there, if any were.
    """

    because: str | None = None
