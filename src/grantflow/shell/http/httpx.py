"""httpx as a transport, blocking and async, of either generation: ``httpx2`` and ``httpx``.

The client's own sending is passed by: it keeps cookies, looks at redirects, and lets hooks raise.
What a client is set to is honored: its transports, with their proxies and certificates, and what it
has mounted; but what is meant for this machine goes through no proxy.
"""

from __future__ import annotations

import os
import ssl
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast, final, runtime_checkable
from urllib.parse import urlsplit

import anyio

from grantflow.core.client.provider import is_loopback
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.shell.http.limits import TOO_LARGE, Exchange, exchanging
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
from grantflow.shell.http.streams import limit
from grantflow.shell.http.turns import MOST, AsyncTurns, Turns

if TYPE_CHECKING:
    import httpx
    import httpx2

    Client: TypeAlias = httpx.Client | httpx2.Client
    AsyncClient: TypeAlias = httpx.AsyncClient | httpx2.AsyncClient
    _Blocking: TypeAlias = httpx.BaseTransport
    _Awaiting: TypeAlias = httpx.AsyncBaseTransport

_Key: TypeAlias = tuple[str | None, int]


@final
class HttpxTransport:
    """A ``Transport`` over httpx: connections of its own, or a client's with its settings.

    Its own connections obey the variables of the environment, which are read at every request. A
    client has to bring an ``SSLContext`` that shows a client's certificate, for httpx takes none
    for a single request. ``timeout`` is (to connect, for the whole exchange) in seconds.
    """

    def __init__(
        self, client: Client | None = None, *, timeout: tuple[float, float] = (CONNECT, WHOLE)
    ) -> None:
        self._client = client
        self._own = _Own()
        self._connect, self._whole = timeout

    def __call__(self, request: Request, /) -> Reply:
        """Send ``request`` once; trouble on the network is returned, not raised."""
        problem = refused(request)
        if problem is not None:
            return problem
        proxy = proxy_for(request.url) if self._client is None else None
        if isinstance(proxy, Fault):
            return proxy
        try:
            if self._client is None:
                context = trusted(certificate=request.certificate)
                if isinstance(context, Fault):
                    return context
                transport = self._here().blocking(proxy, context)
            else:
                transport = cast("_Blocking", _transport_of(self._client, request.url))
        except Exception as error:  # noqa: BLE001 - a proxy that httpx does not know, for example
            return _unsent(error, proxy)
        limit(transport, awaits=False)
        with self._here().turns.one(held=request.wait is not None):
            exchange = exchange_for(request, self._whole)
            try:
                with exchanging(exchange):
                    return _sent(transport, request, exchange, self._connect, self._client)
            except Exception as error:  # noqa: BLE001 - nothing that a library raises gets out
                return _fault(error, exchange, proxy)
            except BaseException as error:
                # The frames of the libraries hold the body of the request.
                error.__traceback__ = None
                raise

    def close(self) -> None:
        """Close the idle connections of its own; a client is its maker's to close."""
        for transport in self._own.drop():
            cast("_Blocking", transport).close()

    def _here(self) -> _Own:
        if self._own.process != os.getpid():
            self._own = _Own()  # a child uses no connection of its parent's
        return self._own


