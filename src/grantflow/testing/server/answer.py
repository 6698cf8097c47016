"""An authorization server as a pure function: ``answer(server, request, at) -> (server, reply)``.

It has no clock and no random source: time is an argument, codes are counted and hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from attrs import evolve

from grantflow.core.flows.device import GRANT_TYPE
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.testing.script import Endpoint
from grantflow.testing.server import device, grants, tokens
from grantflow.testing.server.clients import authenticate, register
from grantflow.testing.server.proofs import bind, with_nonce
from grantflow.testing.server.replies import Step, error, json_reply
from grantflow.testing.server.value import JWT_BEARER, TOKEN_EXCHANGE, Server, counted

_Grant: TypeAlias = Callable[[Server, str, Mapping[str, str], timedelta, str | None], Step]

_PATHS: Final[Mapping[str, Endpoint]] = {
    "/.well-known/oauth-authorization-server": "metadata",
    "/.well-known/openid-configuration": "metadata",
    "/userinfo": "userinfo",
    "/register": "register",
    "/device": "device",
    "/revoke": "revoke",
    "/introspect": "introspect",
}
_GRANT_TYPES: Final[Mapping[str, Endpoint]] = {
    GRANT_TYPE: "poll",
    "client_credentials": "client_credentials",
    "refresh_token": "refresh",
    TOKEN_EXCHANGE: "token_exchange",
    JWT_BEARER: "jwt_bearer",
}
_GRANTS: Final[Mapping[str, _Grant]] = {
    "poll": device.poll,
    "client_credentials": grants.client_credentials,
    "refresh": grants.refresh,
    "token_exchange": grants.token_exchange,
    "jwt_bearer": grants.jwt_bearer,
    "other_grant": grants.other_grant,
}

decided: Final = device.decide
"""The server after a person approved or denied; an unknown code changes nothing."""


def answer(server: Server, request: Request, at: timedelta) -> tuple[Server, Reply]:
    """Return the server after ``request`` reached it at ``at``, and its reply."""
    endpoint = endpoint_of(server, request)
    for place, outage in enumerate(server.script.outages):
        used = server.outages_used.get(place, 0)
        if outage.covers(endpoint, at, used):
            after = _answer(server, request, endpoint, at)[0] if outage.acted else server
            after = evolve(after, outages_used={**after.outages_used, place: used + 1})
            return counted(after, "outage"), outage.reply
    return _answer(server, request, endpoint, at)


def endpoint_of(server: Server, request: Request) -> Endpoint | None:
    """Return what a request asks for, or ``None`` if this server has no such endpoint."""
    path = server.path(request.url)
    if path == "/token":
        grant_type = form_of(request).get("grant_type", "")
        other: Endpoint | None = "other_grant" if grant_type in server.script.grant_types else None
        return _GRANT_TYPES.get(grant_type, other)
    endpoint = _PATHS.get(path)
    return None if endpoint == "register" and not server.script.registration else endpoint


def form_of(request: Request) -> dict[str, str]:
    """Return the parameters of a request as plain text."""
    return {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in request.form
    }


def _answer(server: Server, request: Request, endpoint: Endpoint | None, at: timedelta) -> Step:
    if endpoint == "metadata" and request.method == "GET":
        return counted(server, "metadata"), json_reply(200, server.metadata())
    if endpoint == "userinfo":  # GET or POST (OpenID Connect Core section 5.3.1)
        return tokens.userinfo(counted(server, "userinfo"), request, at)
    if endpoint is None and server.path(request.url) != "/token":
        return counted(server, "unknown"), json_reply(404, {"detail": "no such endpoint"})
    if request.method != "POST":
        return counted(server, "unknown"), json_reply(405, {"detail": "POST only"})
    form = form_of(request)
    if endpoint == "register":
        return register(counted(server, "register"), form)
    names = [name for name, _ in request.form if name != "resource"]
    if len(set(names)) < len(names):  # RFC 6749 section 3.1; RFC 8707 allows several resources
        return counted(server, "refused"), error(400, "invalid_request", "a parameter came twice")
    known = authenticate(server, request, form, at)
    if known is None:
        return counted(server, "refused"), error(401, "invalid_client", "wrong id or secret")
    if endpoint is None:
        return server, error(400, "unsupported_grant_type")
    return _authenticated(counted(known[0], endpoint), known[1], request, endpoint, at)


def _authenticated(
    server: Server, client_id: str, request: Request, endpoint: Endpoint, at: timedelta
) -> Step:
    form = form_of(request)
    match endpoint:
        case "device":
            return device.authorize(server, client_id, form, at)
        case "revoke":
            return tokens.revoke(server, client_id, form)
        case "introspect":
            return tokens.introspect(server, form, at)
        case _:
            server, key = bind(server, request, at)
            if isinstance(key, Response):
                return server, key
            server, reply = _GRANTS[endpoint](server, client_id, form, at, key)
            return server, reply if key is None else with_nonce(server, reply, at)
