"""The client credentials grant (RFC 6749 section 4.4): a client signs in as itself.

A request may be repeated even if it perhaps arrived: a second token does no harm.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import final

from attrs import evolve, field, frozen

from grantflow.core.client.client import Client
from grantflow.core.flows import token_request
from grantflow.core.flows.effects import Due
from grantflow.core.flows.events import Event
from grantflow.core.flows.pacing import Backoff
from grantflow.core.flows.states import GrantState, Started
from grantflow.core.responses.token import read_token
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.time import Moment
from grantflow.core.values.validators import positive


@final
@frozen
class ClientCredentialsFlow:
    """A ``Flow[GrantState]`` that requests a token for the client itself.

    ``budget`` is the time for all attempts together.

    >>> from datetime import datetime, timezone
    >>> from grantflow.core.flows.events import SlowDownAsked
    >>> from grantflow.core.client.provider import Provider
    >>> from grantflow.core.values.time import Instant
    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> flow = ClientCredentialsFlow(Client(provider=acme, client_id="app"))
    >>> s = lambda seconds: Instant(timedelta(seconds=seconds))
    >>> state = flow.start(Moment(s(0), datetime(2026, 1, 1, tzinfo=timezone.utc)))
    >>> state = flow.step(state, SlowDownAsked(s(0), retry_after=timedelta(seconds=20)))
    >>> type(state).__name__, state.not_before.seconds
    ('SlowDown', 20)
    """

    client: Client
    backoff: Backoff = field(default=Backoff(), kw_only=True)
    budget: timedelta = field(default=timedelta(minutes=5), kw_only=True, validator=positive)

    def start(self, now: Moment, /) -> Started:
        """Return the first state: the token is requested at once."""
        return token_request.start(now, self.budget)

    def due(self, state: GrantState, /) -> Due:
        """Return the request for a token, or the end."""
        client, asking = self.client, self.client.provider.token
        form = (("grant_type", "client_credentials"), *self._wishes())
        request = client.token_request(client.provider.token_endpoint, form, asking)
        read = partial(read_token, request, client, repeatable=True)
        return token_request.due(state, request, read)

    def step(self, state: GrantState, event: Event, /) -> GrantState:
        """Return the state after an event; final states absorb every event."""
        return token_request.step(state, event, self.backoff, repeatable=True)

    def _wishes(self) -> Pairs:
        client, target = self.client, self.client.target
        one = client if target is None else evolve(client, resource=(target,))
        return one.wishes(client.provider.token)
