"""aiohttp as a transport, for asyncio: the leanest of them where many sign in at once.

A session of the caller's lends its connector, with its pool and its TLS; its cookies, headers,
middlewares and hooks are not used.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, final

import aiohttp
from yarl import URL

from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.shell.http.limits import MOST_INTERIM, TOO_LARGE, ExceededError, Exchange
from grantflow.shell.http.rules import (
    BROKEN,
    CONNECT,
    KEPT,
    WHOLE,
    Body,
    causes_of,
    exchange_for,
    fault_in,
    headers_of,
    late,
    os_words,
    refused,
)
from grantflow.shell.http.settings import at_hand, proxy_fault, proxy_for, trusted
from grantflow.shell.http.turns import MOST, AsyncTurns

if TYPE_CHECKING:
    from aiohttp.connector import Connection

_CHUNK = 16 * 1024


@final
class AiohttpTransport:
    """An async transport over aiohttp: connections of its own, or those of a caller's session.

    One is for one event loop; ``async with``, or ``aclose``, closes its connections. ``timeout`` is
    (to connect, for the whole exchange) in seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        timeout: tuple[float, float] = (CONNECT, WHOLE),
    ) -> None:
        self._lent = session
        self._session: aiohttp.ClientSession | None = None
        self._turns = AsyncTurns()
        self._process = os.getpid()
        self._connect, self._whole = timeout

    async def __aenter__(self) -> AiohttpTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of its own; those of a session are its maker's to close."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __call__(self, request: Request, /) -> Reply:
        """Send ``request`` once; trouble on the network is returned, not raised."""
        problem = refused(request)
        if problem is not None:
            return problem
        proxy = proxy_for(request.url)
        if isinstance(proxy, Fault):
            return proxy
        if proxy is not None and proxy.lower().startswith("socks"):
            return Fault("other", "no", "aiohttp knows no SOCKS proxies: use httpx or requests")
        context = await _context(request)
        if isinstance(context, Fault):
            return context
        async with self._turns.one(held=request.wait is not None):
            exchange = exchange_for(request, self._whole)
            try:
                async with asyncio.timeout(exchange.left()):
                    return await self._sent(request, exchange, proxy, context)
            except Exception as error:  # noqa: BLE001 - nothing that a library raises gets out
                return _fault(error, exchange, proxy)
            except BaseException as error:
                error.__traceback__ = None  # its frames hold the body of the request
                raise

    async def _sent(
        self,
        request: Request,
        exchange: Exchange,
        proxy: str | None,
        context: ssl.SSLContext,
    ) -> Reply:
        timeout = aiohttp.ClientTimeout(total=None, connect=exchange.left(self._connect))
        lent = self._lent is not None and request.certificate is None
        once = _session(_once(self._lent)) if request.new_connection else None
        session = once or self._here()
        try:
            async with session.request(
                request.method,
                URL(request.target(), encoded=True),
                data=request.presented().body(),
                headers=headers_of(request),
                allow_redirects=False,
                proxy=proxy,
                ssl=True if lent else context,
                timeout=timeout,
                trace_request_ctx=exchange,
            ) as response:
                return await _read(response)
        finally:
            if once is not None:
                await once.close()

    def _here(self) -> aiohttp.ClientSession:
        if self._process != os.getpid():
            self._session, self._process = None, os.getpid()
        if self._session is None:
            if self._lent is None:
                own = aiohttp.TCPConnector(limit=MOST, keepalive_timeout=KEPT)
                self._session = _session(own)
            else:
                self._session = _session(self._lent.connector, lent=True)
        return self._session


def _session(
    connector: aiohttp.BaseConnector | None, *, lent: bool = False
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=not lent,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        response_class=_Answer,
        trace_configs=[_traced()],
    )


def _once(lent: aiohttp.ClientSession | None) -> aiohttp.TCPConnector:
    """Return a connector for one connection, with the TLS of the one that is lent."""
    context = getattr(None if lent is None else lent.connector, "_ssl", True)
    return aiohttp.TCPConnector(ssl=context, force_close=True)


def _traced() -> aiohttp.TraceConfig:
    """Tell an exchange while it is certain that its request has not left."""
    traced = aiohttp.TraceConfig()

    async def connecting(_: object, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.connecting = True

    async def connected(_: object, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.connecting = False

    traced.on_request_start.append(connecting)
    traced.on_connection_create_end.append(connected)
    traced.on_connection_reuseconn.append(connected)
    return traced


@final
class _Answer(aiohttp.ClientResponse):
    """An answer after ten interim ones at most; aiohttp skips any number of them."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        read, count = protocol.read if protocol is not None else None, 0

        async def counted() -> object:
            nonlocal count
            count += 1
            if read is None or count > MOST_INTERIM + 1:
                raise ExceededError
            return await read()

        if protocol is not None:
            protocol.read = counted  # type: ignore[method-assign, assignment]
        try:
            return await super().start(connection)
        finally:
            if protocol is not None:
                del protocol.read


async def _read(response: aiohttp.ClientResponse) -> Reply:
    body = Body(response.status, response.headers)
    if not body.wanted:
        response.close()
        return body.reply()
    async for chunk in response.content.iter_chunked(_CHUNK):
        if body.full_with(chunk):
            response.close()
            return TOO_LARGE
    return body.reply()


async def _context(request: Request) -> ssl.SSLContext | Fault:
    if at_hand(certificate=request.certificate):
        return trusted(certificate=request.certificate)
    # Reading a bundle takes longer than an event loop may stand still.
    return await asyncio.to_thread(trusted, certificate=request.certificate)


def _fault(error: Exception, exchange: Exchange, proxy: str | None) -> Fault:
    if isinstance(error, ExceededError):
        return Fault("other", "maybe", f"more than {MOST_INTERIM} interim answers")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_fault(proxy, error.status)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Fault("timeout", "no", "no connection in time")
    causes = causes_of(error)
    known = fault_in(causes, exchange)
    if known is not None and known.kind == "name" and proxy is not None:
        return proxy_fault(proxy, why="its name could not be resolved")
    if known is not None:
        return known
    match error:
        case TimeoutError():
            return late(exchange)
        case aiohttp.ClientProxyConnectionError():
            return proxy_fault(proxy, why=os_words(causes))
        case aiohttp.ClientConnectorError():
            return Fault("refused", "no", os_words(causes) or "no connection")
        case aiohttp.InvalidURL() if proxy is not None:
            return proxy_fault(proxy, why="its URL cannot be used")
        case aiohttp.InvalidURL():
            return Fault("other", "no", "the request cannot be sent as it is")
        case aiohttp.ClientError():
            return BROKEN
        case _:
            return Fault("other", "maybe", type(error).__name__)
