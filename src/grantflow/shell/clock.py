"""The clocks of this machine."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Final, final

from grantflow.core.values.time import Instant, Moment

_EARLY: Final = 0.1
"""Seconds by which a sleep may end too soon; Windows' timer has steps of 16 ms."""


def seconds() -> float:
    """Return the wall clock alone, in seconds since 1970."""
    return time.time()  # looked up at each call: tests replace it


@final
class SystemClock:
    """Both clocks of this machine, and one random number a reading.

    A sleep that a test replaced counts as one that took its time, and so does one beside a clock
    that stands still (freezegun): the monotonic clock goes on by what was slept.
    """

    def __init__(self) -> None:
        self._slept = 0.0

    def now(self) -> Moment:
        """Read the clocks and roll the dice, once."""
        return Moment(
            Instant(timedelta(seconds=self._mono())),
            datetime.now(UTC),
            random.random(),  # noqa: S311 - jitter, not a secret
        )

    def sleep_until(self, at: Instant, /) -> None:
        """Sleep until the monotonic clock shows ``at``."""
        for _ in range(2):  # the second for one that ended slightly early
            left = at.total_seconds() - self._mono()
            if left <= 0:
                return
            time.sleep(left)
            if at.total_seconds() - self._mono() > max(_EARLY, left / 2):
                break
        self._slept += max(0.0, at.total_seconds() - self._mono())

    def _mono(self) -> float:
        return time.monotonic() + self._slept
