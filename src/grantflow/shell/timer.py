"""The timer driver, for event loops that call back: Tk's ``after``, Qt's ``QTimer``.

Rules:

1. Everything happens on the loop's own thread but the request, which is sent on a worker.
2. A reply that comes after ``cancel`` changes nothing: each turn has a number, and old ones are
   dropped. Final states absorb, so it could do no harm anyway.
3. What comes after ``cancel`` is not posted either: the loop's window may be gone by then.
4. What a transport raises against its promise counts as a fault, and is logged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Generic, Protocol, TypeVar, assert_never, final

from grantflow.core.flows.effects import Send
from grantflow.core.flows.events import GaveUp
from grantflow.core.flows.flow import Flow, Run, begin
from grantflow.core.flows.states import Authorized, Expired, Failed
from grantflow.core.values.response import Fault, Reply
from grantflow.shell.blocking import default_transport
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Readable, Transport
from grantflow.shell.signing.signed import signed

S = TypeVar("S")
_log: Final = logging.getLogger("grantflow")

WORKER: Final = "grantflow-timer"
"""The name of the thread that sends; a loop in virtual time waits for it."""


class Loop(Protocol):
    """What the driver needs of an event loop."""

    def call_later(self, wait: timedelta, call: Callable[[], None], /) -> None:
        """Call on the loop's thread when ``wait`` is over."""
        ...

    def post(self, call: Callable[[], None], /) -> None:
        """Call on the loop's thread soon; safe from any thread."""
        ...


@final
class TimerDriver(Generic[S]):
    """Drives one flow on an event loop; ``watch`` sees every phase on the loop's thread.

    ``start`` begins, ``cancel`` tells the flow that its user gave up. ``clock`` is this machine's
    unless told otherwise, and only read: it is the loop that waits. A countdown reads it as well.
    """

    def __init__(
        self,
        flow: Flow[S],
        loop: Loop,
        watch: Callable[[S], None],
        *,
        transport: Transport | None = None,
        clock: Readable | None = None,
    ) -> None:
        self.clock: Readable = clock or SystemClock()
        self._flow = flow
        self._loop = loop
        self._watch = watch
        self._transport = transport
        self._signed: Transport | None = None
        self._run: Run[S] | None = None
        self._turn = 0

    @property
    def run(self) -> Run[S] | None:
        """Return the run as it is now; ``None`` before it began."""
        return self._run

    def start(self) -> None:
        """Begin, and show the first state; a second call does nothing."""
        if self._run is None:
            self._moved(begin(self._flow, self.clock.now()))

    def cancel(self) -> None:
        """Give up: the flow fails as cancelled, unless it has ended already."""
        if self._run is not None and isinstance(self._run.due, Send):
            self._moved(self._run.apply(GaveUp(self.clock.now().mono)))

    def _moved(self, run: Run[S]) -> None:
        self._run = run
        self._turn += 1
        turn = self._turn
        self._watch(run.phase)
        if turn != self._turn:
            return  # the watch cancelled
        match run.due:
            case Send() as send:
                wait = max(send.not_before - self.clock.now().mono, timedelta())
                self._loop.call_later(wait, lambda: self._send(send, turn))
            case Authorized() | Expired() | Failed():
                pass
            case other:
                assert_never(other)

    def _send(self, send: Send, turn: int) -> None:
        if turn != self._turn:
            return
        early = send.not_before - self.clock.now().mono
        if early > timedelta():  # timers of whole milliseconds fire a hair early
            self._loop.call_later(early, lambda: self._send(send, turn))
            return

        def work() -> None:
            try:
                reply = self._reply(send)
            except Exception as error:  # noqa: BLE001 - or the window would wait for ever
                _log.error("a transport must not raise, but it did: %s", type(error).__name__)
                reply = Fault("other", "maybe", type(error).__name__)
            if turn == self._turn:
                self._loop.post(lambda: self._arrived(send, reply, turn))

        threading.Thread(target=work, name=WORKER, daemon=True).start()

    def _reply(self, send: Send) -> Reply:
        # Made on the worker, and one worker runs at a time: loading an HTTP library takes longer
        # than a window may stand still.
        if self._signed is None:
            self._signed = signed(self._transport or default_transport(), self.clock)
        return self._signed(send.request)

    def _arrived(self, send: Send, reply: Reply, turn: int) -> None:
        if turn == self._turn and self._run is not None:
            self._moved(self._run.receive(send, reply, self.clock.now()))
