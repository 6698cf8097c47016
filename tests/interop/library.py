"""grantflow's side of these tests: its clients, and its own transport on real sockets."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import cast

import requests
from attrs import evolve, frozen

from grantflow import (
    Authorized,
    Client,
    ClientSecretBasic,
    ClientSecretPost,
    DeviceFlow,
    Instant,
    Moment,
    Pending,
    Provider,
    Public,
    Request,
    Response,
    Secret,
    Token,
    run,
)
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.flows.states import DeviceState
from grantflow.core.values.response import Reply
from grantflow.shell.clock import SystemClock
from grantflow.shell.discovery import discover
from grantflow.shell.http.requests import RequestsTransport

from .servers import RealServer

WRONG = "not-the-secret-of-anybody"


@frozen
class Exchange:
    """A request and its reply, with the monotonic seconds when they left and arrived."""

    request: Request
    reply: Reply
    left: float
    arrived: float


class Wire:
    """The real transport, and what went over it."""

    def __init__(self) -> None:
        session = requests.Session()
        session.trust_env = False  # no proxy between us and loopback
        self.transport = RequestsTransport(session)
        self.exchanges: list[Exchange] = []

    def __call__(self, request: Request, /) -> Reply:
        left = time.monotonic()
        reply = self.transport(request)
        self.exchanges.append(Exchange(request, reply, left, time.monotonic()))
        return reply

    def waits(self) -> list[float]:
        """The seconds between each reply and the next request."""
        pairs = zip(self.exchanges, self.exchanges[1:], strict=False)
        return [later.left - earlier.arrived for earlier, later in pairs]


@frozen
class Hurried:
    """A clock that never waits, which is what no driver may do, and may be ahead of the time."""

    ahead: timedelta = timedelta()

    def now(self) -> Moment:
        moment = SystemClock().now()
        return evolve(moment, wall=moment.wall + self.ahead)

    def sleep_until(self, at: Instant, /) -> None:
        pass


def provider_of(server: RealServer) -> Provider:
    found = discover(server.issuer, Wire())
    assert isinstance(found, Provider), found
    return found


def client_of(
    server: RealServer,
    purpose: str = "device-public",
    *,
    secret: str | None = None,
    authentication: ClientAuthentication | None = None,
    scope: str | None = None,
) -> Client:
    """A client as the server knows it, save for what is given."""
    known = server.clients[purpose]
    usual = server.scope if purpose.startswith("device") else server.machine_scope
    return Client(
        provider=provider_of(server),
        client_id=known.client_id,
        authentication=authentication
        or _registered(known.auth, secret or known.client_secret or ""),
        scope=usual if scope is None else scope,
    )


def _registered(method: str, secret: str) -> ClientAuthentication:
    match method:
        case "none":
            return Public()
        case "client_secret_basic":
            return ClientSecretBasic(secret)
        case "client_secret_post":
            return ClientSecretPost(secret)
        case _:
            raise ValueError(method)


def after_polls(polls: int, decide: Callable[[str], None]) -> Callable[[DeviceState], None]:
    """A watch: the person decides when so many polls are over, 0 as soon as there is a code."""

    def watch(state: DeviceState) -> None:
        if isinstance(state, Pending) and state.polls == polls:
            decide(state.authorization.user_code)

    return watch


def signed_in(server: RealServer, client: Client) -> Token:
    """A person's token at once, for tests of what comes later."""
    final = run(DeviceFlow(client), Wire(), Hurried(), after_polls(0, server.approve))
    assert isinstance(final, Authorized), final
    return final.token


def refresh_token(token: Token) -> Secret:
    assert token.refresh_token is not None
    return token.refresh_token


def response(reply: Reply) -> Response:
    assert isinstance(reply, Response), reply
    return reply


def told(answer: Response) -> Mapping[str, object]:
    return cast("Mapping[str, object]", json.loads(answer.body))


def userinfo(client: Client, token: Token) -> Response:
    """The protected resource's answer to this token."""
    url = client.provider.userinfo_endpoint
    assert url is not None
    headers = (("Authorization", token.authorization),)
    return response(Wire()(Request(url, method="GET", headers=headers)))


def introspected(client: Client, token: Secret) -> Mapping[str, object]:
    """What the server says of a token to its client (RFC 7662)."""
    url = client.provider.introspection_endpoint
    assert url is not None
    answer = response(Wire()(client.request(url, (("token", token),))))
    assert answer.status == 200, answer.body
    return told(answer)


def active(client: Client, *tokens: Secret | None) -> list[object]:
    return [introspected(client, token)["active"] for token in tokens if token is not None]


def revoked(client: Client, token: Secret, hint: str | None = None) -> Response:
    """The answer to a revocation (RFC 7009)."""
    url = client.provider.revocation_endpoint
    assert url is not None
    form = (("token", token), *((("token_type_hint", hint),) if hint else ()))
    return response(Wire()(client.request(url, form)))
