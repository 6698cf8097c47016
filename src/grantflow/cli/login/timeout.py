"""The caller's own time limit (``--timeout``): whether it ended a sign-in, and how to wait longer.

A flow ends in ``Expired`` whichever time ran out, its code's or the caller's; a person has to do
something else about each.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from grantflow.cli.errors import CommandError
from grantflow.cli.format import spoken
from grantflow.cli.progress.screen import AnyState
from grantflow.core.flows.states import Expired, Failed, Pending, SlowDown, Started
from grantflow.core.messages import sentence
from grantflow.core.values.errors import Unreachable
from grantflow.core.values.response import Fault
from grantflow.core.values.time import Instant

WORD: Final = "timeout"
"""The ``error`` of the event that tells of it."""


def ended_by(last: AnyState | None, now: Instant) -> bool:
    """Tell whether the caller's limit ended what waited last, and not the code."""
    match last:
        case Started(deadline=deadline):
            return deadline is not None
        case (
            Pending(deadline=deadline, authorization=code, interval=interval)
            | SlowDown(deadline=deadline, authorization=code, interval=interval)
        ):
            if deadline is None or code is None:
                return deadline is not None
            # Earlier than that, it was the server who said that the code has ended.
            return deadline < code.expires_at and deadline - now <= 2 * interval
        case _:
            return False


def exceeded(
    problem: Expired, last: AnyState | None, now: Instant, limit: timedelta, where: str
) -> CommandError:
    """Return the error of a sign-in that ``--timeout`` ended."""
    within = f"within the {spoken(limit)} of --timeout"
    code = last.authorization if isinstance(last, (Pending, SlowDown)) else None
    if code is None:
        trouble = _trouble(problem.fault)
        place = f"{where}: " if where and trouble else ""
        return _error(f"{place}no token came {within}{trouble}; try again")
    left = spoken(code.expires_at - now)
    said = f"nobody approved {within}, and the code would have lived for another {left}"
    return _error(f"{said}{_trouble(problem.fault)}; start again")


def exceeded_of_start(problem: Expired) -> CommandError:
    """Return the error of a started sign-in that the limit of its start ended."""
    return _error(
        "the time that --timeout gave to the sign-in at its start is over, not the code's"
        f"{_trouble(problem.fault)}; start again"
    )


def _error(message: str) -> CommandError:
    return CommandError(f"{message} with a longer --timeout, or without one", word=WORD)


def _trouble(fault: Fault | None) -> str:
    return "" if fault is None else f": {sentence(Failed(Unreachable(fault, 1)))}"
