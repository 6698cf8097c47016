"""Text that others wrote, before a terminal, log or browser sees it."""

from __future__ import annotations


def escaped(text: str) -> str:
    r"""Return text that a terminal or a log shows and does not obey.

    >>> escaped("safe\x1b[31m\u202etxt.exe")
    'safe\\u001b[31m\\u202etxt.exe'
    """
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)
