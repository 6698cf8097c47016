"""What the environment says about the network, and that every transport obeys it alike."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grantflow import Fault, Request, Response
from grantflow.core.values.request import Certificate
from grantflow.shell.http.settings import proxy_for, trusted
from tests.adapters.test_transports import VARIABLES, answered, fault, no_variables, own
from tests.interop.pki import Certificates, issue
from tests.support.raw_server import answering, listening
from tests.support.transports import Send

__all__ = ["no_variables", "own"]

ELSEWHERE = "https://login.acme.example/token"


@contextmanager
def proxy(answer: bytes = b"HTTP/1.1 502 Bad Gateway\r\n\r\n") -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that connects nobody."""
    server = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                with server.accept()[0] as stream:
                    asked.append(stream.recv(65536))
                    stream.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


# Proxies


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_asked_and_sees_no_request(
    own: Send, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with proxy() as (url, asked):
        monkeypatch.setenv(variable, url)
        assert fault(own(Request(ELSEWHERE, form={"client_secret": "hunter2"}))).reached == "no"
    assert asked[0].startswith(b"CONNECT login.acme.example:443 HTTP/1.")
    assert not [each for each in asked if b"hunter2" in each]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8", "a.localhost"])
def test_what_is_meant_for_this_machine_goes_through_no_proxy(
    own: Send, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with proxy() as (url, asked):
        for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(variable, url)
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        for scheme in ("http", "https"):
            own(Request(f"{scheme}://{name}:9/", form={"client_secret": "x"}))
    assert asked == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n", "407"),
        (b"HTTP/1.1 403 Forbidden\r\n", "403"),
        (b"HTTP/1.1 502 Bad Gateway\r\n", "502"),
    ],
)
def test_what_a_proxy_wants_is_told(
    own: Send, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    with proxy(answer + b"Content-Length: 0\r\n\r\n") as (url, _):
        place = url.removeprefix("http://")
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@{place}")
        reply = fault(own(Request(ELSEWHERE)))
    # A gateway that has trouble may get over it, so only the others end a sign-in at once.
    assert (reply.kind, reply.reached) == ("refused" if words == "502" else "proxy", "no")
    assert words in reply.detail
    assert place in reply.detail
    assert "hunter2" not in reply.detail
    assert ("name and a password" in reply.detail) is (words == "407")


@pytest.mark.parametrize(
    "value",
    [
        *("socks://127.0.0.1:1/", "socks5://127.0.0.1:1", "socks5h://127.0.0.1:1"),
        *("socks4://127.0.0.1:1", "http://127.0.0.1:99999", "http://[::1", "http://", "ftp://a"),
        *("127.0.0.1:1", "nonsense", "http://proxy.invalid:8080", "http://127.0.0.1:1"),
    ],
)
def test_no_proxy_makes_a_transport_raise(
    own: Send, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    reply = fault(own(Request(ELSEWHERE)))
    assert reply.reached == "no"
    assert any(word in reply.detail for word in ("proxy", "proxies"))


@pytest.mark.parametrize(("name", "package"), [("requests", "socks"), ("httpx", "socksio")])
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    if name == "requests":

        def missing(*_: object, **__: object) -> None:
            raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

        monkeypatch.setattr("requests.adapters.SOCKSProxyManager", missing)
    from tests.support.transports import OWN

    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1")
    with OWN[name]((2.0, 2.0)) as send:
        assert "pip install" in fault(send(Request(ELSEWHERE))).detail


HOSTS = st.sampled_from(
    [
        *("login.acme.example", "acme.example", "notacme.example", "10.1.2.3", "192.168.0.1"),
        *("[2001:db8::1]", "LOGIN.acme.example", "a.b", "b"),
    ]
)
LISTED = st.lists(
    st.sampled_from(
        [
            *("acme.example", ".acme.example", "*.acme.example", "login.acme.example:8443", "b"),
            *("10.0.0.0/8", "10.1.2.3", "192.168.0.0/33", "", " ", "*", "example:443", "com"),
        ]
    ),
    max_size=3,
).map(",".join)
PROXIES = st.dictionaries(
    st.sampled_from(["http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
    st.sampled_from(["http://one:1", "http://two:2", ""]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(host=HOSTS, port=st.sampled_from(["", ":8443", ":443"]), listed=LISTED, proxies=PROXIES)
def test_the_variables_are_read_as_requests_reads_them(
    monkeypatch: pytest.MonkeyPatch, host: str, port: str, listed: str, proxies: dict[str, str]
) -> None:
    url = f"https://{host}{port}/token"
    with monkeypatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in {**proxies, "NO_PROXY": listed}.items():
            patch.setenv(name, value)
        expected = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
        assert proxy_for(url) == (expected or None)


# Authorities


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls(files: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = files.authority.parent
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


def test_every_transport_obeys_the_same_variables(
    own: Send, monkeypatch: pytest.MonkeyPatch, files: Certificates, tls: ssl.SSLContext
) -> None:
    with listening(answering(), tls) as heard:
        refused = fault(own(Request(heard.url)))
        assert (refused.kind, refused.reached) == ("tls", "no")
        assert "certificate" in refused.detail
        for variable in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(variable, str(files.authority))
            assert answered(own(Request(heard.url))).status == 200
            monkeypatch.setenv(variable, "/nonexistent.pem")
            missing = fault(own(Request(heard.url)))
            assert (missing.kind, missing.reached) == ("other", "no")
            assert "/nonexistent.pem: no such file" in missing.detail


def test_a_rotated_authority_is_seen(
    own: Send,
    monkeypatch: pytest.MonkeyPatch,
    files: Certificates,
    tls: ssl.SSLContext,
    tmp_path: Path,
) -> None:
    other = issue(tmp_path)
    bundle = tmp_path / "bundle.pem"
    shutil.copy(other.authority, bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with listening(answering(), tls) as heard:
        assert fault(own(Request(heard.url))).kind == "tls"
        bundle.write_bytes(files.authority.read_bytes())
        os.utime(bundle, (1, 1))
        assert answered(own(Request(heard.url))).status == 200


@pytest.mark.parametrize("content", ["", "hunter2", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_what_is_no_authority_is_named(
    own: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    (tmp_path / "bundle.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    reply = fault(own(Request(ELSEWHERE)))
    assert (reply.kind, reply.reached) == ("tls", "no")
    assert str(tmp_path) in reply.detail


def test_a_bundle_is_read_once_however_many_ask(
    own: Send, monkeypatch: pytest.MonkeyPatch, files: Certificates, tls: ssl.SSLContext
) -> None:
    made: list[str | None] = []
    usual = ssl.create_default_context

    def counted(*_: object, cafile: str | None = None, **__: object) -> ssl.SSLContext:
        made.append(cafile)
        return usual(cafile=cafile)

    bundle = files.authority.with_name(f"once-{id(own)}.pem")
    shutil.copy(files.authority, bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setattr(ssl, "create_default_context", counted)
    with listening(answering(), tls) as heard, ThreadPoolExecutor(8) as pool:
        request = Request(heard.url, form={"a": "b"}, new_connection=True)
        replies = list(pool.map(own, [request] * 16))
    assert {answered(each).status for each in replies} == {200}
    assert made.count(str(bundle)) == 1


# A client's certificate


def test_a_client_s_certificate_has_one_context_too(files: Certificates) -> None:
    one = Certificate(str(files.client_certificate), str(files.client_key))
    other = Certificate(str(files.wrong_certificate), str(files.wrong_key))
    first = trusted(str(files.authority), one)
    assert isinstance(first, ssl.SSLContext)
    assert trusted(str(files.authority), one) is first
    assert trusted(str(files.authority), other) is not first
    assert trusted(str(files.authority)) is not first
    os.utime(files.client_key, (1, 1))  # renewed under its name
    assert trusted(str(files.authority), one) is not first


def test_the_lock_of_a_parent_does_not_hold_its_child(files: Certificates) -> None:
    """Fork while a thread reads a bundle."""
    reading, go = threading.Event(), threading.Event()
    usual = ssl.create_default_context

    def slow(*_: object, **__: object) -> ssl.SSLContext:
        reading.set()
        go.wait(10)
        return usual()

    bundle = files.authority.with_name("slow.pem")
    shutil.copy(files.authority, bundle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", slow)
        thread = threading.Thread(target=trusted, args=(str(bundle),))
        thread.start()
        reading.wait(10)
        patch.setattr(ssl, "create_default_context", usual)
        child = os.fork()
        if child == 0:
            os._exit(isinstance(trusted(str(files.authority)), Fault | Response))
        go.set()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        thread.join()
