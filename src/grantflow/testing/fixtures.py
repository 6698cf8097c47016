"""Fixtures for pytest: ``pytest_plugins = ["grantflow.testing.fixtures"]`` in a test or a conftest.

Rules:

1. ``grantflow_server`` stands in for what an application takes by default: the transports, the
   clocks and the folder of grantflow. So it serves applications that take none of them as well.
2. Nothing leaves the process, nobody sleeps, and no file of the user's is read or written. Only
   ``grantflow_loopback`` uses real HTTP and real time, for applications in another process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Instant, Moment
from grantflow.shell import clock as clocks
from grantflow.shell.http.requests import RequestsTransport
from grantflow.testing.loopback.loopback import Loopback, serve
from grantflow.testing.script import Script
from grantflow.testing.scripted import ScriptedServer

_SHORTEST_INTERVAL: Final = timedelta(seconds=1)


@pytest.fixture
def grantflow_script() -> Script:
    """Return what the server and the person do; a fixture of your own by this name changes it."""
    return Script(approve_after=timedelta())


@pytest.fixture
def grantflow_server(
    grantflow_script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ScriptedServer:
    """Return a scripted server with its person and its clock, in force wherever none is given.

    ``grantflow.run``, ``TokenSource`` and ``grantflow.shell.aio`` use them by default in this test.
    Make a ``TokenSource`` in the test: one that was made before remembers what it had.
    """
    server = ScriptedServer(grantflow_script)
    _stand_in(monkeypatch, server)
    _move_in(monkeypatch, tmp_path)
    return server


@pytest.fixture
def grantflow_loopback(
    grantflow_script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Loopback]:
    """Give the same server behind real HTTP on this machine, in real time: polled every second."""
    _move_in(monkeypatch, tmp_path)
    interval = min(grantflow_script.interval, _SHORTEST_INTERVAL)
    with serve(evolve(grantflow_script, interval=interval)) as loopback:
        yield loopback


def _move_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have this process and its children keep their files in ``folder``, and be told no token."""
    for name in list(os.environ):
        if name.startswith("GRANTFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GRANTFLOW_HOME", str(folder / "grantflow"))


def _stand_in(monkeypatch: pytest.MonkeyPatch, server: ScriptedServer) -> None:
    """Have every transport and every clock of this library be those of ``server``.

    Replaced on the classes, so that what was made before the test is reached as well.
    """

    def now(_: object) -> Moment:
        return server.clock.now()

    def sleep_until(_: object, at: Instant, /) -> None:
        server.clock.sleep_until(at)

    async def sleep_until_async(_: object, at: Instant, /) -> None:
        server.clock.sleep_until(at)

    def send(_: object, request: Request, /) -> Reply:
        return server.transport(request)

    async def send_async(_: object, request: Request, /) -> Reply:
        return server.transport(request)

    monkeypatch.setattr(clocks, "seconds", lambda: server.clock.now().wall.timestamp())
    monkeypatch.setattr(clocks.SystemClock, "now", now)
    monkeypatch.setattr(clocks.SystemClock, "sleep_until", sleep_until)
    monkeypatch.setattr(RequestsTransport, "__call__", send)
    with suppress(ImportError):  # the async drivers are an extra
        from grantflow.shell.aio import AsyncSystemClock

        monkeypatch.setattr(AsyncSystemClock, "sleep_until", sleep_until_async)
    with suppress(ImportError):
        from grantflow.shell.http.httpx import AsyncHttpxTransport, HttpxTransport

        monkeypatch.setattr(HttpxTransport, "__call__", send)
        monkeypatch.setattr(AsyncHttpxTransport, "__call__", send_async)
    with suppress(ImportError):
        from grantflow.shell.http.aiohttp import AiohttpTransport

        monkeypatch.setattr(AiohttpTransport, "__call__", send_async)
