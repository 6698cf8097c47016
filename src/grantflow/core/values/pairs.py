"""Parameters and headers in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from grantflow.core.values.secret import Secret
from grantflow.core.values.validators import listed

Pairs: TypeAlias = tuple[tuple[str, str | Secret], ...]
"""Parameters or headers in order; a name may come twice (RFC 8707 allows several resources)."""


def as_pairs(value: Mapping[str, str | Secret] | Pairs | list[tuple[str, str | Secret]]) -> Pairs:
    """Return parameters as pairs, from pairs or from a mapping."""
    return listed(value.items() if isinstance(value, Mapping) else value)
