"""Sign-ins of two steps: what the first brings is exchanged for a token.

Two shapes, both built from the states and the rules of the device flow (``device.waiting``):

``TwoStepFlow``: the poll brings client credentials of the person's own (Real-Debrid).
``LinkFlow``: there is no request for a code. The link is made here, and one request that the
server holds open brings an authorization code (DagsHub).

Rules:

1. The exchange may be refused, repeated after 429 and 503, and no more: what is exchanged is spent.
2. It ends with the code that the person saw: nothing leaves at or after its expiry.
3. A request that was held open and timed out says that nobody has decided yet. It is no trouble,
   and the next one leaves an interval later.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Final, assert_never, final
from urllib.parse import urlencode

from attrs import evolve, field, frozen
from attrs.validators import optional

from grantflow.core.client.client import OWN, Client, speaking_for
from grantflow.core.flows import dpop as nonces
from grantflow.core.flows import token_request as grant
from grantflow.core.flows.device import (
    GRANT_TYPE,
    DeviceFlow,
    Waiting,
    has_an_endpoint,
    verifies,
    waiting,
)
from grantflow.core.flows.effects import Due, Send, limited
from grantflow.core.flows.events import (
    Event,
    FirstReply,
    GrantIssued,
    Rejected,
    StillPending,
    TokenIssued,
    TokenReply,
)
from grantflow.core.flows.pacing import SECOND, Backoff, positive, soonest
from grantflow.core.flows.states import (
    Authorized,
    DeviceState,
    Expired,
    Failed,
    Pending,
    SlowDown,
    Started,
)
from grantflow.core.flows.states import Final as Ended
from grantflow.core.responses.answer import read_answer
from grantflow.core.responses.token import poll_reply, refresh_reply
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.json import Members
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.parsing import LARGEST_BODY, sendable, text_of
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.secret import Secret, maybe_secret, secret
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.token import DeviceAuthorization

_HELD: Final = timedelta(minutes=5)
"""How long a request is held open for before it is sent anew."""


def _echoes(_: object, __: object, value: Client) -> None:
    if not value.provider.exchange.echo:
        name = value.provider.name
        raise ValueError(f"client: provider {name!r} does not say what to exchange (exchange.echo)")


@final
@frozen
class TwoStepFlow:
    """A device sign-in whose poll brings credentials: a ``Flow[DeviceState]``.

    ``provider.exchange`` says how the second step is spelt; what it echoes is what the poll has to
    bring. Arguments and errors as in ``DeviceFlow``.
    """

    client: Client = field(validator=[has_an_endpoint, _echoes])
    backoff: Backoff = field(default=Backoff(), kw_only=True)
    budget: timedelta | None = field(default=None, kw_only=True, validator=optional(positive))
    verifier: Secret | None = field(
        default=None, kw_only=True, converter=maybe_secret, validator=verifies
    )

    @property
    def _first(self) -> DeviceFlow:
        return DeviceFlow(
            self.client, backoff=self.backoff, budget=self.budget, verifier=self.verifier
        )

    def start(self, now: Moment, /) -> Started:
        """Return the first state: the code is asked for at once."""
        return self._first.start(now)

    def due(self, state: DeviceState, /) -> Due:
        """Return the request for a code, the next poll, the exchange, or the end."""
        due = self._first.due(state)
        if not isinstance(due, Send) or not isinstance(state, (Pending, SlowDown)):
            return due
        if state.grant:
            return _exchanging(self.client, state, GRANT_TYPE)
        return evolve(due, read=partial(_credentials, due.request, self.client))

    def step(self, state: DeviceState, event: Event, /) -> DeviceState:
        """Return the state after an event; final states absorb every event."""
        if isinstance(state, (Pending, SlowDown)):
            return _stepped(state, event, self.backoff)
        return self._first.step(state, event)


def _known(_: object, __: object, value: Client) -> None:
    provider = value.provider
    for name in ("authorization_endpoint", "poll_endpoint"):
        if getattr(provider, name) is None:
            raise ValueError(f"client: provider {provider.name!r} has no {name}")
    if provider.pkce:
        raise ValueError(f"client: provider {provider.name!r} has no device grant to use PKCE with")


def _long_enough(_: object, __: object, value: Secret) -> None:
    if len(value.reveal()) < 32:
        raise ValueError("entropy: 32 random characters are needed at least")


@final
@frozen
class LinkFlow:
    """A sign-in by a link that is made here and a request that is held open.

    A ``Flow[DeviceState]`` whose ``DeviceAuthorization`` has a link and no user code. ``entropy``
    is what nobody can guess, new for each sign-in: the link and what the server is asked come from
    it. A provider without the endpoints raises ``ValueError``.
    """

    client: Client = field(validator=_known)
    entropy: Secret = field(converter=secret, validator=_long_enough)
    backoff: Backoff = field(default=Backoff(), kw_only=True)
    budget: timedelta | None = field(default=None, kw_only=True, validator=optional(positive))

    def start(self, now: Moment, /) -> Pending[DeviceAuthorization]:
        """Return the first state: the link is known, and the server may be asked at once."""
        provider = self.client.provider
        code = DeviceAuthorization(
            self._derived("request"),
            "",
            self._link(),
            Instant(now.mono + provider.lifetime),
            provider.interval,
        )
        deadline = None if self.budget is None else Instant(now.mono + self.budget)
        interval = max(provider.interval, SECOND)
        return Pending(code, interval, now.mono, deadline=deadline)

    def due(self, state: DeviceState, /) -> Due:
        """Return the request that is held open, the exchange, or the end."""
        match state:
            case Pending() | SlowDown() if state.grant:
                more = ("state", self._derived("state"))
                return _exchanging(self.client, state, "authorization_code", more)
            case Pending() | SlowDown():
                return self._asking(state)
            case Started():
                return Failed(
                    InvalidResponse("this flow has no such state: its link is made at once")
                )
            case Authorized() | Expired() | Failed():
                return state
            case _:
                assert_never(state)

    def _asking(self, state: Waiting) -> Send:
        provider = self.client.provider
        form = (("request_id", state.authorization.device_code),)
        asked = self.client.request(provider.poll_endpoint or "", form, provider.poll)
        end = soonest(state.authorization.expires_at, state.deadline)
        left = _HELD if end is None else max(end - state.not_before, SECOND)
        held = evolve(asked, wait=min(_HELD, left))
        return Send(held, state.not_before, partial(_code, held, self.client))

    def step(self, state: DeviceState, event: Event, /) -> DeviceState:
        """Return the state after an event; final states absorb every event."""
        if isinstance(state, (Pending, SlowDown)):
            return _stepped(state, event, self.backoff)
        return state

    def _derived(self, purpose: str) -> str:
        return sha256(f"{purpose}:{self.entropy.reveal()}".encode()).hexdigest()

    def _link(self) -> str:
        provider = self.client.provider
        form = (
            ("state", self._derived("state")),
            ("client_id", self.client.client_id),
            ("request_id", self._derived("request")),
            *self.client.wishes(provider.device),
        )
        spelt = provider.device.spelt(form)
        # A link is shown, so what is secret does not go into it.
        shown = [(name, text) for name, text in spelt if isinstance(text, str)]
        endpoint = provider.authorization_endpoint or ""
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(shown)}"


def _stepped(state: Waiting, event: Event, backoff: Backoff) -> DeviceState:
    if state.grant:
        return _exchanged(state, event, backoff)
    if isinstance(event, GrantIssued):
        return _begun(state, event)
    return waiting(state, event, backoff)


def _begun(state: Waiting, event: GrantIssued) -> Waiting | Ended:
    code = state.authorization
    end = soonest(code.expires_at, state.deadline)
    if end is not None and event.at >= end:
        return Expired()
    polls = state.polls + 1
    nonce = event.nonce or state.nonce
    return Pending(code, SECOND, event.at, polls, 0, state.deadline, nonce, event.grant)


def _exchanging(client: Client, state: Waiting, grant_type: str, *more: tuple[str, str]) -> Send:
    """Return the second request: the grant, by who was named in it."""
    code, provider = state.authorization, client.provider
    echoed = ((name, text_of(state.grant.get(name))) for name in provider.exchange.echo)
    form: Pairs = (
        ("grant_type", grant_type),
        ("device_code", code.device_code),
        *((name, Secret(text)) for name, text in echoed if text is not None and name not in OWN),
        *more,
    )
    speaker = speaking_for(client, state.grant)
    endpoint, asking = provider.token_endpoint, provider.exchange
    request = speaker.token_request(endpoint, form, asking, state.nonce)
    request = limited(request, state.not_before, state.deadline)
    read = partial(_token, request, client, state.grant)
    return Send(request, state.not_before, read, spends="code")


def _token(
    request: Request, client: Client, found: Members, reply: Reply, now: Moment
) -> TokenReply:
    event = refresh_reply(request, client.provider, client.scope, reply, now)
    if not isinstance(event, TokenIssued):
        return event
    own = {name: found[name] for name in OWN if name in found}
    return evolve(event, token=evolve(event.token, extra=Members({**event.token.extra, **own})))


def _exchanged(state: Waiting, event: Event, backoff: Backoff) -> DeviceState:
    """Step as every request that must not be sent twice; the code stays with the state."""
    end = soonest(state.authorization.expires_at, state.deadline)
    alone: Pending[None] = Pending(
        None, state.interval, state.not_before, state.polls, state.faults, end, state.nonce
    )
    after = grant.stepped(alone, event, backoff, twice=False)
    if not isinstance(after, (Pending, SlowDown)):
        return after
    kind = Pending if isinstance(after, Pending) else SlowDown
    return kind(
        state.authorization,
        after.interval,
        after.not_before,
        state.polls + 1,
        after.faults,
        state.deadline,
        after.nonce,
        state.grant,
    )


def _credentials(request: Request, client: Client, reply: Reply, now: Moment) -> FirstReply:
    """Read the answer to a poll that brings what the exchange will echo."""
    provider = client.provider
    if isinstance(reply, Response) and reply.status == 200:
        answer = read_answer(request, provider, "poll", reply, now)
        found = answer.found.value_or(Members())
        told = {name: sendable(found, name).value_or(None) for name in provider.exchange.echo}
        if answer.refused is None and all(value is not None for value in told.values()):
            issued = Members({name: text_of(found.get(name)) for name in told})
            return GrantIssued(now.mono, issued, nonces.nonce_of(reply))
    event = poll_reply(request, provider, client.scope, reply, now)
    if isinstance(event, TokenIssued):
        names = ", ".join(provider.exchange.echo)
        return Rejected(now.mono, InvalidResponse(f"HTTP 200: {names} are missing", 200))
    return event


def _code(request: Request, client: Client, reply: Reply, now: Moment) -> FirstReply:
    """Read the answer to a request that was held open: a JSON text, the authorization code."""
    if isinstance(reply, Fault):
        if reply.kind == "timeout" and reply.reached == "maybe":
            return StillPending(now.mono)
        return poll_reply(request, client.provider, client.scope, reply, now)
    code = _text(reply) if reply.status == 200 else None
    if code is not None:
        return GrantIssued(now.mono, Members({"code": code}), nonces.nonce_of(reply))
    event = poll_reply(request, client.provider, client.scope, reply, now)
    if isinstance(event, TokenIssued):
        return Rejected(now.mono, InvalidResponse("HTTP 200: a code was expected", 200))
    return event


def _text(reply: Response) -> str | None:
    if len(reply.body) > LARGEST_BODY:
        return None
    try:
        found: object = json.loads(reply.body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    usable = isinstance(found, str) and found and all("\x21" <= each <= "\x7e" for each in found)
    return found if isinstance(found, str) and usable else None
