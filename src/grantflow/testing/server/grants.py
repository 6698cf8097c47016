"""The grants that need no person, and the tokens that any grant brings (RFC 6749 section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve

from grantflow.core.values.secret import Secret
from grantflow.testing.server import jwt
from grantflow.testing.server.replies import Step, error, json_reply, merged
from grantflow.testing.server.value import (
    Access,
    Grant,
    Server,
    counted,
    seconds,
    with_code,
)


def issue(
    server: Server,
    client_id: str,
    subject: str,
    scope: str,
    at: timedelta,
    key: str | None,
    *,
    refresh: bool = True,
    **members: object,
) -> Step:
    """Answer with the first tokens of a new grant, bound to the key with thumbprint ``key``."""
    number, most = server.issued, server.script.scope
    granted = [word for word in scope.split() if most is None or word in most]
    made = Grant(
        number=number,
        client_id=client_id,
        subject=subject,
        scope=" ".join(granted),
        thumbprint=key,
    )
    server = evolve(server, issued=number + 1)
    return _tokens(server, made, at, refresh=refresh and server.script.refresh, members=members)


def client_credentials(
    server: Server, client_id: str, form: Mapping[str, str], at: timedelta, key: str | None
) -> Step:
    """Answer the client credentials grant (RFC 6749 section 4.4)."""
    return issue(server, client_id, client_id, form.get("scope", ""), at, key, refresh=False)


def refresh(
    server: Server, client_id: str, form: Mapping[str, str], at: timedelta, key: str | None
) -> Step:
    """Answer a refresh (RFC 6749 section 6)."""
    refresh_token = form.get("refresh_token", "")
    grant = refreshable(server, refresh_token)
    if grant is None or grant.revoked or grant.client_id != client_id:
        return server, error(400, "invalid_grant", "no such refresh token")
    if grant.thumbprint is not None and grant.thumbprint != key:  # RFC 9449 section 5
        return server, error(400, "invalid_grant", "this refresh token is bound to another key")
    script = server.script
    if grant.refresh_token != refresh_token:
        if script.reuse_detection:
            server = revoke_grant(counted(server, "reuse"), grant)
        return server, error(400, "invalid_grant", "this refresh token was replaced")
    wished = form.get("scope", grant.scope)
    if not set(wished.split()) <= set(grant.scope.split()):
        return server, error(400, "invalid_scope", "more than was granted")
    return _tokens(server, grant, at, refresh=script.rotation, scope=wished)


def token_exchange(
    server: Server, client_id: str, form: Mapping[str, str], at: timedelta, key: str | None
) -> Step:
    """Answer a token exchange (RFC 8693): a token for the subject of another one."""
    text, kind = form.get("subject_token", ""), form.get("subject_token_type")
    if not text or kind is None:
        return server, error(400, "invalid_request", "subject_token and its type are needed")
    if server.access.get(text) is not None:
        grant = valid(server, text, at)
        if grant is None:
            return server, error(400, "invalid_request", "the subject token is not valid")
        subject = grant.subject
    else:
        subject = _subject(server, text)
    issued_type = "urn:ietf:params:oauth:token-type:access_token"
    scope = form.get("scope", "")
    return issue(
        server, client_id, subject, scope, at, key, refresh=False, issued_token_type=issued_type
    )


def jwt_bearer(
    server: Server, client_id: str, form: Mapping[str, str], at: timedelta, key: str | None
) -> Step:
    """Answer an assertion as a grant (RFC 7523 section 2.1); its signature is not checked."""
    found = jwt.read(form.get("assertion", ""))
    expires = None if found is None else found.says("exp")
    if not isinstance(expires, (int, float)) or expires <= (server.epoch + at).timestamp():
        return server, error(400, "invalid_grant", "no valid assertion")
    subject = _subject(server, form["assertion"])
    return issue(server, client_id, subject, form.get("scope", ""), at, key, refresh=False)


def other_grant(
    server: Server, client_id: str, form: Mapping[str, str], at: timedelta, key: str | None
) -> Step:
    """Answer a grant that only the script knows: with a token, at once."""
    return issue(server, client_id, server.script.person, form.get("scope", ""), at, key)


def valid(server: Server, token: str, at: timedelta) -> Grant | None:
    """Return the grant of an access token that is good at ``at``."""
    access = server.access.get(token)
    if access is None or access.revoked or (access.ends_at is not None and at >= access.ends_at):
        return None
    grant = server.grants.get(str(access.grant))
    return None if grant is None or grant.revoked else grant


def refreshable(server: Server, refresh_token: str) -> Grant | None:
    """Return the grant that a refresh token belongs to, or belonged."""
    number = server.refreshes.get(refresh_token)
    return None if number is None else server.grants.get(str(number))


def revoke_grant(server: Server, grant: Grant) -> Server:
    """Return the server after a grant ended, and with it all of its tokens."""
    ended = evolve(grant, revoked=True)
    return evolve(server, grants=server.grants.with_(str(grant.number), ended))


def _subject(server: Server, text: str) -> str:
    found = jwt.read(text)
    subject = None if found is None else found.says("sub")
    return subject if isinstance(subject, str) else server.script.person


def _tokens(
    server: Server,
    grant: Grant,
    at: timedelta,
    *,
    refresh: bool,
    scope: str | None = None,
    members: Mapping[str, object] | None = None,
) -> Step:
    granted, script = grant.scope if scope is None else scope, server.script
    server, access_token = with_code(server, "at")
    if refresh:
        server, refresh_token = with_code(server, "rt")
        grant = evolve(grant, refresh_token=refresh_token)
        server = evolve(server, refreshes=server.refreshes.with_(refresh_token, grant.number))
    lifetime = script.token_lifetime
    ends_at = None if lifetime is None else at + lifetime
    issued = Access(grant=grant.number, ends_at=ends_at, scope=granted, thumbprint=grant.thumbprint)
    server = evolve(
        server,
        access=server.access.with_(access_token, issued),
        grants=server.grants.with_(str(grant.number), grant),
    )
    body: dict[str, object] = {
        "access_token": access_token,
        "token_type": "Bearer" if grant.thumbprint is None else "DPoP",
        "expires_in": None if lifetime is None else seconds(lifetime),
        "refresh_token": grant.refresh_token if refresh else None,
        "scope": granted,
        "id_token": _id_token(server, grant, at) if "openid" in granted.split() else None,
        **(members or {}),
    }
    return server, json_reply(200, merged(body, script.token_members))


def _id_token(server: Server, grant: Grant, at: timedelta) -> str:
    """Return an ID token (OpenID Connect Core section 2), signed if the client has a secret."""
    now = int((server.epoch + at).timestamp())
    lifetime = server.script.token_lifetime or timedelta(hours=1)
    claims: dict[str, object] = {
        "iss": server.issuer,
        "sub": grant.subject,
        "aud": grant.client_id,
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
    }
    (credential,) = server.credential(grant.client_id) or (None,)
    key = credential if isinstance(credential, Secret) else None
    return jwt.made(merged(claims, server.script.claims), key)
