"""Every driver plays every script in the same way: one core, no second copy of a decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from random import Random

import anyio
import pytest

from grantflow import (
    Client,
    DeviceFlow,
    DPoP,
    Failed,
    Fault,
    Request,
    Response,
    Unreachable,
    run,
)
from grantflow.core.flows.states import DeviceState
from grantflow.core.values.response import Reply
from grantflow.shell import aio
from grantflow.shell.ports import Transport
from grantflow.shell.timer import TimerDriver
from grantflow.testing import (
    AsyncVirtualClock,
    Outage,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
    VirtualLoop,
    simulate,
)
from tests.support.blocking_async import at_once
from tests.support.effort import effort

Trace = list[DeviceState]


def milliseconds(random: Random, low: float, high: float) -> timedelta:
    return timedelta(milliseconds=random.randint(int(low * 1000), int(high * 1000)))


def script(number: int) -> Script:
    random = Random(number)
    replies: list[Reply] = [
        Fault("timeout", "maybe"),
        Fault("refused", "no"),
        Response(502, {}, b"<html>"),
        Response(429, {"Retry-After": "9"}, b""),
        Response(400, {"DPoP-Nonce": f"n-{number}"}, b'{"error": "use_dpop_nonce"}'),
    ]
    starts = [milliseconds(random, 0, 60) for _ in range(random.randint(0, 2))]
    return Script(
        approve_after=random.choice([None, milliseconds(random, 0, 90)]),
        deny_after=random.choice([None, milliseconds(random, 0, 90)]),
        lifetime=milliseconds(random, 5, 120),
        interval=milliseconds(random, 0.1, 15),
        dpop=False,  # anything is a signature here
        latency=milliseconds(random, 0, 3),
        outages=tuple(
            Outage(start, start + milliseconds(random, 0, 20), random.choice(replies))
            for start in starts
        ),
    )


KEY = DPoP(
    key=lambda _: bytes(64),
    public={"kty": "EC", "crv": "P-256", "x": "x", "y": "y"},
    alg="ES256",
    thumbprint="t",
    required=False,
)


def flow_of(server: Server) -> DeviceFlow:
    return DeviceFlow(Client(provider=server.provider, client_id="app", scope="a", dpop=KEY))


@cache
def simulated(number: int) -> Trace:
    server = Server(script(number))
    return [tick.state for tick in simulate(flow_of(server), server, roll=0.25)]


Driver = Callable[[DeviceFlow, Transport, VirtualClock], Trace]


def blocking(flow: DeviceFlow, transport: Transport, clock: VirtualClock) -> Trace:
    seen: Trace = []
    run(flow, transport, clock, seen.append)
    return seen


def on_loop(backend: str) -> Driver:
    def drive(flow: DeviceFlow, transport: Transport, clock: VirtualClock) -> Trace:
        seen: Trace = []

        async def main() -> None:
            await aio.run(flow, at_once(transport), AsyncVirtualClock(clock), seen.append)

        anyio.run(main, backend=backend)
        return seen

    return drive


def by_timer(flow: DeviceFlow, transport: Transport, clock: VirtualClock) -> Trace:
    seen: Trace = []
    loop = VirtualLoop(clock, early=timedelta(milliseconds=1))
    driver = TimerDriver(flow, loop, seen.append, transport=transport, clock=clock)
    driver.start()
    driver.start()
    loop.run_until(lambda: driver.run is not None and driver.run.due == driver.run.state)
    return seen


DRIVERS: dict[str, Driver] = {
    "blocking": blocking,
    "asyncio": on_loop("asyncio"),
    "trio": on_loop("trio"),
    "timer": by_timer,
}


@pytest.mark.parametrize("name", DRIVERS)
def test_scripts_give_the_traces_of_the_simulation(name: str) -> None:
    kinds = set()
    for number in range(effort(60, 500)):
        server, clock = Server(script(number)), VirtualClock(roll=0.25)
        expected = simulated(number)
        trace = DRIVERS[name](flow_of(server), ServerTransport(server, clock), clock)
        assert trace == expected, script(number)
        kinds |= {type(state).__name__ for state in expected}
    assert kinds >= {"Started", "Pending", "Authorized", "Expired", "Failed"}


@pytest.mark.parametrize("name", DRIVERS)
def test_a_transport_that_raises_is_one_that_may_have_reached_the_server(name: str) -> None:
    def broken(request: Request) -> Reply:
        raise ZeroDivisionError("something secret")

    last = DRIVERS[name](flow_of(Server()), broken, VirtualClock())[-1]
    fault = Fault("other", "maybe", "ZeroDivisionError")
    assert last == Failed(Unreachable(fault, 5))
