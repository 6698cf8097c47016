"""One exchange under way: until when it may last, and how much of an answer is read.

The libraries limit each read, so a server that sends a byte now and then holds them for ever. The
sockets below them ask the exchange of their thread or task before and after every read instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Final, TypeVar, final

from grantflow.core.values.parsing import LARGEST_BODY
from grantflow.core.values.response import Fault

T = TypeVar("T")

MOST_INTERIM: Final = 10
_LARGEST_HEAD: Final = 256 * 1024
# Chunks have a frame each. An honest answer has few; one in chunks of a byte is six times its body.
_LARGEST_ANSWER: Final = 2 * LARGEST_BODY + _LARGEST_HEAD

TOO_LARGE: Final = Fault("too_large", "maybe", "more than 1 MiB")

_CURRENT: ContextVar[Exchange | None] = ContextVar("grantflow-exchange", default=None)


@final
class ExceededError(Exception):
    """An answer went beyond a limit; the exchange knows which."""


@final
class Exchange:
    """One request and its answer. ``connecting`` says that the request has certainly not left."""

    __slots__ = (
        "_ends",
        "_head",
        "_interim",
        "_read",
        "connecting",
        "fault",
        "host",
        "new_connection",
        "secure",
    )

    def __init__(
        self,
        seconds: float,
        *,
        host: str = "",
        secure: bool = True,
        new_connection: bool = False,
    ) -> None:
        self.host: str = host
        self.secure: bool = secure
        self._ends = time.monotonic() + seconds
        self._head: bytearray | None = None
        self._interim = 0
        self._read = 0
        self.connecting: bool = False
        self.fault: Fault | None = None
        self.new_connection: bool = new_connection

    def left(self, most: float | None = None) -> float:
        """Return the seconds that are left, at most ``most``; ``TimeoutError`` where none are."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        return left if most is None else min(left, most)

    @property
    def over(self) -> bool:
        """Tell whether its time has run out."""
        return time.monotonic() >= self._ends

    def begin_answer(self) -> None:
        """Expect a head next; a proxy's own answer comes before the server's."""
        self._head, self._interim, self._read = bytearray(), 0, 0

    def received(self, data: bytes | memoryview) -> None:
        """Count what came from the socket; ``ExceededError`` where it is too much."""
        self._read += len(data)
        if self.fault is not None or self._read > _LARGEST_ANSWER:
            self._exceed(self.fault or TOO_LARGE)
        if self._head is not None:
            self._look_at(self._head, data)

    def _look_at(self, head: bytearray, data: bytes | memoryview) -> None:
        searched = max(len(head) - 3, 0)
        head += data
        while len(head) >= 12:
            if not (head.startswith(b"HTTP/1.") and head[9:10] == b"1" and head[9:12] != b"101"):
                break  # the final answer, or another protocol
            end = head.find(b"\r\n\r\n", searched)
            if end < 0:
                if len(head) > _LARGEST_HEAD:
                    self._exceed(TOO_LARGE)
                return
            self._interim += 1
            if self._interim > MOST_INTERIM:
                self._exceed(Fault("other", "maybe", f"more than {MOST_INTERIM} interim answers"))
            del head[: end + 4]
            searched = 0
        else:
            return
        self._head = None

    def _exceed(self, fault: Fault) -> None:
        self.fault = fault
        raise ExceededError


def current() -> Exchange | None:
    """Return the exchange of this thread or task."""
    return _CURRENT.get()


@contextmanager
def exchanging(exchange: Exchange) -> Iterator[Exchange]:
    """Make it the exchange of this thread or task."""
    token = _CURRENT.set(exchange)
    try:
        yield exchange
    finally:
        _CURRENT.reset(token)


def is_address(host: str) -> bool:
    """Tell whether a host is an address, which is not looked up."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def aside(make: Callable[[], T], drop: Callable[[T], object], seconds: float) -> T:
    """Make what heeds no time limit, as looking up a name does; ``TimeoutError`` when it is late.

    What comes too late is dropped.
    """
    from concurrent.futures import Future
    from threading import Thread

    made: Future[T] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            made.set_exception(error)

    def late(made: Future[T]) -> None:
        if made.exception() is None:
            drop(made.result())

    Thread(target=work, name="grantflow-connect", daemon=True).start()
    try:
        return made.result(seconds)
    except TimeoutError:
        if not made.done():
            made.add_done_callback(late)
        raise
