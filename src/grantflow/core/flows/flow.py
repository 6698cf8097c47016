"""What a flow is, and a run: a flow with the state it is in.

The driver rule: **perform what is due once, then tell the run what happened.**
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar, assert_never, final

from attrs import evolve, frozen
from returns.result import Failure, Result, Success

from grantflow.core.flows.effects import Due, Send
from grantflow.core.flows.events import Event
from grantflow.core.flows.states import Authorized, Expired, Failed, Final
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token

S = TypeVar("S")


class Flow(Protocol[S]):
    """Three pure functions that are a protocol: where it starts, what is due, what follows."""

    def start(self, now: Moment, /) -> S:
        """Return the first state."""
        ...

    def due(self, state: S, /) -> Due:
        """Return what is due in this state: one ``Send``, or the end. A function of the state."""
        ...

    def step(self, state: S, event: Event, /) -> S:
        """Return the state after an event. Total: any event may come in any state."""
        ...


@final
@frozen
class Run(Generic[S]):
    """A flow with the state it is in; a value, like everything here.

    >>> from datetime import datetime, timedelta, timezone
    >>> from grantflow.core.client.client import Client
    >>> from grantflow.core.flows.client_credentials import ClientCredentialsFlow
    >>> from grantflow.core.client.provider import Provider
    >>> from grantflow.core.values.time import Instant
    >>> from grantflow.core.values.response import Response
    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> flow = ClientCredentialsFlow(Client(provider=acme, client_id="app"))
    >>> now = Moment(Instant(timedelta()), datetime(2026, 1, 1, tzinfo=timezone.utc))
    >>> run = begin(flow, now)
    >>> run.due.request
    Request(method='POST', url='https://acme.example/token', form=grant_type, client_id)
    >>> run = run.receive(run.due, Response(200, {}, b'{"access_token": "at"}'), now)
    >>> outcome(run.due).unwrap().access_token.reveal()
    'at'
    """

    flow: Flow[S]
    state: S

    @property
    def due(self) -> Due:
        """What is due now."""
        return self.flow.due(self.state)

    def receive(self, send: Send, reply: Reply, now: Moment) -> Run[S]:
        """Return the run after the reply to ``send`` arrived at ``now``."""
        return self.apply(send.read(reply, now))

    def apply(self, event: Event) -> Run[S]:
        """Return the run after an event, for example ``GaveUp``."""
        return evolve(self, state=self.flow.step(self.state, event))


def begin(flow: Flow[S], now: Moment) -> Run[S]:
    """Return a run of ``flow`` that starts now."""
    return Run(flow, flow.start(now))


def outcome(final: Final) -> Result[Token, Expired | Failed]:
    """Return the token, or the state that says why there is none."""
    match final:
        case Authorized(token):
            return Success(token)
        case Expired() | Failed():
            return Failure(final)
        case _:
            assert_never(final)
