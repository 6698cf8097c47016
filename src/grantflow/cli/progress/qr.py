"""The link as a picture in half blocks, for a phone's camera; needs ``segno``."""

from __future__ import annotations

import io
import shutil
import sys
from typing import Final

from grantflow.cli.output import is_terminal

_BORDER: Final = 2
_BLOCKS: Final = "\u2588\u2580\u2584"


def draw(link: str) -> None:
    """Draw ``link`` on standard error, if that is a terminal that has room and letters for it."""
    lines = _lines(link)
    size = shutil.get_terminal_size()
    if lines and len(lines[0]) < size.columns and len(lines) < size.lines:
        print(*lines, sep="\n", file=sys.stderr, flush=True)


def _lines(link: str) -> list[str]:
    if not is_terminal(sys.stderr) or not _has_blocks(sys.stderr.encoding):
        return []
    try:
        import segno
    except ImportError:
        return []
    text = io.StringIO()
    try:
        segno.make(link, error="l", micro=False).terminal(text, border=_BORDER, compact=True)
    except segno.DataOverflowError:
        return []
    return text.getvalue().splitlines()


def _has_blocks(encoding: str | None) -> bool:
    try:
        _BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
