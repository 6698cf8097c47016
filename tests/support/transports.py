"""Every transport as one function, so that a rule is tested for all of them at once."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeAlias

import aiohttp
import anyio
import anyio.from_thread
import httpx
import httpx2
import requests

from grantflow import Request
from grantflow.core.values.response import Reply
from grantflow.shell.http.aiohttp import AiohttpTransport
from grantflow.shell.http.httpx import AsyncHttpxTransport, HttpxTransport
from grantflow.shell.http.requests import RequestsTransport

Send: TypeAlias = Callable[[Request], Reply]
Timeout: TypeAlias = tuple[float, float]
Opened: TypeAlias = Callable[..., AbstractContextManager[Send]]

USUAL: Final[Timeout] = (10.0, 30.0)


@contextmanager
def by_requests(timeout: Timeout = USUAL) -> Iterator[Send]:
    transport = RequestsTransport(timeout=timeout)
    yield transport
    transport.close()


@contextmanager
def by_session(timeout: Timeout = USUAL) -> Iterator[Send]:
    with requests.Session() as session:
        yield RequestsTransport(session, timeout=timeout)


@contextmanager
def by_httpx(timeout: Timeout = USUAL) -> Iterator[Send]:
    transport = HttpxTransport(timeout=timeout)
    yield transport
    transport.close()


@contextmanager
def by_client(timeout: Timeout = USUAL) -> Iterator[Send]:
    with httpx.Client(verify=CONTEXT) as client:
        yield HttpxTransport(client, timeout=timeout)


@contextmanager
def by_client2(timeout: Timeout = USUAL) -> Iterator[Send]:
    with httpx2.Client(verify=CONTEXT) as client:
        yield HttpxTransport(client, timeout=timeout)


CONTEXT: Final = ssl.create_default_context()


def awaited(
    made: Callable[[Timeout], AsyncHttpxTransport | AiohttpTransport], backend: str
) -> Opened:
    """One event loop for all that is sent, as an application has it."""

    @contextmanager
    def opened(timeout: Timeout = USUAL) -> Iterator[Send]:
        with anyio.from_thread.start_blocking_portal(backend) as portal:

            async def make() -> AsyncHttpxTransport | AiohttpTransport:
                return made(timeout)

            transport = portal.call(make)
            try:
                yield lambda request: portal.call(transport, request)
            finally:
                portal.call(transport.aclose)

    return opened


def lent(backend: str, library: str) -> Opened:
    """A client of the caller's, of either generation of httpx or of aiohttp."""

    @contextmanager
    def opened(timeout: Timeout = USUAL) -> Iterator[Send]:
        with anyio.from_thread.start_blocking_portal(backend) as portal:

            async def make() -> tuple[
                Callable[[Request], Awaitable[Reply]], Callable[[], Awaitable[None]]
            ]:
                if library == "aiohttp":
                    session = aiohttp.ClientSession()
                    return AiohttpTransport(session, timeout=timeout), session.close
                if library == "httpx":
                    client = httpx.AsyncClient(verify=CONTEXT)
                    return AsyncHttpxTransport(client, timeout=timeout), client.aclose
                newer = httpx2.AsyncClient(verify=CONTEXT)
                return AsyncHttpxTransport(newer, timeout=timeout), newer.aclose

            transport, close = portal.call(make)
            try:
                yield lambda request: portal.call(transport, request)
            finally:
                portal.call(close)

    return opened


OWN: Final[dict[str, Opened]] = {
    "requests": by_requests,
    "httpx": by_httpx,
    "asyncio": awaited(lambda timeout: AsyncHttpxTransport(timeout=timeout), "asyncio"),
    "trio": awaited(lambda timeout: AsyncHttpxTransport(timeout=timeout), "trio"),
    "aiohttp": awaited(lambda timeout: AiohttpTransport(timeout=timeout), "asyncio"),
}
"""Transports whose connections are their own."""

LENT: Final[dict[str, Opened]] = {
    "a session": by_session,
    "a client": by_client,
    "a client of httpx2": by_client2,
    "an async client": lent("asyncio", "httpx"),
    "an async client of httpx2": lent("trio", "httpx2"),
    "a session of aiohttp": lent("asyncio", "aiohttp"),
}
"""Transports over what a caller made."""

ALL: Final = OWN | LENT
