"""Readings of clocks.

>>> Instant(timedelta(seconds=5))
datetime.timedelta(seconds=5)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NewType, final

from attrs import Attribute, field, frozen

Instant = NewType("Instant", timedelta)
"""A reading of a monotonic clock: its origin means nothing, differences do. Exact to 1 µs."""

LONGEST: Final = timedelta(days=3650)
"""Longer spans are clamped to this, so that no arithmetic with them leaves the calendar."""


def _aware(_: object, attribute: Attribute[datetime], value: datetime) -> None:
    _check_aware(attribute.name, value)


def _aware_if_known(
    _: object, attribute: Attribute[datetime | None], value: datetime | None
) -> None:
    if value is not None:
        _check_aware(attribute.name, value)


def _check_aware(name: str, value: datetime) -> None:
    if value.tzinfo is None:
        raise ValueError(
            f"{name}: an aware datetime is needed, for example datetime.now(timezone.utc)"
        )


def _below_one(_: object, __: object, value: float) -> None:
    if not 0.0 <= value < 1.0:
        raise ValueError(f"roll: a number in [0, 1) is needed, not {value}")


@final
@frozen
class Moment:
    """One reading of everything impure that a step may need.

    ``mono`` is the monotonic clock (waiting), ``wall`` the aware wall clock (expiry across
    processes), ``roll`` one number in [0, 1) (jitter). ``ValueError`` names what is unusable.
    """

    mono: Instant
    wall: datetime = field(validator=_aware)
    roll: float = field(default=0.0, validator=_below_one)
