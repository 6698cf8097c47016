"""When the next request may leave, for every flow.

Rules:

1. The interval is the server's law: it only grows, ``slow_down`` adds at least 5 s or takes the
   server's larger number, and it is never under 1 s (RFC 8628 section 3.5). The wait right after
   it has up to half an interval of jitter on top, so that a crowd does not come back as one.
2. Backoff and ``Retry-After`` are manners: they lengthen a wait, never undercut the interval, and
   yield to the last poll that is still legal. Where nobody waits for a person, ``Retry-After``
   is law as well: a grant whose budget ends before it is ``Expired`` at once.
3. Waits are counted from the arrival of a reply, so two requests reach the server at least one
   interval apart, whatever the latency.
4. A server that does not answer is asked ``tries`` times in a row, then no more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, final

from attrs import Attribute, field, frozen

from grantflow.core.values.time import Instant

SECOND: Final = timedelta(seconds=1)
SLOWER_BY: Final = timedelta(seconds=5)
LONGEST: Final = timedelta(days=3650)
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""What is waited for where nobody has a code yet: nobody sits before a blank screen for longer."""


def positive(_: object, attribute: Attribute[timedelta], value: timedelta) -> None:
    """Refuse a span that is no time at all."""
    if value <= timedelta():
        raise ValueError(f"{attribute.name}: a span above zero is needed")


def _at_least_one(_: object, __: object, value: int) -> None:
    if value < 1:
        raise ValueError(f"tries: at least 1 is needed, not {value}")


@final
@frozen
class Backoff:
    """How a request that nobody answered is repeated: ``base``, doubled up to ``ceiling``.

    ``tries`` counts all requests, the first included. Jitter takes up to half of each wait off.

    >>> [Backoff().wait(faults, 0.0).seconds for faults in (1, 2, 3, 6)]
    [1, 2, 4, 30]
    """

    base: timedelta = field(default=SECOND, validator=positive)
    ceiling: timedelta = field(default=timedelta(seconds=30), validator=positive)
    tries: int = field(default=5, validator=_at_least_one)

    def wait(self, faults: int, roll: float, interval: timedelta = timedelta()) -> timedelta:
        """Return the wait after the given number of faults; an ``interval`` is doubled first.

        >>> Backoff().wait(1, 0.5, timedelta(seconds=5)).total_seconds()
        7.5
        """
        step = max(self.base, interval * 2)
        # 2**20 base spans are beyond any ceiling; the bound keeps the arithmetic small.
        whole = min(self.ceiling, step * (1 << min(faults - 1, 20)))
        return max(interval, whole * (1 - roll / 2))


def slowed(interval: timedelta, asked: timedelta | None) -> timedelta:
    """Return the interval after ``slow_down`` (RFC 8628 section 3.5)."""
    return min(LONGEST, max(interval + SLOWER_BY, asked or timedelta()))


def soonest(first: Instant | None, second: Instant | None) -> Instant | None:
    """Return the earlier deadline, where ``None`` is never."""
    if first is None or second is None:
        return first or second
    return min(first, second)


def next_poll(
    at: Instant, interval: timedelta, wish: timedelta, deadline: Instant | None
) -> Instant | None:
    """Return when the next poll leaves, or ``None`` if none is legal before the deadline.

    >>> s = lambda seconds: Instant(timedelta(seconds=seconds))
    >>> next_poll(s(10), s(5), s(60), s(40))
    datetime.timedelta(seconds=39)
    >>> next_poll(s(36), s(5), s(5), s(40))
    """
    wanted = at + wish if deadline is None else min(at + wish, deadline - SECOND)
    due = Instant(max(at + interval, wanted))
    return due if deadline is None or due < deadline else None
