"""A sign-in by a link that is made here, and a request that the server holds open (DagsHub).

There is no request for a code: the held request brings an authorization code, which is exchanged
for a token as in ``two_step``. A held request that times out says that the person has not decided
yet. It is no trouble, and the next one leaves an interval later. A status that does not pass by
itself (400, 404, a redirect) ends the sign-in: the server answers once, when it has decided.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Final, TypeAlias, assert_never, final
from urllib.parse import urlencode

from attrs import evolve, field, frozen
from attrs.validators import optional

from grantflow.core.client.client import Client, needs
from grantflow.core.flows.device import Polling
from grantflow.core.flows.effects import Due, Send
from grantflow.core.flows.events import (
    Received,
    Rejected,
    StillPending,
    TokenIssued,
    Unanswered,
)
from grantflow.core.flows.pacing import SECOND, Backoff, end_of
from grantflow.core.flows.states import Authorized, Expired, Failed, Pending, SlowDown
from grantflow.core.flows.states import Final as Ended
from grantflow.core.flows.two_step import Exchanging, GrantIssued, exchange, next_step
from grantflow.core.responses.answer import read_answer
from grantflow.core.responses.token import read_token
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import LARGEST_BODY
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.secret import Secret, secret
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.token import DeviceAuthorization
from grantflow.core.values.validators import positive

LinkState: TypeAlias = Polling | Exchanging | Ended
"""The link is known from the beginning, so there is no ``Started``."""

_HELD: Final = timedelta(minutes=5)
"""How long a request is held open before it is sent again."""


def _no_pkce(_: object, __: object, value: Client) -> None:
    if value.provider.pkce:
        name = value.provider.name
        raise ValueError(f"client: provider {name!r} has no device grant to use PKCE with")


def _long_enough(_: object, __: object, value: Secret) -> None:
    if len(value.reveal()) < 32:
        raise ValueError("entropy: 32 random characters are needed at least")


@final
@frozen
class LinkFlow:
    """A sign-in by a link and a request that is held open: a ``Flow[DeviceState]``.

    Its ``DeviceAuthorization`` has a link and no user code. ``entropy`` is unguessable text, new
    for each sign-in: the link and the held request derive from it. A provider without the endpoints
    raises ``ValueError``.
    """

    client: Client = field(validator=[needs("authorization", "poll"), _no_pkce])
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

    def due(self, state: LinkState, /) -> Due:
        """Return the request that is held open, the exchange, or the end."""
        match state:
            case Exchanging():
                more = ("state", self._derived("state"))
                return exchange(self.client, state, "authorization_code", more)
            case Pending() | SlowDown():
                return self._held(state)
            case Authorized() | Expired() | Failed():
                return state
            case _:
                assert_never(state)

    def step(self, state: LinkState, event: Received, /) -> LinkState:
        """Return the state after an event; final states absorb every event."""
        match state:
            case Pending() | SlowDown() | Exchanging():
                return next_step(state, event, self.backoff)
            case Authorized() | Expired() | Failed():
                return state
            case _:
                assert_never(state)

    def _held(self, state: Polling) -> Send:
        provider = self.client.provider
        form = (("request_id", state.authorization.device_code),)
        asked = self.client.request(provider.endpoint("poll"), form, provider.poll)
        end = end_of(state)
        left = _HELD if end is None else max(end - state.not_before, SECOND)
        held = evolve(asked, wait=min(_HELD, left))
        return Send(held, state.not_before, partial(_code, held, self.client))

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
        pairs = provider.device.spelt(form)
        # A link is shown, so secrets do not go into it.
        shown = [(name, text) for name, text in pairs if isinstance(text, str)]
        endpoint = provider.endpoint("authorization")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(shown)}"


def _code(request: Request, client: Client, reply: Reply, now: Moment) -> Received:
    """Read the answer to a request that was held open: a JSON text, the authorization code."""
    if isinstance(reply, Fault) and reply.kind == "timeout" and reply.reached == "maybe":
        return StillPending(now.mono)
    code = _text(reply) if isinstance(reply, Response) and reply.status == 200 else None
    if code is not None:
        return GrantIssued(now.mono, Members({"code": code}))
    event = read_token(request, client, reply, now, endpoint="poll")
    if isinstance(event, TokenIssued):
        return Rejected(now.mono, InvalidResponse("HTTP 200: a code was expected", 200))
    if isinstance(event, Unanswered) and isinstance(reply, Response) and not event.passing:
        return read_answer(request, client.provider, "poll", reply, now).no_answer(now)
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
