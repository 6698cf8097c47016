"""Opening a link for a person."""

from __future__ import annotations

import webbrowser


def open_link(link: str) -> bool:
    """Open a link in a browser; ``False`` if none opens: the link was printed as well."""
    try:
        return webbrowser.open(link)
    except (webbrowser.Error, OSError):
        return False
