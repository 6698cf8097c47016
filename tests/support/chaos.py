"""A server whose answers are broken in thousands of ways, the same ones for the same seed."""

from __future__ import annotations

import gzip
import random
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias, final

from tests.support.raw_server import BOMB, KEEP, Heard, listening

SECRET: Final = "hunter2-the-secret"

Breaks: TypeAlias = Callable[[random.Random], bytes]

_BODY: Final = b'{"access_token": "at", "token_type": "Bearer", "expires_in": 60}'
_BLOCK: Final = b"x" * 65536
_NOISE: Final = bytes(range(256))


def whole(body: bytes = _BODY, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    told = b"".join(each + b"\r\n" for each in headers)
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + length + told + b"\r\n" + body


def _flipped(dice: random.Random) -> bytes:
    said = bytearray(whole())
    for _ in range(dice.randint(1, 8)):
        said[dice.randrange(len(said))] = dice.randrange(256)
    return bytes(said)


def _cut(dice: random.Random) -> bytes:
    said = whole()
    return said[: dice.randrange(len(said))]


def _noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randint(0, 4096))


def _status(dice: random.Random) -> bytes:
    told = [b"000 ?", b"999 !", b"2OO OK", b"-1 x", b"", b"200", b"99999999999 x", b"\xff\xfe x"]
    return whole(_BODY, dice.choice(told))


def _version(dice: random.Random) -> bytes:
    first = [b"HTTP/0.9", b"HTTP/1.0", b"HTTP/2", b"HTTP/", b"ICY", b"http/1.1", b"HTTP/1.1.1"]
    return dice.choice(first) + whole()[8:]


def _length(dice: random.Random) -> bytes:
    lies = [b"-1", b"0x10", b"9" * 400, b"1e3", b"", b" ", b"+5", b"5, 6", "\u0663".encode()]
    return b"HTTP/1.1 200 OK\r\nContent-Length: " + dice.choice(lies) + b"\r\n\r\n" + _BODY


def _chunked(dice: random.Random) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    sizes = [b"zz", b"-1", b"f" * 100, b"", b"5;a=b", b"5 ", b"0x5", b"\x00", b"ffffffffffffffff"]
    return head + dice.choice(sizes) + b"\r\nhello\r\n" + dice.choice([b"0\r\n\r\n", b"", b"0\r\n"])


def _header(dice: random.Random) -> bytes:
    name = dice.choice([b"X", b"", b" ", b"X Y", b"\xff", b"X\x00", b"Set-Cookie", b"Location"])
    value = dice.randbytes(dice.randint(0, 200)).replace(b"\n", b"")
    return whole(_BODY, b"200 OK", name + b": " + value)


def _redirect(dice: random.Random) -> bytes:
    targets = [b"http://[", b"//", b"\xe9", b"http://127.0.0.1:9/", b"javascript:1", b"http://a:b"]
    status = dice.choice([b"301 x", b"302 x", b"303 x", b"307 x", b"308 x", b"399 x"])
    return whole(_BODY, status, b"Location: " + dice.choice(targets))


def _cookie(dice: random.Random) -> bytes:
    said = [
        b"a=\xe9",
        b"=;=",
        b"a" * 5000,
        b"a=b; expires=" + b"9" * 500,
        b"\x00=\x01",
        b"a=b;" * 99,
    ]
    return whole(_BODY, b"200 OK", *(b"Set-Cookie: " + dice.choice(said) for _ in range(5)))


def _encoded(dice: random.Random) -> bytes:
    coding = dice.choice(
        [b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"x-gzip", b"\xff", b"compress", b","]
    )
    bodies = [BOMB, gzip.compress(_BODY, mtime=0), zlib.compress(_BODY), b"oops", b"", _NOISE]
    body = dice.choice(bodies)
    if dice.random() < 0.3:
        body = body[: dice.randrange(len(body) + 1)]
    return whole(body, b"200 OK", b"Content-Encoding: " + coding)


def _interim(dice: random.Random) -> bytes:
    status = dice.choice([b"100 Continue", b"103 Early", b"102 x", b"199 x", b"101 Switching"])
    return (b"HTTP/1.1 " + status + b"\r\nX: y\r\n\r\n") * dice.randint(1, 40) + whole()


def _json(dice: random.Random) -> bytes:
    bodies = [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"expires_in": ' + b"9" * 5000 + b"}",
        b'{"error": "' + b"-eyJa" * 20_000 + b'"}',
        b"\xff\xfe" + _BODY,
        _NOISE * 100,
        b'{"token_type": "Bearer\\r\\nX: 1", "access_token": "a"}',
    ]
    return whole(dice.choice(bodies), dice.choice([b"200 OK", b"400 x", b"500 x"]))


def _folded(dice: random.Random) -> bytes:
    return b"HTTP/1.1 200 OK\r\nX: a\r\n" + b" b\r\n" * dice.randint(1, 2000) + b"\r\n" + _BODY


def _endless(dice: random.Random) -> bytes:
    begin = [b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"]
    return dice.choice(begin) + _BLOCK * 40


BREAKS: Final[tuple[Breaks, ...]] = (
    *(_flipped, _cut, _noise, _status, _version, _length, _chunked, _header, _redirect, _cookie),
    *(_encoded, _interim, _json, _folded, _endless, lambda _: whole()),
)


@final
class Chaos:
    """What the server does with each request; ``seed`` makes it do the same again."""

    def __init__(self, seed: int, *, drips: float = 0.0) -> None:
        self._seed = seed
        self._drips = drips

    def __call__(self, connection: socket.socket, request: bytes) -> str | None:
        number = request.partition(b"/token?")[2].partition(b" ")[0].decode() or "0"
        dice = random.Random(f"{self._seed}-{number}")
        said = whole() if number == "whole" else dice.choice(BREAKS)(dice)
        how = 0.8 if number == "whole" else dice.random()
        if how < self._drips:
            self._drip(connection, said)
            return None
        for at in range(0, len(said), len(_BLOCK)):
            connection.sendall(said[at : at + len(_BLOCK)])
        if how > 0.9:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return KEEP if how > 0.6 and said.endswith(_BODY) else None

    def _drip(self, connection: socket.socket, said: bytes) -> None:
        end = time.monotonic() + 60
        for at in range(len(said)):
            connection.sendall(said[at : at + 1])
            time.sleep(0.02)
            if time.monotonic() > end:
                return


@contextmanager
def chaos(seed: int, *, drips: float = 0.0) -> Iterator[Heard]:
    with listening(Chaos(seed, drips=drips)) as heard:
        yield heard
