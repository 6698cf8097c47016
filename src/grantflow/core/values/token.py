"""Codes and tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, final

from attrs import field, frozen

from grantflow.core.values.json import Members
from grantflow.core.values.secret import Secret, maybe_secret, secret
from grantflow.core.values.time import Instant, _aware_if_known


@final
@frozen
class DeviceAuthorization:
    """What a person needs to approve a sign-in on another device (RFC 8628 section 3.2).

    ``expires_at`` is on the monotonic clock; ``interval`` is the least time between two polls.
    ``extra`` keeps the members that RFC 8628 does not name.
    """

    device_code: Secret = field(converter=secret)
    user_code: str
    verification_uri: str
    expires_at: Instant
    interval: timedelta = timedelta(seconds=5)
    verification_uri_complete: str | None = None
    extra: Members = field(factory=Members, converter=Members)


SCHEMES: Final = {"bearer": "Bearer", "dpop": "DPoP"}
"""The token types that are sent as they are, in lower case, and the word in a header."""


@final
@frozen(kw_only=True)
class Token:
    """A token answer (RFC 6749 section 5.1).

    ``expires_at`` is ``None`` when the server did not say, and has a time zone (``ValueError``), as
    ``issued_at`` has. ``token_type`` is kept as sent.
    ``scope`` is what was granted: where the server omits it, what was requested.
    ``extra`` keeps the members that the RFC does not name.
    ``refresh_sent`` marks a stored token whose refresh token was sent, with an outcome that is not
    known.

    >>> Token(access_token="at-1").authorization
    Secret('***')
    >>> Token(access_token="at-1", token_type="bearer").authorization.reveal()
    'Bearer at-1'
    """

    access_token: Secret = field(converter=secret)
    token_type: str = "Bearer"
    expires_at: datetime | None = field(default=None, validator=_aware_if_known)
    refresh_token: Secret | None = field(default=None, converter=maybe_secret)
    scope: tuple[str, ...] = field(default=(), converter=tuple[str, ...])
    id_token: Secret | None = field(default=None, converter=maybe_secret)
    extra: Members = field(factory=Members, converter=Members)
    issued_at: datetime | None = field(default=None, validator=_aware_if_known)
    refresh_sent: bool = False

    @property
    def authorization(self) -> Secret:
        """Return the value of an ``Authorization`` header (RFC 6750, RFC 9449 section 7.1)."""
        scheme = SCHEMES.get(self.token_type.lower(), self.token_type)
        return Secret(f"{scheme} {self.access_token.reveal()}")
