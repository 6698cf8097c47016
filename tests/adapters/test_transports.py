"""The rules of every transport, on real sockets: what is sent, what is read, what is a fault."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from grantflow import Fault, Request, Response, Secret
from grantflow.shell.http.requests import RequestsTransport
from tests.support import error_reports
from tests.support.raw_server import (
    BOMB,
    KEEP,
    OK,
    Speak,
    answering,
    dripping,
    listening,
    saying,
)
from tests.support.samples import seconds
from tests.support.transports import ALL, OWN, Send

VARIABLES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
WHOLE = 0.8
FOR_EVER = 30.0
"""What a server would take."""
LATE = 10.0
"""What a busy machine may make of ``WHOLE``."""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=ALL)
def send(request: pytest.FixtureRequest) -> Iterator[Send]:
    with ALL[request.param]((10.0, 30.0)) as made:
        yield made


@pytest.fixture(params=ALL)
def hasty(request: pytest.FixtureRequest) -> Iterator[Send]:
    with ALL[request.param]((WHOLE, WHOLE)) as made:
        yield made


@pytest.fixture(params=OWN)
def own(request: pytest.FixtureRequest) -> Iterator[Send]:
    with OWN[request.param]((2.0, 10.0)) as made:
        yield made


def answered(reply: Response | Fault) -> Response:
    assert isinstance(reply, Response), reply
    return reply


def fault(reply: Response | Fault) -> Fault:
    assert isinstance(reply, Fault), reply
    return reply


# What is sent


def test_a_request_is_sent_as_it_is(
    send: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with listening(answering()) as heard:
        form = (("a", "b c"), ("s", Secret("x")))
        reply = answered(send(Request(f"{heard.url}?q=%41", form, headers=(("X-One", "1"),))))
    assert (reply.status, reply.body, reply.header("Content-Length")) == (200, b"{}", "2")
    head, _, body = heard.requests[0].partition(b"\r\n\r\n")
    first, *rest = head.split(b"\r\n")
    headers = sorted(line.lower() for line in rest)
    assert first == b"POST /token?q=%41 HTTP/1.1" or first == b"POST /token?q=A HTTP/1.1"
    assert body == b"a=b+c&s=x"
    for expected in (b"accept: application/json", b"accept-encoding: identity", b"x-one: 1"):
        assert headers.count(expected) == 1
    assert b"content-type: application/x-www-form-urlencoded" in headers
    names = [line.partition(b":")[0] for line in headers]
    assert not {b"authorization", b"cookie"} & set(names)
    assert len(set(names)) == len(names)


def test_plain_http_to_another_machine_is_not_sent(send: Send) -> None:
    reply = fault(send(Request("http://as.example/token")))
    assert (reply.kind, reply.reached) == ("other", "no")
    assert "must be https" in reply.detail


def test_no_cookie_is_kept_and_a_bad_one_harms_nothing(send: Send) -> None:
    cookies = ("Set-Cookie: a=\xe9", "Set-Cookie: b=1; Path=/", "Set-Cookie: =;=;\x01")
    with listening(answering(b"{}", "400 Bad", *cookies)) as heard:
        for _ in range(3):
            assert answered(send(Request(heard.url, form={"a": "b"}))).status == 400
    assert len(heard.requests) == 3
    assert not [each for each in heard.requests if b"cookie" in each.lower()]


# Redirects


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_not_followed_and_its_body_is_not_read(send: Send, status: int) -> None:
    with listening(answering()) as elsewhere:
        length = "Content-Length: 1000000\r\n"
        told = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}\r\n{length}\r\n"
        with listening(dripping(told.encode(), b"", FOR_EVER)) as heard:
            reply = answered(send(Request(heard.url, form={"client_secret": "x"})))
    assert (reply.status, reply.body) == (status, b"")
    assert elsewhere.requests == []


@pytest.mark.parametrize("target", ["http://[", "//", "\xe9", "http://a:b:c", "data:x", "", " "])
def test_a_redirect_to_nowhere_is_an_answer(send: Send, target: str) -> None:
    with listening(answering(b"x", "302 Found", f"Location: {target}")) as heard:
        assert answered(send(Request(heard.url))).status == 302


# How much is read


def test_a_body_is_read_up_to_a_mebibyte(send: Send) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    with listening(saying(head % 2**20 + b"x" * 2**20)) as heard:
        assert len(answered(send(Request(heard.url))).body) == 2**20
    with listening(saying(head % 2**30 + b"x" * 2**21)) as heard:
        assert send(Request(heard.url)) == Fault("too_large", "maybe", "more than 1 MiB")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MIB = b"x" * 2**20


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + MIB * 4,
        CHUNKED + b"%x\r\n" % (4 * 2**20) + MIB * 4 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + MIB * 4 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 2**20 + b"\r\n{}",
        CHUNKED + b"2;" + MIB * 4 + b"\r\n{}\r\n0\r\n\r\n",
        MIB * 4,
        b"HTTP/1.1 103 Early\r\nX: " + MIB * 4 + b"\r\n\r\n" + OK,
    ],
    ids=["endless", "one chunk", "a header", "headers", "an extension", "a line", "an interim"],
)
def test_no_part_of_an_answer_may_fill_the_memory(send: Send, said: bytes) -> None:
    with listening(saying(said)) as heard:
        reply = send(Request(heard.url))
    # aiohttp throws the extension of a chunk away as it reads it.
    assert isinstance(reply, Fault) or len(reply.body) == 2
    assert isinstance(reply, Response) or reply.reached == "maybe"


def test_one_layer_of_gzip_or_deflate_is_read_all_the_same(send: Send) -> None:
    raw = zlib.compressobj(wbits=-15)
    for coding, body in {
        "gzip": gzip.compress(b'{"a":1}'),
        "X-GZip": gzip.compress(b'{"a":1}'),
        "identity, gzip": gzip.compress(b'{"a":1}'),
        "deflate": zlib.compress(b'{"a":1}'),
        " Deflate ": raw.compress(b'{"a":1}') + raw.flush(),
        "identity": b'{"a":1}',
    }.items():
        with listening(answering(body, "200 OK", f"Content-Encoding: {coding}")) as heard:
            assert answered(send(Request(heard.url))).body == b'{"a":1}'


@pytest.mark.parametrize(
    ("coding", "body", "told"),
    [
        ("gzip", BOMB, "more than 1 MiB"),
        ("gzip, gzip", gzip.compress(BOMB, mtime=0), "gzip, gzip"),
        ("br", b"\x0b\x02\x80{}\x03", "br"),
        ("zstd", b"{}", "zstd"),
        ("gzip", b"oops", "no gzip"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], "no gzip"),
        ("gzip", gzip.compress(b"", mtime=0) * 1000, "no gzip"),
        ("deflate", b"\x78\x9c\x00", "no deflate"),
    ],
    ids=["a bomb", "twice", "br", "zstd", "none", "half", "many", "deflate"],
)
def test_other_encodings_are_named(send: Send, coding: str, body: bytes, told: str) -> None:
    with listening(answering(body, "200 OK", f"Content-Encoding: {coding}")) as heard:
        reply = fault(send(Request(heard.url)))
    assert reply.reached == "maybe"
    assert told in reply.detail


# Interim answers


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_ten_interim_answers_are_skipped_and_no_more(send: Send, status: bytes) -> None:
    interim = b"HTTP/1.1 " + status + b"\r\nLink: </a>\r\n\r\n"
    with listening(saying(interim * 10 + OK)) as heard:
        assert answered(send(Request(heard.url))).body == b"{}"
    with listening(saying(interim * 11 + OK)) as heard:
        assert fault(send(Request(heard.url))).detail == "more than 10 interim answers"


# How long it may take


DRIPS = {
    "nothing": (b"", b""),
    "status": (b"HTTP/1.1 2", b"0"),
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"),
    "interim": (b"HTTP/1.1 100 Continue\r\nX: ", b"x"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{", b" "),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "an extension": (CHUNKED + b"2;x=", b"y"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: 1\r\n"),
}


def test_a_byte_now_and_then_does_not_hold_a_client(hasty: Send) -> None:
    def held(drip: tuple[bytes, bytes]) -> Fault:
        with listening(dripping(*drip, FOR_EVER)) as heard:
            return fault(hasty(Request(heard.url)))

    start = time.monotonic()
    with ThreadPoolExecutor(len(DRIPS)) as pool:
        faults = list(pool.map(held, DRIPS.values()))
    assert time.monotonic() - start < LATE
    assert {each.reached for each in faults} == {"maybe"}


@pytest.mark.parametrize("stall", ["tls", "http"])
def test_a_server_that_says_nothing_at_all(hasty: Send, stall: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        scheme = "https" if stall == "tls" else "http"
        reply = fault(hasty(Request(f"{scheme}://{place}/token")))
        assert time.monotonic() - start < LATE
    assert reply.kind == "timeout"
    if stall == "tls":
        assert reply.reached == "no"


def test_a_request_may_have_less_time_than_the_transport(send: Send) -> None:
    with listening(dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x", FOR_EVER)) as heard:
        start = time.monotonic()
        assert fault(send(Request(heard.url, timeout=seconds(WHOLE)))).kind == "timeout"
        assert time.monotonic() - start < LATE


def test_a_request_that_is_held_open_is_waited_for(hasty: Send) -> None:
    def late(connection: socket.socket, _: bytes) -> None:
        time.sleep(WHOLE * 1.5)
        connection.sendall(OK)

    with listening(late) as heard:
        assert answered(hasty(Request(heard.url, wait=seconds(WHOLE)))).status == 200


def test_a_name_that_is_looked_up_for_long_holds_nobody(
    own: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = threading.Event()

    def slow(*asked: object, **named: object) -> list[object]:
        flags = [each for each in (*asked[5:], named.get("flags", 0)) if isinstance(each, int)]
        if not any(each & socket.AI_NUMERICHOST for each in flags):  # what trio asks first
            found.wait(FOR_EVER)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    start = time.monotonic()
    reply = fault(own(Request("https://as.example/token", timeout=seconds(WHOLE))))
    assert time.monotonic() - start < LATE
    found.set()
    assert (reply.kind, reply.reached) == ("timeout", "no")


# What went wrong


def test_what_did_not_reach(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert send(Request(f"http://127.0.0.1:{port}/")) == Fault(
        "refused", "no", "connection refused"
    )
    assert send(Request("https://as.invalid/token")) == Fault("name", "no", "as.invalid")


@pytest.mark.parametrize(
    "speak",
    [
        lambda connection, _: None,
        saying(b"nonsense\r\n\r\n"),
        saying(OK[:-1]),
        saying(b"HTTP/9.9 200 OK\r\n\r\n"),
        saying(b"\x00" * 100),
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
    ],
    ids=["hang-up", "nonsense", "half", "version", "zeros", "chunk", "length"],
)
def test_what_may_have_arrived_is_said_so(hasty: Send, speak: Speak) -> None:
    with listening(speak) as heard:
        reply = hasty(Request(heard.url))
    assert isinstance(reply, Response) or reply.reached == "maybe"


def test_an_interrupt_takes_no_secret_along(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering()) as heard:
        request = Request(heard.url, form={"client_secret": Secret("hunter2secret")})
        monkeypatch.setattr("http.client.HTTPConnection.getresponse", error_reports.strikes)
        with pytest.raises(error_reports.Boom) as caught:
            RequestsTransport()(request)
    assert "hunter2secret" not in error_reports.reported(caught.value, __file__)


# Connections


def test_polls_share_a_connection_and_a_refresh_has_its_own(own: Send) -> None:
    with listening(answering()) as heard:
        for new in (False, False, True, True, False):
            answered(own(Request(heard.url, form={"a": "b"}, new_connection=new)))
    sizes = sorted(len(each) for each in heard.connections)
    assert sum(sizes) == 5
    fresh = [each for each in heard.connections if b"connection: close" in each[0].lower()]
    assert [len(each) for each in fresh] == [1, 1]


def test_a_refresh_is_not_lost_to_a_connection_that_was_forgotten(send: Send) -> None:
    """A middlebox resets what comes on a connection that was idle for long."""
    asked: dict[socket.socket, int] = {}

    def forgetful(connection: socket.socket, request: bytes) -> str | None:
        asked[connection] = asked.get(connection, 0) + 1
        if asked[connection] > 1:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return None
        connection.sendall(OK)
        return KEEP

    with listening(forgetful) as heard:
        for _ in range(3):
            request = Request(heard.url, form={"refresh_token": "r"}, new_connection=True)
            assert answered(send(request)).status == 200


def test_many_threads_use_few_connections() -> None:
    with listening(answering()) as heard, ThreadPoolExecutor(40) as pool:
        transport = RequestsTransport()
        asked = [Request(heard.url, form={"a": "b"})] * 200
        statuses = [answered(each).status for each in pool.map(transport, asked)]
        transport.close()
    assert statuses == [200] * 200
    assert len(heard.connections) <= 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("name", ["requests", "httpx", "a session", "a client"])
def test_a_child_uses_no_connection_of_its_parent(name: str) -> None:
    with listening(answering()) as heard, ALL[name]((2.0, 5.0)) as send:
        request = Request(heard.url, form={"a": "b"})
        assert answered(send(request)).status == 200
        child = os.fork()
        if child == 0:
            os._exit(0 if isinstance(send(request), Response) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert answered(send(request)).status == 200
    assert sorted(len(each) for each in heard.connections) == [1, 2]


def test_the_turns_of_a_parent_do_not_hold_its_child() -> None:
    """Fork while others have all turns: the child waits for none of them."""
    release = threading.Event()

    def slow(connection: socket.socket, _: bytes) -> None:
        release.wait(10)
        connection.sendall(OK)

    with listening(slow) as held, listening(answering()) as heard:
        transport = RequestsTransport()
        threads = [
            threading.Thread(target=transport, args=(Request(held.url),)) for _ in range(104)
        ]
        for each in threads:
            each.start()
        while len(held.requests) < 100:
            time.sleep(0.01)
        child = os.fork()
        if child == 0:
            reply = transport(Request(heard.url, timeout=timedelta(seconds=3)))
            os._exit(0 if isinstance(reply, Response) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        release.set()
        for each in threads:
            each.join()


def test_a_session_s_own_requests_are_as_they_were() -> None:
    """The limits are an exchange's: what the caller sends by the same session has none."""
    with requests.Session() as session, listening(answering(b"x" * 2**21)) as heard:
        transport = RequestsTransport(session)
        assert fault(transport(Request(heard.url))).kind == "too_large"
        for _ in range(2):
            assert len(session.get(heard.url, timeout=5).content) == 2**21


def test_what_speaks_no_tls(send: Send) -> None:
    with listening(saying(b"HTTP/1.1 400 Bad\r\n\r\n")) as heard:
        reply = fault(send(Request(heard.url.replace("http:", "https:"))))
    assert (reply.kind, reply.reached) == ("tls", "no")
