"""The requests transport on real sockets: what it sends, what it refuses, what it calls a fault."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from grantflow import Fault, Request, Response, Secret
from grantflow.shell.http.requests import RequestsTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def whole_request(stream: socket.socket) -> bytes:
    data = b""
    while more := stream.recv(65536):
        data += more
        head, found, body = data.partition(b"\r\n\r\n")
        lengths = [
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        if data[:1] == b"\x16":  # a TLS client that came to the wrong door
            break
        if found and len(body) >= int(lengths[0].split(b":")[1] if lengths else 0):
            break
    return data


@contextmanager
def listener(
    speak: Callable[[socket.socket, bytes], None], context: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server that reads one request a connection, then does what ``speak`` does."""
    server = socket.create_server(("127.0.0.1", 0))
    scheme = "http" if context is None else "https"

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    stream = (
                        connection if context is None else context.wrap_socket(connection, True)
                    )
                    speak(stream, whole_request(stream))
                    stream.close()
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.getsockname()[1]}/token"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(60)


def saying(data: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(data)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False
        yield found


@pytest.fixture
def transport(session: requests.Session) -> RequestsTransport:
    return RequestsTransport(session, timeout=(2, 0.3))


def test_a_request_is_sent_as_it_is(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("NETRC", str(netrc))
    session.trust_env = True
    session.auth = ("other", "other")
    heard: list[bytes] = []

    def listen(connection: socket.socket, request: bytes) -> None:
        heard.append(request)
        connection.sendall(OK)

    with listener(listen) as url:
        request = Request(url, form=(("a", "b c"), ("s", Secret("x"))), headers=(("X-One", "1"),))
        reply = RequestsTransport(session)(request)
    assert reply == Response(
        200, {"Content-Type": "application/json", "Content-Length": "2"}, b"{}"
    )
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /token HTTP/1.1")
    assert b"Accept: application/json" in head
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert b"X-One: 1" in head
    assert b"Authorization" not in head
    assert body == b"a=b+c&s=x"


def test_a_redirect_is_not_followed(transport: RequestsTransport) -> None:
    followed: list[bytes] = []
    with listener(lambda _, request: followed.append(request)) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            answer = (
                f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
            )
            with listener(saying(answer.encode())) as url:
                reply = transport(Request(url, form={"client_secret": "x"}))
            assert isinstance(reply, Response)
            assert reply.status == status
    assert followed == []


def test_plain_http_to_another_machine_is_not_sent(transport: RequestsTransport) -> None:
    reply = transport(Request("http://as.example/token"))
    assert isinstance(reply, Fault)
    assert (reply.kind, reply.reached) == ("other", "no")
    assert "must be https" in reply.detail


def test_a_body_is_read_up_to_a_mebibyte(transport: RequestsTransport) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    with listener(saying(head % 2**20 + b"x" * 2**20)) as url:
        reply = transport(Request(url))
    assert isinstance(reply, Response)
    assert len(reply.body) == 2**20
    with listener(saying(head % 2**30 + b"x" * 2**21)) as url:
        assert transport(Request(url)) == Fault("too_large", "maybe", "more than 1 MiB")


def test_a_refused_connection_did_not_reach(transport: RequestsTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    fault = transport(Request(f"http://127.0.0.1:{port}/"))
    assert fault == Fault("refused", "no", "connection refused")


def test_a_name_that_is_not_there_did_not_reach(transport: RequestsTransport) -> None:
    assert transport(Request("https://as.invalid/token")) == Fault("name", "no", "as.invalid")


def test_a_proxy_that_is_not_there_did_not_reach(session: requests.Session) -> None:
    session.proxies = {"http": "http://127.0.0.1:9"}
    fault = RequestsTransport(session)(Request("http://127.0.0.1:1/"))
    assert fault == Fault("refused", "no", "the proxy did not connect")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_the_environment_s_proxy_does_not_see_what_is_meant_for_this_machine(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    heard: list[bytes] = []
    session.trust_env = True
    with listener(lambda _, request: heard.append(request)) as proxy:
        for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(variable, proxy)
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        RequestsTransport(session)(Request(f"http://{name}:9/", form={"client_secret": "x"}))
    assert heard == []


def test_a_proxy_is_used(session: requests.Session) -> None:
    heard: list[bytes] = []

    def listen(connection: socket.socket, request: bytes) -> None:
        heard.append(request)
        connection.sendall(OK)

    with listener(listen) as url:
        session.proxies = {"http": url}
        RequestsTransport(session)(Request("http://127.0.0.1:1/token"))
    assert heard[0].startswith(b"POST http://127.0.0.1:1/token HTTP/1.1")


@pytest.mark.parametrize(
    ("speak", "fault"),
    [
        (lambda connection, _: time.sleep(0.6), Fault("timeout", "maybe", "no answer in time")),
        (
            lambda connection, _: None,
            Fault("other", "maybe", "the connection broke before the answer was whole"),
        ),
        (
            saying(b"nonsense\r\n\r\n"),
            Fault("other", "maybe", "the connection broke before the answer was whole"),
        ),
        (
            saying(OK[:-1]),
            Fault("other", "maybe", "the connection broke before the answer was whole"),
        ),
        (
            lambda connection, _: (connection.sendall(OK[:-1]), time.sleep(0.6)),
            Fault("timeout", "maybe", "no answer in time"),
        ),
    ],
    ids=["silence", "hang-up", "nonsense", "half an answer", "half an answer, then silence"],
)
def test_what_may_have_arrived_is_said_so(
    transport: RequestsTransport, speak: Callable[[socket.socket, bytes], None], fault: Fault
) -> None:
    with listener(speak) as url:
        assert transport(Request(url)) == fault


def test_an_answer_that_cannot_be_unpacked_is_a_fault(transport: RequestsTransport) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\noops"
    with listener(saying(answer)) as url:
        reply = transport(Request(url))
    assert isinstance(reply, Fault)
    assert reply.reached == "maybe"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    request = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
        " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    subprocess.run(
        request.split(),
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def test_a_certificate_that_nobody_vouches_for_did_not_reach(
    transport: RequestsTransport, tls: ssl.SSLContext
) -> None:
    with listener(saying(OK), tls) as url:
        fault = transport(Request(url))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.reached) == ("tls", "no")
    assert "certificate" in fault.detail


def test_a_caller_s_own_authority_is_believed_over_the_environment_s(
    session: requests.Session,
    tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    session.trust_env = True
    session.verify = str(certificate / "cert.pem")
    with listener(saying(OK), tls) as url:
        assert isinstance(RequestsTransport(session)(Request(url)), Response)


def test_the_environment_s_authority_is_believed(
    session: requests.Session,
    tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    session.trust_env = True
    with listener(saying(OK), tls) as url:
        assert isinstance(RequestsTransport(session)(Request(url)), Response)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
        fault = RequestsTransport(session)(Request(url))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.reached) == ("other", "no")
    assert "/nonexistent.pem" in fault.detail


def test_no_tls_where_tls_is_expected(transport: RequestsTransport) -> None:
    with listener(saying(b"HTTP/1.1 400 Bad\r\n\r\n")) as url:
        fault = transport(Request(url.replace("http:", "https:")))
    assert isinstance(fault, Fault)
    assert fault.kind == "tls"


def test_every_request_has_timeouts() -> None:
    seen: list[object] = []

    class Recording(requests.Session):
        def send(self, request: requests.PreparedRequest, **kwargs: object) -> requests.Response:  # type: ignore[override]
            seen.append(kwargs["timeout"])
            raise requests.exceptions.ConnectTimeout("stop here")

    with Recording() as session:
        fault = RequestsTransport(session)(Request("https://as.example/"))
    assert seen == [(10.0, 30.0)]
    assert isinstance(fault, Fault)


@pytest.mark.parametrize(("wait", "read"), [(None, 30.0), (5, 30.0), (300, 300.0)])
def test_a_request_that_is_held_open_is_waited_for(wait: int | None, read: float) -> None:
    seen: list[object] = []

    class Recording(requests.Session):
        def send(self, request: requests.PreparedRequest, **kwargs: object) -> requests.Response:  # type: ignore[override]
            seen.append(kwargs["timeout"])
            raise requests.exceptions.ConnectTimeout("stop here")

    held = None if wait is None else timedelta(seconds=wait)
    with Recording() as session:
        RequestsTransport(session)(Request("https://as.example/", wait=held))
    assert seen == [(10.0, read)]
