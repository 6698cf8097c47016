"""JSON Web Tokens: read and verified (assertions, DPoP proofs), and made (ID tokens)."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from grantflow.core.values.json import Json, Members, plain
from grantflow.core.values.secret import Secret

_HASHES: Final = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_ALGORITHMS: Final = [
    *(f"{kind}{size}" for kind in ("ES", "PS", "RS") for size in (256, 384, 512)),
    "EdDSA",
]


@frozen
class Jwt:
    """A token that was read and not yet verified."""

    text: str
    header: Members
    claims: Members

    def says(self, name: str) -> Json:
        """Return a claim, or ``None``."""
        return self.claims.get(name)


def read(text: str) -> Jwt | None:
    """Return a compact JWT (RFC 7519), or ``None`` if it is none."""
    try:
        header, claims = (json.loads(_opened(part)) for part in text.split(".")[:2])
    except (ValueError, RecursionError):
        return None
    if text.count(".") != 2 or not isinstance(header, dict) or not isinstance(claims, dict):
        return None
    return Jwt(text, Members(header), Members(claims))


def verified(found: Jwt, key: Secret | Members) -> bool:
    """Return whether a shared secret or a public JWK confirms the signature."""
    head, _, signature = found.text.rpartition(".")
    alg = str(found.header.get("alg"))
    if isinstance(key, Secret):
        if alg not in _HASHES:
            return False
        expected = hmac.digest(key.reveal().encode(), head.encode(), _HASHES[alg])
        return hmac.compare_digest(_closed(expected), signature)
    # Loaded for a client with a key: few tests have one.
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    try:
        public = JWKRegistry.import_key(_texts(key))
        jws.deserialize_compact(found.text, public, algorithms=_ALGORITHMS)
    except (JoseError, ValueError):
        return False
    return not public.is_private


def thumbprint(key: Members) -> str:
    """Return a public JWK's thumbprint (RFC 7638)."""
    from joserfc.jwk import JWKRegistry

    return JWKRegistry.import_key(_texts(key)).thumbprint()


def made(claims: Mapping[str, object], key: Secret | None) -> str:
    """Return a JWT signed with a shared secret, else unsigned (OpenID Connect Core section 2)."""
    head = _closed(json.dumps({"alg": "none" if key is None else "HS256"}).encode())
    text = f"{head}.{_closed(json.dumps(claims).encode())}"
    signature = b"" if key is None else hmac.digest(key.reveal().encode(), text.encode(), "sha256")
    return f"{text}.{_closed(signature)}"


def _texts(key: Members) -> dict[str, str | list[str]]:
    return {name: str(plain(value)) for name, value in key.items()}


def _opened(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _closed(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
