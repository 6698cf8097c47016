"""An authorization server as a pure function: ``answer(server, request, at) -> (server, reply)``.

It plays the device authorization grant (RFC 8628), client credentials and refresh (RFC 6749),
revocation (RFC 7009), introspection (RFC 7662), metadata (RFC 8414) and a protected resource
(RFC 6750). Rules:

1. It is honest and strict: it measures the interval itself and says ``slow_down`` to who polls
   early; a device code is used once; a refresh token that rotation replaced ends its whole grant.
2. It has no clock and no random source: time is an argument, codes are counted and hashed.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, TypeAlias, final
from urllib.parse import unquote, urlsplit

from attrs import evolve, field, frozen

from grantflow.core.client.provider import Provider
from grantflow.core.flows.device import GRANT_TYPE
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.testing.book import Book
from grantflow.testing.clock import EPOCH
from grantflow.testing.script import Script

Verdict: TypeAlias = Literal["approved", "denied"]


@final
@frozen(kw_only=True)
class SignIn:
    """A device code that was issued, and what became of it."""

    device_code: Secret
    user_code: str
    client_id: str
    scope: str
    issued_at: timedelta
    ends_at: timedelta
    interval: timedelta
    asked_at: timedelta
    slowed: int = 0
    verdict: Verdict | None = None
    used: bool = False


@final
@frozen(kw_only=True)
class Grant:
    """What was granted once, and lives on through its refresh tokens."""

    number: int
    client_id: str
    subject: str
    scope: str
    refresh_token: str | None = field(default=None, repr=False)
    revoked: bool = False


@final
@frozen(kw_only=True)
class Access:
    """An access token that was issued."""

    grant: int
    ends_at: timedelta | None
    scope: str
    revoked: bool = False


@final
@frozen
class Server:
    """An authorization server at one instant: a value, made anew by every answer.

    ``issuer`` is where it stands; ``epoch`` is the wall time at which its time starts; ``seed``
    makes its codes differ from another server's. ``counts`` tells what it was asked for.

    >>> server = Server(Script(approve_after=timedelta(seconds=12)))
    >>> ask = Request(server.issuer + "/device", form={"client_id": "app"})
    >>> server, reply = answer(server, ask, timedelta(seconds=3))
    >>> reply.status, server.counts["device"]
    (200, 1)
    """

    script: Script = field(factory=Script)
    issuer: str = field(default="https://server.test", kw_only=True)
    epoch: datetime = field(default=EPOCH, kw_only=True)
    seed: str = field(default="grantflow", kw_only=True, repr=False)
    counts: Mapping[str, int] = field(factory=dict[str, int], kw_only=True)
    sign_ins: Book[SignIn] = field(factory=Book[SignIn], kw_only=True, repr=False)
    user_codes: Book[str] = field(factory=Book[str], kw_only=True, repr=False)
    grants: Book[Grant] = field(factory=Book[Grant], kw_only=True, repr=False)
    access: Book[Access] = field(factory=Book[Access], kw_only=True, repr=False)
    refreshes: Book[int] = field(factory=Book[int], kw_only=True, repr=False)
    issued: int = field(default=0, kw_only=True)

    @property
    def provider(self) -> Provider:
        """Return this server as a provider, for a ``Client``."""
        return Provider.from_metadata(self.metadata()).unwrap()

    def metadata(self) -> dict[str, object]:
        """Return the metadata document (RFC 8414)."""
        return {
            "issuer": self.issuer,
            "token_endpoint": f"{self.issuer}/token",
            "device_authorization_endpoint": f"{self.issuer}/device",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "introspection_endpoint": f"{self.issuer}/introspect",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "grant_types_supported": [GRANT_TYPE, "client_credentials", "refresh_token"],
            "token_endpoint_auth_methods_supported": [
                "none",
                "client_secret_basic",
                "client_secret_post",
            ],
            "response_types_supported": [],
        }

    def sign_in(self, user_code: str) -> SignIn | None:
        """Return the sign-in with this user code, as a person may type it."""
        device_code = self.user_codes.get(_typed(user_code))
        return None if device_code is None else self.sign_ins.get(device_code)


def decided(server: Server, user_code: str, verdict: Verdict) -> Server:
    """Return the server after the person approved or denied; an unknown code changes nothing."""
    found = server.sign_in(user_code)
    if found is None or found.used or found.verdict is not None:
        return server
    return _kept(server, evolve(found, verdict=verdict))


def answer(server: Server, request: Request, at: timedelta) -> tuple[Server, Reply]:
    """Return the server after ``request`` reached it at ``at``, and its reply."""
    for outage in server.script.outages:
        if outage.start <= at < outage.end:
            after = _answer(server, request, at)[0] if outage.acted else server
            return _counted(after, "outage"), outage.reply
    return _answer(server, request, at)


_METADATA: Final = frozenset(
    {
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    }
)

_Step: TypeAlias = tuple[Server, Response]


def _answer(server: Server, request: Request, at: timedelta) -> _Step:
    path = urlsplit(request.url).path.removeprefix(urlsplit(server.issuer).path)
    if path in _METADATA and request.method == "GET":
        return _counted(server, "metadata"), _json(200, server.metadata())
    if path == "/userinfo":  # GET or POST (OpenID Connect Core section 5.3.1)
        return _userinfo(_counted(server, "userinfo"), request, at)
    if path not in ("/device", "/token", "/revoke", "/introspect"):
        return _counted(server, "unknown"), _json(404, {"detail": "no such endpoint"})
    if request.method != "POST":
        return _counted(server, "unknown"), _json(405, {"detail": "POST only"})
    names = [name for name, _ in request.form if name != "resource"]
    if len(set(names)) < len(names):  # RFC 6749 section 3.1; RFC 8707 allows several resources
        return _counted(server, "refused"), _error(400, "invalid_request", "a parameter came twice")
    form = _form(request)
    client_id = _client(server, request, form)
    if not client_id:
        return _counted(server, "refused"), _error(401, "invalid_client", "wrong id or secret")
    match path, form.get("grant_type"):
        case "/device", _:
            return _device(_counted(server, "device"), client_id, form, at)
        case "/revoke", _:
            return _revoke(_counted(server, "revoke"), client_id, form)
        case "/introspect", _:
            return _introspect(_counted(server, "introspect"), form, at)
        case _, grant_type if grant_type == GRANT_TYPE:
            return _poll(_counted(server, "poll"), client_id, form, at)
        case _, "client_credentials":
            return _client_credentials(_counted(server, "client_credentials"), client_id, form, at)
        case _, "refresh_token":
            return _refresh(_counted(server, "refresh"), client_id, form, at)
        case _:
            return server, _error(400, "unsupported_grant_type", "")


def _device(server: Server, client_id: str, form: Mapping[str, str], at: timedelta) -> _Step:
    server, device_code = _code(server, "dc")
    server, text = _code(server, "")
    letters = "".join(_LETTERS[int(text[place], 16) + 4 * (place % 2)] for place in range(8))
    user_code = f"{letters[:4]}-{letters[4:]}"
    script = server.script
    made = SignIn(
        device_code=Secret(device_code),
        user_code=user_code,
        client_id=client_id,
        scope=form.get("scope", ""),
        issued_at=at,
        ends_at=at + script.lifetime,
        interval=script.interval,
        asked_at=at,
    )
    server = evolve(server, user_codes=server.user_codes.with_(_typed(user_code), device_code))
    return _kept(server, made), _json(
        200,
        {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": f"{server.issuer}/activate",
            "verification_uri_complete": f"{server.issuer}/activate?user_code={user_code}",
            "expires_in": _number(script.lifetime),
            "interval": _number(script.interval),
        },
    )


def _poll(server: Server, client_id: str, form: Mapping[str, str], at: timedelta) -> _Step:
    found = server.sign_ins.get(form.get("device_code", ""))
    if found is None or found.used or found.client_id != client_id:
        return server, _error(400, "invalid_grant", "no such device code")
    if at >= found.ends_at:
        return server, _error(400, "expired_token", "the device code is too old")
    # The first poll is measured from the code's own answer.
    early = at - found.asked_at < found.interval
    if early or found.slowed < server.script.slow_downs:
        longer = found.interval + timedelta(seconds=5)
        slower = evolve(found, asked_at=at, interval=longer, slowed=found.slowed + 1)
        return _kept(_counted(server, "slow_down"), slower), _error(400, "slow_down", "")
    match _verdict(server.script, found, at):
        case None:
            waiting = _kept(server, evolve(found, asked_at=at))
            return waiting, _error(400, "authorization_pending", "")
        case "denied":
            ended = evolve(found, verdict="denied", used=True)
            return _kept(server, ended), _error(400, "access_denied", "the person said no")
        case "approved":
            server = _kept(server, evolve(found, used=True))
            return _granted(server, client_id, "alice", found.scope, at, server.script.refresh)


def _verdict(script: Script, found: SignIn, at: timedelta) -> Verdict | None:
    if found.verdict is not None:
        return found.verdict
    if script.deny_after is not None and at >= found.issued_at + script.deny_after:
        return "denied"
    if script.approve_after is not None and at >= found.issued_at + script.approve_after:
        return "approved"
    return None


def _client_credentials(
    server: Server, client_id: str, form: Mapping[str, str], at: timedelta
) -> _Step:
    return _granted(server, client_id, client_id, form.get("scope", ""), at, refresh=False)


def _granted(
    server: Server, client_id: str, subject: str, scope: str, at: timedelta, refresh: bool
) -> _Step:
    number = server.issued
    made = Grant(number=number, client_id=client_id, subject=subject, scope=scope)
    return _tokens(evolve(server, issued=number + 1), made, at, refresh=refresh)


def _tokens(
    server: Server, grant: Grant, at: timedelta, *, refresh: bool, scope: str | None = None
) -> _Step:
    granted = grant.scope if scope is None else scope
    server, access_token = _code(server, "at")
    if refresh:
        server, refresh_token = _code(server, "rt")
        grant = evolve(grant, refresh_token=refresh_token)
        server = evolve(server, refreshes=server.refreshes.with_(refresh_token, grant.number))
    lifetime = server.script.token_lifetime
    ends_at = None if lifetime is None else at + lifetime
    issued = Access(grant=grant.number, ends_at=ends_at, scope=granted)
    server = evolve(
        server,
        access=server.access.with_(access_token, issued),
        grants=server.grants.with_(str(grant.number), grant),
    )
    body = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": None if lifetime is None else _number(lifetime),
        "refresh_token": grant.refresh_token if refresh else None,
        "scope": granted,
    }
    return server, _json(200, {name: value for name, value in body.items() if value is not None})


def _refresh(server: Server, client_id: str, form: Mapping[str, str], at: timedelta) -> _Step:
    refresh_token = form.get("refresh_token", "")
    grant = _refreshable(server, refresh_token)
    if grant is None or grant.revoked or grant.client_id != client_id:
        return server, _error(400, "invalid_grant", "no such refresh token")
    script = server.script
    if grant.refresh_token != refresh_token:
        if script.reuse_detection:
            server = _revoked(_counted(server, "reuse"), grant)
        return server, _error(400, "invalid_grant", "this refresh token was replaced")
    wished = form.get("scope", grant.scope)
    if not set(wished.split()) <= set(grant.scope.split()):  # RFC 6749 section 6
        return server, _error(400, "invalid_scope", "more than was granted")
    return _tokens(server, grant, at, refresh=script.rotation, scope=wished)


def _refreshable(server: Server, refresh_token: str) -> Grant | None:
    number = server.refreshes.get(refresh_token)
    return None if number is None else server.grants.get(str(number))


def _revoke(server: Server, client_id: str, form: Mapping[str, str]) -> _Step:
    # RFC 7009 section 2.2: an unknown token is answered with 200 as well.
    token = form.get("token", "")
    grant = _refreshable(server, token)
    if grant is not None and grant.client_id == client_id:
        return _revoked(server, grant), _json(200, {})
    access = server.access.get(token)
    owner = None if access is None else server.grants.get(str(access.grant))
    if access is not None and owner is not None and owner.client_id == client_id:
        revoked = evolve(access, revoked=True)
        server = evolve(server, access=server.access.with_(token, revoked))
    return server, _json(200, {})


def _revoked(server: Server, grant: Grant) -> Server:
    ended = evolve(grant, revoked=True)
    return evolve(server, grants=server.grants.with_(str(grant.number), ended))


def _introspect(server: Server, form: Mapping[str, str], at: timedelta) -> _Step:
    token = form.get("token", "")
    refreshable = _refreshable(server, token)
    if refreshable is not None:
        active = not refreshable.revoked and refreshable.refresh_token == token
        return server, _json(200, _told(refreshable) if active else {"active": False})
    grant = _valid(server, token, at)
    if grant is None:
        return server, _json(200, {"active": False})
    access = server.access.get(token)
    told = _told(grant) | {"token_type": "Bearer"}
    if access is not None:
        told["scope"] = access.scope
        if access.ends_at is not None:
            told["exp"] = int((server.epoch + access.ends_at).timestamp())
    return server, _json(200, told)


def _told(grant: Grant) -> dict[str, object]:
    return {
        "active": True,
        "client_id": grant.client_id,
        "sub": grant.subject,
        "scope": grant.scope,
    }


def _userinfo(server: Server, request: Request, at: timedelta) -> _Step:
    header = _headers(request).get("authorization", "")
    scheme, _, token = header.partition(" ")
    grant = _valid(server, token, at) if scheme.lower() == "bearer" else None
    if grant is not None:
        return server, _json(200, {"sub": grant.subject, "client_id": grant.client_id})
    problem = ', error="invalid_token"' if token else ""
    challenge = {"WWW-Authenticate": f'Bearer realm="userinfo"{problem}'}
    return server, _json(401, {"error": "invalid_token"}, challenge)


def _valid(server: Server, token: str, at: timedelta) -> Grant | None:
    access = server.access.get(token)
    if access is None or access.revoked or (access.ends_at is not None and at >= access.ends_at):
        return None
    grant = server.grants.get(str(access.grant))
    return None if grant is None or grant.revoked else grant


def _client(server: Server, request: Request, form: Mapping[str, str]) -> str | None:
    """Return the client that asks, or ``None`` where it does not prove itself."""
    header = _headers(request).get("authorization", "")
    named, proof = form.get("client_id"), form.get("client_secret")
    if header.lower().startswith("basic "):
        try:
            pair = b64decode(header[6:], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        # RFC 6749 section 2.3.1; "+" for a space is left alone: most secrets are not encoded.
        speaks_for, proof = (unquote(text) for text in pair.partition(":")[::2])
        if named not in (None, speaks_for):
            return None
        named = speaks_for
    clients = server.script.clients
    if named is None or clients is None:
        return named
    if named not in clients:
        return None
    expected = clients[named]
    given = None if proof is None else Secret(proof)
    return named if given == expected else None


def _form(request: Request) -> dict[str, str]:
    return {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in request.form
    }


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.presented().header_map().items()}


_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 section 6.1: no vowels, so no words; nothing that looks like something else."""


def _code(server: Server, kind: str) -> tuple[Server, str]:
    text = f"{server.seed}:{server.issued}:{kind}"
    digest = sha256(text.encode()).hexdigest()[:40]
    return evolve(server, issued=server.issued + 1), f"{kind}-{digest}" if kind else digest


def _typed(user_code: str) -> str:
    return "".join(each for each in user_code.upper() if each.isalnum())


def _kept(server: Server, found: SignIn) -> Server:
    return evolve(server, sign_ins=server.sign_ins.with_(found.device_code.reveal(), found))


def _counted(server: Server, what: str) -> Server:
    return evolve(server, counts={**server.counts, what: server.counts.get(what, 0) + 1})


def _number(span: timedelta) -> float:
    seconds = span.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _error(status: int, code: str, description: str) -> Response:
    body = {"error": code} | ({"error_description": description} if description else {})
    headers = {"WWW-Authenticate": 'Basic realm="token"'} if status == 401 else {}
    return _json(status, body, headers)


def _json(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    fixed = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(status, fixed | dict(headers or {}), json.dumps(body).encode())
