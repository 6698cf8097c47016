"""Proof Key for Code Exchange (RFC 7636), for device flows of providers that require it."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final, Protocol

from attrs import Attribute

from grantflow.core.client.client import Client
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.secret import Secret

_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Verified(Protocol):
    """A flow that may use PKCE."""

    @property
    def client(self) -> Client:
        """Return the client."""
        ...


def check_verifier(
    made: Verified, attribute: Attribute[Secret | None], value: Secret | None
) -> None:
    """Refuse a verifier that is missing or unusable (section 4.1)."""
    if value is None:
        if made.client.provider.pkce:
            name = made.client.provider.name
            raise ValueError(f"{attribute.name}: provider {name!r} requires one (PKCE, RFC 7636)")
    elif not _UNRESERVED.fullmatch(value.reveal()):
        raise ValueError(f"{attribute.name}: 43 to 128 letters, digits and -._~ are needed")


def challenge(verifier: Secret | None) -> Pairs:
    """Return the parameters of the first request (sections 4.2 and 4.3)."""
    if verifier is None:
        return ()
    digest = sha256(verifier.reveal().encode("ascii")).digest()
    text = urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    return (("code_challenge", text), ("code_challenge_method", "S256"))


def proof(verifier: Secret | None) -> Pairs:
    """Return the parameter of the token request (section 4.5)."""
    return () if verifier is None else (("code_verifier", verifier),)
