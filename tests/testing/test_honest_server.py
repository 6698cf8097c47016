"""Against an honest server, in virtual time: what it never has cause to say, and what we reach."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve
from hypothesis import given, settings

from grantflow import (
    Authorized,
    Client,
    Denied,
    DeviceFlow,
    Expired,
    Failed,
    Pending,
    SlowDown,
    Unreachable,
)
from grantflow.testing import Script, Server, simulate
from tests.support.effort import effort
from tests.support.samples import seconds
from tests.support.strategies import scripts, spans


def flow_for(server: Server) -> DeviceFlow:
    return DeviceFlow(Client(provider=server.provider, client_id="app"))


@settings(max_examples=effort(80, 500), deadline=None)
@given(scripts)
def test_an_honest_server_never_says_slow_down(script: Script) -> None:
    server = Server(script)
    for tick in simulate(flow_for(server), server):
        assert not isinstance(tick.state, SlowDown)
        server = tick.server
    assert "slow_down" not in server.counts


@settings(max_examples=effort(60, 300), deadline=None)
@given(scripts, spans(0, 80))
def test_who_approves_while_a_legal_poll_is_left_is_signed_in(
    script: Script, approve_after: timedelta
) -> None:
    calm = evolve(script, outages=(), approve_after=approve_after, deny_after=None)
    server = Server(calm)
    ticks = list(simulate(flow_for(server), server))
    last, before = ticks[-1], ticks[-2]
    interval = max(seconds(1), calm.interval)
    if isinstance(last.state, Authorized):
        return
    assert isinstance(last.state, Expired)
    # No poll was left: one interval after the last reply the code, as we know it, was dead.
    known_end = ticks[1].at + calm.lifetime
    if isinstance(before.state, Pending):
        assert last.at + interval >= known_end or last.at >= calm.lifetime
    else:
        assert interval >= calm.lifetime


@settings(max_examples=effort(50, 200), deadline=None)
@given(scripts)
def test_every_run_ends_soon_after_the_code_does(script: Script) -> None:
    server = Server(script)
    ticks = list(simulate(flow_for(server), server))
    codes = [tick for tick in ticks if isinstance(tick.state, Pending)]
    assert isinstance(ticks[-1].state, (Authorized, Expired, Failed))
    if codes:
        assert ticks[-1].at <= codes[0].at + script.lifetime + script.latency


def test_a_denial_is_told_apart_from_an_expiry() -> None:
    denied = Server(Script(deny_after=seconds(7)))
    *_, last = simulate(flow_for(denied), denied)
    assert last.state == Failed(Denied("the person said no"))
    assert last.at == seconds(10)
    idle = Server(Script(lifetime=seconds(31)))
    *_, last = simulate(flow_for(idle), idle)
    assert (last.state, last.at) == (Expired(), seconds(30))


def test_a_dead_server_is_asked_exactly_as_often_as_configured() -> None:
    from grantflow import Backoff, ClientCredentialsFlow, Fault, RefreshFlow
    from grantflow.testing import Outage

    gone = Fault("refused", "no")
    server = Server(Script(outages=(Outage(seconds(0), seconds(10_000), gone),)))
    client = Client(provider=server.provider, client_id="app")
    for tries in (1, 2, 5, 7):
        backoff = Backoff(tries=tries)
        for flow in (
            DeviceFlow(client, backoff=backoff),
            ClientCredentialsFlow(client, backoff=backoff),
            RefreshFlow(client, "rt", backoff=backoff),
        ):
            *_, last = simulate(flow, server)  # pyright: ignore[reportArgumentType]
            assert last.state == Failed(Unreachable(gone, tries))
            assert last.server.counts == {"outage": tries}


def test_who_has_a_lying_clock_is_asked_to_slow_down_and_obeys() -> None:
    """A server whose interval grew without telling: slow_down sticks, and the person gets in."""
    server = Server(Script(approve_after=seconds(20), interval=seconds(5)))
    flow = flow_for(server)
    ticks = simulate(flow, server)
    assert [type(tick.state).__name__ for tick in ticks] == [
        "Started",
        "Pending",
        "Pending",
        "Pending",
        "Pending",
        "Authorized",
    ]
