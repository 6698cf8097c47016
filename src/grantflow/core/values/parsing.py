"""The railway that reads members: bytes to JSON or form members, members to checked values.

Every function here is total: it returns a ``Result`` or a value and never raises.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from returns.result import Failure, Result, Success, safe

from grantflow.core.values.json import Json, Members
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import LONGEST

LARGEST_BODY: Final = 1024 * 1024
"""What an OAuth answer may weigh; the transports stop reading there as well."""

_LONGEST_NUMBER: Final = 300


def _float(digits: str) -> float | None:
    # Reading a number takes more than linear time in its digits.
    return float(digits) if len(digits) <= _LONGEST_NUMBER else None


def _whole(digits: str) -> int | None:
    # Python refuses to read numbers of more than 4300 digits; nothing honest has 300.
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None


# Made once: it takes longer than the reading.
@safe(exceptions=(ValueError, RecursionError))
def _loaded(text: str) -> object:
    return json.loads(text, parse_int=_whole, parse_float=_float)


_as_members: Final = safe(exceptions=(ValueError,))(Members)


def _is_json(text: str) -> Result[Members, str]:
    # Deep nesting raises RecursionError inside json, too deep for us ValueError inside Members.
    return (
        _loaded(text)
        .alt(lambda _: "a body that is no JSON")
        .bind(_an_object)
        .bind(lambda found: _as_members(found).alt(str))
    )


def _an_object(value: object) -> Result[dict[str, object], str]:
    if isinstance(value, dict):
        return Success(value)
    return Failure(f"a JSON {_JSON_NAMES.get(type(value), 'number')} instead of an object")


_JSON_NAMES: Final[dict[type, str]] = {
    list: "list",
    str: "string",
    bool: "boolean",
    type(None): "null",
}


def _is_form(text: str) -> Result[Members, str]:
    return Success(Members(parse_qsl(text, keep_blank_values=True)))


def members(body: bytes) -> Result[Members, str]:
    """Read a body, whatever its Content-Type says: JSON, else form (GitHub, old Facebook).

    >>> members(b'{"error": "slow_down"}').unwrap()["error"]
    'slow_down'
    >>> members(b"error=slow_down").unwrap()["error"]
    'slow_down'
    >>> members(b"<html>").failure()
    'HTML'
    """
    if len(body) > LARGEST_BODY:
        return Failure("a body of more than 1 MiB")
    # A stray byte in a description must not hide the code beside it.
    text = body.decode("utf-8-sig", "replace").strip()
    if not text:
        return Failure("an empty body")
    if text[0] in '{["':
        return _is_json(text)
    if text[0] == "<":
        return Failure("XML" if text.startswith("<?xml") else "HTML")
    return _is_json(text).lash(lambda problem: _is_form(text) if "=" in text else Failure(problem))


def text_of(value: Json) -> str | None:
    """Return text with something in it, or ``None``; a number counts as the text it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def sendable(found: Members, name: str) -> Result[Secret, str]:
    r"""Read a code or token: visible ASCII only (RFC 6749 appendix A), so that it can be sent.

    >>> sendable(Members({"access_token": "a\nb"}), "access_token").failure()
    'access_token has characters that cannot be sent'
    """
    value = text_of(found.get(name))
    if value is None:
        return Failure(f"{name} is missing")
    if not all("\x20" <= each <= "\x7e" for each in value):
        return Failure(f"{name} has characters that cannot be sent")
    return Success(Secret(value))


def maybe_sendable(found: Members, name: str) -> Result[Secret | None, str]:
    """Read a token that may be missing: ``null``, ``false`` and ``""`` count as missing."""
    value = found.get(name)
    if value is None or value is False or value == "":
        return Success(None)
    return sendable(found, name)


def link(found: Members, *names: str, scheme: str | None = None) -> Result[str, str]:
    """Read the first link there is under these names: http or https, or it is refused.

    ``scheme`` completes one that comes without, such as ``link.tidal.com/ABCDE``.
    """
    value = next((text for name in names if (text := text_of(found.get(name)))), None)
    if value is None:
        return Failure(f"{names[0]} is missing")
    if scheme is not None and _bare(value):
        value = f"{scheme}://{value}"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or any(ord(each) <= 0x20 or ord(each) == 0x7F for each in value):
        return Failure(f"{names[0]} is no http or https link")
    return Success(value)


def _bare(text: str) -> bool:
    """Tell whether a link begins with its host: what has a scheme of its own keeps it."""
    port = text.partition("/")[0].partition(":")[2]
    return "://" not in text and (not port or port.isdecimal())


