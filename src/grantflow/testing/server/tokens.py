"""What becomes of tokens: used at a resource, introspected, revoked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve

from grantflow.core.values.request import Request
from grantflow.core.values.response import Response
from grantflow.testing.server.clients import headers_of
from grantflow.testing.server.grants import refreshable, revoke_grant, valid
from grantflow.testing.server.proofs import bind, with_nonce
from grantflow.testing.server.replies import Step, json_reply, merged
from grantflow.testing.server.value import Grant, Server


def revoke(server: Server, client_id: str, form: Mapping[str, str]) -> Step:
    """Answer a revocation; an unknown token gets a 200 as well (RFC 7009 section 2.2)."""
    token = form.get("token", "")
    grant = refreshable(server, token)
    if grant is not None and grant.client_id == client_id:
        return revoke_grant(server, grant), json_reply(200, {})
    access = server.access.get(token)
    owner = None if access is None else server.grants.get(str(access.grant))
    if access is not None and owner is not None and owner.client_id == client_id:
        revoked = evolve(access, revoked=True)
        server = evolve(server, access=server.access.with_(token, revoked))
    return server, json_reply(200, {})


def introspect(server: Server, form: Mapping[str, str], at: timedelta) -> Step:
    """Answer an introspection (RFC 7662)."""
    token = form.get("token", "")
    grant = refreshable(server, token)
    if grant is not None:
        active = not grant.revoked and grant.refresh_token == token
        return server, json_reply(200, _description(grant) if active else {"active": False})
    grant, access = valid(server, token, at), server.access.get(token)
    if grant is None or access is None:
        return server, json_reply(200, {"active": False})
    bound = access.thumbprint is not None
    found = _description(grant) | {
        "token_type": "DPoP" if bound else "Bearer",
        "scope": access.scope,
    }
    if bound:
        found["cnf"] = {"jkt": access.thumbprint}  # RFC 9449 section 6.1
    if access.ends_at is not None:
        found["exp"] = int((server.epoch + access.ends_at).timestamp())
    return server, json_reply(200, found)


def userinfo(server: Server, request: Request, at: timedelta) -> Step:
    """Answer at a protected resource (RFC 6750), which is the userinfo endpoint."""
    scheme, _, token = headers_of(request).get("authorization", "").partition(" ")
    server, key = bind(server, request, at, token)
    if isinstance(key, Response):
        return server, _unauthorized(key, "DPoP", _error_of(key))
    access, grant = server.access.get(token), valid(server, token, at)
    expected = "bearer" if access is None or access.thumbprint is None else "dpop"
    good = scheme.lower() == expected and (access is None or access.thumbprint in (None, key))
    if grant is None or not good:
        challenge = "DPoP" if expected == "dpop" else "Bearer"
        refused = json_reply(401, {"error": "invalid_token"})
        return server, _unauthorized(refused, challenge, "invalid_token" if token else "")
    body: dict[str, object] = {"sub": grant.subject, "client_id": grant.client_id}
    reply = json_reply(200, merged(body, server.script.claims))
    return server, reply if key is None else with_nonce(server, reply, at)


def _description(grant: Grant) -> dict[str, object]:
    return {
        "active": True,
        "client_id": grant.client_id,
        "sub": grant.subject,
        "scope": grant.scope,
    }


def _error_of(refused: Response) -> str:
    nonce = refused.header("dpop-nonce")
    return "invalid_dpop_proof" if nonce is None else "use_dpop_nonce"


def _unauthorized(refused: Response, scheme: str, problem: str) -> Response:
    told = f', error="{problem}"' if problem else ""
    headers = {**refused.headers, "WWW-Authenticate": f'{scheme} realm="userinfo"{told}'}
    return evolve(refused, status=401, headers=headers)
