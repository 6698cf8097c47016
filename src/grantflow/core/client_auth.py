"""How a client proves who it is, as values, and how each of them changes a request.

``client_id`` goes into the body even beside Basic: public-client servers look for it there.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal, TypeAlias, assert_never, final
from urllib.parse import quote, quote_plus

from attrs import evolve, field, frozen, validators

from grantflow.core.secret import Secret, secret
from grantflow.core.values import Request


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
        default="rfc6749", validator=validators.in_(("rfc6749", "plus", "raw"))
    )


@final
@frozen
class ClientSecretPost:
    """The secret as a parameter of the body (RFC 6749 section 2.3.1)."""

    secret: Secret = field(converter=secret, validator=_not_empty)


ClientAuthentication: TypeAlias = Public | ClientSecretBasic | ClientSecretPost


def authenticated(
    request: Request, client_id: str, authentication: ClientAuthentication
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
