"""The clocks of this machine."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Final, final

from grantflow.core.values.time import Instant, Moment

seconds: Final = time.time
"""The wall clock alone, in seconds since 1970: the quickest look that there is."""

_SLEEPS: Final = 3


@final
class SystemClock:
    """Both clocks of this machine, and one random number a reading."""

    def now(self) -> Moment:
        """Read the clocks and roll the dice, once."""
        return Moment(
            Instant(timedelta(seconds=time.monotonic())),
            datetime.now(UTC),
            random.random(),  # noqa: S311 - jitter, not a secret
        )

    def sleep_until(self, at: Instant, /) -> None:
        """Sleep until the monotonic clock shows ``at``."""
        # A sleep may end slightly early. One that never takes any time was replaced by a test.
        for _ in range(_SLEEPS):
            if (left := at.total_seconds() - time.monotonic()) <= 0:
                return
            time.sleep(left)
