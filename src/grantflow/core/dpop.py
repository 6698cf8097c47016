"""The key of a proof of possession (DPoP, RFC 9449), as a value.

Rules:

1. A token that is bound to one key is stored apart from those of other keys (``tokens.key_of``).
2. Who wants proof is not content with less: an answer with a bearer token is refused, unless
   ``required=False`` says that one will do (RFC 9449 section 5).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, final

from attrs import Factory, field, frozen

from grantflow.core.checks import one_of
from grantflow.core.secret import Secret, secret
from grantflow.core.values import Members

# What a public key consists of, and what its thumbprint is made of (RFC 7638 section 3.2).
_PUBLIC: Final = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}

_ALGORITHMS: Final = {
    "P-256": "ES256",
    "P-384": "ES384",
    "P-521": "ES512",
    "Ed25519": "EdDSA",
    "RSA": "PS256",
}


def _key(value: Secret | str | Callable[[bytes], bytes]) -> Secret | Callable[[bytes], bytes]:
    return value if callable(value) else secret(value)


def _members(value: Mapping[str, object]) -> Members:
    """Keep what may be shown: a private part that was given by mistake is dropped here."""
    kind = value.get("kty")
    names = _PUBLIC.get(kind, ()) if isinstance(kind, str) else ()
    return Members({name: value[name] for name in names if isinstance(value.get(name), str)})


def _whole(_: object, __: object, value: Members) -> None:
    kind = value.get("kty")
    if not isinstance(kind, str) or tuple(sorted(value)) != _PUBLIC.get(kind):
        raise ValueError("public: the members of a public JWK are needed: EC, OKP or RSA")


def _public_of(made: DPoP) -> Members:
    if not isinstance(made.key, Secret):
        raise ValueError("public: a key that is a function needs its public JWK beside it")
    found = _read(made.key)
    if found is None:
        raise ValueError(
            "key: a private JWK text is needed; grantflow.shell.signing.dpop_key makes one, "
            "anew or from a PEM text"
        )
    return found


def _read(key: Secret) -> Members | None:
    # Apart, so that no traceback holds a frame that saw the parsed key.
    try:
        found: object = json.loads(key.reveal())
    except ValueError:
        return None
    return _members(found) if isinstance(found, dict) and "d" in found else None


def _algorithm(made: DPoP) -> str:
    return _ALGORITHMS.get(str(made.public.get("crv", made.public.get("kty"))), "ES256")


@final
@frozen
class DPoP:
    """Prove at each request that whoever sends it holds this key (RFC 9449).

    ``key`` is a private JWK text, or a function that signs bytes (an HSM) with its ``public`` JWK
    beside it. ``alg`` is what suits the key. ``required=False`` takes a bearer token as well.
    ``ValueError`` names what is unusable, and never shows it.

    >>> def signing(data: bytes) -> bytes: ...
    >>> x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    >>> key = DPoP(signing, public={"kty": "OKP", "crv": "Ed25519", "x": x})
    >>> key.alg, key.thumbprint
    ('EdDSA', 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
    """

    key: Secret | Callable[[bytes], bytes] = field(converter=_key)
    public: Members = field(
        default=Factory(_public_of, takes_self=True),
        converter=_members,
        validator=_whole,
        kw_only=True,
    )
    alg: str = field(
        default=Factory(_algorithm, takes_self=True),
        validator=one_of("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256"),
        kw_only=True,
    )
    required: bool = field(default=True, kw_only=True)

    @property
    def thumbprint(self) -> str:
        """Return the public key's thumbprint (RFC 7638): what tokens are bound to (``jkt``)."""
        told = json.dumps(dict(self.public), sort_keys=True, separators=(",", ":"))
        return urlsafe_b64encode(sha256(told.encode()).digest()).rstrip(b"=").decode("ascii")
