"""Which client asks, and whether it proves itself; registration (RFC 7591)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import unquote

from attrs import evolve, frozen

from grantflow.core.values.json import Members
from grantflow.core.values.request import Request
from grantflow.core.values.secret import Secret
from grantflow.testing.server import jwt
from grantflow.testing.server.jwt import Jwt
from grantflow.testing.server.replies import Step, json_reply
from grantflow.testing.server.value import Server, with_code


@frozen
class _Claim:
    """Who a request says it is from, and what it shows for that."""

    name: str | None
    secret: str | None = None
    assertion: Jwt | None = None
    asserted: bool = False


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers of a request by their names in lower case."""
    return {name.lower(): value for name, value in request.presented().header_map().items()}


def authenticate(
    server: Server, request: Request, form: Mapping[str, str], at: timedelta
) -> tuple[Server, str] | None:
    """Return the server and the client that asks, or ``None`` if it does not prove itself."""
    claim = _claim(request, form)
    if claim is None or not claim.name:
        return None
    name = claim.name
    credential = server.credential(name)
    if credential is None and server.script.clients is not None:
        return None
    if claim.assertion is not None:
        if not _timely(server, claim.assertion, at):
            return None
        server = _remember(server, claim.assertion)
    if credential is None or _proves(claim, *credential):
        return server, name
    return None


def _claim(request: Request, form: Mapping[str, str]) -> _Claim | None:
    headers = headers_of(request)
    named, secret = form.get("client_id"), form.get("client_secret")
    basic = headers.get("authorization", "")
    if basic.lower().startswith("basic "):
        try:
            pair = b64decode(basic[6:], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        # RFC 6749 section 2.3.1; "+" for a space is left alone: most secrets are not encoded.
        name, secret = (unquote(text) for text in pair.partition(":")[::2])
        return _Claim(name, secret) if named in (None, name) else None
    if "client_assertion" in form:  # RFC 7521 section 4.2
        found = jwt.read(form["client_assertion"])
        subject = None if found is None else found.says("sub")
        name = named or (subject if isinstance(subject, str) else "assertion")
        return _Claim(name, assertion=found, asserted=True)
    if "client-secret" in headers:
        return _Claim(headers.get("client-id"), headers["client-secret"])
    return _Claim(named, secret)


def _timely(server: Server, found: Jwt, at: timedelta) -> bool:
    """Return whether an assertion is for this server, valid and new (RFC 7523 section 3)."""
    expires = found.says("exp")
    if not isinstance(expires, (int, float)) or expires <= (server.epoch + at).timestamp():
        return False
    if found.says("iss") != found.says("sub"):
        return True  # a platform's own token: its audience is agreed on elsewhere
    audience, jti = found.says("aud"), found.says("jti")
    ours = {server.issuer, f"{server.issuer}/token", *server.known_as}
    named = audience if isinstance(audience, tuple) else (audience,)
    return not ours.isdisjoint(map(str, named)) and server.seen.get(f"jti {jti}") is None


def _remember(server: Server, found: Jwt) -> Server:
    if found.says("iss") != found.says("sub"):
        return server
    return evolve(server, seen=server.seen.with_(f"jti {found.says('jti')}", True))


def _proves(claim: _Claim, credential: Secret | Members | None) -> bool:
    if claim.asserted:
        found = claim.assertion
        return (
            found is not None
            and credential is not None
            and found.says("sub") == claim.name
            and jwt.verified(found, credential)
        )
    shown = None if claim.secret is None else Secret(claim.secret)
    return shown == credential


def register(server: Server, form: Mapping[str, str]) -> Step:
    """Answer a registration: a new client, with a secret unless it wants none."""
    server, client_id = with_code(server, "client")
    method = form.get("token_endpoint_auth_method", "client_secret_basic")
    secret: Secret | None = None
    body: dict[str, object] = {
        "client_id": client_id,
        "client_name": form.get("client_name", ""),
        "token_endpoint_auth_method": method,
    }
    if method != "none":
        server, text = with_code(server, "secret")
        secret = Secret(text)
        body |= {"client_secret": text, "client_secret_expires_at": 0}
    server = evolve(server, registered=server.registered.with_(client_id, (secret,)))
    return server, json_reply(201, body)