@final
class AsyncHttpxTransport:
    """The same over an ``AsyncClient``, for asyncio and trio; one is for one event loop."""

    def __init__(
        self, client: AsyncClient | None = None, *, timeout: tuple[float, float] = (CONNECT, WHOLE)
    ) -> None:
        self._client = client
        self._own = _Own()
        self._turns = AsyncTurns()
        self._connect, self._whole = timeout

    async def __call__(self, request: Request, /) -> Reply:
        """Send ``request`` once; trouble on the network is returned, not raised."""
        problem = refused(request)
        if problem is not None:
            return problem
        proxy = proxy_for(request.url) if self._client is None else None
        if isinstance(proxy, Fault):
            return proxy
        try:
            if self._client is None:
                context = await _context(request)
                if isinstance(context, Fault):
                    return context
                transport = self._here().awaiting(proxy, context)
            else:
                transport = cast("_Awaiting", _transport_of(self._client, request.url))
        except Exception as error:  # noqa: BLE001 - a proxy that httpx does not know, for example
            return _unsent(error, proxy)
        limit(transport, awaits=True)
        async with self._turns.one(held=request.wait is not None):
            exchange = exchange_for(request, self._whole)
            try:
                with exchanging(exchange), anyio.move_on_after(exchange.left()):
                    return await _asent(transport, request, exchange, self._connect, self._client)
            except Exception as error:  # noqa: BLE001 - nothing that a library raises gets out
                return _fault(error, exchange, proxy)
            except BaseException as error:
                error.__traceback__ = None
                raise
            return late(exchange)

    async def aclose(self) -> None:
        """Close the idle connections of its own; a client is its maker's to close."""
        for transport in self._own.drop():
            await cast("_Awaiting", transport).aclose()

    def _here(self) -> _Own:
        if self._own.process != os.getpid():
            self._own = _Own()
            self._turns = AsyncTurns()
        return self._own


async def _context(request: Request) -> ssl.SSLContext | Fault:
    if at_hand(certificate=request.certificate):
        return trusted(certificate=request.certificate)
    # Reading a bundle takes longer than an event loop may stand still.
    return await anyio.to_thread.run_sync(
        lambda: trusted(certificate=request.certificate), limiter=anyio.CapacityLimiter(1)
    )


