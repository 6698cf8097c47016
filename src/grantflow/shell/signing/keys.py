"""Private keys: read from PEM or JWK texts, made anew, or left where they are (an HSM).

Rules:

1. The one place that imports ``joserfc``, and only for a private key's text: a shared secret is
   HMAC, which Python has, and a function signs by itself.
2. A key that cannot be used is the caller's mistake: ``ValueError`` names the argument and what is
   needed, never what was given.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Final, TypeAlias, final

from attrs import evolve, frozen

from grantflow.core.client.dpop import DPoP
from grantflow.core.values.secret import Secret, secret

Sign: TypeAlias = Callable[[bytes], bytes]

_HASHES: Final = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
# What joserfc calls the type of the key, and what people call the key (RFC 7518, RFC 8037).
_KEYS: Final = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    **{f"{kind}{size}": ("RSA", "RSA") for kind in ("RS", "PS") for size in (256, 384, 512)},
    "EdDSA": ("OKP", "Ed25519 or Ed448"),
}
# R and S side by side (RFC 7518 section 3.4).
_SIZES: Final = {"ES256": 64, "ES384": 96, "ES512": 132}


@final
@frozen
class Key:
    """What signs, and the name of the key to the server."""

    sign: Sign
    kid: str | None


def readable(key: Secret | Sign, alg: str, kid: str | None = None) -> Key:
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
    found = _read(key, alg)
    if isinstance(found, str):
        raise ValueError(
            f"key: it cannot be read as a private {_KEYS[alg][1]} key ({found}): a PEM text "
            f"without a password or a JWK text is needed, for {alg}"
        )
    return found if kid is None else evolve(found, kid=kid)


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


def _read(key: Secret, alg: str) -> Key | str:
    """Return the key, or the name of the error: its message might quote the text."""
    try:
        from joserfc.jwk import JWKRegistry
        from joserfc.jws import JWSRegistry
    except ImportError as error:
        raise ImportError(
            f"signing with {alg} needs the joserfc library: pip install 'grantflow[jwt]'"
        ) from error
    # Not get_alg(): it warns of EdDSA, the name that servers know (RFC 9864 splits it in two).
    algorithm = JWSRegistry.algorithms[alg]
    try:
        private = JWKRegistry.import_key(_parsed(key.reveal()), _KEYS[alg][0])
        algorithm.check_key(private)
        algorithm.sign(b"", private)  # a public key reads as well, and fails here
        kid = private.kid
    except Exception as error:  # noqa: BLE001 - whatever three libraries make of any text
        return type(error).__name__
    return Key(lambda data: algorithm.sign(data, private), kid)


def _parsed(text: str) -> str | dict[str, str | list[str]]:
    if not text.lstrip().startswith("{"):
        return text
    members: dict[str, str | list[str]] = json.loads(text)
    return members


_MISSING: Final = (
    "a key for proofs of possession needs the joserfc library: pip install 'grantflow[jwt]'"
)


def dpop_key(text: Secret | str | None = None, *, required: bool = True) -> DPoP:
    """Return a key for proofs of possession: a new one, or that of a PEM or JWK text.

    A new one is for P-256 and lives as long as the value: a token that outlives the process needs
    a key that does, which ``kept_dpop_key`` keeps in a file.
    ``ValueError`` says that the text is no private key.

    >>> dpop_key().alg
    'ES256'
    """
    if text is None:
        return DPoP(new_key(), required=required)
    found = _jwk(secret(text))
    if isinstance(found, str):
        raise ValueError(f"key: it cannot be read as a private key ({found}): a PEM or JWK text")
    return DPoP(found, required=required)


def new_key() -> Secret:
    """Return the JWK text of a new private key for P-256."""
    try:
        from joserfc.jwk import ECKey
    except ImportError as error:
        raise ImportError(_MISSING) from error
    return Secret(json.dumps(ECKey.generate_key("P-256").as_dict(private=True)))


def _jwk(text: Secret) -> Secret | str:
    """Return a private key as a JWK, or the name of the error."""
    try:
        from joserfc.jwk import JWKRegistry
    except ImportError as error:
        raise ImportError(_MISSING) from error
    problem = "no text"
    for kind in ("EC", "OKP", "RSA"):
        try:
            key = JWKRegistry.import_key(_parsed(text.reveal()), kind)
            return Secret(json.dumps(key.as_dict(private=True)))
        except Exception as error:  # noqa: BLE001 - whatever three libraries make of any text
            problem = type(error).__name__
    return problem
