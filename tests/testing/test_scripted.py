"""The scripted server with its person: what a test of an application sees of a sign-in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from grantflow import (
    Authorized,
    Client,
    Denied,
    DeviceAuthorization,
    DeviceFlow,
    DeviceState,
    Expired,
    Failed,
    Fault,
    GrantError,
    MemoryStore,
    Pending,
    Provider,
    Request,
    Response,
    SlowDown,
    Started,
    TokenSource,
    providers,
    run,
    sign_in_flow,
)
from grantflow.shell import aio
from grantflow.testing import Script, ScriptedServer, VirtualClock
from grantflow.testing.scripted import NotPlayedError
from tests.support.values import ACME, WALL, seconds

NEEDS = {
    "host": "login.acme.example",
    "tenant": "common",
    "region": "eu-west-1",
    "environment": "a1b2",
    "realm": "main",
    "path": "/oauth",
}
PLAYED = {
    "auth0",
    "authentik",
    "entra",
    "github",
    "gitlab",
    "google",
    "keycloak",
    "okta",
    "slack",
}


def found(name: str) -> Provider:
    values: dict[str, str] = {}
    while True:
        try:
            return providers.find(name, **values)
        except ValueError as error:
            missing = str(error).partition(":")[0]
            values[missing] = NEEDS[missing]


def understood(server: ScriptedServer, provider: Provider) -> bool:
    try:
        server.plays(provider)
    except ValueError:
        return False
    return True


def names_of(seen: list[DeviceState]) -> list[str]:
    return [type(state).__name__ for state in seen]


def signed_in(server: ScriptedServer, provider: Provider | None = None) -> list[DeviceState]:
    seen: list[DeviceState] = []
    client = Client(provider=provider or server.provider, client_id="my-app")
    run(sign_in_flow(client, entropy="e" * 43), server.transport, server.clock, seen.append)
    return seen


def test_the_person_approves_at_once_unless_told() -> None:
    server = ScriptedServer()
    token = server.source.token()
    assert token.scope == ("read",)
    assert server.clock.slept == [seconds(5)]
    assert [code.verification_uri for code in server.shown] == [f"{server.issuer}/activate"]
    assert server.server.counts == {"device": 1, "poll": 1}


def test_the_person_takes_their_time() -> None:
    server = ScriptedServer()
    server.approve(after=seconds(12))
    assert names_of(signed_in(server)) == ["Started", *["Pending"] * 3, "Authorized"]


def test_the_person_denies() -> None:
    server = ScriptedServer()
    server.deny(after=seconds(7))
    with pytest.raises(GrantError) as raised:
        server.source.token()
    assert raised.value.problem == Failed(Denied("the person said no"))
    assert len(server.clock.slept) == 2


def test_the_person_stays_away() -> None:
    server = ScriptedServer()
    server.expire()
    assert signed_in(server)[-1] == Expired()
    ended = server.clock.now().mono
    assert timedelta(minutes=9) < ended <= timedelta(minutes=10)
    server.expire(after=seconds(60))
    assert signed_in(server)[-1] == Expired()
    assert seconds(30) < server.clock.now().mono - ended <= seconds(60)


def test_the_person_changes_their_mind_between_two_sign_ins() -> None:
    server = ScriptedServer()
    server.deny()
    assert isinstance(signed_in(server)[-1], Failed)
    server.approve()
    assert isinstance(signed_in(server)[-1], Authorized)


def test_the_person_is_told_while_they_are_asked() -> None:
    server = ScriptedServer()
    server.expire()

    def prompt(_: DeviceAuthorization) -> None:
        server.deny()

    source = TokenSource(
        server.client,
        store=MemoryStore(),
        transport=server.transport,
        clock=server.clock,
        prompt=prompt,
    )
    with pytest.raises(GrantError, match="denied"):
        source.token()


def test_the_server_asks_to_slow_down() -> None:
    server = ScriptedServer()
    server.slow_down(2)
    seen = signed_in(server)
    assert names_of(seen) == ["Started", "Pending", "SlowDown", "SlowDown", "Authorized"]
    assert server.clock.slept == [seconds(5), seconds(10), seconds(15)]


def test_the_server_has_trouble_for_a_while() -> None:
    server = ScriptedServer()
    server.fail(seconds(2))
    seen = signed_in(server)
    assert [state.faults for state in seen if isinstance(state, Started)] == [0, 1, 2]
    assert isinstance(seen[-1], Authorized)
    server.fail(timedelta(hours=1), Response(503, {}, b""))
    last = signed_in(server)[-1]
    assert isinstance(last, Failed)
    assert "outage" in server.server.counts


def test_an_old_token_is_refreshed() -> None:
    server = ScriptedServer()
    first = server.source.token()
    server.clock.advance(timedelta(hours=2))
    second = server.source.token()
    assert first.access_token != second.access_token
    assert server.server.counts == {"device": 1, "poll": 1, "refresh": 1}
    assert len(server.requests) == 3


def test_a_script_of_one_s_own() -> None:
    clock = VirtualClock(wall=WALL)
    script = Script(approve_after=seconds(0), token_lifetime=None)
    server = ScriptedServer(script, clock=clock)
    token = server.source.token()
    assert (token.expires_at, token.issued_at) == (None, WALL + seconds(5))
    server.script = Script()
    assert server.script == server.server.script == Script()


def test_time_starts_now_so_the_application_may_compare() -> None:
    before = datetime.now(UTC)
    server = ScriptedServer()
    assert before <= server.clock.now().wall <= datetime.now(UTC)
    assert server.server.epoch == server.clock.now().wall
    assert (server.source.token().expires_at or before) > datetime.now(UTC)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_asynchronous_applications_have_ports_as_well(backend: str) -> None:
    server = ScriptedServer()

    async def main() -> object:
        return await aio.run(DeviceFlow(server.client), server.async_transport, server.async_clock)

    assert isinstance(anyio.run(main, backend=backend), Authorized)
    assert server.clock.slept == [seconds(5)]


def test_a_request_to_somebody_else_is_a_mistake_that_says_what_to_do() -> None:
    server = ScriptedServer()
    asked = Request("https://acme.example/token?secret=1", form={"client_id": "app"})
    with pytest.raises(NotPlayedError) as raised:
        server.transport(asked)
    assert str(raised.value) == (
        "nothing plays https://acme.example/token in this test: give the application the scripted"
        " server's provider, or tell the server to play yours: plays(provider)"
    )
    assert server.requests == []
    with pytest.raises(NotPlayedError, match=r"nothing plays https://server\.test\.acme\.example"):
        server.transport(Request("https://server.test.acme.example/token"))


def test_it_plays_the_application_s_own_provider() -> None:
    server = ScriptedServer()
    server.plays(ACME)
    server.deny()
    assert isinstance(signed_in(server, ACME)[-1], Failed)
    assert [request.url for request in server.requests] == [
        ACME.device_authorization_endpoint,
        ACME.token_endpoint,
    ]


def test_its_metadata_is_where_it_stands() -> None:
    server = ScriptedServer()
    where = f"{server.issuer}/.well-known/oauth-authorization-server"
    reply = server.transport(Request(where, method="GET"))
    assert isinstance(reply, Response)
    assert Provider.from_metadata(json.loads(reply.body)).unwrap() == server.provider


@pytest.mark.parametrize("name", providers.names())
def test_a_provider_is_played_as_its_clients_understand_or_refused(name: str) -> None:
    provider, server = found(name), ScriptedServer()
    server.slow_down()
    server.approve(after=seconds(12))
    if not understood(server, provider):
        assert name not in PLAYED
        return
    if provider.device_authorization_endpoint is None:
        return
    seen = signed_in(server, provider)
    assert isinstance(seen[-1], Authorized)
    assert any(isinstance(state, SlowDown) for state in seen)
    assert all(state.faults == 0 for state in seen if isinstance(state, (Pending, SlowDown)))
    server.deny()
    last = signed_in(server, provider)[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, Denied)


def test_a_spelling_that_it_does_not_speak_is_refused() -> None:
    server, facebook = ScriptedServer(), providers.find("facebook")
    with pytest.raises(ValueError, match="'facebook' has a spelling of its own") as raised:
        server.plays(facebook)
    assert "give the application the scripted server's provider instead" in str(raised.value)
    with pytest.raises(NotPlayedError, match="nothing plays https://graph"):
        signed_in(server, facebook)


def test_trouble_of_one_s_own_choice() -> None:
    server = ScriptedServer()
    server.fail(timedelta(hours=1), Fault("tls", "no", "wrong host"))
    with pytest.raises(GrantError, match="certificate was not accepted: wrong host"):
        server.source.token()