@final
class _Own:
    """What one process has of its own: a transport for each proxy and TLS context."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.turns = Turns()
        self._transports: dict[_Key, object] = {}
        # Neither generation closes the sockets of a pool that is merely dropped.
        weakref.finalize(self, _close, self._transports, self.process).atexit = False

    def blocking(self, proxy: str | None, context: ssl.SSLContext) -> _Blocking:
        key = (proxy, id(context))
        if key not in self._transports:
            made = library().HTTPTransport(verify=context, limits=_limits(), proxy=proxy)
            self._transports.setdefault(key, made)
        return cast("_Blocking", self._transports[key])

    def awaiting(self, proxy: str | None, context: ssl.SSLContext) -> _Awaiting:
        key = (proxy, id(context))
        if key not in self._transports:
            made = library().AsyncHTTPTransport(verify=context, limits=_limits(), proxy=proxy)
            self._transports[key] = made
        return cast("_Awaiting", self._transports[key])

    def drop(self) -> list[object]:
        dropped = list(self._transports.values())
        self._transports.clear()
        return dropped


def _close(transports: dict[_Key, object], process: int) -> None:
    if process != os.getpid():
        return  # a thread that this child does not have may hold the pool's lock
    for each in transports.values():
        if isinstance(each, _Closing):
            each.close()


@runtime_checkable
class _Closing(Protocol):
    def close(self) -> None: ...


class _Library(Protocol):
    """What is used of either generation."""

    HTTPTransport: type[httpx.HTTPTransport]
    AsyncHTTPTransport: type[httpx.AsyncHTTPTransport]
    Limits: type[httpx.Limits]
    Request: type[httpx.Request]
    Timeout: type[httpx.Timeout]


def library(of: object = None) -> _Library:
    """Return the generation of a client, or the newest that is installed."""
    import importlib

    if of is not None:
        family = {each.__module__.partition(".")[0] for each in type(of).__mro__}
        return cast(
            "_Library", importlib.import_module("httpx2" if "httpx2" in family else "httpx")
        )
    try:
        return cast("_Library", importlib.import_module("httpx2"))
    except ImportError:
        return cast("_Library", importlib.import_module("httpx"))


def _limits() -> httpx.Limits:
    return library().Limits(
        max_connections=MOST, max_keepalive_connections=20, keepalive_expiry=KEPT
    )


class _Routing(Protocol):
    """How a client finds the transport for a URL; neither generation says it in public."""

    _transport: object

    def _transport_for_url(self, url: object) -> object: ...


def _transport_of(client: Client | AsyncClient, url: str) -> object:
    routing = cast("_Routing", client)
    if is_loopback(urlsplit(url).hostname or ""):
        return routing._transport  # noqa: SLF001 - no proxy
    request = library(client).Request("GET", url)
    return routing._transport_for_url(request.url)  # noqa: SLF001


def _written(
    request: Request,
    client: Client | AsyncClient | None,
    *,
    connect: float,
    whole: float | None,
) -> httpx.Request:
    made = library(client)
    timeout = made.Timeout(whole, connect=connect)
    return made.Request(
        request.method,
        request.target(),
        headers={**_headers_of(client), **headers_of(request)},
        content=request.presented().body(),
        extensions={"timeout": timeout.as_dict()},
    )


def _headers_of(client: Client | AsyncClient | None) -> dict[str, str]:
    if client is None:
        return {}
    mine = ("authorization", "cookie", "accept", "accept-encoding", "connection")
    return {name: text for name, text in client.headers.items() if name.lower() not in mine}


def _sent(
    transport: _Blocking,
    request: Request,
    exchange: Exchange,
    connect: float,
    client: Client | AsyncClient | None,
) -> Reply:
    whole = exchange.left()
    ready = _written(request, client, connect=min(connect, whole), whole=whole)
    response = transport.handle_request(ready)
    try:
        body = Body(response.status_code, _texts(response.headers))
        if body.wanted:
            for chunk in cast("httpx.SyncByteStream", response.stream):
                if body.full_with(chunk):
                    break
                if exchange.over:
                    return late(exchange)
        return body.reply()
    finally:
        response.close()


async def _asent(
    transport: _Awaiting,
    request: Request,
    exchange: Exchange,
    connect: float,
    client: Client | AsyncClient | None,
) -> Reply:
    ready = _written(request, client, connect=connect, whole=None)  # the cancel scope ends it
    response = await transport.handle_async_request(ready)
    try:
        body = Body(response.status_code, _texts(response.headers))
        if body.wanted:
            async for chunk in cast("httpx.AsyncByteStream", response.stream):
                # Trio complains of a stream that is left half read: its next read fails.
                if body.full_with(chunk):
                    exchange.fault = TOO_LARGE
        return body.reply()
    finally:
        with anyio.CancelScope(shield=True):
            await response.aclose()


def _texts(headers: Mapping[str, str]) -> dict[str, str]:
    return dict(headers.items())


_TIMEOUT_BEFORE: Final = {"ConnectTimeout", "PoolTimeout"}


def _fault(error: Exception, exchange: Exchange, proxy: str | None) -> Fault:
    causes = causes_of(error)
    # Either generation has the same names, and neither need be loaded to compare them.
    names = {each.__name__ for each in type(error).__mro__}
    if "ProxyError" in names:
        status = str(error)[:3]
        return proxy_fault(proxy, int(status) if status.isdecimal() else None)
    if names & _TIMEOUT_BEFORE:
        exchange.connecting = True
        return late(exchange)
    known = fault_in(causes, exchange)
    if known is not None and known.kind == "name" and proxy is not None:
        return proxy_fault(proxy, why="its name could not be resolved")
    if known is not None:
        return known
    if names & {"TimeoutException", "TimeoutError"}:
        return late(exchange)
    if "ConnectError" in names:
        words = os_words(causes)
        if proxy is not None:
            return proxy_fault(proxy, why=words)
        return Fault("refused", "no", words or "no connection")
    if names & {"InvalidURL", "UnsupportedProtocol", "LocalProtocolError"}:
        return Fault("other", "no", "the request cannot be sent as it is")
    if "TransportError" in names:
        return BROKEN
    return Fault("other", "maybe", type(error).__name__)


def _unsent(error: Exception, proxy: str | None) -> Fault:
    """Return what keeps a transport from being made at all."""
    if isinstance(error, ImportError) and proxy is not None and proxy.startswith("socks"):
        return Fault("other", "no", "a SOCKS proxy needs socksio: pip install 'httpx2[socks]'")
    if isinstance(error, ImportError):
        return Fault("other", "no", "httpx is not installed: pip install 'grantflow[async]'")
    if proxy is not None:
        return proxy_fault(proxy, why="its URL cannot be used")
    return Fault("other", "no", type(error).__name__)
