"""Proofs of possession (RFC 9449): verified at every endpoint that is shown one."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve

from grantflow.core.values.json import Members
from grantflow.core.values.request import Request
from grantflow.core.values.response import Response
from grantflow.testing.server import jwt
from grantflow.testing.server.clients import headers_of
from grantflow.testing.server.jwt import Jwt
from grantflow.testing.server.replies import error
from grantflow.testing.server.value import Server

HEADER: Final = "DPoP-Nonce"
_NONCE_LIFETIME: Final = timedelta(minutes=5)
_MOST_AGE: Final = 300
"""Seconds that a proof may be off (RFC 9449 section 11.1 leaves it to the server)."""


def bind(
    server: Server, request: Request, at: timedelta, token: str | None = None
) -> tuple[Server, str | Response | None]:
    """Return the server with the thumbprint of the key that a request proves, if it does.

    Else the refusal: ``invalid_dpop_proof``, or ``use_dpop_nonce`` (section 8).
    """
    text = headers_of(request).get("dpop")
    if text is None or not server.script.dpop:
        return server, None
    found = jwt.read(text)
    key = None if found is None else found.header.get("jwk")
    if found is None or not isinstance(key, Members):
        return server, error(400, "invalid_dpop_proof", "no JWT with a public key")
    problem = _problem(server, found, key, request, at, token)
    if problem:
        return server, error(400, "invalid_dpop_proof", problem)
    if server.script.nonces and found.says("nonce") not in _nonces(server, at):
        return server, with_nonce(server, error(400, "use_dpop_nonce"), at)
    seen = server.seen.with_(f"jti {found.says('jti')}", True)
    return evolve(server, seen=seen), jwt.thumbprint(key)


def with_nonce(server: Server, response: Response, at: timedelta) -> Response:
    """Return an answer with the nonce for the next proof, if the script wants nonces."""
    if not server.script.nonces:
        return response
    headers = {**response.headers, HEADER: _nonces(server, at)[0]}
    return evolve(response, headers=headers)


def _problem(
    server: Server, found: Jwt, key: Members, request: Request, at: timedelta, token: str | None
) -> str:
    """Return what section 4.3 finds wrong with a proof, or nothing."""
    issued = found.says("iat")
    if found.header.get("typ") != "dpop+jwt":
        return "typ is not dpop+jwt"
    if not jwt.verified(found, key):
        return "the signature does not match"
    named = found.says("htu")
    here = named == _bare(request.url) or named in server.known_as
    if not here or (found.says("htm") != request.method and named not in server.known_as):
        return "it is for another request"
    now = (server.epoch + at).timestamp()
    if not isinstance(issued, (int, float)) or abs(issued - now) > _MOST_AGE:
        return "it is too old, or from the future"
    if server.seen.get(f"jti {found.says('jti')}") is not None:
        return "it was used before"
    if token is not None and found.says("ath") != _digest(token):
        return "it is for another token"
    return ""


def _nonces(server: Server, at: timedelta) -> tuple[str, str]:
    """Return the nonce of now and the one before, which is still accepted."""
    number = at // _NONCE_LIFETIME
    newest, before = (
        sha256(f"{server.seed}:nonce:{each}".encode()).hexdigest()[:20]
        for each in (number, number - 1)
    )
    return newest, before


def _digest(token: str) -> str:
    return urlsafe_b64encode(sha256(token.encode()).digest()).rstrip(b"=").decode("ascii")


def _bare(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()
