"""Signing in at real servers: a person at another device, and a machine with its secret."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import pytest
from attrs import evolve

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    Denied,
    DeviceFlow,
    Expired,
    Failed,
    GrantError,
    MemoryStore,
    Pending,
    Refused,
    SlowDown,
    Started,
    TokenSource,
    begin,
    run,
)
from grantflow.core.flows.device import GRANT_TYPE
from grantflow.core.flows.effects import Send
from grantflow.core.flows.states import DeviceState
from grantflow.core.flows.states import Final as Ending
from grantflow.shell.clock import SystemClock

from .conftest import BOTH
from .library import (
    WRONG,
    Hurried,
    Wire,
    after_polls,
    client_of,
    introspected,
    told,
    userinfo,
)
from .servers import RealServer, Start, start_oidc_provider

# What Python and a loaded machine may add to a wait. Nothing may take from it.
LATE = 2.0


@pytest.fixture(scope="module", params=BOTH)
def paced_server(request: pytest.FixtureRequest) -> Iterator[RealServer]:
    """Each server in its turn, polled every second and strict about it."""
    if request.param == "authlib":
        server: RealServer = request.getfixturevalue("authlib_server")
        yield server
        return
    request.getfixturevalue("needs_oidc_provider")
    with start_oidc_provider(interval=1) as server:
        yield server


def refusal(final: Ending) -> tuple[str, int | None]:
    assert isinstance(final, Failed), final
    assert isinstance(final.error, Refused), final
    assert final.error.raw == final.error.code
    return final.error.code, final.error.status


# A person at another device (RFC 8628).


@pytest.mark.parametrize("purpose", ["device-public", "device-basic"])
def test_a_person_approves(paced_server: RealServer, purpose: str) -> None:
    client, wire = client_of(paced_server, purpose), Wire()
    before = paced_server.stats()
    final = run(DeviceFlow(client), wire, watch=after_polls(0, paced_server.approve))
    seen = paced_server.stats().since(before)
    assert isinstance(final, Authorized), final
    assert seen.endpoints == {"device_authorization_endpoint": 1, "token_endpoint": 1}
    assert seen.errors == Counter()
    token = final.token
    answer = userinfo(client, token)
    assert (answer.status, told(answer)) == (200, {"sub": "alice"})
    assert token.refresh_token is not None
    assert token.scope == tuple(paced_server.scope.split())
    assert (token.id_token is not None) is ("openid" in token.scope)
    assert token.expires_at is not None
    assert token.issued_at is not None
    assert token.expires_at - token.issued_at == timedelta(hours=1)


def test_polls_are_an_interval_apart(start_server: Start) -> None:
    with start_server(interval=2) as server:
        client, wire = client_of(server), Wire()
        before = server.stats()
        final = run(DeviceFlow(client), wire, watch=after_polls(1, server.approve))
        seen = server.stats().since(before)
    assert isinstance(final, Authorized), final
    # The servers here allow no tolerance, so their silence counts.
    assert seen.errors == Counter(authorization_pending=1)
    assert seen.grants == {GRANT_TYPE: 2}
    assert len(wire.waits()) == 2
    check_waits(wire, 2)


def check_waits(wire: Wire, interval: int) -> None:
    """What no server looks at: the first poll waits as well, and they count from the reply."""
    assert all(interval <= wait < interval + LATE for wait in wire.waits()), wire.waits()


def test_the_person_says_no(real_server: RealServer) -> None:
    before = real_server.stats()
    watch = after_polls(0, real_server.deny)
    final = run(DeviceFlow(client_of(real_server)), Wire(), Hurried(), watch)
    assert isinstance(final, Failed), final
    assert isinstance(final.error, Denied), final
    assert real_server.stats().since(before).errors == Counter(access_denied=1)


def test_a_code_that_nobody_approves_expires(start_server: Start) -> None:
    life = 3
    with start_server(device_ttl=life, interval=1) as server:
        client, wire = client_of(server), Wire()
        before = server.stats()
        final = run(DeviceFlow(client), wire)
        ended = time.monotonic()
        seen = server.stats().since(before)
    assert final == Expired()
    end = wire.exchanges[0].arrived + life
    assert ended < end + LATE
    assert all(exchange.left < end for exchange in wire.exchanges)
    polls = len(wire.exchanges) - 1
    assert seen.grants == {GRANT_TYPE: polls}
    check_waits(wire, 1)
    # oidc-provider counts whole seconds, so its code may end almost a second before ours.
    too_late = seen.errors["expired_token"]
    assert too_late <= (server.name == "oidc-provider")
    assert seen.errors == Counter(
        {"authorization_pending": polls - too_late, "expired_token": too_late}
    )
    # And yet none was left out: the next one would have been at the end, or after it.
    assert too_late or wire.exchanges[-1].arrived + 1 > end - 0.5


def test_a_driver_that_never_waits_is_told_to_slow_down(start_server: Start) -> None:
    # Polls at once, which a busy machine may spread over some seconds.
    with start_server(interval=5) as server:
        check_slow_down(server)


def check_slow_down(server: RealServer) -> None:
    states: list[tuple[type[DeviceState], float]] = []

    def watch(state: DeviceState) -> None:
        if isinstance(state, (Pending, SlowDown)):
            states.append((type(state), state.interval.total_seconds()))
            if state.polls == 3:
                server.approve(state.authorization.user_code)

    before = server.stats()
    final = run(DeviceFlow(client_of(server)), Wire(), Hurried(), watch)
    assert isinstance(final, Authorized), final
    assert states == [(Pending, 5), (Pending, 5), (SlowDown, 10), (SlowDown, 15)]
    seen = server.stats().since(before)
    assert seen.errors == Counter(authorization_pending=1, slow_down=2)


@pytest.mark.interop
def test_without_an_interval_five_seconds_count(oidc_provider: RealServer) -> None:
    going = begin(DeviceFlow(client_of(oidc_provider)), SystemClock().now())
    assert isinstance(going.state, Started)
    assert isinstance(going.due, Send)
    reply, now = Wire()(going.due.request), SystemClock().now()
    going = going.receive(going.due, reply, now)
    assert isinstance(going.state, Pending)
    assert going.state.interval == timedelta(seconds=5)
    assert going.state.not_before == now.mono + timedelta(seconds=5)


def test_a_device_with_a_wrong_secret_gets_no_code(real_server: RealServer) -> None:
    client, wire = client_of(real_server, "device-basic", secret=WRONG), Wire()
    assert refusal(run(DeviceFlow(client), wire)) == ("invalid_client", 401)
    assert len(wire.exchanges) == 1


def test_a_device_that_nobody_registered_gets_no_code(real_server: RealServer) -> None:
    client = evolve(client_of(real_server), client_id="nobody")
    # Authlib answers 401 only to who came with a Basic header, as RFC 6749 section 5.2 allows.
    status = {"authlib": 400, "oidc-provider": 401}[real_server.name]
    assert refusal(run(DeviceFlow(client), Wire())) == ("invalid_client", status)


# A machine with its secret (RFC 6749 section 4.4).


def asks(client: Client) -> Ending:
    """One request is all that a considered answer takes."""
    wire = Wire()
    final = run(ClientCredentialsFlow(client), wire)
    assert len(wire.exchanges) == 1
    return final


@pytest.mark.parametrize("purpose", ["cc-basic", "cc-post", "odd"])
def test_a_machine_gets_a_token(real_server: RealServer, purpose: str) -> None:
    client = client_of(real_server, purpose)
    final = asks(client)
    assert isinstance(final, Authorized), final
    token = final.token
    assert token.scope == (real_server.machine_scope,)
    assert token.refresh_token is None
    said = introspected(client, token.access_token)
    assert said["active"] is True
    assert said["client_id"] == client.client_id
    assert said["scope"] == real_server.machine_scope


@pytest.mark.parametrize("purpose", ["cc-basic", "cc-post", "odd"])
def test_a_machine_with_a_wrong_secret_gets_none(real_server: RealServer, purpose: str) -> None:
    before = real_server.stats()
    final = asks(client_of(real_server, purpose, secret=WRONG))
    assert refusal(final) == ("invalid_client", 401)
    assert WRONG not in repr(final)
    assert real_server.stats().since(before).errors == Counter(invalid_client=1)


ENCODINGS: dict[tuple[str, str], tuple[str, int] | None] = {
    ("authlib", "rfc6749"): None,
    ("authlib", "plus"): ("invalid_client", 401),  # it reads "+" as a plus
    ("authlib", "raw"): ("invalid_client", 401),
    ("oidc-provider", "rfc6749"): None,
    ("oidc-provider", "plus"): None,
    # It cannot decode "%/" and takes that for a broken request.
    ("oidc-provider", "raw"): ("invalid_request", 400),
}


@pytest.mark.parametrize("encoding", ["rfc6749", "plus", "raw"])
def test_an_odd_secret_needs_the_encoding_of_the_rfc(
    real_server: RealServer, encoding: Literal["rfc6749", "plus", "raw"]
) -> None:
    secret = real_server.clients["odd"].client_secret or ""
    client = client_of(
        real_server, "odd", authentication=ClientSecretBasic(secret, encoding=encoding)
    )
    expected = ENCODINGS[real_server.name, encoding]
    final = asks(client)
    if expected is None:
        assert isinstance(final, Authorized), final
        return
    assert refusal(final) == expected
    source = TokenSource(client, "client_credentials", store=MemoryStore(), transport=Wire())
    with pytest.raises(GrantError, match=f"the server refused: {expected[0]}") as caught:
        source.token()
    assert caught.value.problem == final
    assert secret not in f"{caught.value} {caught.value.problem!r}"


def test_authlib_refuses_a_scope_that_it_does_not_know(authlib_server: RealServer) -> None:
    for scope in ("api:nothing", f"{authlib_server.machine_scope} api:nothing"):
        final = asks(client_of(authlib_server, "cc-basic", scope=scope))
        assert refusal(final) == ("invalid_scope", 400)
    device = client_of(authlib_server, scope="api:nothing")
    assert refusal(run(DeviceFlow(device), Wire())) == ("invalid_scope", 400)


@pytest.mark.interop
def test_oidc_provider_leaves_out_a_scope_that_it_does_not_know(oidc_provider: RealServer) -> None:
    known = oidc_provider.machine_scope
    final = asks(client_of(oidc_provider, "cc-basic", scope=f"{known} api:nothing"))
    assert isinstance(final, Authorized), final
    assert final.token.scope == (known,)


@pytest.mark.interop
def test_oidc_provider_refuses_a_resource_that_is_none(oidc_provider: RealServer) -> None:
    client = evolve(client_of(oidc_provider, "cc-basic"), resource=("not a URI",))
    assert refusal(asks(client)) == ("invalid_target", 400)


def test_a_client_gets_only_its_own_grants(real_server: RealServer) -> None:
    code = {"authlib": "unauthorized_client", "oidc-provider": "invalid_request"}[real_server.name]
    assert refusal(asks(client_of(real_server, "device-basic"))) == (code, 400)
    device = DeviceFlow(client_of(real_server, "cc-basic"))
    assert refusal(run(device, Wire(), Hurried())) == (code, 400)
