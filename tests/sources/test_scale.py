"""Many sign-ins at once in one process, on one thread."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import final

import anyio
import httpx2 as httpx
import pytest

from grantflow import Authorized, Client, DeviceFlow, Pending, Request, Response
from grantflow.core.flows.states import DeviceState
from grantflow.core.flows.states import Final as Ending
from grantflow.shell import aio
from grantflow.shell.http import httpx as over_httpx
from grantflow.shell.http import turns
from grantflow.testing import (
    AsyncServerTransport,
    AsyncVirtualClock,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
    serve,
)
from tests.support.effort import effort
from tests.support.samples import seconds


class Crowd:
    """People who sign in at the same time."""

    def __init__(self, client: Client, clock: aio.AsyncClock) -> None:
        self.flow = DeviceFlow(client)
        self.clock = clock
        self.waiting: set[str] = set()
        self.most = 0
        self.ends: list[Ending] = []

    async def one(self, transport: aio.AsyncTransport) -> None:
        codes: set[str] = set()

        def watch(state: DeviceState) -> None:
            if isinstance(state, Pending):
                codes.add(state.authorization.user_code)
                self.waiting |= codes
                self.most = max(self.most, len(self.waiting))

        self.ends.append(await aio.run(self.flow, transport, self.clock, watch))
        self.waiting -= codes

    async def sign_in(self, people: int, transport: aio.AsyncTransport) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(people):
                tasks.start_soon(self.one, transport)
        assert len(self.ends) == people
        assert all(isinstance(end, Authorized) for end in self.ends)


@pytest.mark.parametrize(
    ("people", "loop"), [(effort(2_000, 10_000), "asyncio"), (effort(500, 1_000), "trio")]
)
def test_thousands_of_people_sign_in_at_once(people: int, loop: str) -> None:
    clock = VirtualClock()
    server = ServerTransport(Server(Script(approve_after=seconds(3))), clock)
    client = Client(provider=server.server.provider, client_id="app")
    crowd = Crowd(client, AsyncVirtualClock(clock))
    threads = threading.active_count()
    anyio.run(crowd.sign_in, people, AsyncServerTransport(server), backend=loop)
    assert crowd.most == people, "all had their code before anybody was approved"
    assert server.server.counts == {"device": people, "poll": people}
    assert clock.slept == [seconds(5)], "and all polled when the first interval was over"
    assert threading.active_count() <= threads


@final
class Counted:
    """Counts the requests that httpx has under way; each ends when ``enough`` of them are there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, enough: int) -> None:
        self.under_way = self.most = 0
        self._enough = enough
        self._send = httpx.AsyncHTTPTransport.handle_async_request
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", self._counted())

    def _counted(self) -> Callable[..., Awaitable[httpx.Response]]:
        async def counted(own: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                while self.most < self._enough:
                    await anyio.sleep(0.001)
                return await self._send(own, request)
            finally:
                self.under_way -= 1

        return counted


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("patience", "enough", "most"),
    [(60, 1, 4), (0.01, 100, 100)],
    ids=["a few where answers are quick", "more where they are slow"],
)
def test_two_hundred_over_real_sockets(
    loop: str, patience: float, enough: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", patience)
    counted = Counted(monkeypatch, enough)
    script = Script(approve_after=timedelta(), interval=timedelta(microseconds=1))
    with serve(script) as server:
        client = Client(provider=server.provider, client_id="app")
        crowd = Crowd(client, AsyncVirtualClock())

        async def main() -> None:
            transport = over_httpx.AsyncHttpxTransport()
            await crowd.sign_in(200, transport)
            await transport.aclose()

        anyio.run(main, backend=loop)
        assert server.server.counts == {"device": 200, "poll": 200}
    assert counted.most == most, "the rest waited their turn outside of httpx"
    assert counted.under_way == 0


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_who_is_cancelled_leaves_the_turn_to_others(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way = answered = 0

    async def hang(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        nonlocal under_way
        under_way += 1
        await anyio.sleep(60)
        return httpx.Response(200, request=request)

    async def answer(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, request=request)

    async def main() -> None:
        nonlocal answered
        transport = over_httpx.AsyncHttpxTransport()
        request = Request("https://as.example/token")
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", hang)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(transport, request)
                while under_way < 4:
                    await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()
        assert under_way == 4, "six waited"
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer)
        with anyio.fail_after(5):
            for _ in range(10):
                answered += isinstance(await transport(request), Response)
        await transport.aclose()

    monkeypatch.setattr(turns, "PATIENCE", 60)
    anyio.run(main, backend=loop)
    assert answered == 10
