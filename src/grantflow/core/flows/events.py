"""What happened, in the past tense. Every event knows when: ``at``, on the monotonic clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias, final

from attrs import frozen

from grantflow.core.values.errors import Denied, InvalidResponse, Refused
from grantflow.core.values.json import Members
from grantflow.core.values.response import Fault
from grantflow.core.values.time import Instant
from grantflow.core.values.token import DeviceAuthorization, Token


@final
@frozen
class CodeIssued:
    """The device authorization endpoint gave a code (RFC 8628 section 3.2)."""

    at: Instant
    authorization: DeviceAuthorization


@final
@frozen
class GrantIssued:
    """The first of two steps is done: this may be exchanged for a token (RFC 6749 section 1.3)."""

    at: Instant
    grant: Members
    nonce: str | None = None


@final
@frozen
class TokenIssued:
    """The token endpoint gave a token (RFC 6749 section 5.1)."""

    at: Instant
    token: Token


@final
@frozen
class StillPending:
    """``authorization_pending``: the person has not decided yet (RFC 8628 section 3.5).

    ``retry_after`` is the wait that a ``Retry-After`` header asked for.
    """

    at: Instant
    retry_after: timedelta | None = None
    nonce: str | None = None


@final
@frozen
class SlowDownAsked:
    """``slow_down``, or a 429 or 503 without a code: ask less often from now on.

    ``interval`` is the new interval if the server named one; ``retry_after`` as above; ``roll`` is
    the jitter of the moment, for the flows that back off.
    """

    at: Instant
    interval: timedelta | None = None
    retry_after: timedelta | None = None
    roll: float = 0.0
    nonce: str | None = None


@final
@frozen
class NonceAsked:
    """``use_dpop_nonce``: refused, and not acted on, for want of this nonce (RFC 9449 section 8).

    The events that go on may bring a ``nonce`` as well: the next proof holds the newest.
    """

    at: Instant
    nonce: str
    roll: float = 0.0


@final
@frozen
class CodeExpired:
    """``expired_token``: the device code is dead (RFC 8628 section 3.5)."""

    at: Instant


@final
@frozen
class Rejected:
    """A final no, or an answer after which asking again would be wrong."""

    at: Instant
    error: Denied | Refused | InvalidResponse


@final
@frozen
class Unanswered:
    """No usable answer: trouble on the network, or an answer that says nothing.

    ``retry_after`` is the wait that a ``Retry-After`` header asked for, ``roll`` the jitter.
    """

    at: Instant
    fault: Fault
    retry_after: timedelta | None = None
    roll: float = 0.0
    nonce: str | None = None


@final
@frozen
class GaveUp:
    """The caller does not want to wait any longer."""

    at: Instant


StartReply: TypeAlias = CodeIssued | Rejected | Unanswered
"""What the device authorization endpoint may have said."""

TokenReply: TypeAlias = (
    TokenIssued | StillPending | SlowDownAsked | NonceAsked | CodeExpired | Rejected | Unanswered
)
"""What the token endpoint may have said."""

FirstReply: TypeAlias = GrantIssued | TokenReply
"""What may have been said to the first of two steps."""

Event: TypeAlias = StartReply | FirstReply | GaveUp
