"""What a check found."""

from __future__ import annotations

from typing import Literal, TypeAlias, final

from attrs import frozen

Level: TypeAlias = Literal["ok", "note", "problem"]
"""A note is worth knowing and may be meant so; a problem has to be dealt with."""


@final
@frozen
class Finding:
    """What one check found, and what to do about it."""

    check: str
    level: Level
    said: str
    advice: str = ""


def counted(number: int, what: str) -> str:
    """Return how many there are of something.

    >>> counted(1, "lock"), counted(2, "lock")
    ('1 lock', '2 locks')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"
