"""Ask a person to approve: the link and the code, then a QR code of the link, then a browser."""

from __future__ import annotations

import io
import shutil
import sys
from typing import Final, final

from attrs import frozen

from grantflow.cli.context import Context, Terminal
from grantflow.cli.output import tell
from grantflow.cli.progress.screen import Lines, Screen
from grantflow.core.messages import invitation
from grantflow.core.values.token import DeviceAuthorization

_BORDER: Final = 2
_BLOCKS: Final = "\u2588\u2580\u2584"


@final
@frozen
class Invite:
    """Shows what a person needs; ``browser`` opens the link, ``picture`` draws it."""

    terminal: Terminal
    browser: bool
    picture: bool

    def __call__(self, code: DeviceAuthorization) -> None:
        """Show it on stderr."""
        link = code.verification_uri_complete or code.verification_uri
        for line in invitation(code):
            tell(line, strong=line.startswith(" "))
        if self.picture and self.terminal.shows():
            _draw(link)
        # Beside the polling: some browsers return only when they are closed.
        if self.browser and self.terminal.open(link):
            tell("(Opening the link in a browser on this machine.)")


def best_screen(context: Context, *, browser: bool = False, picture: bool = False) -> Screen:
    """Return the best screen for this terminal: a live line if it can be redrawn, else lines."""
    invite = Invite(context.terminal, browser, picture)
    if context.terminal.shows() and context.environment.get("TERM") != "dumb":
        try:
            from grantflow.cli.progress.live import Live
        except ImportError:  # rich is an extra
            pass
        else:
            return Live(invite, context.clock)
    return Lines(invite, context.clock)


def _draw(link: str) -> None:
    """Draw the link as a QR code in half blocks, if stderr has room and letters for it."""
    lines = _lines(link)
    size = shutil.get_terminal_size()
    if lines and len(lines[0]) < size.columns and len(lines) < size.lines:
        print(*lines, sep="\n", file=sys.stderr, flush=True)


def _lines(link: str) -> list[str]:
    if not _has_blocks(sys.stderr.encoding):
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
