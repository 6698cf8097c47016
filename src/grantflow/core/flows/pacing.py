"""When the next request may leave, for every flow.

Rules:

1. The interval is the server's: it only grows, ``slow_down`` adds at least 5 s or takes the
   server's larger number, and it is never under 1 s (RFC 8628 section 3.5). The wait right after
   it has up to half an interval of jitter on top, so that many clients do not return at once.
2. Backoff and ``Retry-After`` lengthen a wait, never undercut the interval, and yield to the last
   poll that is still legal. In token requests ``Retry-After`` is binding as well: if the budget
   ends before it, the run is ``Expired`` at once.
3. Waits are counted from the arrival of a reply, so two requests reach the server at least one
   interval apart, whatever the latency.
4. While a person may still approve, trouble that may pass is waited out until the code expires.
   Everything else counts: after ``tries`` unusable answers in a row the run has failed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeVar, final

from attrs import evolve, field, frozen

from grantflow.core.flows.states import Expired, Started, Waiting
from grantflow.core.values.response import Fault
from grantflow.core.values.time import LONGEST, Instant
from grantflow.core.values.token import DeviceAuthorization
from grantflow.core.values.validators import positive

W = TypeVar("W", bound=Started | Waiting[object])

SECOND: Final = timedelta(seconds=1)
SLOWER_BY: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Maximum wait before a user code is shown."""


def _at_least_one(_: object, __: object, value: int) -> None:
    if value < 1:
        raise ValueError(f"tries: at least 1 is needed, not {value}")


@final
@frozen
class Backoff:
    """How an unanswered request is repeated: ``base``, doubled up to ``ceiling``.

    ``tries`` is the number of requests, the first included. Jitter takes up to half of each wait
    off.

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


def end_of(state: Started | Waiting[object]) -> Instant | None:
    """Return when a waiting run ends: with its code or its budget, whichever is first."""
    code = state.authorization if isinstance(state, Waiting) else None
    expiry = code.expires_at if isinstance(code, DeviceAuthorization) else None
    return soonest(expiry, state.deadline)


def next_poll(
    at: Instant, interval: timedelta, wish: timedelta, deadline: Instant | None
) -> Instant | None:
    """Return when to send next, or ``None`` if no time before ``deadline`` is legal.

    Counted from ``at``, not before ``interval``, and after ``wish`` unless ``deadline`` is nearer.

    >>> s = lambda seconds: Instant(timedelta(seconds=seconds))
    >>> next_poll(s(10), s(5), s(8), s(40))
    datetime.timedelta(seconds=18)
    >>> next_poll(s(10), s(5), s(60), s(40))
    datetime.timedelta(seconds=39)
    >>> next_poll(s(36), s(5), s(5), s(40))
    """
    wanted = at + wish if deadline is None else min(at + wish, deadline - SECOND)
    due = Instant(max(at + interval, wanted))
    return due if deadline is None or due < deadline else None


def next_attempt(
    state: W,
    interval: timedelta,
    wish: timedelta | None = None,
    fault: Fault | None = None,
) -> W | Expired:
    """Return a state whose next request leaves at the earliest legal time, else ``Expired``.

    ``state.not_before`` is when the last reply arrived. The request leaves after ``wish`` (by
    default ``interval``), earlier if the state ends before, and never before ``interval``.

    >>> s = lambda seconds: Instant(timedelta(seconds=seconds))
    >>> next_attempt(Started(s(10), deadline=s(20)), timedelta(seconds=5)).not_before.seconds
    15
    >>> next_attempt(Started(s(18), deadline=s(20)), timedelta(seconds=5))
    Expired(fault=None)
    """
    due = next_poll(state.not_before, interval, wish or interval, end_of(state))
    return Expired(fault) if due is None else evolve(state, not_before=due)
