"""The two output streams, and how values are written on them.

Nothing that a server or a file said is obeyed by a terminal.
"""

from __future__ import annotations

import os
import sys

from grantflow.core.values.text import escaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from typing import TextIO


def tell(line: str = "", *, strong: bool = False) -> None:
    """Print one line to stderr, at once; ``strong`` is bold if the terminal can."""
    text = escaped(line)
    _print(f"\x1b[1m{text}\x1b[0m" if strong and has_bold(sys.stderr) else text, sys.stderr)


def warn(line: str) -> None:
    """Print a note of the command to stderr."""
    tell(f"grantflow: {line}")


def answer(line: str) -> None:
    """Print one line of the result to stdout, at once."""
    if sys.stdout is None:
        raise OSError("standard output is closed")
    _print(escaped(line), sys.stdout)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is open and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def has_bold(stream: TextIO | None) -> bool:
    """Return whether bold text may be written there."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return is_terminal(stream) and not plain and sys.platform != "win32"


def _print(text: str, stream: TextIO | None) -> None:
    if stream is not None:
        encoding = stream.encoding or "utf-8"
        # A terminal that knows only ASCII gets an answer, not an error.
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        # The line's end in the same write: Ctrl-C in between would glue the next line to it.
        print(f"{shown}\n", end="", file=stream, flush=True)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as columns of text: whole in a pipe, cut to the width of a terminal."""
    widths = [max(len(text) for text in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if not is_terminal(sys.stdout):
        return lines
    from shutil import get_terminal_size

    room = get_terminal_size().columns
    return [line if len(line) <= room else f"{line[: room - 1]}\u2026" for line in lines]


_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def spoken(span: timedelta) -> str:
    """Return a span in at most two units, rounded.

    >>> from datetime import timedelta
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
            parts.append(counted(count, name))
    return " ".join(parts) or "0 seconds"


def counted(number: int, what: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "lock"), counted(2, "lock")
    ('1 lock', '2 locks')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def place(origin: str) -> str:
    """Return an origin without the default port.

    >>> place("https://a.example:443"), place("https://a.example:8443")
    ('https://a.example', 'https://a.example:8443')
    """
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


def expiry(expires_at: datetime | None, now: datetime) -> str:
    """Return when a token expires, relative to now.

    >>> from datetime import UTC, datetime, timedelta
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> expiry(noon + timedelta(hours=1), noon), expiry(noon, noon + timedelta(days=1))
    ('in 1 hour', '1 day ago')
    """
    if expires_at is None:
        return "unknown"
    if expires_at > now:
        return f"in {spoken(expires_at - now)}"
    return f"{spoken(now - expires_at)} ago"
