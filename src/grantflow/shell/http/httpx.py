"""``httpx`` as a transport, blocking and async; the rules are those of ``over_requests``.

No redirects; plain http only to this machine, and then no proxy; timeouts; at most 1 MiB of body;
trouble is a ``Fault`` that says whether the server may have acted, and in doubt, it may.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final, final

import anyio
import httpx

from grantflow.core.client.provider import endpoint_problem
from grantflow.core.values.parsing import LARGEST_BODY
from grantflow.core.values.request import Certificate, Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.shell.http.certificates import present, unusable

TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_AT_ONCE: Final = 100  # as many connections as httpx has
_FEW: Final = 4
_PATIENCE: Final = 0.5


@final
class HttpxTransport:
    """A ``Transport`` over an ``httpx.Client``: its own, or the caller's with its settings.

    A client's certificate (RFC 8705) is shown by clients of its own; a caller's client has to bring
    an ``SSLContext`` that shows it, for httpx takes none for a single request.
    """

    def __init__(self, client: httpx.Client | None = None) -> None:
        self._client = client or httpx.Client(timeout=TIMEOUT)
        self._own = client is None

    def __call__(self, request: Request, /) -> Reply:
        """Send ``request`` once; trouble on the network is returned, not raised."""
        problem = _problem(request)
        if problem is not None:
            return problem
        if self._own and request.certificate is not None:
            with httpx.Client(timeout=TIMEOUT, verify=_showing(request.certificate)) as client:
                return _sent(client, request)
        return _sent(self._client, request)


def _sent(client: httpx.Client, request: Request) -> Reply:
    try:
        with client.stream(
            request.method,
            request.target(),
            content=request.presented().body(),
            headers=request.presented().header_map(),
            auth=_as_it_is,
            follow_redirects=False,
            timeout=_patience(client.timeout, request),
        ) as response:
            body = _Body()
            if _declares_too_much(response):
                return _TOO_LARGE
            for chunk in response.iter_bytes():
                if body.full_with(chunk):
                    return _TOO_LARGE
            return body.of(response)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return _fault(error)


@final
class AsyncHttpxTransport:
    """The same over an ``httpx.AsyncClient``, for asyncio and trio.

    Its own client has at most 100 requests under way, and the rest wait their turn. Where answers
    come quickly, a few connections do it all.
    """

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT)
        self._turns = _Turns() if client is None else None

    async def __call__(self, request: Request, /) -> Reply:
        """Send ``request`` once; trouble on the network is returned, not raised."""
        problem = _problem(request)
        if problem is not None:
            return problem
        if self._turns is None:
            return await _asent(self._client, request)
        async with self._turns.one():
            if request.certificate is None:
                return await _asent(self._client, request)
            context = _showing(request.certificate)
            async with httpx.AsyncClient(timeout=TIMEOUT, verify=context) as client:
                return await _asent(client, request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


@final
class _Turns:
    """Who may send: four at a time, and up to a hundred where that takes longer than half a second.

    A thousand that wait within httpx cost it a look at all of them for each answer, and those at
    the end run out of its patience. Every request looks at all open connections, too, and a new
    one costs a handshake: to wait for one that is there is cheaper, and mostly not slower.
    """

    def __init__(self) -> None:
        self._few = anyio.Semaphore(_FEW)
        self._more = anyio.Semaphore(_AT_ONCE - _FEW)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it."""
        turns = self._few
        with anyio.move_on_after(_PATIENCE) as patience:
            await turns.acquire()
        if patience.cancelled_caught:
            turns = self._more
            await turns.acquire()
        try:
            yield
        finally:
            turns.release()


async def _asent(client: httpx.AsyncClient, request: Request) -> Reply:
    try:
        async with client.stream(
            request.method,
            request.target(),
            content=request.presented().body(),
            headers=request.presented().header_map(),
            auth=_as_it_is,
            follow_redirects=False,
            timeout=_patience(client.timeout, request),
        ) as response:
            body = _Body()
            if _declares_too_much(response):
                return _TOO_LARGE
            async for chunk in response.aiter_bytes():
                if body.full_with(chunk):
                    return _TOO_LARGE
            return body.of(response)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return _fault(error)


_TOO_LARGE: Final = Fault("too_large", "maybe", "more than 1 MiB")


def _patience(usual: httpx.Timeout, request: Request) -> httpx.Timeout:
    if request.wait is None or usual.read is None:
        return usual
    read = max(usual.read, request.wait.total_seconds())
    return httpx.Timeout(connect=usual.connect, read=read, write=usual.write, pool=usual.pool)


def _as_it_is(request: httpx.Request) -> httpx.Request:
    return request


def _problem(request: Request) -> Fault | None:
    problem = endpoint_problem(request.url)
    if problem is not None:
        return Fault("other", "no", f"the URL {problem}")
    return None if request.certificate is None else unusable(request.certificate)


def _showing(certificate: Certificate) -> ssl.SSLContext:
    # Made for each request: certificates that live for hours are renewed under the same name.
    context = httpx.create_ssl_context()
    present(certificate, context)
    return context


def _declares_too_much(response: httpx.Response) -> bool:
    # Also because an async stream that is left half read makes trio complain.
    length = response.headers.get("content-length", "")
    return length.isdecimal() and int(length[:20]) > LARGEST_BODY


@final
class _Body:
    """What has been read of an answer."""

    def __init__(self) -> None:
        self._read = bytearray()

    def full_with(self, chunk: bytes) -> bool:
        self._read += chunk
        return len(self._read) > LARGEST_BODY

    def of(self, response: httpx.Response) -> Response:
        return Response(response.status_code, dict(response.headers), bytes(self._read))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _fault(error: Exception) -> Fault:
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Fault("tls", "no", cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return Fault("tls", "maybe", (cause.reason or "").replace("_", " ").lower())
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return Fault("timeout", "no", "no connection in time")
        case httpx.TimeoutException():
            return Fault("timeout", "maybe", "no answer in time")
        case httpx.ProxyError():
            return Fault("refused", "no", "the proxy did not connect")
        case httpx.ConnectError():
            return _unconnected(causes)
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return Fault("other", "no", "the URL cannot be used")
        case httpx.TransportError():
            return Fault("other", "maybe", "the connection broke before the answer was whole")
        case _:
            return Fault("other", "maybe", type(error).__name__)


def _unconnected(causes: tuple[BaseException, ...]) -> Fault:
    import socket

    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Fault("name", "no", _words(causes[0]))
    return Fault(
        "refused", "no", str(causes[0]).partition("]")[2].strip().lower() or "no connection"
    )


def _words(error: BaseException) -> str:
    """Return the operating system's words without its number."""
    return str(error).rpartition("]")[2].strip().lower() or "no connection"
