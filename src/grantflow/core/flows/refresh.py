"""The refresh grant (RFC 6749 section 6).

Rules:

1. A refresh that may have arrived is never sent again: with rotation the token is spent, and a
   second use looks like theft and may revoke the whole grant (RFC 9700 section 4.14.2).
2. A 429 or 503 says that it was not acted on, so it may be sent again later; a 500 does not.
3. An answer without a refresh token means that the old one stays valid.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import final

from attrs import evolve, field, frozen

from grantflow.core.client.client import Client
from grantflow.core.flows import token_request
from grantflow.core.flows.effects import Due
from grantflow.core.flows.events import Event, TokenIssued, TokenReply
from grantflow.core.flows.pacing import Backoff
from grantflow.core.flows.states import GrantState, Started
from grantflow.core.responses.token import read_token
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.secret import Secret, secret
from grantflow.core.values.time import Moment
from grantflow.core.values.validators import positive


@final
@frozen
class RefreshFlow:
    """A ``Flow[GrantState]`` that renews a token.

    ``scope`` is what the token was granted, for answers that omit it; by default the client's.

    >>> from datetime import datetime, timezone
    >>> from grantflow.core.client.provider import Provider
    >>> from grantflow.core.values.response import Fault
    >>> from grantflow.core.values.time import Instant
    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> flow = RefreshFlow(Client(provider=acme, client_id="app"), "rt-1")
    >>> now = Moment(Instant(timedelta()), datetime(2026, 1, 1, tzinfo=timezone.utc))
    >>> send = flow.due(flow.start(now))
    >>> type(flow.step(flow.start(now), send.read(Fault("refused", "no"), now))).__name__
    'Pending'
    >>> type(flow.step(flow.start(now), send.read(Fault("timeout", "maybe"), now))).__name__
    'Failed'
    """

    client: Client
    refresh_token: Secret = field(converter=secret)
    scope: tuple[str, ...] | None = field(default=None, kw_only=True)
    backoff: Backoff = field(default=Backoff(), kw_only=True)
    budget: timedelta = field(default=timedelta(minutes=5), kw_only=True, validator=positive)

    def start(self, now: Moment, /) -> Started:
        """Return the first state: the refresh is due at once."""
        return token_request.start(now, self.budget)

    def due(self, state: GrantState, /) -> Due:
        """Return the refresh request, or the end."""
        form: Pairs = (
            ("grant_type", "refresh_token"),
            ("refresh_token", self.refresh_token),
            *self.client.targets(),
        )
        provider = self.client.provider
        endpoint = provider.refresh_endpoint or provider.token_endpoint
        request = self.client.token_request(endpoint, form, provider.refresh)
        request = evolve(request, new_connection=True)
        read = partial(self._read, request)
        return token_request.due(state, request, read, spends="refresh_token")

    def step(self, state: GrantState, event: Event, /) -> GrantState:
        """Return the state after an event; final states absorb every event."""
        return token_request.step(state, event, self.backoff, repeatable=False)

    def _read(self, request: Request, reply: Reply, now: Moment) -> TokenReply:
        event = read_token(request, self.client, reply, now, scope=self.scope)
        if isinstance(event, TokenIssued) and event.token.refresh_token is None:
            return evolve(event, token=evolve(event.token, refresh_token=self.refresh_token))
        return event
