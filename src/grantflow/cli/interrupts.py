"""Ctrl-C, SIGTERM and SIGHUP: what spends something is finished and stored, then the command ends.

Rules:

1. Each is a ``KeyboardInterrupt`` where the command stands, so whatever cleans up after Ctrl-C, the
   terminal's cursor included, does so after the others as well.
2. Between ``hold`` and ``release`` the first one waits. A second one is raised at once.
3. What the parent had ignored (``nohup``, a job in the background) stays ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, final

_ENDS: Final = {
    name: end
    for name, end in (
        ("SIGINT", ("interrupted", 130)),
        ("SIGTERM", ("terminated", 143)),
        ("SIGHUP", ("hung up", 129)),
    )
    if hasattr(signal, name)
}


@final
class SignalInterrupt(KeyboardInterrupt):
    """A signal that ends the command; ``told`` is what is said, and the exit code."""

    def __init__(self, told: tuple[str, int]) -> None:
        super().__init__(told[0])
        self.told = told


@final
class _State:
    holding = False
    first: SignalInterrupt | None = None


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Raise signals as ``SignalInterrupt`` until the command ends; in the main thread alone."""
    _State.holding, _State.first = False, None
    before: dict[int, object] = {}
    if threading.current_thread() is threading.main_thread():
        for name in _ENDS:
            number: int = getattr(signal, name)
            usual = (signal.SIG_DFL, signal.default_int_handler)
            if signal.getsignal(number) in usual:
                before[number] = signal.signal(number, _struck)
    try:
        yield
        release()
    finally:
        _State.holding = False
        for number, handler in before.items():
            with suppress(ValueError, TypeError):
                signal.signal(number, handler)  # type: ignore[arg-type]


def hold() -> None:
    """Let the first signal wait from here on: a request leaves that spends something."""
    _State.holding = True


def release() -> None:
    """Let signals strike again, and the one that waited."""
    _State.holding = False
    first, _State.first = _State.first, None
    if first is not None:
        raise first


def _struck(number: int, _: FrameType | None) -> None:
    made = SignalInterrupt(_ENDS[signal.Signals(number).name])
    if _State.holding and _State.first is None:
        _State.first = made
        return
    raise made
