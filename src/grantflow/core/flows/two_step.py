"""A device sign-in of two steps: what the poll brings is exchanged for a token (Real-Debrid).

Rules:

1. The exchange may be refused, is repeated after 429 and 503, and otherwise not: what is exchanged
   is spent.
2. It ends with the code that the person saw: nothing is sent at or after its expiry.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TypeAlias, final

from attrs import evolve, field, frozen
from attrs.validators import optional

from grantflow.core.client.client import OWN, Client, needs, speaking_for
from grantflow.core.flows import pkce, token_request
from grantflow.core.flows.device import GRANT_TYPE, DeviceFlow, Polling, polled
from grantflow.core.flows.effects import Due, Send, limited
from grantflow.core.flows.events import (
    Received,
    Rejected,
    TokenIssued,
    TokenReply,
    WrapperEvent,
)
from grantflow.core.flows.pacing import SECOND, Backoff, end_of
from grantflow.core.flows.states import (
    DeviceState,
    Expired,
    Final,
    Pending,
    SlowDown,
    Started,
    Wrapper,
)
from grantflow.core.responses.answer import read_answer
from grantflow.core.responses.token import read_token
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.json import Members
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.parsing import sendable, text_of
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.core.values.secret import Secret, maybe_secret
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.validators import positive


@final
@frozen
class GrantIssued(WrapperEvent):
    """The first of two steps is done: this may be exchanged for a token."""

    at: Instant
    grant: Members


@final
@frozen
class Exchanging(Wrapper[Polling]):
    """The second of two steps: ``grant`` is what the first one brought."""

    inner: Polling
    grant: Members


TwoStepState: TypeAlias = DeviceState | Exchanging


def _echoes(_: object, __: object, value: Client) -> None:
    if not value.provider.exchange.echo:
        name = value.provider.name
        raise ValueError(f"client: provider {name!r} does not say what to exchange (exchange.echo)")


@final
@frozen
class TwoStepFlow:
    """A device sign-in whose poll brings credentials: a ``Flow[DeviceState]``.

    ``provider.exchange`` is the format of the second step; what it echoes is what the poll has to
    bring. Arguments and errors as in ``DeviceFlow``.
    """

    client: Client = field(validator=[needs("device_authorization"), _echoes])
    backoff: Backoff = field(default=Backoff(), kw_only=True)
    budget: timedelta | None = field(default=None, kw_only=True, validator=optional(positive))
    verifier: Secret | None = field(
        default=None, kw_only=True, converter=maybe_secret, validator=pkce.check_verifier
    )

    @property
    def _first(self) -> DeviceFlow:
        return DeviceFlow(
            self.client, backoff=self.backoff, budget=self.budget, verifier=self.verifier
        )

    def start(self, now: Moment, /) -> Started:
        """Return the first state: the code is asked for at once."""
        return self._first.start(now)

    def due(self, state: TwoStepState, /) -> Due:
        """Return the request for a code, the next poll, the exchange, or the end."""
        if isinstance(state, Exchanging):
            return exchange(self.client, state, GRANT_TYPE)
        due = self._first.due(state)
        if isinstance(due, Send) and isinstance(state, (Pending, SlowDown)):
            return evolve(due, read=partial(_credentials, due.request, self.client))
        return due

    def step(self, state: TwoStepState, event: Received, /) -> TwoStepState:
        """Return the state after an event; final states absorb every event."""
        if isinstance(state, (Pending, SlowDown, Exchanging)):
            return next_step(state, event, self.backoff)
        return self._first.step(state, event)


def next_step(
    state: Polling | Exchanging, event: Received, backoff: Backoff
) -> Polling | Exchanging | Final:
    """Return the state after an event in either of the two steps."""
    match state, event:
        case ((Pending() | SlowDown()), GrantIssued(at, grant)):
            end = end_of(state)
            if end is not None and at >= end:
                return Expired()
            waiting = Pending(
                state.authorization, SECOND, at, state.polls + 1, deadline=state.deadline
            )
            return Exchanging(waiting, grant)
        case Exchanging(), _:
            return _exchanged(state, event, backoff)
        case _:
            return polled(state, event, backoff)


def exchange(client: Client, state: Exchanging, grant_type: str, *more: tuple[str, str]) -> Send:
    """Return the second request: the grant, sent by the client that it names, if it names one."""
    code, provider = state.inner.authorization, client.provider
    echoed = ((name, text_of(state.grant.get(name))) for name in provider.exchange.echo)
    form: Pairs = (
        ("grant_type", grant_type),
        ("device_code", code.device_code),
        *((name, Secret(text)) for name, text in echoed if text is not None and name not in OWN),
        *more,
    )
    speaker = speaking_for(client, state.grant)
    request = speaker.token_request(provider.token_endpoint, form, provider.exchange)
    request = limited(request, state.inner)
    read = partial(_token, request, client, state.grant)
    return Send(request, state.inner.not_before, read, spends="code")


def exchanging(state: object) -> bool:
    """Tell whether a state is the second of two steps, whatever is wrapped around it."""
    while isinstance(state, Wrapper):
        if isinstance(state, Exchanging):
            return True
        state = state.inner
    return False


def _exchanged(state: Exchanging, event: Received, backoff: Backoff) -> Exchanging | Final:
    """Step as every request that must not be sent twice; the code stays with the state."""
    code = state.inner
    alone = Pending(None, code.interval, code.not_before, code.polls, code.faults, end_of(code))
    after = token_request.attempted(alone, event, backoff, repeatable=False)
    if not isinstance(after, (Pending, SlowDown)):
        return after
    kind = Pending if isinstance(after, Pending) else SlowDown
    waiting = kind(
        code.authorization,
        after.interval,
        after.not_before,
        code.polls + 1,
        after.faults,
        code.deadline,
    )
    return Exchanging(waiting, state.grant)


def _token(
    request: Request, client: Client, found: Members, reply: Reply, now: Moment
) -> TokenReply:
    event = read_token(request, client, reply, now)
    if not isinstance(event, TokenIssued):
        return event
    own = {name: found[name] for name in OWN if name in found}
    return evolve(event, token=evolve(event.token, extra=Members({**event.token.extra, **own})))


def _credentials(request: Request, client: Client, reply: Reply, now: Moment) -> Received:
    """Read the answer to a poll that brings what the exchange will echo."""
    names = client.provider.exchange.echo
    if isinstance(reply, Response) and reply.status == 200:
        answer = read_answer(request, client.provider, "poll", reply, now)
        found = answer.found.value_or(Members())
        brought = {name: sendable(found, name).value_or(None) for name in names}
        if answer.refused is None and all(value is not None for value in brought.values()):
            return GrantIssued(now.mono, Members({name: text_of(found[name]) for name in names}))
    event = read_token(request, client, reply, now, endpoint="poll")
    if isinstance(event, TokenIssued):
        missing = f"HTTP 200: {', '.join(names)} are missing"
        return Rejected(now.mono, InvalidResponse(missing, 200))
    return event
