"""What ``grantflow doctor`` checks: one function per check, each yields findings.

Rules:

1. A check changes nothing: no mode is repaired, no damaged file is moved aside.
2. A problem says what to do. No finding shows a secret.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, final

from attrs import frozen

Level: TypeAlias = Literal["ok", "note", "problem"]
"""A note may be intended; a problem has to be dealt with."""


@final
@frozen
class Finding:
    """What one check found, and what to do about it."""

    check: str
    level: Level
    message: str
    advice: str = ""
