"""The scripted server with its person: what a test of an application sees of a sign-in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretJwt,
    ClientSecretPost,
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
    Public,
    RefreshFlow,
    Request,
    Response,
    SlowDown,
    Started,
    TokenSource,
    providers,
    run,
)
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.values.response import Reply
from grantflow.flows import flow_for
from grantflow.shell import aio
from grantflow.signing import dpop_key
from grantflow.testing import Outage, Script, ScriptedServer, VirtualClock
from grantflow.testing.scripted import PlayError
from tests.support.samples import ACME, WALL, seconds

NEEDS = {
    "host": "login.acme.example",
    "tenant": "common",
    "region": "eu-west-1",
    "environment": "a1b2",
    "realm": "main",
    "path": "/oauth",
    "start_url": "https://acme.awsapps.com/start",
    "account_id": "acc-1",
    "app_id": "123",
    "client_token": "abc",
    "deployment_id": "dep-1",
}


def found(name: str) -> Provider:
    values: dict[str, str] = {}
    while True:
        try:
            return providers.find(name, **values)
        except ValueError as error:
            missing = str(error).partition(":")[0]
            values[missing] = NEEDS[missing]


def names_of(seen: list[DeviceState]) -> list[str]:
    return [type(state).__name__ for state in seen]


def signed_in(server: ScriptedServer, provider: Provider | None = None) -> list[DeviceState]:
    seen: list[DeviceState] = []
    client = Client(provider=provider or server.provider, client_id="my-app")
    run(flow_for(client, entropy="e" * 43), server.transport, server.clock, seen.append)
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
    with pytest.raises(PlayError) as raised:
        server.transport(asked)
    assert str(raised.value) == (
        "nothing plays https://acme.example/token in this test: give the application the scripted"
        " server's provider, or let the server play yours: plays(provider)"
    )
    assert server.requests == []
    with pytest.raises(PlayError, match=r"nothing plays https://server\.test\.acme\.example"):
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


def client_of(provider: Provider) -> Client:
    methods = provider.auth_methods
    secret: ClientAuthentication = ClientSecretPost("s3cret")
    if "client_secret_post" not in methods:
        secret = ClientSecretBasic("s3cret")
    return Client(
        provider=provider,
        client_id="my-app",
        scope="one two",
        authentication=Public() if not methods or "none" in methods else secret,
    )


def played(server: ScriptedServer, client: Client, entropy: str) -> list[DeviceState]:
    states: list[DeviceState] = []
    flow = flow_for(client, entropy=entropy * 43)
    run(flow, server.transport, server.clock, states.append)
    return states


SIGN_INS = [
    name
    for name in providers.names()
    if found(name).device_authorization_endpoint or found(name).authorization_endpoint
]


@pytest.mark.parametrize("name", SIGN_INS)
def test_a_sign_in_to_a_known_provider_is_played_in_its_own_format(name: str) -> None:
    provider, server = found(name), ScriptedServer()
    server.plays(provider)
    server.slow_down()
    server.approve(after=seconds(12))
    client = client_of(provider)
    states = played(server, client, "a")
    end = states[-1]
    assert isinstance(end, Authorized)
    assert any(isinstance(state, SlowDown) for state in states)
    assert all(state.faults == 0 for state in states if isinstance(state, (Pending, SlowDown)))
    server.slow_down(0)
    if end.token.refresh_token is not None:
        renewed = run(RefreshFlow(client, end.token.refresh_token), server.transport, server.clock)
        assert isinstance(renewed, Authorized)
    server.deny()
    last = played(server, client, "b")[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, Denied)
    server.expire()
    assert isinstance(played(server, client, "c")[-1], Expired)


@pytest.mark.parametrize("name", [name for name in providers.names() if name not in SIGN_INS])
def test_a_provider_for_machines_is_played(name: str) -> None:
    provider, server = found(name), ScriptedServer()
    server.plays(provider)
    flow = ClientCredentialsFlow(client_of(provider))
    assert isinstance(run(flow, server.transport, server.clock), Authorized)


def test_a_played_provider_binds_tokens_and_believes_assertions() -> None:
    server = ScriptedServer(Script(approve_after=timedelta(), clients={"my-app": "s" * 32}))
    server.plays(ACME)
    proof = ClientSecretJwt("s" * 32)
    client = Client(provider=ACME, client_id="my-app", authentication=proof, dpop=dpop_key())
    end = run(DeviceFlow(client), server.transport, server.clock)
    assert isinstance(end, Authorized)
    assert end.token.token_type == "DPoP"


def test_replies_can_be_replaced_and_seen() -> None:
    server, seen = ScriptedServer(), list[Reply]()

    def halved(request: Request, reply: Reply) -> Reply | None:
        seen.append(reply)
        return None if len(seen) > 1 else Response(200, {}, b'{"access_')

    server.answers(halved, endpoint="poll")
    assert isinstance(run(DeviceFlow(server.client), server.transport, server.clock), Failed)
    assert isinstance(run(DeviceFlow(server.client), server.transport, server.clock), Authorized)
    assert [each.status for each in seen if isinstance(each, Response)] == [200, 200]


def test_a_grant_that_it_does_not_know_can_be_played() -> None:
    server = ScriptedServer()
    body = b'{"access_token": "at", "token_type": "Bearer"}'
    server.answers(lambda request, reply: Response(200, {}, body), endpoint=None)
    ask = Request(f"{server.issuer}/token", form={"grant_type": "urn:openid:params:ciba"})
    assert server.transport(ask) == Response(200, {}, body)


def test_an_error_in_a_hook_fails_the_test_and_is_no_network_error() -> None:
    server = ScriptedServer()

    def checked(request: Request, reply: Reply) -> None:
        assert request.url == "elsewhere"

    server.answers(checked)
    with pytest.raises(PlayError, match="the hook raised AssertionError"):
        run(DeviceFlow(server.client), server.transport, server.clock)


def test_the_next_two_polls_fail_and_nothing_else() -> None:
    server = ScriptedServer()
    server.fail(endpoint="poll", times=2)
    states: list[DeviceState] = []
    run(DeviceFlow(server.client), server.transport, server.clock, states.append)
    waits = [state.faults for state in states if isinstance(state, Pending)]
    assert waits == [0, 1, 2]
    assert isinstance(states[-1], Authorized)
    server.fail(endpoint="poll", times=1)  # again, at another moment
    states.clear()
    run(DeviceFlow(server.client), server.transport, server.clock, states.append)
    assert [state.faults for state in states if isinstance(state, Pending)] == [0, 1]


def test_a_new_script_begins_to_count_its_outages() -> None:
    server = ScriptedServer()
    for _ in range(2):
        server.script = Script(outages=(Outage(times=1),))
        assert isinstance(server.transport(Request(f"{server.issuer}/userinfo")), Fault)
        assert isinstance(server.transport(Request(f"{server.issuer}/userinfo")), Response)


def test_only_the_refresh_fails_and_its_answer_is_lost() -> None:
    server = ScriptedServer()
    token = server.source.token()
    server.fail(endpoint="refresh", times=1, acted=True)
    assert token.refresh_token is not None
    end = run(RefreshFlow(server.client, token.refresh_token), server.transport, server.clock)
    assert isinstance(end, Failed)  # sent once, and never again
    assert server.server.counts["refresh"] == 1


def test_another_person_signs_in() -> None:
    server = ScriptedServer()
    for person in ("alice", "bob"):
        server.approve(person=person)
        end = run(DeviceFlow(server.client), server.transport, server.clock)
        assert isinstance(end, Authorized)
        headers = {"Authorization": f"Bearer {end.token.access_token.reveal()}"}
        reply = server.transport(Request(f"{server.issuer}/userinfo", headers=headers))
        assert isinstance(reply, Response)
        assert json.loads(reply.body)["sub"] == person


def test_trouble_of_one_s_own_choice() -> None:
    server = ScriptedServer()
    server.fail(timedelta(hours=1), Fault("tls", "no", "wrong host"))
    with pytest.raises(GrantError, match="certificate was not accepted: wrong host"):
        server.source.token()
