"""Dynamic client registration (RFC 7591): a client that nobody registered by hand.

AWS IAM Identity Center wants it before every first sign-in, and spells it its own way.

Rules:

1. Asking twice makes two clients, and the one that is not used does no harm: it may be repeated.
2. A registration is kept as a token is, under a key of its own and until its own end
   (``client_secret_expires_at``, where 0 is never).
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Final, final

from attrs import evolve, field, frozen
from returns.result import Result

from grantflow.core.client.authentication import (
    ClientAuthentication,
    ClientSecretBasic,
    ClientSecretPost,
    Public,
)
from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider
from grantflow.core.flows import token_request
from grantflow.core.flows.effects import Due
from grantflow.core.flows.events import Event, Rejected, TokenIssued, TokenReply
from grantflow.core.flows.pacing import Backoff
from grantflow.core.flows.states import GrantState, Started
from grantflow.core.responses.answer import read_answer
from grantflow.core.responses.token import token_reply
from grantflow.core.values.json import Members
from grantflow.core.values.pairs import Pairs, as_pairs
from grantflow.core.values.parsing import absent, maybe_sendable, moment_of, sendable
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.core.values.result import either
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token
from grantflow.core.values.validators import one_of, positive

_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")

GRANT_TYPES: Final = ("urn:ietf:params:oauth:grant-type:device_code", "refresh_token")
"""The grants of a registered client, unless others are asked for."""

SECRET_TYPE: Final = "client_secret"
"""The ``token_type`` of a registration: its access token is the client's secret."""

PUBLIC_TYPE: Final = "client_id"
"""The same for a client without a secret: its access token is its id."""


def _registers(_: object, __: object, value: Provider) -> None:
    try:
        value.endpoint("registration")
    except ValueError as error:
        raise ValueError(f"provider: {error}") from None


@final
@frozen(kw_only=True)
class RegistrationFlow:
    """A ``Flow[GrantState]`` that registers a client and ends in it, as a token.

    ``client_name`` is what people are shown, ``scope`` what the client may ask for, ``extra``
    further members, ``grant_types`` the grants it uses, ``method`` how it would like to prove
    itself (the server's word counts). ``registered_client`` makes the client. A provider without a
    registration endpoint raises ``ValueError``.
    """

    provider: Provider = field(validator=_registers)
    client_name: str
    scope: tuple[str, ...] = field(default=(), converter=tuple[str, ...])
    extra: Pairs = field(default=(), converter=as_pairs)
    method: str = field(default="client_secret_basic", validator=one_of(*_METHODS))
    grant_types: tuple[str, ...] = field(default=GRANT_TYPES, converter=tuple[str, ...])
    backoff: Backoff = field(default=Backoff())
    budget: timedelta = field(default=timedelta(minutes=5), validator=positive)

    def start(self, now: Moment, /) -> Started:
        """Return the first state: the registration is due at once."""
        return token_request.start(now, self.budget)

    def due(self, state: GrantState, /) -> Due:
        """Return the request for a client, or the end."""
        provider = self.provider
        asking = provider.registration
        encoding = asking.encoding or "json"
        form = (
            ("client_name", self.client_name),
            *(("grant_types[]", each) for each in self.grant_types),
            # Left out it means ["code"] (RFC 7591 section 2), and a redirect URI with it.
            *((("response_types:", "[]"),) if encoding == "json" else ()),
            ("token_endpoint_auth_method", self.method),
            *self._scope(),
            *self.extra,
        )
        request = Request(
            provider.endpoint("registration"),
            asking.spelt(form),
            provider.headers,
            encoding,
            asking.method,
        )
        return token_request.due(state, request, partial(_registered, request, provider))

    def step(self, state: GrantState, event: Event, /) -> GrantState:
        """Return the state after an event; final states absorb every event."""
        return token_request.step(state, event, self.backoff, repeatable=True)

    def _scope(self) -> Pairs:
        separator = self.provider.scope_separator
        words = self.scope or self.provider.scope
        if separator is None:
            return tuple(("scope[]", word) for word in words)
        return (("scope", separator.join(words)),) if words else ()

    @property
    def key(self) -> str:
        """Return where the registration is stored."""
        parts = (
            ("at", self.provider.endpoint("registration")),
            ("name", self.client_name),
            ("method", self.method),
            *(("scope", word) for word in sorted(set(self.scope))),
            *(
                ()
                if self.grant_types == GRANT_TYPES
                else tuple(("grant", each) for each in self.grant_types)
            ),
            *((f"extra {name}", text) for name, text in self.extra if isinstance(text, str)),
        )
        told = "registration" + "".join(f"{len(text)}:{text}" for pair in parts for text in pair)
        return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def registered_client(client: Client, registration: Token) -> Client:
    """Return the client with the id, and the secret, that a registration gave.

    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> found = Token(access_token="s", token_type="client_secret", extra={"client_id": "c-1"})
    >>> registered_client(Client(provider=acme, client_id="?"), found).client_id
    'c-1'
    """
    secret = registration.access_token
    if registration.token_type != SECRET_TYPE:
        proof: ClientAuthentication = Public()
    elif registration.extra.get("token_endpoint_auth_method") == "client_secret_basic":
        proof = ClientSecretBasic(secret)
    else:
        proof = ClientSecretPost(secret)
    client_id = str(registration.extra.get("client_id"))
    return evolve(client, client_id=client_id, authentication=proof)


def _registered(request: Request, provider: Provider, reply: Reply, now: Moment) -> TokenReply:
    """Read the answer: RFC 7591 section 3.2.1 says 201, AWS says 200."""
    if isinstance(reply, Response) and reply.status in (200, 201):
        answer = read_answer(request, provider, "token", reply, now)
        if answer.refused is None:
            made = either(answer.found.bind(lambda found: _client(found, request, now)))
            if isinstance(made, Token):
                return TokenIssued(now.mono, made)
            return Rejected(now.mono, answer.invalid(made))
    return token_reply(request, provider, (), reply, now, "token", repeatable=True)


_TAKEN: Final = frozenset(
    {"client_secret", "client_secret_expires_at", "token_endpoint_auth_method"}
)


def _client(found: Members, request: Request, now: Moment) -> Result[Token, str]:
    # What the answer leaves out is as it was asked for (RFC 7591 section 3.2.1).
    method = found.get("token_endpoint_auth_method") or dict(request.form).get(
        "token_endpoint_auth_method"
    )
    return Result.do(
        Token(
            access_token=client_id if secret is None else secret,
            token_type=PUBLIC_TYPE if secret is None else SECRET_TYPE,
            expires_at=moment_of(found.get("client_secret_expires_at")),
            extra=Members(
                {
                    **absent(found, _TAKEN),
                    **({"token_endpoint_auth_method": method} if isinstance(method, str) else {}),
                }
            ),
            issued_at=now.wall,
        )
        for client_id in sendable(found, "client_id")
        for secret in maybe_sendable(found, "client_secret")
    )
