"""A run: a flow with the state it is in."""

from __future__ import annotations

from typing import Generic, TypeVar, assert_never, cast, final

from attrs import evolve, frozen
from returns.result import Failure, Result, Success

from grantflow.core.flows.effects import Due, Send
from grantflow.core.flows.effects import Flow as Flow
from grantflow.core.flows.events import Event, Received
from grantflow.core.flows.states import Authorized, Expired, Failed, Final, Wrapper, phase
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token

P = TypeVar("P", covariant=True)
S = TypeVar("S")


@final
@frozen
class Run(Generic[P]):
    """A flow with the state it is in; a value, like everything here.

    **Perform what is due once, then tell the run what happened**: that is all a driver does.
    ``phase`` is one of the six states, ``state`` what the flow holds. ``state`` is one of the six
    as well, but where a flow wraps another one.

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

    flow: Flow[P]
    state: P | Wrapper[P]

    @property
    def phase(self) -> P:
        """The one of the six states that the run is in."""
        return phase(self.state)

    @property
    def due(self) -> Due:
        """What is due now."""
        return self.flow.due(self.state)

    def receive(self, send: Send, reply: Reply, now: Moment) -> Run[P]:
        """Return the run after the reply to ``send`` arrived at ``now``."""
        return self.apply(send.read(reply, now))

    def apply(self, event: Received) -> Run[P]:
        """Return the run after an event, for example ``GaveUp``."""
        # What a wrapping flow's Send has read, that flow takes.
        return evolve(self, state=self.flow.step(self.state, cast("Event", event)))


def begin(flow: Flow[S], now: Moment) -> Run[S]:
    """Return a run of ``flow`` that starts now.

    If the flow's client has a DPoP key, the run handles the server's nonces (RFC 9449 section 8).
    """
    proving = bound(flow)
    return Run(proving, proving.start(now))


def bound(flow: Flow[S]) -> Flow[S]:
    """Return the flow, wrapped if its client has a DPoP key."""
    if getattr(getattr(flow, "client", None), "dpop", None) is None:
        return flow
    # Loaded only by those who have a key.
    from grantflow.core.flows.dpop import DPoPFlow

    return cast("Flow[S]", DPoPFlow(flow))  # typed by its phases


def outcome(final: Final) -> Result[Token, Expired | Failed]:
    """Return the token, or the state that says why there is none."""
    match final:
        case Authorized(token):
            return Success(token)
        case Expired() | Failed():
            return Failure(final)
        case _:
            assert_never(final)
