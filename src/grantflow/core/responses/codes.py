"""What an error code means, by the endpoint that sent it.

The one list of registered codes: RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5, RFC 8707
section 2, RFC 9449 section 5. Any other word is kept as it was sent, and is a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

Phase: TypeAlias = Literal["device", "poll", "token"]
"""What was requested: a code, the answer to a poll, or a token outright."""

Meaning: TypeAlias = Literal["refused", "denied", "pending", "slow_down", "expired", "trouble"]


class Row(NamedTuple):
    """The meaning of one code at the device authorization endpoint, for a poll, for a token."""

    device: Meaning
    poll: Meaning
    token: Meaning


_REFUSED: Final = Row("refused", "refused", "refused")

CODES: Final[Mapping[str, Row]] = {
    #                               device     poll         token
    "authorization_pending": Row("refused", "pending", "refused"),
    "slow_down": Row("trouble", "slow_down", "slow_down"),
    "expired_token": Row("refused", "expired", "refused"),
    "access_denied": Row("refused", "denied", "refused"),
    "server_error": Row("trouble", "trouble", "trouble"),
    "temporarily_unavailable": Row("trouble", "trouble", "slow_down"),
    "invalid_client": _REFUSED,
    "invalid_dpop_proof": _REFUSED,
    "invalid_grant": _REFUSED,
    "invalid_request": _REFUSED,
    "invalid_scope": _REFUSED,
    "invalid_target": _REFUSED,
    "unauthorized_client": _REFUSED,
    "unsupported_grant_type": _REFUSED,
    "use_dpop_nonce": _REFUSED,
}


def meaning(code: str, endpoint: Phase) -> Meaning:
    """Return what a code means at an endpoint.

    >>> meaning("slow_down", "device"), meaning("slow_down", "poll"), meaning("E42", "poll")
    ('trouble', 'slow_down', 'refused')
    """
    row = CODES.get(code, _REFUSED)
    match endpoint:
        case "device":
            return row.device
        case "poll":
            return row.poll
        case "token":
            return row.token
