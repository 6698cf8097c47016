"""Private keys: read from PEM or JWK texts, or left where they are (an HSM).

Rules:

1. joserfc is loaded for a key's text alone: a shared secret is HMAC, which Python has, and a
   function signs by itself.
2. A key that cannot be used is the caller's mistake: ``ValueError`` names the argument and what is
   needed, never what was given.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias, final

from attrs import evolve, frozen

from grantflow.core.values.secret import Secret

if TYPE_CHECKING:
    from joserfc.jwk import Key as PrivateKey

Sign: TypeAlias = Callable[[bytes], bytes]

_HASHES: Final = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
# The type of the key, and what people call it (RFC 7518 section 3.1, RFC 8037 section 3.1).
_KEYS: Final = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    **{f"{kind}{size}": ("RSA", "RSA") for kind in ("PS", "RS") for size in (256, 384, 512)},
    "EdDSA": ("OKP", "Ed25519 or Ed448"),
}
# R and S side by side (RFC 7518 section 3.4).
_SIZES: Final = {"ES256": 64, "ES384": 96, "ES512": 132}


@final
@frozen
class Key:
    """A function that signs, and the name of its key to the server."""

    sign: Sign
    kid: str | None


def signing_key(key: Secret | Sign, alg: str, kid: str | None = None) -> Key:
    """Return what signs with ``key``; ``ImportError`` says that joserfc is missing."""
    if alg not in _HASHES and alg not in _KEYS:
        raise ValueError(f"alg: {alg!r} is none of {', '.join((*_HASHES, *_KEYS))}")
    if not isinstance(key, Secret):
        return Key(_sized(key, alg), kid)
    # The mistakes are raised here, where no traceback holds a frame that saw the text of the key.
    if alg in _HASHES:
        if _is_pem(key):  # it would sign, and show the server's operator nothing of the mistake
            raise ValueError(f"key: {alg} signs with a shared secret, and this is a PEM text")
        return Key(_hmac(key, alg), kid)
    kind, name = _KEYS[alg]
    found = _signing(key, kind, alg)
    if isinstance(found, str):
        raise ValueError(
            f"key: it cannot be read as a private {name} key ({found}): a PEM text "
            f"without a password or a JWK text is needed, for {alg}"
        )
    return found if kid is None else evolve(found, kid=kid)


def private_key(text: Secret, *kinds: str) -> PrivateKey | str:
    """Return the key in a PEM or JWK text, else the name of the error: its message may quote it."""
    try:
        from joserfc.jwk import JWKRegistry
    except ImportError as error:
        raise ImportError(_MISSING) from error
    problem = "no text"
    for kind in kinds:
        try:
            found = JWKRegistry.import_key(_parsed(text.reveal()), kind)
            if found.is_private:
                found.get_op_key("sign")  # a JWK is read lazily, and half of one fails here
                return found
        except Exception as error:  # noqa: BLE001 - three libraries parse any text
            problem = type(error).__name__
        else:
            problem = "PublicKey"
    return problem


def algorithms(key: PrivateKey) -> tuple[str, ...]:
    """Return the algorithms that suit a private or a public key, the usual one first."""
    curve = key.as_dict(private=False).get("crv", key.key_type)
    return tuple(alg for alg, (_, name) in _KEYS.items() if curve in name.split(" or "))


def _sized(function: Sign, alg: str) -> Sign:
    def sign(data: bytes) -> bytes:
        signature = function(data)
        size = _SIZES.get(alg, len(signature))
        if len(signature) != size:
            raise ValueError(
                f"key: the function returned {len(signature)} bytes, but a signature of {alg} is "
                f"{size}: R and S side by side (RFC 7518 section 3.4), not DER"
            )
        return signature

    return sign


def _is_pem(key: Secret) -> bool:
    return "-----BEGIN" in key.reveal()


def _hmac(key: Secret, alg: str) -> Sign:
    octets = key.reveal().encode()
    return lambda data: hmac.digest(octets, data, _HASHES[alg])


def _signing(text: Secret, kind: str, alg: str) -> Key | str:
    key = private_key(text, kind)
    if isinstance(key, str):
        return key
    from joserfc.jws import JWSRegistry

    # Not get_alg(): it warns of EdDSA, the name that servers know (RFC 9864 splits it in two).
    algorithm, private = JWSRegistry.algorithms[alg], key
    try:
        algorithm.check_key(private)
        algorithm.sign(b"", private)  # a JWK may say that it is for something else
    except Exception as error:  # noqa: BLE001 - two libraries look at any key
        return type(error).__name__
    return Key(lambda data: algorithm.sign(data, private), private.kid)


def _parsed(text: str) -> str | dict[str, str | list[str]]:
    if not text.lstrip().startswith("{"):
        return text
    members: dict[str, str | list[str]] = json.loads(text)
    return members


_MISSING: Final = "a private key needs the joserfc library: pip install 'grantflow[jwt]'"
