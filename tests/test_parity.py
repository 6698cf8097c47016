"""Every driver plays every script in the same way: one core, no second copy of a decision."""

from __future__ import annotations

import heapq
import queue
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from random import Random

import anyio
import pytest

from grantflow import (
    Cancelled,
    Client,
    ClientCredentialsFlow,
    DeviceFlow,
    DPoP,
    Failed,
    Fault,
    Pending,
    Request,
    Response,
    Unreachable,
    run,
)
from grantflow.core.states import DeviceState
from grantflow.core.values import Reply
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
from values import CLIENT, seconds

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
    lambda _: bytes(64),
    public={"kty": "EC", "crv": "P-256", "x": "x", "y": "y"},
    required=False,
)


def flow_of(server: Server) -> DeviceFlow:
    return DeviceFlow(Client(provider=server.provider, client_id="app", scope="a", dpop=KEY))


def simulated(server: Server) -> Trace:
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


class ToyLoop:
    """An event loop that calls back, in virtual time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._timers: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._order = count()

    def call_later(self, wait: timedelta, call: Callable[[], None], /) -> None:
        # A hair early on purpose, as a toolkit's whole milliseconds may be.
        early = timedelta(milliseconds=1) if wait > timedelta(milliseconds=5) else timedelta()
        at = self._clock.now().mono + wait - early
        heapq.heappush(self._timers, (at, next(self._order), call))

    def post(self, call: Callable[[], None], /) -> None:
        self._posted.put(call)

    def until(self, done: Callable[[], bool]) -> None:
        while not done():
            if self._timers:
                at, _, call = heapq.heappop(self._timers)
                self._clock.advance(max(at - self._clock.now().mono, timedelta()))
                call()
            else:
                self._posted.get(timeout=10)()


def by_timer(server: Server) -> Trace:
    clock, seen = VirtualClock(roll=0.25), list[DeviceState]()
    loop = ToyLoop(clock)
    driver = TimerDriver(
        flow_of(server),
        loop,
        seen.append,
        transport=ServerTransport(server, clock),
        now=clock.now,
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
        expected = simulated(server)
        assert DRIVERS[name](server) == expected, script(number)
        kinds |= {type(state).__name__ for state in expected}
    assert kinds >= {"Started", "Pending", "Authorized", "Expired", "Failed"}


def test_a_cancelled_timer_drops_what_comes_late() -> None:
    clock, seen = VirtualClock(), list[DeviceState]()
    loop = ToyLoop(clock)
    server = Server(Script(approve_after=seconds(1)))
    driver = TimerDriver(
        flow_of(server), loop, seen.append, transport=ServerTransport(server, clock), now=clock.now
    )
    driver.cancel()
    assert driver.run is None
    driver.start()
    loop.until(lambda: isinstance(seen[-1], Pending))
    driver.cancel()
    driver.cancel()
    assert seen[-1] == Failed(Cancelled())
    before = len(seen)
    while loop._timers:
        loop.until(lambda: not loop._timers)
    assert len(seen) == before


def test_a_watch_may_cancel() -> None:
    clock, seen = VirtualClock(), list[DeviceState]()
    loop = ToyLoop(clock)
    server = Server()

    def watch(state: DeviceState) -> None:
        seen.append(state)
        if isinstance(state, Pending):
            driver.cancel()

    driver = TimerDriver(
        flow_of(server), loop, watch, transport=ServerTransport(server, clock), now=clock.now
    )
    driver.start()
    loop.until(lambda: isinstance(seen[-1], Failed))
    assert seen[-1] == Failed(Cancelled())
    assert loop._timers == []


def test_a_transport_that_breaks_its_promise_still_ends_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, seen = VirtualClock(), list[object]()
    loop = ToyLoop(clock)

    def broken(request: Request) -> Reply:
        raise ZeroDivisionError("something secret")

    driver = TimerDriver(
        ClientCredentialsFlow(CLIENT), loop, seen.append, transport=broken, now=clock.now
    )
    driver.start()
    loop.until(lambda: isinstance(seen[-1], Failed))
    fault = Fault("other", "maybe", "ZeroDivisionError")
    assert seen[-1] == Failed(Unreachable(fault, 5))
    assert "it did: ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text
