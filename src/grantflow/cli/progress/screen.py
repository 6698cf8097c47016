"""What a person sees while a sign-in runs: a live line where the terminal can, else plain lines."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Self, TypeAlias, final

from grantflow.cli.format import spoken
from grantflow.cli.output import is_terminal, tell
from grantflow.cli.progress.prompt import Invite
from grantflow.core.flows.states import DeviceState, GrantState, Pending, SlowDown, Started
from grantflow.core.values.time import Instant
from grantflow.core.values.token import DeviceAuthorization
from grantflow.shell.ports import Clock

AnyState: TypeAlias = DeviceState | GrantState


class Screen(ABC):
    """Sees every state of a run; entered before it and left after it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.code: DeviceAuthorization | None = None
        self.last: AnyState | None = None
        """What a run waited in last."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - most have nothing to put back
        """Leave the terminal as it was."""

    def __call__(self, state: AnyState) -> None:
        """Show each code once, then every state."""
        code = state.authorization if isinstance(state, (Pending, SlowDown)) else None
        if code is not None and code != self.code:
            self.code = code
            self.issued(code)
        if isinstance(state, (Started, Pending, SlowDown)):
            self.last = state
        self.shown(state)

    @abstractmethod
    def issued(self, code: DeviceAuthorization) -> None:
        """Show what a person needs."""

    @abstractmethod
    def shown(self, state: AnyState) -> None:
        """Show what is waited for, if anything is."""

    def until(self, at: Instant) -> timedelta:
        """Return the time that is left until ``at``."""
        return max(at - self.clock.now().mono, timedelta())

    def waiting(self, state: AnyState) -> str | None:
        """Return in words what a run waits for, if it waits."""
        match state:
            case Started() | Pending() | SlowDown() if state.faults:
                left = self.until(state.not_before)
                again = f"in {spoken(left)}" if left >= _SOON else "now"
                asked = isinstance(state, SlowDown) and state.authorization is None
                why = "the server asks to wait" if asked else "no usable answer"
                return f"{why}; trying again {again}"
            case Pending(authorization=None):
                return None  # a machine's request, which goes out again at once with a nonce
            case SlowDown():
                often = spoken(state.interval)
                return f"waiting for approval; asking every {often}, as the server wants"
            case Pending():
                return "waiting for approval"
            case _:
                return None


_SOON = timedelta(seconds=0.5)


def screen(invite: Invite, clock: Clock) -> Screen:
    """Return the best screen for this terminal."""
    if is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb":
        try:
            from grantflow.cli.progress.live import Live
        except ImportError:  # rich is an extra
            pass
        else:
            return Live(invite, clock)
    return Lines(invite, clock)


@final
class Lines(Screen):
    """Plain lines: one whenever what is waited for changes."""

    def __init__(self, invite: Invite, clock: Clock) -> None:
        super().__init__(clock)
        self._invite = invite
        self._said: str | None = None

    def issued(self, code: DeviceAuthorization) -> None:
        """Invite, and say how long there is time."""
        self._invite(code)
        tell(f"The code lives for {spoken(self.until(code.expires_at))}.")

    def shown(self, state: AnyState) -> None:
        """Say what changes."""
        said = self.waiting(state)
        if said is not None and said != self._said:
            tell(f"{said[0].upper()}{said[1:]} ...")
        self._said = said
