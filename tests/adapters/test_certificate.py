"""A client's certificate is presented with its own request and no other (RFC 8705)."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from grantflow import Client, Fault, Request, Response
from grantflow.core.client.authentication import MutualTls
from grantflow.core.values.request import Certificate
from grantflow.shell.http.requests import RequestsTransport
from tests.interop.pki import Certificates, issue
from tests.support.samples import ACME


class NamesPeer(BaseHTTPRequestHandler):
    """Answers with the common name in the certificate that the client presented."""

    protocol_version = "HTTP/1.1"  # connections are kept, so a pool could mix them up

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.connection, ssl.SSLSocket)
        peer = self.connection.getpeercert() or {}
        body = repr(peer.get("subject", "nobody")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def url(files: Certificates) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = files.authority.parent
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(files.authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    with ThreadingHTTPServer(("127.0.0.1", 0), NamesPeer) as server:
        server.daemon_threads = True
        server.block_on_close = False
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join(60)


@pytest.fixture
def session(files: Certificates) -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False
        found.verify = str(files.authority)
        yield found


def ours(files: Certificates) -> Certificate:
    return Certificate(str(files.client_certificate), str(files.client_key))


def peer(reply: Response | Fault) -> str:
    assert isinstance(reply, Response), reply
    return reply.body.decode()


def fault(reply: Response | Fault) -> Fault:
    assert isinstance(reply, Fault), reply
    return reply


def test_each_request_presents_its_own_certificate(
    session: requests.Session, files: Certificates, url: str
) -> None:
    send = RequestsTransport(session)
    other = Certificate(str(files.wrong_certificate), str(files.wrong_key))
    for _ in range(2):
        assert "'client'" in peer(send(Request(url, certificate=ours(files))))
        assert "'wrong'" in peer(send(Request(url, certificate=other)))
        assert "nobody" in peer(send(Request(url)))


def test_the_certificate_of_a_request_outranks_the_session_s(
    session: requests.Session, files: Certificates, url: str
) -> None:
    session.cert = (str(files.wrong_certificate), str(files.wrong_key))
    send = RequestsTransport(session)
    assert "'client'" in peer(send(Request(url, certificate=ours(files))))
    assert "'wrong'" in peer(send(Request(url)))


def test_one_file_may_hold_both(
    session: requests.Session, files: Certificates, url: str, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(files.client_certificate.read_bytes() + files.client_key.read_bytes())
    client = Client(provider=ACME, client_id="app", authentication=MutualTls(str(both)))
    assert "'client'" in peer(RequestsTransport(session)(client.request(url, ())))


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_a_missing_file_is_named(files: Certificates, url: str, missing: str) -> None:
    nowhere = "/nowhere/client.pem"
    found = ours(files)
    certificate = (
        Certificate(nowhere, found.key)
        if missing == "certificate"
        else Certificate(found.certificate, nowhere)
    )
    detail = f"the client's certificate: {nowhere}: no such file or directory"
    sent = RequestsTransport()(Request(url, certificate=certificate))
    assert sent == Fault("other", "no", detail)


def test_what_is_no_file_is_named(files: Certificates, url: str, tmp_path: Path) -> None:
    certificate = Certificate(str(tmp_path), ours(files).key)
    reply = fault(RequestsTransport()(Request(url, certificate=certificate)))
    assert (reply.kind, reply.reached) == ("other", "no")
    assert str(tmp_path) in reply.detail


def unusable(kind: str, files: Certificates, folder: Path) -> Certificate:
    found = ours(files)
    key = folder / "key.pem"
    if kind == "the key of another":
        return Certificate(found.certificate, str(files.wrong_key))
    if kind == "no key at all":
        return Certificate(found.certificate)
    if kind == "no certificate":
        key.write_text("hunter2")
        return Certificate(str(key), found.key)
    private = load_pem_private_key(files.client_key.read_bytes(), None)
    locked = BestAvailableEncryption(b"hunter2")
    data = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
    if kind == "a key with a password":
        key.write_bytes(data)
        return Certificate(found.certificate, str(key))
    key.write_bytes(files.client_certificate.read_bytes() + data)
    return Certificate(str(key))


@pytest.mark.parametrize(
    "kind",
    [
        "the key of another",
        "no key at all",
        "no certificate",
        "a key with a password",
        "both in one file, with a password",
    ],
)
def test_files_that_make_no_pair_are_named_and_nothing_is_sent(
    files: Certificates, url: str, tmp_path: Path, kind: str
) -> None:
    certificate = unusable(kind, files, tmp_path)
    reply = fault(RequestsTransport()(Request(url, certificate=certificate)))
    assert (reply.kind, reply.reached) == ("tls", "no")
    assert certificate.certificate in reply.detail
    assert (certificate.key or "") in reply.detail
    assert reply.detail.endswith("no certificate with its key, in PEM without a password")
