"""How a client proves who it is, as values, and how each of them changes a request.

``client_id`` goes into the body even beside Basic: public-client servers look for it there.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, assert_never, final
from urllib.parse import quote, quote_plus

from attrs import evolve, field, frozen

from grantflow.core.checks import one_of
from grantflow.core.secret import Secret, secret
from grantflow.core.values import Assertion, Certificate, Request


def _not_empty(_: object, __: object, value: Secret) -> None:
    if value == Secret(""):
        raise ValueError("secret: it is empty; a client without one authenticates with Public()")


@final
@frozen
class Public:
    """No authentication: the client only names itself (``none``, RFC 7591 section 2)."""


@final
@frozen
class ClientSecretBasic:
    """The secret in an ``Authorization: Basic`` header (RFC 6749 section 2.3.1).

    The RFC wants id and secret form-encoded first; servers disagree, so it is a named choice:
    ``rfc6749`` writes a space as ``%20``, ``plus`` as ``+``, ``raw`` encodes nothing.
    """

    secret: Secret = field(converter=secret, validator=_not_empty)
    encoding: Literal["rfc6749", "plus", "raw"] = field(
        default="rfc6749", validator=one_of("rfc6749", "plus", "raw")
    )


@final
@frozen
class ClientSecretPost:
    """The secret as a parameter of the body (RFC 6749 section 2.3.1)."""

    secret: Secret = field(converter=secret, validator=_not_empty)


@final
@frozen
class ClientSecretJwt:
    """An assertion that is signed with the shared secret (RFC 7523, ``client_secret_jwt``).

    ``audience`` is by default the issuer, and the endpoint where no issuer is known.
    """

    secret: Secret = field(converter=secret, validator=_not_empty)
    alg: str = field(default="HS256", kw_only=True, validator=one_of("HS256", "HS384", "HS512"))
    audience: str | None = field(default=None, kw_only=True)


_PRIVATE: Final = (
    *(f"{kind}{size}" for kind in ("ES", "RS", "PS") for size in (256, 384, 512)),
    "EdDSA",
)


def _key(value: Secret | str | Callable[[bytes], bytes]) -> Secret | Callable[[bytes], bytes]:
    return value if callable(value) else secret(value)


@final
@frozen
class PrivateKeyJwt:
    """An assertion that is signed with the client's private key (RFC 7523, ``private_key_jwt``).

    ``key`` is a PEM or JWK text, or a function that signs bytes (a key that never leaves an HSM);
    ``kid`` names it to the server.
    """

    key: Secret | Callable[[bytes], bytes] = field(converter=_key)
    kid: str | None = field(default=None, kw_only=True)
    alg: str = field(default="ES256", kw_only=True, validator=one_of(*_PRIVATE))
    audience: str | None = field(default=None, kw_only=True)


@final
@frozen
class MutualTls:
    """A client certificate, by the names of its files (RFC 8705, ``tls_client_auth``)."""

    certificate: str
    key: str | None = None


ClientAuthentication: TypeAlias = (
    Public | ClientSecretBasic | ClientSecretPost | ClientSecretJwt | PrivateKeyJwt | MutualTls
)


def authenticated(
    request: Request,
    client_id: str,
    authentication: ClientAuthentication,
    issuer: str | None = None,
) -> Request:
    """Return ``request`` with the client's name and proof.

    >>> request = authenticated(Request("https://as.example"), "app", ClientSecretBasic("p s"))
    >>> request.body(), request.header_map()["Authorization"]
    (b'client_id=app', 'Basic YXBwOnAlMjBz')
    """
    named = evolve(request, form=(*request.form, ("client_id", client_id)))
    match authentication:
        case Public():
            return named
        case ClientSecretPost(password):
            return evolve(named, form=(*named.form, ("client_secret", password)))
        case ClientSecretBasic(password, encoding):
            header = _basic(client_id, password, encoding)
            return evolve(named, headers=(*named.headers, ("Authorization", header)))
        case ClientSecretJwt(secret=password, alg=alg, audience=audience):
            to = audience or issuer or request.url
            claims = Assertion(client_id=client_id, audience=to, key=password, algorithm=alg)
            return evolve(named, assertion=claims)
        case PrivateKeyJwt(key=key, kid=kid, alg=alg, audience=audience):
            to = audience or issuer or request.url
            claims = Assertion(client_id=client_id, audience=to, key=key, algorithm=alg, key_id=kid)
            return evolve(named, assertion=claims)
        case MutualTls(certificate, key_file):
            return evolve(named, certificate=Certificate(certificate, key_file))
        case _:
            assert_never(authentication)


def _basic(client_id: str, password: Secret, encoding: Literal["rfc6749", "plus", "raw"]) -> Secret:
    pair = f"{_spelt(client_id, encoding)}:{_spelt(password.reveal(), encoding)}"
    return Secret("Basic " + b64encode(pair.encode()).decode("ascii"))


def _spelt(text: str, encoding: Literal["rfc6749", "plus", "raw"]) -> str:
    match encoding:
        case "rfc6749":
            return quote(text, safe="")
        case "plus":
            return quote_plus(text, safe="")
        case "raw":
            return text
        case _:
            assert_never(encoding)
