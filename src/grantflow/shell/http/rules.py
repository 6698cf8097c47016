"""The rules of every transport as functions: what is sent and read, what a fault is called."""

from __future__ import annotations

import os
import socket
import ssl
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, final
from urllib.parse import urlsplit

from grantflow.core.client.provider import endpoint_problem
from grantflow.core.values.parsing import LARGEST_BODY
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.shell.http.limits import TOO_LARGE, Exchange

CONNECT: Final = 10.0
WHOLE: Final = 30.0
"""Seconds: to connect, and for the whole exchange."""

KEPT: Final = 120.0
"""Seconds for which an idle connection is kept: polls are further apart than libraries think."""

BROKEN: Final = Fault("other", "maybe", "the connection broke before the answer was whole")


def refused(request: Request) -> Fault | None:
    """Return why a request must not be sent at all."""
    problem = endpoint_problem(request.url)
    return None if problem is None else Fault("other", "no", f"the URL {problem}")


def exchange_for(request: Request, whole: float = WHOLE) -> Exchange:
    """Return the limits of one request; one that a server holds open is waited for."""
    seconds = whole if request.wait is None else max(whole, request.wait.total_seconds() + CONNECT)
    if request.timeout is not None:
        seconds = min(seconds, request.timeout.total_seconds())
    parts = urlsplit(request.url)
    return Exchange(
        seconds,
        host=parts.hostname or "",
        secure=parts.scheme == "https",
        new_connection=request.new_connection,
    )


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers to send."""
    headers = {"Accept-Encoding": "identity", **request.presented().header_map()}
    if request.new_connection:
        headers["Connection"] = "close"
    return headers


@final
class Body:
    """What is read of an answer: nothing of a redirect's, else 1 MiB at most."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._status = status
        self._headers = {name.lower(): text for name, text in headers.items()}
        self._read = bytearray()
        length = self._headers.get("content-length", "")
        self._declared = int(length[:20]) if length.isascii() and length.isdecimal() else 0

    @property
    def wanted(self) -> bool:
        """Tell whether the body is read; where not, the connection is closed."""
        return not 300 <= self._status < 400 and self._declared <= LARGEST_BODY

    def full_with(self, chunk: bytes) -> bool:
        """Take a part of the body; tell whether that is too much."""
        if len(self._read) <= LARGEST_BODY:
            self._read += chunk
        return len(self._read) > LARGEST_BODY

    def reply(self) -> Reply:
        """Return the answer, decoded."""
        if 300 <= self._status < 400:
            return Response(self._status, self._headers, b"")
        if self._declared > LARGEST_BODY or len(self._read) > LARGEST_BODY:
            return TOO_LARGE
        decoded = _decoded(self._headers.get("content-encoding", ""), bytes(self._read))
        if isinstance(decoded, Fault):
            return decoded
        return Response(self._status, self._headers, decoded)


_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""What zlib is told of a coding."""


def _decoded(coding: str, body: bytes) -> bytes | Fault:
    """Undo the one coding that a server may use unasked; none may fill the memory."""
    layers = [each.strip().lower() for each in coding.split(",")]
    layers = [each for each in layers if each not in ("", "identity")]
    if not layers or not body:
        return body
    name = ", ".join(layers)[:100]
    if len(layers) > 1 or layers[0] not in _WINDOWS:
        return Fault("other", "maybe", f"the answer is encoded ({name}), which was not asked for")
    try:
        return _inflated(body, _WINDOWS[layers[0]])
    except zlib.error:
        return Fault("other", "maybe", f"the answer is no {name}, as it says")


def _inflated(body: bytes, window: int) -> bytes | Fault:
    if window == 15 and (body[0] & 0x0F) != 8:
        window = -15  # "deflate" without the wrapper of zlib, as some servers send it
    unpacker = zlib.decompressobj(window)
    found = unpacker.decompress(body, LARGEST_BODY + 1)
    if len(found) > LARGEST_BODY:
        return TOO_LARGE
    if not unpacker.eof or unpacker.unused_data:
        raise zlib.error("cut short, or followed by more")
    return found


def causes_of(error: BaseException) -> tuple[BaseException, ...]:
    """Return an error and everything inside it: the libraries wrap each other's."""
    return tuple(_causes(error, set()))


def _causes(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inner: Iterable[object] = (*error.args, getattr(error, "reason", None))
    if isinstance(error, BaseExceptionGroup):
        inner = (*inner, *error.exceptions)
    for each in inner:
        if isinstance(each, BaseException):
            yield from _causes(each, seen)
    yield from _causes(error.__cause__, seen)
    yield from _causes(error.__context__, seen)


def fault_in(causes: tuple[BaseException, ...], exchange: Exchange) -> Fault | None:
    """Return the fault that is the same in every library."""
    if exchange.fault is not None:
        return exchange.fault
    reached: Literal["no", "maybe"] = "no" if exchange.connecting else "maybe"
    for cause in causes:
        words = getattr(cause, "verify_message", None)  # aiohttp's own class has none
        if isinstance(cause, ssl.SSLCertVerificationError) and isinstance(words, str):
            return Fault("tls", "no", words)
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "reason", None) or ""
            return Fault("tls", reached, reason.replace("_", " ").lower())
        if isinstance(cause, socket.gaierror):
            return Fault("name", "no", exchange.host)
    if exchange.over:
        return late(exchange)
    return None


def late(exchange: Exchange) -> Fault:
    """Return the fault of an exchange that took too long."""
    if exchange.connecting:
        return Fault("timeout", "no", "no connection in time")
    return Fault("timeout", "maybe", "no answer in time")


def words_of(error: BaseException) -> str:
    """Return the operating system's words, which hold nothing of a request."""
    if not isinstance(error, OSError) or error.errno is None:
        return ""
    return os.strerror(error.errno).lower()  # event loops write something else into the error


def os_words(causes: Iterable[BaseException]) -> str:
    """Return what the operating system said, if it did: the innermost error knows best."""
    told = [words for each in causes if (words := words_of(each))]
    return told[-1] if told else ""
