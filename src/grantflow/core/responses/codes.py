"""What an error code means, by the endpoint that sent it.

The one list of registered codes: RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5, RFC 8707
section 2, RFC 9449 section 5. Any other word is kept as it was sent, and is a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias, assert_never

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


def counts(code: str, endpoint: Phase, status: int) -> bool:
    """Tell whether a code is one, or the word of a rate limiter or a web framework.

    Those put a reason phrase there ("Too Many Requests"). A word that neither an RFC nor the
    provider's data knows does not make an answer of what may pass by itself.

    >>> counts("invalid_grant", "token", 503), counts("too many requests", "token", 429)
    (True, False)
    """
    return code in CODES or not may_pass(endpoint, status)


def may_pass(endpoint: Phase, status: int) -> bool:
    """Tell whether the trouble that a status stands for may pass by itself.

    A firewall's 403 may pass as well while a person is waited for.
    """
    return status in (408, 425, 429) or status >= 500 or (status == 403 and endpoint == "poll")


def meaning(code: str, endpoint: Phase, status: int | None = None) -> Meaning:
    """Return what a code means at an endpoint.

    ``server_error`` with 401 or 403 is a refusal: RFC 6749 section 5.2 does not know the code, and
    those statuses say who is at fault.

    >>> meaning("slow_down", "device"), meaning("slow_down", "poll"), meaning("E42", "poll")
    ('trouble', 'slow_down', 'refused')
    >>> meaning("server_error", "token", 500), meaning("server_error", "token", 401)
    ('trouble', 'refused')
    """
    if code == "server_error" and status in (401, 403):
        return "refused"
    row = CODES.get(code, _REFUSED)
    match endpoint:
        case "device":
            return row.device
        case "poll":
            return row.poll
        case "token":
            return row.token
        case _:
            assert_never(endpoint)
