"""What is shown while a sign-in runs: one description of each state, and its renderings.

``Lines`` are for pipes and plain terminals, ``Events`` for programs, ``live.Live`` for the rest.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Literal, Self, TypeAlias, final

from attrs import frozen

from grantflow.cli.errors import CommandError
from grantflow.cli.output import answer, spoken, tell
from grantflow.core.flows.states import AnyState, Pending, SlowDown, Started
from grantflow.core.values.text import escaped
from grantflow.core.values.time import Instant
from grantflow.core.values.token import DeviceAuthorization, Token
from grantflow.shell.ports import Clock

Value: TypeAlias = str | int | float | bool | None
Prompt: TypeAlias = Callable[[DeviceAuthorization], None]

_SOON: Final = timedelta(seconds=0.5)


@final
@frozen
class Wait:
    """What a run waits for: for programs by its ``kind``, for a person in ``words``."""

    kind: Literal["pending", "slow_down"]
    words: str
    interval: timedelta | None = None
    polls: int = 0
    faults: int = 0


def describe(state: AnyState, now: Instant) -> Wait | None:
    """Return what a run waits for in this state, if it waits."""
    match state:
        case Started(faults=faults) if faults:
            return Wait(
                "pending", f"no valid answer; {_again(state.not_before, now)}", None, 0, faults
            )
        case Pending() | SlowDown():
            kind: Literal["pending", "slow_down"]
            kind = "slow_down" if isinstance(state, SlowDown) else "pending"
            words = _words(state, now)
            if words is None:
                return None
            return Wait(kind, words, state.interval, state.polls, state.faults)
        case _:
            return None


def _words(
    state: Pending[DeviceAuthorization]
    | SlowDown[DeviceAuthorization]
    | Pending[None]
    | SlowDown[None],
    now: Instant,
) -> str | None:
    slower = isinstance(state, SlowDown)
    if state.faults:
        asked = slower and state.authorization is None
        why = "the server asks to wait" if asked else "no valid answer"
        return f"{why}; {_again(state.not_before, now)}"
    if slower:
        return f"waiting for approval; polling every {spoken(state.interval)}, as the server asks"
    # Without a code, it is a machine's request that is sent again at once.
    return None if state.authorization is None else "waiting for approval"


def _again(at: Instant, now: Instant) -> str:
    left = at - now
    return f"trying again in {spoken(left)}" if left >= _SOON else "trying again now"


class Screen(ABC):
    """Sees every state of a run; entered before it and left after it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.code: DeviceAuthorization | None = None
        self.last: AnyState | None = None
        """The last state in which the run waited."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - most have nothing to restore
        """Leave the terminal as it was."""

    def __call__(self, state: AnyState) -> None:
        """Show each code once, then every state."""
        code = state.authorization if isinstance(state, (Pending, SlowDown)) else None
        if isinstance(state, (Started, Pending, SlowDown)):
            self.last = state
        if code is not None and code != self.code:
            self.code = code
            self.prompt(code)
            self.show(state, is_new=True)
        else:
            self.show(state, is_new=False)

    @abstractmethod
    def prompt(self, code: DeviceAuthorization) -> None:
        """Show what a person needs."""

    @abstractmethod
    def show(self, state: AnyState, *, is_new: bool) -> None:
        """Show what is waited for; ``is_new`` if the state brought the code."""

    def describe(self, state: AnyState) -> Wait | None:
        """Return what the run waits for now."""
        return describe(state, self.clock.now().mono)

    def until(self, at: Instant) -> timedelta:
        """Return the time that is left until ``at``."""
        return max(at - self.clock.now().mono, timedelta())


@final
class Lines(Screen):
    """Plain lines: one whenever what is waited for changes."""

    def __init__(self, prompt: Prompt, clock: Clock) -> None:
        super().__init__(clock)
        self._prompt = prompt
        self._said: str | None = None

    def prompt(self, code: DeviceAuthorization) -> None:
        """Prompt, and say when the code expires."""
        self._prompt(code)
        tell(f"The code expires in {spoken(self.until(code.expires_at))}.")

    def show(self, state: AnyState, *, is_new: bool) -> None:  # noqa: ARG002
        """Say what changes."""
        wait = self.describe(state)
        said = None if wait is None else wait.words
        if said is not None and said != self._said:
            tell(f"{said[0].upper()}{said[1:]} ...")
        self._said = said


@final
class Events(Screen):
    """One JSON object a line on stdout; never a token, a device code or a secret."""

    def prompt(self, code: DeviceAuthorization) -> None:
        """Print what a person needs."""
        print_code(code, self.clock)

    def show(self, state: AnyState, *, is_new: bool) -> None:
        """Print the state, if it waits; the end is printed after everything is stored."""
        wait = None if is_new else self.describe(state)
        if isinstance(state, (Pending, SlowDown)) and wait is not None:
            interval = _seconds(state.interval)
            _print(wait.kind, interval=interval, polls=wait.polls, faults=wait.faults)


def print_code(code: DeviceAuthorization, clock: Clock, **more: Value) -> None:
    """Print what a person needs; never the device code, which fetches the token."""
    left = code.expires_at - clock.now().mono
    _print(
        "code_issued",
        user_code=code.user_code or None,
        verification_uri=code.verification_uri,
        verification_uri_complete=code.verification_uri_complete,
        expires_in=round(left.total_seconds()),
        interval=_seconds(code.interval),
        **more,
    )


def print_authorized(profile: str, token: Token) -> None:
    """Print that the sign-in is done and stored."""
    expires_at = None if token.expires_at is None else token.expires_at.isoformat()
    _print("authorized", profile=profile, scope=" ".join(token.scope), expires_at=expires_at)


def print_end(error: CommandError) -> None:
    """Print why the sign-in ended without a token."""
    kind = "expired" if error.kind in ("expired", "timeout") else "failed"
    _print(kind, error=error.kind, message=escaped(str(error)))


def _seconds(span: timedelta) -> float:
    seconds = span.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _print(event: str, **values: Value) -> None:
    answer(json.dumps({"event": event, **values}))
