"""Sockets of httpcore that know the exchange that they serve, for both generations of httpx.

``limit`` puts them below a transport of anybody's. Without an exchange they are as they were, so a
caller's own requests through the same client notice nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast, final

import anyio

from grantflow.shell.http.limits import aside, current, is_address

if TYPE_CHECKING:
    import ssl

    from httpcore import AsyncNetworkBackend, AsyncNetworkStream, NetworkBackend, NetworkStream

_Option: TypeAlias = (
    "tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]"
)


class _Pool(Protocol):
    _network_backend: object


def limit(transport: object, *, awaits: bool) -> None:
    """Have a transport make connections that obey the limits of an exchange."""
    pool = cast("_Pool | None", getattr(transport, "_pool", None))
    backend = getattr(pool, "_network_backend", None)
    if pool is None or backend is None or isinstance(backend, (_Backend, _AsyncBackend)):
        return  # another kind of transport, such as a mock, has no socket to watch
    pool._network_backend = _AsyncBackend(backend) if awaits else _Backend(backend)  # noqa: SLF001


def _connecting(timeout: float | None) -> float | None:
    exchange = current()
    if exchange is None:
        return timeout
    exchange.connecting = True
    return exchange.left(timeout)


def _left(timeout: float | None) -> float | None:
    exchange = current()
    return timeout if exchange is None else exchange.left(timeout)


def _received(data: bytes) -> bytes:
    exchange = current()
    if exchange is not None:
        exchange.received(data)
    return data


class _Stream:
    """What a blocking and an awaiting stream have in common."""

    def __init__(self, secure: bool) -> None:
        self._secure = secure
        self._process = os.getpid()

    def _writing(self) -> None:
        exchange = current()
        if exchange is not None:
            exchange.begin_answer()
            # Before TLS, only a proxy is spoken to.
            exchange.connecting = exchange.secure and not self._secure

    def _unusable(self, info: str) -> bool:
        """Tell whether a pool may not use it again: in a child, or where a new one is needed."""
        exchange = current()
        wanted = exchange is not None and exchange.new_connection
        return info == "is_readable" and (wanted or self._process != os.getpid())


@final
class _LimitedStream(_Stream):
    def __init__(self, stream: NetworkStream, *, secure: bool = False) -> None:
        super().__init__(secure)
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return _received(self._stream.read(max_bytes, _left(timeout)))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._writing()
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _LimitedStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, _left(timeout))
        return _LimitedStream(inner, secure=True)

    def get_extra_info(self, info: str) -> object:
        return self._unusable(info) or self._stream.get_extra_info(info)


@final
class _Backend:
    def __init__(self, backend: NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> _LimitedStream:
        seconds = _connecting(timeout)

        def connect() -> NetworkStream:
            return self._backend.connect_tcp(host, port, seconds, local_address, socket_options)

        if seconds is None or is_address(host):
            return _LimitedStream(connect())
        return _LimitedStream(aside(connect, lambda late: late.close(), seconds))

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> _LimitedStream:
        seconds = _connecting(timeout)
        return _LimitedStream(self._backend.connect_unix_socket(path, seconds, socket_options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


@final
class _AsyncLimitedStream(_Stream):
    """Counts, and leaves it to the task's cancel scope to end a wait."""

    def __init__(self, stream: AsyncNetworkStream, *, secure: bool = False) -> None:
        super().__init__(secure)
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return _received(await self._stream.read(max_bytes, timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._writing()
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _AsyncLimitedStream:
        try:
            inner = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            # httpcore closes after errors, but not where the handshake is cancelled.
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise
        return _AsyncLimitedStream(inner, secure=True)

    def get_extra_info(self, info: str) -> object:
        return self._unusable(info) or self._stream.get_extra_info(info)


@final
class _AsyncBackend:
    def __init__(self, backend: AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> _AsyncLimitedStream:
        _connecting(timeout)
        return _AsyncLimitedStream(
            await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> _AsyncLimitedStream:
        _connecting(timeout)
        made = await self._backend.connect_unix_socket(path, timeout, socket_options)
        return _AsyncLimitedStream(made)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
