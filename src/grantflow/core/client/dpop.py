"""The key of a proof of possession (DPoP, RFC 9449), as a value.

The shell makes one: ``grantflow.signing.dpop_key`` reads or creates the key, and works out what it
signs with and its thumbprint. Here are plain values alone, so the core parses no key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

from attrs import Attribute, field, frozen

from grantflow.core.values.json import Members
from grantflow.core.values.secret import Secret


def _private(_: object, __: object, value: Secret | Callable[[bytes], bytes]) -> None:
    if not (isinstance(value, Secret) or callable(value)):
        raise TypeError("key: a Secret with a private JWK is needed, or a function that signs")


def _members(value: Mapping[str, object]) -> Members:
    return Members(value)


def _named(_: object, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{attribute.name}: text is needed; grantflow.signing.dpop_key fills it in")


@final
@frozen(kw_only=True)
class DPoP:
    """A key that tokens are bound to: each request proves that its sender holds it (RFC 9449).

    ``grantflow.signing.dpop_key`` makes one. ``key`` is a private JWK text, or a function that
    signs bytes (an HSM); ``public`` is its public JWK, ``alg`` the JWS algorithm it signs with,
    ``thumbprint`` the value that tokens are bound to (``jkt``, RFC 7638). With ``required=False``
    a bearer token is accepted as well (RFC 9449 section 5).
    """

    key: Secret | Callable[[bytes], bytes] = field(validator=_private)
    public: Members = field(converter=_members)
    alg: str = field(validator=_named)
    thumbprint: str = field(validator=_named)
    required: bool = True
