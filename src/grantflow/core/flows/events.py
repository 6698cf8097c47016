"""What happened, in the past tense. Every event knows when: ``at``, on the monotonic clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias, final

from attrs import frozen

from grantflow.core.values.errors import Denied, InvalidResponse, Refused
from grantflow.core.values.response import Fault
from grantflow.core.values.time import Instant
from grantflow.core.values.token import DeviceAuthorization, Token


@final
@frozen
class CodeIssued:
    """The device authorization endpoint issued a code (RFC 8628 section 3.2)."""

    at: Instant
    authorization: DeviceAuthorization


@final
@frozen
class TokenIssued:
    """The token endpoint issued a token (RFC 6749 section 5.1).

    ``dropped`` names optional members of the answer that could not be used.
    """

    at: Instant
    token: Token
    dropped: tuple[str, ...] = ()


@final
@frozen
class StillPending:
    """``authorization_pending``: the person has not decided yet (RFC 8628 section 3.5).

    ``retry_after`` is the wait that a ``Retry-After`` header asked for.
    """

    at: Instant
    retry_after: timedelta | None = None


@final
@frozen
class SlowDownAsked:
    """``slow_down``, or a 429 or 503 without a code: send fewer requests from now on.

    ``interval`` is the new interval if the server named one; ``retry_after`` as above; ``roll`` is
    the jitter of the moment.
    """

    at: Instant
    interval: timedelta | None = None
    retry_after: timedelta | None = None
    roll: float = 0.0


@final
@frozen
class CodeExpired:
    """``expired_token``: the device code has expired (RFC 8628 section 3.5)."""

    at: Instant


@final
@frozen
class Rejected:
    """A final refusal, or an answer after which another request would be wrong."""

    at: Instant
    error: Denied | Refused | InvalidResponse


@final
@frozen
class Unanswered:
    """No usable answer: trouble on the network, or an answer without meaning.

    ``roll`` is the jitter of the moment. ``passing`` says that the trouble may pass by itself (no
    answer, 408, 425, 429, 5xx, and 403 for a poll); an unreadable answer may not.
    """

    at: Instant
    fault: Fault
    roll: float = 0.0
    passing: bool = True


@final
@frozen
class GaveUp:
    """The caller does not want to wait any longer."""

    at: Instant


DeviceReply: TypeAlias = CodeIssued | Rejected | Unanswered
"""What the device authorization endpoint may have answered."""

TokenReply: TypeAlias = (
    TokenIssued | StillPending | SlowDownAsked | CodeExpired | Rejected | Unanswered
)
"""What the token endpoint may have answered."""

Event: TypeAlias = DeviceReply | TokenReply | GaveUp
"""Everything that may happen in a flow."""


@frozen
class WrapperEvent:
    """An event of a flow around another flow; only the flow whose ``Send`` read it takes it."""


Received: TypeAlias = Event | WrapperEvent
"""What a ``Send`` may read from a reply."""