def number(value: Json) -> float | None:
    """Read a finite number that may come as text; a boolean is none."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST_NUMBER:
            return None
        # float() would also take "nan", "1_0" and the digits of other scripts.
        if not text.isascii() or not set(text) <= set("0123456789+-.eE"):
            return None
        try:
            value = float(text)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # What no float holds is beyond every bound that we set.
    return float(max(min(value, 1e18), -1e18))


def span(value: Json) -> timedelta | None:
    """Read a number of seconds above zero. Zero and null mean "not said"; a huge one is clamped.

    >>> span("5"), span(0), span(-1), span(True), span(1e300).days
    (datetime.timedelta(seconds=5), None, None, None, 3650)
    """
    seconds = number(value)
    if seconds is None or seconds <= 0:
        return None
    return timedelta(seconds=min(seconds, LONGEST.total_seconds()))


_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_LONGEST_DATE: Final = 64


def http_date(text: str, wall: datetime) -> datetime | None:
    """Read a date of HTTP in any of its three forms (RFC 9110 section 5.6.7), in no locale.

    A year of two digits is at most 50 years after ``wall``.

    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> for text in (
    ...     "Sun, 06 Nov 1994 08:49:37 GMT",
    ...     "Sunday, 06-Nov-94 08:49:37 GMT",
    ...     "Sun Nov  6 08:49:37 1994",
    ... ):
    ...     print(http_date(text, now))
    1994-11-06 08:49:37+00:00
    1994-11-06 08:49:37+00:00
    1994-11-06 08:49:37+00:00
    """
    words = text[:_LONGEST_DATE].replace(":", " ").replace("-", " ").split()
    match words:
        case [_, day, month, year, hour, minute, second, "GMT"]:
            pass
        case [_, month, day, hour, minute, second, year]:
            pass
        case _:
            return None
    if len(month) != 3 or _MONTHS.find(month) % 3:
        return None
    try:
        place = _MONTHS.index(month) // 3 + 1
        full = int(year) if len(year) == 4 else _century(int(year), wall.year)
        return datetime(full, place, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None


def _century(year: int, now: int) -> int:
    full = now - now % 100 + year
    return full - 100 if full > now + 50 else full


def retry_after(header: str | None, wall: datetime) -> timedelta | None:
    """Read ``Retry-After`` (RFC 9110 section 10.2.3): seconds, or a date.

    >>> retry_after("120", datetime(2026, 1, 1, tzinfo=UTC)).seconds
    120
    """
    if header is None:
        return None
    date = http_date(header, wall)
    return span(header) if date is None else span((date - wall).total_seconds())


def later(wall: datetime, seconds: timedelta) -> datetime:
    """Return ``wall`` plus a span, stopping at the ends of the calendar."""
    try:
        return wall + seconds
    except OverflowError:
        return _LAST if seconds > timedelta() else _FIRST


# A day from the ends, so that no time zone leaves the calendar.
_FIRST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
_LAST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def moment_of(value: Json) -> datetime | None:
    """Read an absolute time: seconds since 1970, ISO 8601 with any number of digits, or M/D/YYYY.

    >>> moment_of("2026-01-01T00:00:00.1234567Z").isoformat()
    '2026-01-01T00:00:00.123456+00:00'
    >>> moment_of("1/31/2026 23:59:59 +00:00").isoformat()
    '2026-01-31T23:59:59+00:00'
    >>> moment_of(0), moment_of("soon")
    (None, None)
    """
    seconds = number(value)
    if seconds is not None:
        try:
            return min(datetime.fromtimestamp(seconds, UTC), _LAST) if seconds > 0 else None
        except (ValueError, OverflowError, OSError):
            return None
    try:
        found = datetime.fromisoformat(_american(value)) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None or found.year <= 1970:  # as with numbers, that says nothing
        return None
    if found.tzinfo is None:
        return min(found.replace(tzinfo=UTC), _LAST)
    try:
        return min(found.astimezone(UTC), _LAST)
    except OverflowError:
        return _LAST


def _american(text: str) -> str:
    """Return ``1/31/2026 23:59:59 +00:00`` (Azure managed identity) as ISO 8601 has it."""
    date, _, rest = text.partition(" ")
    parts = date.split("/")
    if len(parts) != 3:
        return text
    month, day, year = parts
    return f"{year}-{month:0>2}-{day:0>2}T{rest.replace(' ', '')}"


def lifetime(value: Json) -> timedelta | None:
    """Read how long something is valid. Zero is an unknown end, and a negative number is over.

    >>> lifetime("60"), lifetime(0), lifetime(-1)
    (datetime.timedelta(seconds=60), None, datetime.timedelta(0))
    """
    seconds = number(value)
    if seconds is None or seconds == 0:
        return None
    return span(seconds) or timedelta()


def expiry(found: Members, wall: datetime) -> datetime | None:
    """Return when a token ends: ``expires_in`` wins over absolute members (clocks differ)."""
    left = lifetime(found.get("expires_in"))
    if left is not None:
        return later(wall, left)
    absolute = (moment_of(found.get(name)) for name in ("expires_on", "expires_at", "expiry"))
    return next((moment for moment in absolute if moment is not None), None)


def left(found: Members, wall: datetime) -> timedelta | None:
    """Return how long something is valid, from ``expires_in`` or an absolute time (TorBox)."""
    end = expiry(found, wall)
    return None if end is None else min(max(end - wall, timedelta()), LONGEST)


def words(value: Json) -> tuple[str, ...] | None:
    """Read a scope: text with spaces or a list; ``None`` where it is missing.

    >>> words("a b"), words(("a", "b")), words(""), words(None)
    (('a', 'b'), ('a', 'b'), (), None)
    """
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, tuple):
        return tuple(each for each in value if isinstance(each, str) and each.strip())
    return None


def absent(found: Members, known: frozenset[str]) -> Members:
    """Return the members whose names are not among the known ones."""
    return Members({name: value for name, value in found.items() if name not in known})
