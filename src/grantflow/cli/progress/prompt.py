"""Ask a person to approve: the link and the code, then a picture of the link, then a browser."""

from __future__ import annotations

import os
import sys
from typing import final

from attrs import frozen

from grantflow.cli.output import is_terminal, tell
from grantflow.cli.progress import qr
from grantflow.core.messages import invitation
from grantflow.core.values.token import DeviceAuthorization


@final
@frozen
class Invite:
    """Shows what a person needs; ``browser`` opens the link here, ``picture`` draws it."""

    browser: bool
    picture: bool

    def __call__(self, code: DeviceAuthorization) -> None:
        """Show it, on standard error."""
        link = code.verification_uri_complete or code.verification_uri
        for line in invitation(code):
            tell(line, strong=line.startswith(" "))
        if self.picture:
            qr.draw(link)
        if self.browser and _opened(link):
            tell("(The link was opened in the browser of this machine.)")


def browser_wanted() -> bool:
    """Tell whether a browser may be opened: a person sits here, and has a screen."""
    return is_terminal(sys.stdin) and is_terminal(sys.stdout) and _has_display()


def _has_display() -> bool:
    if os.environ.get("BROWSER") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return True
    # Over ssh these would open it on a screen that nobody looks at.
    return sys.platform in ("darwin", "win32") and "SSH_CONNECTION" not in os.environ


def _opened(link: str) -> bool:
    import webbrowser

    try:
        return webbrowser.open(link)
    except (webbrowser.Error, OSError):
        return False
