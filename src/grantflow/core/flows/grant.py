"""Any other grant at the token endpoint: one request, repeated as its kind allows.

``GrantFlow`` sends the parameters that it is given; token exchange (RFC 8693) and the JWT bearer
grant (RFC 7523 section 2.1) are a few lines over the same base.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final, Protocol, TypeAlias, final

from attrs import evolve, field, frozen

from grantflow.core.client.client import Client
from grantflow.core.client.identity import fingerprint
from grantflow.core.flows import token_request
from grantflow.core.flows.effects import Due
from grantflow.core.flows.events import Received
from grantflow.core.flows.pacing import Backoff
from grantflow.core.flows.states import GrantState, Started
from grantflow.core.responses.token import read_token
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.request import Fetch
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import Moment
from grantflow.core.values.validators import ArgumentError, positive

Parameter: TypeAlias = str | Secret | Fetch
Parameters: TypeAlias = tuple[tuple[str, Parameter], ...]

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"


def _parameters(
    value: Mapping[str, Parameter] | Parameters | list[tuple[str, Parameter]],
) -> Parameters:
    return tuple(value.items() if isinstance(value, Mapping) else value)


def _names_a_grant(_: object, __: object, value: Parameters) -> None:
    if "grant_type" not in dict(value):
        raise ArgumentError("form", "a grant_type is needed (RFC 6749 section 4.5)")


class _Requests(Protocol):
    """What a grant adds to the base: its parameters."""

    @property
    def client(self) -> Client: ...

    @property
    def parameters(self) -> Parameters: ...

    @property
    def may_repeat(self) -> bool: ...


@frozen
class _Grant:
    """One token request of a client; ``budget`` is the time for all attempts together."""

    client: Client
    backoff: Backoff = field(default=Backoff(), kw_only=True)
    budget: timedelta = field(default=timedelta(minutes=5), kw_only=True, validator=positive)

    def start(self, now: Moment, /) -> Started:
        """Return the first state: the token is requested at once."""
        return token_request.start(now, self.budget)

    def due(self: _Requests, state: GrantState, /) -> Due:
        """Return the request for a token, or the end."""
        client, asking = self.client, self.client.provider.token
        sent: Pairs = tuple((name, text) for name, text in self.parameters if not callable(text))
        request = client.token_request(client.provider.token_endpoint, sent, asking)
        fetched = tuple(
            (spelt, source)
            for name, source in self.parameters
            if callable(source)
            for spelt, _ in evolve(asking, fixed=()).spelt(((name, ""),))
        )
        request = evolve(request, fetched=fetched)
        read = partial(read_token, request, client, repeatable=self.may_repeat)
        return token_request.due(state, request, read, None if self.may_repeat else "code")

    def step(self, state: GrantState, event: Received, /) -> GrantState:
        """Return the state after an event; final states absorb every event."""
        return token_request.step(state, event, self.backoff, repeatable=self.may_repeat)

    @property
    def may_repeat(self) -> bool:
        """Whether a request that may have arrived is sent again."""
        return True


@final
@frozen
class GrantFlow(_Grant):
    """Any grant at the token endpoint, by its parameters: a ``Flow[GrantState]``.

    A parameter may be a function: it is called at each send, not before, and an ``OSError`` that it
    raises is a ``Fault``. ``repeatable=False`` is for what is spent by being sent, such as an
    authorization code. ``ValueError`` for a form without ``grant_type``.

    >>> from datetime import UTC, datetime
    >>> from grantflow.core.client.provider import Provider
    >>> from grantflow.core.values.time import Instant
    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> flow = GrantFlow(Client(provider=acme, client_id="app"), {"grant_type": "urn:x", "a": "b"})
    >>> now = Moment(Instant(timedelta()), datetime(2026, 1, 1, tzinfo=UTC))
    >>> flow.due(flow.start(now)).request.body()
    b'grant_type=urn%3Ax&a=b&client_id=app'
    """

    form: Parameters = field(converter=_parameters, validator=_names_a_grant)
    repeatable: bool = field(default=True, kw_only=True)

    @property
    def parameters(self) -> Parameters:
        """The parameters of the request, by their registered names."""
        return self.form

    @property
    def may_repeat(self) -> bool:
        """Whether a request that may have arrived is sent again."""
        return self.repeatable


@final
@frozen(kw_only=True)
class TokenExchangeFlow(_Grant):
    """Exchange a token for another one (RFC 8693): a ``Flow[GrantState]``.

    ``actor_token`` is that of the party that acts, with its type. Scope, audience, resource and
    further parameters are the client's. A token may be a function, called at each send.
    """

    client: Client = field(kw_only=False)
    subject_token: Parameter
    subject_token_type: str = ACCESS_TOKEN
    actor_token: Parameter | None = None
    actor_token_type: str | None = None
    requested_token_type: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse half an actor (RFC 8693 section 2.1)."""
        if (self.actor_token is None) != (self.actor_token_type is None):
            raise ArgumentError("actor_token", "it and actor_token_type are needed together")

    @property
    def parameters(self) -> Parameters:
        """The parameters of the request, by their registered names."""
        optional = (
            ("actor_token", self.actor_token),
            ("actor_token_type", self.actor_token_type),
            ("requested_token_type", self.requested_token_type),
        )
        return (
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", _hidden(self.subject_token)),
            ("subject_token_type", self.subject_token_type),
            *((name, _named(name, value)) for name, value in optional if value is not None),
            *self.client.wishes(self.client.provider.token),
        )


@final
@frozen(kw_only=True)
class JwtBearerFlow(_Grant):
    """Exchange a signed assertion for a token (RFC 7523 section 2.1): a ``Flow[GrantState]``.

    ``assertion`` is the JWT, or a function that makes one, called at each send. Scope and further
    parameters are the client's.
    """

    client: Client = field(kw_only=False)
    assertion: Parameter

    @property
    def parameters(self) -> Parameters:
        """The parameters of the request, by their registered names."""
        return (
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", _hidden(self.assertion)),
            *self.client.wishes(self.client.provider.token),
        )


def _hidden(value: Parameter) -> Parameter:
    return Secret(value) if isinstance(value, str) else value


def _named(name: str, value: Parameter) -> Parameter:
    return _hidden(value) if name == "actor_token" else value


def identity_of(flow: object) -> str | None:
    """Return what tells the tokens of this flow from those of others; ``None`` where nothing does.

    A parameter that is fetched at the send says nothing of what it will be.

    >>> from grantflow.core.client.provider import Provider
    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> client = Client(provider=acme, client_id="app")
    >>> identity_of(JwtBearerFlow(client, assertion=lambda: "new")) is None
    True
    """
    if not isinstance(flow, _GRANTS) or any(callable(value) for _, value in flow.parameters):
        return None
    return fingerprint(tuple(sorted(flow.parameters)))


_GRANTS: Final = (GrantFlow, TokenExchangeFlow, JwtBearerFlow)
