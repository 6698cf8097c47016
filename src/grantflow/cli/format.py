"""Spans of time as people say them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def spoken(span: timedelta) -> str:
    """Return a span in at most two units, rounded to what matters.

    >>> spoken(timedelta(seconds=3599.8)), spoken(timedelta(minutes=90)), spoken(timedelta(0))
    ('1 hour', '1 hour 30 minutes', '0 seconds')
    >>> spoken(timedelta(days=3, hours=2, minutes=59)), spoken(timedelta(seconds=119))
    ('3 days 3 hours', '1 minute 59 seconds')
    >>> spoken(timedelta(seconds=0.5))
    '0.5 seconds'
    """
    tenths = round(span.total_seconds(), 1)
    if 0 < tenths < 1:
        return f"{tenths} seconds"
    seconds = round(span.total_seconds())
    grain = 3600 if seconds >= 2 * 86400 else 60 if seconds >= 120 else 1
    seconds = round(seconds / grain) * grain
    parts: list[str] = []
    for name, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


def place(origin: str) -> str:
    """Return an origin as people write it, without the port that goes without saying.

    >>> place("https://a.example:443"), place("https://a.example:8443")
    ('https://a.example', 'https://a.example:8443')
    """
    usual = ":443" if origin.startswith("https:") else ":80"
    return origin.removesuffix(usual)


def expiry(expires_at: datetime | None, now: datetime) -> str:
    """Return when a token ends, seen from now.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> expiry(noon + timedelta(hours=1), noon), expiry(noon, noon + timedelta(days=1))
    ('in 1 hour', '1 day ago')
    """
    if expires_at is None:
        return "unknown"
    if expires_at > now:
        return f"in {spoken(expires_at - now)}"
    return f"{spoken(now - expires_at)} ago"
