"""Connections of urllib3 that know the exchange that they serve.

A pool of anybody's makes them: ``limit`` names them as the pool's class. Without an exchange they
are as they were, so a caller's own requests through the same session notice nothing.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, final

from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError

from grantflow.shell.http.limits import Exchange, aside, current, is_address

if TYPE_CHECKING:
    from typing_extensions import Buffer
    from urllib3.connectionpool import HTTPConnectionPool


def limit(pool: HTTPConnectionPool) -> None:
    """Have a pool make connections that obey the limits of an exchange."""
    if not issubclass(pool.ConnectionCls, _Limited):
        pool.ConnectionCls = _limited(pool.ConnectionCls)  # pyright: ignore[reportAttributeAccessIssue]


@lru_cache(maxsize=32)
def _limited(base: type[HTTPConnection]) -> type[HTTPConnection]:
    return type(f"Limited{base.__name__}", (_Limited, base), {})


class _Limited(HTTPConnection):
    """A connection whose every wait ends with the exchange."""

    _process = 0
    _used_once = False

    def _new_conn(self) -> socket.socket:
        exchange = current()
        self._process = os.getpid()
        if exchange is None:
            return super()._new_conn()
        exchange.connecting = True
        seconds = exchange.left(self.timeout)
        self.timeout = seconds
        made = self._connected(super()._new_conn, seconds)
        made.settimeout(exchange.left(seconds))
        return made

    def _connected(self, connect: Callable[[], socket.socket], seconds: float) -> socket.socket:
        """Connect; the look-up of a name and a SOCKS proxy heed no time limit, so aside."""
        if is_address(self._dns_host) and not hasattr(self, "_socks_options"):
            return connect()
        try:
            return aside(connect, socket.socket.close, seconds)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error

    @property
    def is_connected(self) -> bool:
        """Tell whether the pool may use it again: not in a child, not where a new one is needed."""
        exchange = current()
        wanted = exchange is not None and exchange.new_connection
        if wanted or self._used_once or self._process != os.getpid():
            return False
        return super().is_connected

    def putrequest(
        self,
        method: str,
        url: str,
        skip_host: bool = False,
        skip_accept_encoding: bool = False,
    ) -> None:
        """Begin to send: from now on the server may have acted."""
        if self.sock is None:
            self.connect()
        if (exchange := current()) is not None:
            exchange.connecting = False
            self._used_once = exchange.new_connection
        super().putrequest(method, url, skip_host, skip_accept_encoding)


@final
class _Answer(http.client.HTTPResponse):
    """An answer that is read within limits, whose interim answers are skipped."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        exchange = current()
        if exchange is not None:
            exchange.begin_answer()
            self.fp = io.BufferedReader(_Limits(self.fp.detach(), sock, exchange))

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == 101:
                return version, status, reason
            http.client.parse_headers(self.fp)


_Limited.response_class = _Answer


@final
class _Limits(io.RawIOBase):
    """The bytes of an answer, as they come from a socket."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, exchange: Exchange) -> None:
        self._raw = raw
        self._sock = sock
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int | None:
        self._sock.settimeout(self._exchange.left())
        count = self._raw.readinto(buffer)
        self._exchange.received(memoryview(buffer)[: count or 0])
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
