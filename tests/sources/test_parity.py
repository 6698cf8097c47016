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
    Fault,
    Response,
    run,
)
from grantflow.core.flows.states import DeviceState
from grantflow.core.values.response import Reply
from grantflow.shell import aio
from grantflow.shell.timer import TimerDriver
from grantflow.testing import (
    AsyncServerTransport,
    AsyncVirtualClock,
    Outage,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
    simulate,
)
from tests.support.toy_loop import ToyLoop

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
        latency=milliseconds(random, 0, 3),
        outages=tuple(
            Outage(start, start + milliseconds(random, 0, 20), random.choice(replies))
            for start in starts
        ),
    )


# The scripted server knows no proofs, so a bearer token will do and anything is a signature.
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


def blocking(server: Server) -> Trace:
    clock, seen = VirtualClock(roll=0.25), list[DeviceState]()
    run(flow_of(server), ServerTransport(server, clock), clock, seen.append)
    return seen


def on_loop(backend: str) -> Callable[[Server], Trace]:
    def play(server: Server) -> Trace:
        clock, seen = VirtualClock(roll=0.25), list[DeviceState]()
        transport = AsyncServerTransport(ServerTransport(server, clock))

        async def main() -> None:
            await aio.run(flow_of(server), transport, AsyncVirtualClock(clock), seen.append)

        anyio.run(main, backend=backend)
        return seen

    return play


def by_timer(server: Server) -> Trace:
    clock, seen = VirtualClock(roll=0.25), list[DeviceState]()
    loop = ToyLoop(clock)
    driver = TimerDriver(
        flow_of(server),
        loop,
        seen.append,
        transport=ServerTransport(server, clock),
        clock=clock,
    )
    driver.start()
    driver.start()
    loop.until(lambda: driver.run is not None and driver.run.due == driver.run.state)
    return seen


DRIVERS = {
    "blocking": blocking,
    "asyncio": on_loop("asyncio"),
    "trio": on_loop("trio"),
    "timer": by_timer,
}


@pytest.mark.parametrize("name", DRIVERS)
def test_500_scripts_give_the_traces_of_the_simulation(name: str) -> None:
    kinds = set()
    for number in range(500):
        server = Server(script(number))
        expected = simulated(number)
        assert DRIVERS[name](server) == expected, script(number)
        kinds |= {type(state).__name__ for state in expected}
    assert kinds >= {"Started", "Pending", "Authorized", "Expired", "Failed"}
