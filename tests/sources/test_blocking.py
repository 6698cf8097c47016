"""The blocking driver: performs what is due once, then tells the run what happened."""

from __future__ import annotations

import time
from datetime import timedelta

import anyio
import pytest

from grantflow import (
    Authorized,
    Backoff,
    Client,
    ClientCredentialsFlow,
    DeviceFlow,
    Failed,
    Fault,
    Instant,
    Pending,
    RefreshFlow,
    Request,
    Started,
    Unreachable,
    aio,
    begin,
    run,
)
from grantflow.codec import one_step
from grantflow.core.flows.states import DeviceState, Final
from grantflow.shell.clock import SystemClock
from grantflow.testing import (
    AsyncVirtualClock,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
    decided,
)
from tests.support.blocking_async import at_once
from tests.support.samples import CLIENT, instant, seconds


def test_a_device_flow_runs_to_its_end_without_waiting() -> None:
    clock = VirtualClock()
    transport = ServerTransport(
        Server(Script(approve_after=seconds(13), latency=seconds(1))), clock
    )
    client = Client(provider=transport.server.provider, client_id="app", scope="a")
    seen: list[DeviceState] = []
    final = run(DeviceFlow(client), transport, clock, seen.append)
    assert isinstance(final, Authorized)
    assert seen[-1] is final
    assert [type(state) for state in seen] == [Started, Pending, Pending, Pending, Authorized]
    assert clock.slept == [seconds(5)] * 3
    assert transport.server.counts == {"device": 1, "poll": 3}
    assert [request.url for request in transport.requests].count(
        client.provider.token_endpoint
    ) == 3


def test_the_watch_may_decide_for_the_person() -> None:
    clock = VirtualClock()
    transport = ServerTransport(Server(), clock)
    client = Client(provider=transport.server.provider, client_id="app")

    def approve(state: DeviceState) -> None:
        if isinstance(state, Pending):
            transport.server = decided(transport.server, state.authorization.user_code, "approved")

    assert isinstance(run(DeviceFlow(client), transport, clock, approve), Authorized)


def test_each_request_is_sent_once() -> None:
    sent: list[Request] = []

    def deaf(request: Request) -> Fault:
        sent.append(request)
        return Fault("timeout", "maybe")

    clock = VirtualClock()
    final = run(RefreshFlow(CLIENT, "rt"), deaf, clock)
    assert final == Failed(Unreachable(Fault("timeout", "maybe"), 1))
    assert len(sent) == 1
    final = run(ClientCredentialsFlow(CLIENT, backoff=Backoff(tries=3)), deaf, clock)
    assert final == Failed(Unreachable(Fault("timeout", "maybe"), 3))
    assert len(sent) == 4
    assert clock.slept == [seconds(1), seconds(2)]


def test_without_a_transport_it_is_requests() -> None:
    client = Client(
        provider=ServerTransport(
            Server(issuer="http://127.0.0.1:9"), VirtualClock()
        ).server.provider,
        client_id="app",
    )
    final = run(ClientCredentialsFlow(client, backoff=Backoff(tries=1)), clock=VirtualClock())
    assert isinstance(final, Failed)
    assert isinstance(final.error, Unreachable)
    assert final.error.fault.reached == "no"


def test_this_machine_s_clock() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.sleep_until(Instant(before.mono + timedelta(milliseconds=20)))
    after = clock.now()
    assert after.mono - before.mono >= timedelta(milliseconds=20)
    assert after.wall >= before.wall
    assert 0 <= after.roll < 1
    clock.sleep_until(instant(0))
    assert time.monotonic() - after.mono.total_seconds() < 5


def test_a_sleep_that_a_test_replaced_is_not_called_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    clock = SystemClock()
    later = Instant(clock.now().mono + timedelta(hours=1))
    clock.sleep_until(later)
    assert clock.now().mono >= later, "what was slept counts"
    assert len(slept) == 1
    assert 3590 < slept[0] <= 3600


def test_a_virtual_clock_never_goes_back() -> None:
    clock = VirtualClock(roll=0.5)
    clock.sleep_until(instant(5))
    clock.sleep_until(instant(3))
    assert (clock.now().mono, clock.now().roll, clock.slept) == (instant(5), 0.5, [seconds(5)])


def test_one_step_goes_as_far_as_it_can_without_waiting() -> None:
    clock = VirtualClock()
    transport = ServerTransport(Server(Script(approve_after=seconds(3))), clock)
    client = Client(provider=transport.server.provider, client_id="app")
    begun = begin(DeviceFlow(client), clock.now())
    coded = one_step(begun, transport, clock)
    assert isinstance(coded.state, Pending)
    assert one_step(coded, transport, clock) is coded, "the first poll is not due yet"
    assert clock.slept == []
    clock.advance(seconds(5))
    ended = one_step(coded, transport, clock)
    assert isinstance(ended.due, Authorized)
    assert one_step(ended, transport, clock) is ended
    assert transport.server.counts == {"device": 1, "poll": 1}


def test_a_kept_run_is_resumed_by_awaiting() -> None:
    clock = VirtualClock()
    transport = ServerTransport(Server(Script(approve_after=seconds(3))), clock)
    client = Client(provider=transport.server.provider, client_id="app")
    coded = one_step(begin(DeviceFlow(client), clock.now()), transport, clock)

    async def main() -> Final:
        return await aio.resume(coded, at_once(transport), AsyncVirtualClock(clock))

    assert isinstance(anyio.run(main), Authorized)
    assert transport.server.counts == {"device": 1, "poll": 1}
