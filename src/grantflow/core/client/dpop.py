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

from grantflow.core.values.json import Members
from grantflow.core.values.secret import Secret, secret

# What a public key consists of, and what its thumbprint is made of (RFC 7638 section 3.2).
_PUBLIC: Final = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}

# What a key can sign with, the usual one first (RFC 7518 section 3.1, RFC 8037 section 3.1).
_ALGORITHMS: Final = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
    "Ed448": ("EdDSA",),
    "RSA": ("PS256", "PS384", "PS512", "RS256", "RS384", "RS512"),
}


def _key(value: Secret | str | Callable[[bytes], bytes]) -> Secret | Callable[[bytes], bytes]:
    return value if callable(value) else secret(value)


def _members(value: Mapping[str, object]) -> Members:
    """Keep what may be shown: a private part that was given by mistake is dropped here."""
    kind = value.get("kty")
    names = _PUBLIC.get(kind, ()) if isinstance(kind, str) else ()
    return Members({name: value[name] for name in names if isinstance(value.get(name), str)})


def _whole(made: DPoP, _: object, value: Members) -> None:
    read = _read(made.key) if isinstance(made.key, Secret) else None
    if isinstance(made.key, Secret) and read is None:
        raise ValueError(
            "key: a private JWK text is needed; grantflow.shell.signing.signer.dpop_key makes one, "
            "anew or from a PEM text"
        )
    if not value and not isinstance(made.key, Secret):
        raise ValueError("public: a key that is a function needs its public JWK beside it")
    kind = value.get("kty")
    if not isinstance(kind, str) or tuple(sorted(value)) != _PUBLIC.get(kind):
        raise ValueError("public: the members of a public JWK are needed: EC, OKP or RSA")
    if read is not None and read != value:
        raise ValueError("public: it is another key's")


def _public_of(made: DPoP) -> Members:
    # What is wrong is said by the validator, when all there is to show of the value is there.
    return (_read(made.key) if isinstance(made.key, Secret) else None) or Members()


def _read(key: Secret) -> Members | None:
    # Apart, so that no traceback holds a frame that saw the parsed key.
    try:
        found: object = json.loads(key.reveal())
    except ValueError:
        return None
    return _members(found) if isinstance(found, dict) and "d" in found else None


def _curve(public: Members) -> str:
    return str(public.get("crv", public.get("kty")))


def _algorithm(made: DPoP) -> str:
    return _ALGORITHMS.get(_curve(made.public), ("",))[0]


def _suits(made: DPoP, _: object, value: str) -> None:
    known = _ALGORITHMS.get(_curve(made.public))
    if known is None:
        raise ValueError(f"public: a key of {', '.join(_ALGORITHMS)} is needed")
    if value not in known:
        raise ValueError(f"alg: one of {', '.join(known)} is what this key signs with")


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
        validator=_suits,
        kw_only=True,
    )
    required: bool = field(default=True, kw_only=True)

    @property
    def thumbprint(self) -> str:
        """Return the public key's thumbprint (RFC 7638): what tokens are bound to (``jkt``)."""
        told = json.dumps(dict(self.public), sort_keys=True, separators=(",", ":"))
        return urlsafe_b64encode(sha256(told.encode()).digest()).rstrip(b"=").decode("ascii")
