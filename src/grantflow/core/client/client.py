"""Who asks, for what, and where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final, final, get_args

from attrs import evolve, field, frozen
from attrs.validators import and_

from grantflow.core.client.authentication import (
    ClientAuthentication,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretPost,
    MutualTls,
    Public,
    authenticated,
)
from grantflow.core.client.dialect import RequestFormat
from grantflow.core.client.dpop import DPoP
from grantflow.core.client.provider import Provider
from grantflow.core.values.json import Members
from grantflow.core.values.pairs import Pairs, as_pairs
from grantflow.core.values.parsing import sendable
from grantflow.core.values.request import Proof, Request
from grantflow.core.values.secret import Secret
from grantflow.core.values.validators import (
    ArgumentError,
    are,
    encodable,
    fits_a_header,
    is_a,
    listed,
)


def _words(value: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else listed(value)


def _several(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else listed(value)


def _named(made: Client, _: object, value: str) -> None:
    if not value.strip():
        raise ArgumentError("client_id", "it is empty; the provider gave one at registration")
    if not encodable(value):
        raise ArgumentError("client_id", "it holds half a character (a lone surrogate)")
    in_header = made.provider.client_id_header is not None or isinstance(
        made.authentication, ClientSecretHeaders
    )
    if in_header and not fits_a_header(value):
        raise ArgumentError("client_id", "no header can hold it, and this provider wants it in one")


def _one_word_each(_: object, __: object, value: tuple[str, ...]) -> None:
    for word in value:
        if word.split() != [word]:
            raise ArgumentError("scope", f"{word!r} is not one word")


def _json_where_said(_: object, __: object, value: Pairs) -> None:
    for name, text in value:
        if name.endswith(":") and isinstance(text, str):
            try:
                json.loads(text)
            except ValueError:
                raise ArgumentError(
                    "extra", f"{name!r} says that JSON follows, not {text!r}"
                ) from None


_PUBLIC: Final = Public()
_STANDARD: Final = RequestFormat()


def _among(made: Client, _: object, value: str | None) -> None:
    if value is not None and value not in made.resource:
        raise ArgumentError("target", f"{value!r} is not among the resources")


def needs(*names: str) -> Callable[[object, object, Client], None]:
    """Return a validator: the client's provider has these endpoints."""

    def check(_: object, __: object, value: Client) -> None:
        for name in names:
            try:
                value.provider.endpoint(name)
            except ValueError as error:
                raise ValueError(f"client: provider {error}") from None

    return check


