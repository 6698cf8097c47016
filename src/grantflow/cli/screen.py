"""What a person sees while a sign-in runs: a live line where the terminal can, else plain lines."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self, TypeAlias, final

from grantflow.cli.invite import Invite
from grantflow.cli.output import is_terminal, tell
from grantflow.cli.words import spoken
from grantflow.core.states import DeviceState, GrantState, Pending, SlowDown
from grantflow.core.values import DeviceAuthorization
from grantflow.shell.ports import Clock

AnyState: TypeAlias = DeviceState | GrantState


class Screen(Protocol):
    """Sees every state of a run; entered before it and left after it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __call__(self, state: AnyState) -> None:
        """Show a state."""
        ...


def screen(invite: Invite, clock: Clock) -> Screen:
    """Return the best screen for this terminal."""
    if is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb":
        try:
            from grantflow.cli.live import Live
        except ImportError:  # rich is an extra
            pass
        else:
            return Live(invite, clock)
    return Lines(invite, clock)


def unseen(state: AnyState, seen: DeviceAuthorization | None) -> DeviceAuthorization | None:
    """Return the code that a person has still to see; once it was approved, nobody needs it."""
    code = state.authorization if isinstance(state, (Pending, SlowDown)) else None
    return None if code is None or code.grant or code == seen else code


def waiting(state: AnyState, clock: Clock) -> str | None:
    """Return in words what a run waits for, if it waits."""
    match state:
        case Pending() | SlowDown() if state.faults:
            wait = spoken(max(state.not_before - clock.now().mono, timedelta()))
            asked = isinstance(state, SlowDown) and state.authorization is None
            why = "the server asks to wait" if asked else "no answer from the server"
            return f"{why}; trying again in {wait}"
        case SlowDown():
            return f"waiting for approval; asking every {spoken(state.interval)}, as it wants"
        case Pending():
            return "waiting for approval"
        case _:
            return None


@final
class Lines:
    """Plain lines: one whenever what is waited for changes."""

    def __init__(self, invite: Invite, clock: Clock) -> None:
        self._invite = invite
        self._clock = clock
        self._code: DeviceAuthorization | None = None
        self._said: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def __call__(self, state: AnyState) -> None:
        """Invite once for each code, then say what changes."""
        code = unseen(state, self._code)
        if code is not None:
            self._code = code
            self._invite(code)
            tell(f"The code lives for {spoken(code.expires_at - self._clock.now().mono)}.")
        said = waiting(state, self._clock)
        if said is not None and said != self._said:
            tell(f"{said[0].upper()}{said[1:]} ...")
        self._said = said
