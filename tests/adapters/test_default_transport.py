"""What the drivers send by where nobody brings a transport."""

from __future__ import annotations

import subprocess
import sys
import time

import anyio
import pytest

from grantflow import Client, ClientCredentialsFlow, Failed, Fault, Instant, Request, run
from grantflow.core.values.response import Reply
from grantflow.shell import aio
from grantflow.shell.blocking import default_transport
from grantflow.testing import Script, serve
from tests.support.raw_server import answering, listening
from tests.support.samples import seconds


def test_flows_of_one_process_share_connections() -> None:
    with listening(answering(b'{"access_token": "at"}')) as heard:
        for _ in range(5):
            default_transport()(Request(heard.url, form={"a": "b"}))
    assert len(heard.connections) == 1


def test_nothing_is_loaded_before_something_is_sent() -> None:
    code = (
        "import sys, grantflow.shell.blocking as b; b.default_transport();"
        "print('requests' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert told.stdout == "False\n"


def test_the_blocking_driver_brings_its_own_transport() -> None:
    with serve(Script()) as server:
        client = Client(provider=server.provider, client_id="app")
        assert not isinstance(run(ClientCredentialsFlow(client)), Failed)


@pytest.mark.parametrize("installed", ["httpx2", "httpx", "requests"])
def test_the_async_driver_takes_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    for name in {"httpx2", "httpx"} - {installed}:
        monkeypatch.setitem(sys.modules, name, None)
    with serve(Script()) as server:
        client = Client(provider=server.provider, client_id="app")
        final = anyio.run(aio.run, ClientCredentialsFlow(client))
    assert not isinstance(final, Failed)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_async_driver_brings_its_own_transport(backend: str) -> None:
    with serve(Script()) as server:
        client = Client(provider=server.provider, client_id="app")

        async def main() -> None:
            final = await aio.run(ClientCredentialsFlow(client))
            assert not isinstance(final, Failed)

        anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_blocking_transport_runs_in_a_thread(backend: str) -> None:
    ticks = 0

    def slow(request: Request) -> Reply:
        time.sleep(0.2)
        return Fault("timeout", "maybe")

    async def main() -> None:
        nonlocal ticks
        reply: list[Reply] = []

        async def ask() -> None:
            reply.append(await aio.in_thread(slow)(Request("https://a.example")))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            while not reply:
                await anyio.sleep(0.01)
                ticks += 1

    anyio.run(main, backend=backend)
    assert ticks > 5, "the loop went on"


def test_the_async_clock_waits() -> None:
    async def main() -> None:
        clock = aio.AsyncSystemClock()
        before = clock.now().mono
        await clock.sleep_until(Instant(before + seconds(0.02)))
        assert clock.now().mono - before >= seconds(0.02)

    anyio.run(main)
