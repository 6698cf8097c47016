"""Many sign-ins at once in one process, on one thread."""

from __future__ import annotations

import threading
from datetime import timedelta

import anyio
import httpx
import pytest

from grantflow import Authorized, Client, DeviceFlow, Pending
from grantflow.core.states import DeviceState
from grantflow.core.states import Final as Ending
from grantflow.shell import aio
from grantflow.shell.http.over_httpx import AsyncHttpxTransport
from grantflow.testing import (
    AsyncServerTransport,
    AsyncVirtualClock,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
    serve,
)
from values import seconds


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
    ("people", "loop"), [pytest.param(10_000, "asyncio", marks=pytest.mark.long), (1_000, "trio")]
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


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_two_hundred_over_real_sockets(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, most = 0, 0
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def counted(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await send(self, request)
        finally:
            under_way -= 1

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", counted)
    script = Script(approve_after=timedelta(), interval=timedelta(microseconds=1))
    with serve(script) as server:
        client = Client(provider=server.provider, client_id="app")
        crowd = Crowd(client, AsyncVirtualClock())

        async def main() -> None:
            transport = AsyncHttpxTransport()
            await crowd.sign_in(200, transport)
            await transport.aclose()

        anyio.run(main, backend=loop)
        assert server.server.counts == {"device": 200, "poll": 200}
    assert most == 100, "the rest waited their turn outside of httpx"