@final
@frozen(kw_only=True)
class Client:
    """A registered client of one provider, and what its tokens shall be good for.

    ``scope`` may be text with spaces; ``resource`` may be several (RFC 8707), and ``target`` then
    says which of them the token is for, where the server wants to know; ``extra`` are
    further parameters of the first request, where a server takes JSON also lists (``name[]``, once
    for each value) and numbers (``name:``). ``dpop`` binds the tokens to a key (RFC 9449).
    ``ValueError`` names the argument that is unusable.

    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> Client(provider=acme, client_id="app", scope="read write").scope
    ('read', 'write')
    """

    provider: Provider = field(validator=is_a(Provider))
    client_id: str = field(validator=and_(is_a(str), _named))
    authentication: ClientAuthentication = field(
        default=_PUBLIC,
        validator=is_a(*get_args(ClientAuthentication), phrase="a way to authenticate"),
    )
    scope: tuple[str, ...] = field(
        default=(), converter=_words, validator=[are(str), _one_word_each]
    )
    audience: str | None = field(default=None, validator=is_a(str, optional=True))
    resource: tuple[str, ...] = field(default=(), converter=_several, validator=are(str))
    target: str | None = field(default=None, validator=[is_a(str, optional=True), _among])
    extra: Pairs = field(
        default=(), converter=as_pairs, validator=[are(str, pairs=True), _json_where_said]
    )
    dpop: DPoP | None = field(default=None, validator=is_a(DPoP, optional=True))

    def request(self, endpoint: str, form: Pairs, asking: RequestFormat = _STANDARD) -> Request:
        """Return an authenticated request of this client, in the provider's format."""
        provider = self.provider
        shown = provider.client_id_header
        told: Pairs = () if shown is None else ((shown, self.client_id),)
        named = Request(
            self._reached(endpoint),
            form=form,
            headers=(*provider.headers, *told),
            method=asking.method,
            segments=asking.segments(form),
        )
        proven = authenticated(
            named,
            self.client_id,
            self._proof(asking),
            self._audience(named.url, asking),
            send_client_id=self._sends_id(endpoint, asking),
            public_basic=provider.public_basic,
        )
        encoding = asking.encoding or provider.encoding
        return evolve(proven, form=asking.spelt(proven.form), encoding=encoding)

    def _proof(self, asking: RequestFormat) -> ClientAuthentication:
        """Return how the client proves itself in this request."""
        match asking.secret_in, self.authentication:
            case "basic", ClientSecretPost(password):
                return ClientSecretBasic(password)
            case "body", ClientSecretBasic(password):
                return ClientSecretPost(password)
            case _:
                return self.authentication

    def _audience(self, url: str, asking: RequestFormat) -> str:
        """Return whom an assertion is for (RFC 7523 section 3): the issuer, else the endpoint."""
        provider = self.provider
        match asking.assertion_audience or provider.assertion_audience:
            case None:
                return provider.issuer or provider.token_endpoint
            case "token_endpoint":
                return provider.token_endpoint
            case "endpoint":
                return url
            case audience:
                return audience

    def _sends_id(self, endpoint: str, asking: RequestFormat) -> bool | None:
        """Tell whether the client id is in the body; at the device endpoint it always is.

        RFC 8628 section 3.1 has it there for every client.
        """
        provider = self.provider
        told = asking.send_client_id or provider.send_client_id
        if told is None and endpoint == provider.device_authorization_endpoint:
            told = "if_needed" if isinstance(self.authentication, ClientSecretHeaders) else "always"
        match told:
            case "always":
                return True
            case "never":
                return False
            case _:
                return None

    def token_request(
        self, endpoint: str, form: Pairs, asking: RequestFormat = _STANDARD
    ) -> Request:
        """Return a request for a token, with a proof of possession if the client has a key."""
        proof = None if self.dpop is None else Proof(self.dpop)
        return evolve(self.request(endpoint, form, asking), proof=proof)

    def targets(self) -> Pairs:
        """Return what a token request names of the granted resources (RFC 8707 section 2.2).

        One resource is named again. Of several none is, for many servers take one for each token,
        unless ``target`` picks it.
        """
        named = self.resource if self.target is None else (self.target,)
        return tuple(("resource", each) for each in named) if len(named) == 1 else ()

    def _reached(self, endpoint: str) -> str:
        """Return the endpoint that asks for certificates, if it is another (RFC 8705 section 5)."""
        if not isinstance(self.authentication, MutualTls):
            return endpoint
        return dict(self.provider.mtls_endpoint_aliases).get(endpoint, endpoint)

    @property
    def uses_pkce(self) -> bool:
        """Tell whether a sign-in uses PKCE: where it is required, or offered to a public client.

        A client that proves itself is bound to its code already (RFC 7636 section 1).
        """
        offered = self.provider.pkce_supported and isinstance(self.authentication, Public)
        return self.provider.pkce or offered

    @property
    def asked_scope(self) -> tuple[str, ...]:
        """Return the scope that is asked for: the client's own, else the provider's usual one."""
        return self.scope or self.provider.scope

    @property
    def asked_audience(self) -> str | None:
        """Return the audience that is asked for: the client's own, else the provider's usual."""
        return self.provider.audience if self.audience is None else self.audience

    def wishes(self, asking: RequestFormat = _STANDARD) -> Pairs:
        """Return what the first request of a flow asks for."""
        separator = self.provider.scope_separator
        words = self.asked_scope
        scope: Pairs
        if separator is None:
            encoding = asking.encoding or self.provider.encoding
            name = "scope[]" if encoding == "json" else "scope"
            scope = tuple((name, word) for word in words)
        else:
            scope = (("scope", separator.join(words)),) if words else ()
        wanted = self.asked_audience
        audience = (("audience", wanted),) if wanted is not None else ()
        resource = tuple(("resource", each) for each in self.resource)
        return (*scope, *audience, *resource, *self.extra)


def token_request(
    client: Client, form: Pairs | Mapping[str, str | Secret], endpoint: str | None = None
) -> Request:
    """Return a token request of a client: authenticated, formatted, with a proof if it has a key.

    ``endpoint`` is the provider's token endpoint by default.

    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> token_request(Client(provider=acme, client_id="app"), {"grant_type": "urn:x"}).body()
    b'grant_type=urn%3Ax&client_id=app'
    """
    provider = client.provider
    return client.token_request(endpoint or provider.token_endpoint, as_pairs(form), provider.token)


OWN: Final = ("client_id", "client_secret")
"""Members that are a client's credentials: some providers issue them with a grant."""


def speaking_for(client: Client, found: Members) -> Client:
    """Return the client with the credentials that came with a grant or a token.

    Only of a provider that issues them: those are what its second step sends back.

    >>> own = RequestFormat(echo=OWN)
    >>> acme = Provider(name="a", token_endpoint="https://acme.example/token", exchange=own)
    >>> own = Members({"client_id": "of-alice", "client_secret": "s"})
    >>> speaking_for(Client(provider=acme, client_id="app"), own).client_id
    'of-alice'
    """
    if not set(OWN) <= set(client.provider.exchange.echo):
        return client
    client_id, password = (sendable(found, name).value_or(None) for name in OWN)
    if client_id is None or password is None:
        return client
    return evolve(client, client_id=client_id.reveal(), authentication=ClientSecretPost(password))
