"""How a client proves who it is, as values, and how each of them changes a request.

``client_id`` goes into the body where nothing else names the client there (RFC 6749 section 2.3.1,
RFC 8705 section 2): beside Basic or an assertion some servers refuse it, so there it is sent only
where the provider's data says so (``Provider.send_client_id``).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, TypeVar, assert_never, final
from urllib.parse import quote, quote_plus

from attrs import Attribute, evolve, field, frozen
from attrs.validators import and_

from grantflow.core.values.request import Assertion, Certificate, IssuedAssertion, Request
from grantflow.core.values.secret import Secret
from grantflow.core.values.validators import (
    ArgumentError,
    encodable,
    fits_a_header,
    is_a,
    is_http_token,
    one_of,
)

T = TypeVar("T")


def _secret(value: Secret | str) -> Secret:
    # What is neither is left to the validator, which names the argument and not the value.
    return Secret(value) if isinstance(value, str) else value


_A_SECRET: Final = is_a(Secret, phrase="a secret, as text or a Secret,")


def _not_empty(_: object, __: object, value: Secret) -> None:
    if value == Secret(""):
        raise ArgumentError("secret", "it is empty; without one, use Public()")
    if not encodable(value.reveal()):
        raise ArgumentError("secret", "it holds half a character (a lone surrogate)")


def _sent_as_it_is(_: object, __: object, value: Secret) -> None:
    if not fits_a_header(value.reveal()):
        raise ArgumentError("secret", "no header can hold it; is there a line break at its end?")


def _a_header(_: object, attribute: Attribute[str], value: str) -> None:
    is_a(str)(_, attribute, value)
    if not is_http_token(value):
        raise ArgumentError(attribute.name, f"{value!r} is no header name")


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

    secret: Secret = field(converter=_secret, validator=and_(_A_SECRET, _not_empty))
    encoding: Literal["rfc6749", "plus", "raw"] = field(
        default="rfc6749", validator=one_of("rfc6749", "plus", "raw")
    )


@final
@frozen
class ClientSecretPost:
    """The secret as a parameter of the body (RFC 6749 section 2.3.1)."""

    secret: Secret = field(converter=_secret, validator=and_(_A_SECRET, _not_empty))


@final
@frozen
class ClientSecretHeaders:
    """Id and secret in two headers of their own, and nowhere else: no RFC, but some APIs.

    >>> ClientSecretHeaders("s", id_header="x api")
    Traceback (most recent call last):
    grantflow.ArgumentError: id_header: 'x api' is no header name
    """

    secret: Secret = field(converter=_secret, validator=and_(_A_SECRET, _not_empty, _sent_as_it_is))
    id_header: str = field(default="client-id", kw_only=True, validator=_a_header)
    secret_header: str = field(default="client-secret", kw_only=True, validator=_a_header)


@final
@frozen
class ClientSecretJwt:
    """An assertion that is signed with the shared secret (RFC 7523, ``client_secret_jwt``).

    ``audience`` is by default the issuer, and the token endpoint where no issuer is known.
    """

    secret: Secret = field(converter=_secret, validator=and_(_A_SECRET, _not_empty))
    alg: str = field(default="HS256", kw_only=True, validator=one_of("HS256", "HS384", "HS512"))
    audience: str | None = field(default=None, kw_only=True, validator=is_a(str, optional=True))


ALGORITHMS: Final = (
    *(f"{kind}{size}" for kind in ("ES", "RS", "PS") for size in (256, 384, 512)),
    "EdDSA",
)
"""What a private key may sign with (RFC 7518 section 3.1, RFC 8037 section 3.1)."""


def _key(value: Secret | str | Callable[[bytes], bytes]) -> Secret | Callable[[bytes], bytes]:
    return value if callable(value) else _secret(value)


def _a_key(_: object, __: Attribute[T], value: T) -> None:
    if not callable(value) and not isinstance(value, Secret):
        kind = type(value).__name__
        raise TypeError(f"key: a PEM or JWK text, or a function that signs, is needed, not {kind}")


@final
@frozen
class PrivateKeyJwt:
    """An assertion that is signed with the client's private key (RFC 7523, ``private_key_jwt``).

    ``key`` is a PEM or JWK text, or a function that signs bytes (a key that never leaves an HSM);
    ``kid`` names it to the server, or ``certificate`` does, a PEM text: its thumbprints go into the
    header as ``x5t`` and ``x5t#S256`` (Microsoft Entra wants one of them).
    """

    key: Secret | Callable[[bytes], bytes] = field(converter=_key, validator=_a_key)
    kid: str | None = field(default=None, kw_only=True, validator=is_a(str, optional=True))
    alg: str = field(default="ES256", kw_only=True, validator=one_of(*ALGORITHMS))
    audience: str | None = field(default=None, kw_only=True, validator=is_a(str, optional=True))
    certificate: str | None = field(default=None, kw_only=True, validator=is_a(str, optional=True))


def _a_function(_: object, __: object, value: Callable[[], Secret | str]) -> None:
    if not callable(value):
        raise TypeError(
            "source: a function that returns the assertion is needed, for example "
            "grantflow.secrets.from_file(path)"
        )


@final
@frozen
class ClientAssertion:
    """An assertion that somebody else signs: a platform's token file, another service (RFC 7521).

    ``source`` is called at each send, so that a token that the platform renews is never stale; an
    ``OSError`` that it raises is a ``Fault``. ``assertion_type`` is that of a JWT by default.
    """

    source: Callable[[], Secret | str] = field(validator=_a_function)
    assertion_type: str = field(
        default="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        kw_only=True,
        validator=is_a(str),
    )


@final
@frozen
class MutualTls:
    """A client certificate, by the names of its files (RFC 8705, ``tls_client_auth``)."""

    certificate: str = field(validator=is_a(str))
    key: str | None = field(default=None, validator=is_a(str, optional=True))


ClientAuthentication: TypeAlias = (
    Public
    | ClientSecretBasic
    | ClientSecretPost
    | ClientSecretHeaders
    | ClientSecretJwt
    | PrivateKeyJwt
    | ClientAssertion
    | MutualTls
)


METHODS: Final = (
    "none",
    "client_secret_basic",
    "client_secret_basic_raw",
    "client_secret_post",
    "client_secret_headers",
    "client_secret_jwt",
    "private_key_jwt",
    "client_assertion",
    "tls_client_auth",
    "self_signed_tls_client_auth",
)
"""How a client may prove who it is: the registered names (RFC 7591, RFC 8705), and three more for
a secret that Basic sends as it is, one in headers, and an assertion that another service signs."""


def authenticated(
    request: Request,
    client_id: str,
    authentication: ClientAuthentication,
    audience: str | None = None,
    *,
    send_client_id: bool | None = None,
    public_basic: bool = False,
) -> Request:
    """Return ``request`` with the client's name and proof; ``audience`` is the server's name.

    ``send_client_id`` says whether the name is in the body, by default where nothing else tells
    it; ``public_basic`` lets a public client name itself by Basic, with an empty secret.

    >>> request = authenticated(Request("https://as.example"), "app", ClientSecretBasic("p s"))
    >>> request.body(), request.header_map()["Authorization"]
    (b'', 'Basic YXBwOnAlMjBz')
    """
    alone = isinstance(authentication, (Public, ClientSecretPost, MutualTls))
    by_header = public_basic and isinstance(authentication, Public)
    named = request
    if (alone and not by_header) if send_client_id is None else send_client_id:
        named = evolve(request, form=(*request.form, ("client_id", client_id)))
    match authentication:
        case Public() if public_basic:
            header = _basic(client_id, Secret(""), "rfc6749")
            return evolve(named, headers=(*named.headers, ("Authorization", header)))
        case Public():
            return named
        case ClientSecretPost(password):
            return evolve(named, form=(*named.form, ("client_secret", password)))
        case ClientSecretBasic(password, encoding):
            header = _basic(client_id, password, encoding)
            headers = (*named.headers, ("Authorization", header))
            return evolve(named, headers=headers, hidden=(*named.hidden, password))
        case ClientSecretHeaders(secret=password, id_header=name, secret_header=other):
            proof = ((name, client_id), (other, password))
            return evolve(named, headers=(*named.headers, *proof))
        case ClientAssertion(source=source, assertion_type=kind):
            return evolve(named, assertion=IssuedAssertion(source, kind))
        case ClientSecretJwt(secret=password, alg=alg, audience=own):
            to = own or audience or request.url
            claims = Assertion(client_id=client_id, audience=to, key=password, algorithm=alg)
            return evolve(named, assertion=claims, hidden=(*named.hidden, password))
        case PrivateKeyJwt(key=key, kid=kid, alg=alg, audience=own, certificate=certificate):
            claims = Assertion(
                client_id=client_id,
                audience=own or audience or request.url,
                key=key,
                algorithm=alg,
                key_id=kid,
                certificate=certificate,
            )
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
