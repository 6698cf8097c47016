"""A flow around a flow that handles the server's DPoP nonces (RFC 9449 section 8).

Rules:

1. The nonce that an answer brings goes into the next proof, whatever else the answer says.
2. A request that was refused for lack of a nonce was not acted on, so the inner flow is not told
   and the request is sent again, even a refresh.
3. A first nonce is used at once, but a poll waits its interval. If the server asks for another one
   although it got the newest, its requests are spaced out, and after ``tries`` of them it ends.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final, Generic, TypeVar, cast, final

from attrs import evolve, field, frozen

from grantflow.core.flows.effects import Due, Flow, Send
from grantflow.core.flows.events import Event, Received, Rejected, WrapperEvent
from grantflow.core.flows.pacing import SECOND, Backoff, end_of, next_poll
from grantflow.core.flows.states import (
    Authorized,
    Expired,
    Failed,
    Pending,
    SlowDown,
    Started,
    Waiting,
    Wrapper,
    phase,
    postponed,
)
from grantflow.core.values.errors import Refused
from grantflow.core.values.response import Reply, Response
from grantflow.core.values.time import Instant, Moment

P = TypeVar("P", covariant=True)
S = TypeVar("S")

_LONGEST: Final = 1024

NEVER_SATISFIED: Final = Refused(
    "use_dpop_nonce", "the server asked for another nonce each time", None, 400, "use_dpop_nonce"
)


@final
@frozen
class NonceAsked(WrapperEvent):
    """``use_dpop_nonce``: refused, and not acted on, for lack of this nonce."""

    at: Instant
    nonce: str
    roll: float = 0.0


@final
@frozen
class NonceSupplied(WrapperEvent):
    """An answer that brought a nonce for the next proof (section 8.2)."""

    event: Received
    nonce: str


@final
@frozen
class Proving(Wrapper[P]):
    """The inner flow's state, with what the next proof of possession has to hold.

    ``asked`` counts the nonces that were asked for in a row although the newest one was sent.
    """

    nonce: str
    asked: int = 0


def nonce_of(reply: Reply) -> str | None:
    """Return the nonce in an answer's ``DPoP-Nonce`` header.

    >>> nonce_of(Response(400, {"DPoP-Nonce": "n-1"})), nonce_of(Response(400))
    ('n-1', None)
    """
    return usable(reply.header("dpop-nonce")) if isinstance(reply, Response) else None


def usable(nonce: str | None) -> str | None:
    """Return a nonce that can be sent back: short, and of visible ASCII (section 8.1)."""
    if not nonce or len(nonce) > _LONGEST or not all("\x21" <= each <= "\x7e" for each in nonce):
        return None
    return nonce


@final
@frozen
class DPoPFlow(Generic[S]):
    """A ``Flow`` around another one whose client has a DPoP key; ``begin`` puts it there.

    Its states are the inner flow's own until the server gives a nonce, then ``Proving``.
    """

    flow: Flow[S]
    backoff: Backoff = field(default=Backoff(), kw_only=True)

    def start(self, now: Moment, /) -> S | Wrapper[S]:
        """Return the inner flow's first state."""
        return self.flow.start(now)

    def due(self, state: S | Wrapper[S], /) -> Due:
        """Return what the inner flow has due, its proof with the newest nonce."""
        inner, nonce, _ = _parts(state)
        due = self.flow.due(inner)
        if not isinstance(due, Send) or due.request.proof is None:
            return due
        proof = evolve(due.request.proof, nonce=nonce)
        request = evolve(due.request, proof=proof)
        return evolve(due, request=request, read=partial(_read, due))

    def step(self, state: S | Wrapper[S], event: Received, /) -> S | Wrapper[S]:
        """Return the state after an event; final states absorb every event."""
        inner, nonce, _ = _parts(state)
        if isinstance(event, NonceAsked):
            return self._asked(state, event)
        if isinstance(event, NonceSupplied):
            nonce = event.nonce
            event = event.event
        # What the inner flow's Send has read, the inner flow takes.
        after = self.flow.step(inner, cast("Event", event))
        ended = isinstance(phase(after), (Authorized, Expired, Failed))
        return after if ended or nonce is None else Proving(after, nonce)

    def _asked(self, state: S | Wrapper[S], event: NonceAsked) -> S | Wrapper[S]:
        inner, nonce, asked = _parts(state)
        waiting = phase(inner)
        if not isinstance(waiting, (Started, Pending, SlowDown)):
            return state
        # The first nonce could not be known, so asking for it is not an attempt.
        asked = 0 if nonce is None else asked + 1
        if asked >= self.backoff.tries:
            return cast("S", Failed(NEVER_SATISFIED))
        law, wish = self._pause(waiting, asked, event.roll)
        due = next_poll(event.at, law, wish, end_of(waiting))
        if due is None:
            return cast("S", Expired())
        return Proving(postponed(inner, due), event.nonce, asked)

    def _pause(
        self, waiting: Started | Waiting[object], asked: int, roll: float
    ) -> tuple[timedelta, timedelta]:
        interval = waiting.interval if isinstance(waiting, Waiting) else SECOND
        if isinstance(waiting, Waiting) and waiting.authorization is not None:
            return interval, interval
        if not asked:
            return timedelta(), timedelta()
        return interval, max(interval, self.backoff.wait(asked, roll))


def _parts(state: S | Wrapper[S]) -> tuple[S | Wrapper[S], str | None, int]:
    if isinstance(state, Proving):
        return state.inner, state.nonce, state.asked
    return state, None, 0


def _read(send: Send, reply: Reply, now: Moment) -> Received:
    event, nonce = send.read(reply, now), nonce_of(reply)
    match event:
        case _ if nonce is None:
            return event
        case Rejected(error=Refused(code="use_dpop_nonce")):
            return NonceAsked(now.mono, nonce, now.roll)
        case _:
            return NonceSupplied(event, nonce)
