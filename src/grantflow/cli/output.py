"""The two streams. Nothing that a server or a file said is obeyed by a terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from grantflow.core.values.text import escaped


def tell(line: str = "", *, strong: bool = False) -> None:
    """Print one line to standard error, at once; ``strong`` is bold where a terminal can."""
    text = escaped(line)
    _print(f"\x1b[1m{text}\x1b[0m" if strong and has_bold(sys.stderr) else text, sys.stderr)


def answer(line: str) -> None:
    """Print one line of what was asked for to standard output, at once."""
    if sys.stdout is None:
        raise OSError("standard output is closed")
    _print(escaped(line), sys.stdout)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a standard stream is there and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def _print(text: str, stream: TextIO | None) -> None:
    if stream is not None:
        encoding = stream.encoding or "utf-8"
        # A terminal that knows only ASCII shall get an answer, not an error.
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        # The line's end in the same write: Ctrl-C in between would glue the next line to it.
        print(f"{shown}\n", end="", file=stream, flush=True)


def has_bold(stream: TextIO | None) -> bool:
    """Tell whether bold text may be shown there."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return is_terminal(stream) and not plain and sys.platform != "win32"
