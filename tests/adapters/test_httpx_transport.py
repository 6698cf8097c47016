"""The httpx transports on real sockets obey the rules of the one over requests."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import anyio
import httpx
import pytest

from grantflow import Client, ClientCredentialsFlow, Failed, Fault, Instant, Request, Response
from grantflow.core.values.response import Reply
from grantflow.shell import aio
from grantflow.shell.http.httpx import TIMEOUT, AsyncHttpxTransport, HttpxTransport
from grantflow.testing import Script, serve
from tests.adapters.test_requests_transport import OK, certificate, listener, saying, tls
from tests.support.samples import seconds

__all__ = ["certificate", "tls"]

Send = Callable[[Request], Reply]


def by_httpx(request: Request, verify: ssl.SSLContext | bool = True) -> Reply:
    with httpx.Client(timeout=httpx.Timeout(0.3, connect=2), verify=verify) as client:
        return HttpxTransport(client)(request)


def on(backend: str) -> Send:
    def send(request: Request, verify: ssl.SSLContext | bool = True) -> Reply:
        async def main() -> Reply:
            timeout = httpx.Timeout(0.3, connect=2)
            async with httpx.AsyncClient(timeout=timeout, verify=verify) as client:
                return await AsyncHttpxTransport(client)(request)

        return anyio.run(main, backend=backend)

    return send


SENDS = {"blocking": by_httpx, "asyncio": on("asyncio"), "trio": on("trio")}


@pytest.fixture(params=SENDS)
def send(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Send:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return SENDS[request.param]


def test_a_request_is_sent_as_it_is(send: Send) -> None:
    heard: list[bytes] = []

    def listen(connection: socket.socket, request: bytes) -> None:
        heard.append(request)
        connection.sendall(OK)

    with listener(listen) as url:
        reply = send(Request(url, form={"a": "b c"}, headers={"X-One": "1"}))
    assert isinstance(reply, Response)
    assert (reply.status, reply.body, reply.header("content-type")) == (
        200,
        b"{}",
        "application/json",
    )
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /token HTTP/1.1")
    assert b"x-one: 1" in head.lower()
    assert b"accept: application/json" in head.lower()
    assert body == b"a=b+c"


def test_a_redirect_is_not_followed(send: Send) -> None:
    answer = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with listener(saying(answer)) as url:
        reply = send(Request(url, form={"client_secret": "x"}))
    assert isinstance(reply, Response)
    assert reply.status == 307


def test_plain_http_to_another_machine_is_not_sent(send: Send) -> None:
    reply = send(Request("http://as.example/token"))
    assert isinstance(reply, Fault)
    assert (reply.kind, reply.reached) == ("other", "no")


def test_a_body_is_read_up_to_a_mebibyte(send: Send) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    with listener(saying(head % 2**20 + b"x" * 2**20)) as url:
        reply = send(Request(url))
    assert isinstance(reply, Response)
    with listener(saying(head % 2**30 + b"x" * 2**21)) as url:
        assert send(Request(url)) == Fault("too_large", "maybe", "more than 1 MiB")


def test_what_did_not_reach(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    refused = send(Request(f"http://127.0.0.1:{port}/"))
    unknown = send(Request("https://as.invalid/token"))
    assert isinstance(refused, Fault)
    assert isinstance(unknown, Fault)
    assert (refused.kind, refused.reached) == ("refused", "no")
    assert (unknown.kind, unknown.reached) == ("name", "no")


@pytest.mark.parametrize(
    ("speak", "kind"),
    [
        (lambda connection, _: time.sleep(0.6), "timeout"),
        (lambda connection, _: None, "other"),
        (saying(b"nonsense\r\n\r\n"), "other"),
        (saying(OK[:-1]), "other"),
    ],
    ids=["silence", "hang-up", "nonsense", "half an answer"],
)
def test_what_may_have_arrived_is_said_so(
    send: Send, speak: Callable[[socket.socket, bytes], None], kind: str
) -> None:
    with listener(speak) as url:
        fault = send(Request(url))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.reached) == (kind, "maybe")


def test_a_certificate_that_nobody_vouches_for(
    send: Send, tls: ssl.SSLContext, certificate: Path
) -> None:
    with listener(saying(OK), tls) as url:
        fault = send(Request(url))
        trusted = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
        assert isinstance(send(Request(url), trusted), Response)  # type: ignore[call-arg]
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.reached) == ("tls", "no")


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
    ticks, ticked = 0, threading.Event()

    def slow(request: Request) -> Reply:
        assert ticked.wait(60), "the loop went on"
        return Fault("timeout", "maybe")

    async def main() -> None:
        nonlocal ticks
        reply: list[Reply] = []

        async def ask() -> None:
            reply.append(await aio.in_thread(slow)(Request("https://a.example")))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            while not reply:
                await anyio.sleep(0.001)
                ticks += 1
                if ticks > 5:
                    ticked.set()

    anyio.run(main, backend=backend)


def test_the_async_clock_waits() -> None:
    async def main() -> None:
        clock = aio.AsyncSystemClock()
        before = clock.now().mono
        await clock.sleep_until(Instant(before + seconds(0.02)))
        assert clock.now().mono - before >= seconds(0.02)

    anyio.run(main)


@pytest.mark.parametrize(("wait", "read"), [(None, 30.0), (5, 30.0), (300, 300.0)])
def test_a_request_that_is_held_open_is_waited_for(wait: int | None, read: float) -> None:
    seen: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        return httpx.Response(200)

    held = None if wait is None else timedelta(seconds=wait)
    with httpx.Client(transport=httpx.MockTransport(answer), timeout=TIMEOUT) as client:
        HttpxTransport(client)(Request("https://as.example/", wait=held))
    assert seen == [read]
