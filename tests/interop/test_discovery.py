"""A provider from a real server's own metadata."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from returns.result import Success

from grantflow import InvalidResponse, Provider, Request, Unreachable
from grantflow.core.values.result import either
from grantflow.shell.discovery import discover
from grantflow.shell.http.requests import RequestsTransport

from .library import Wire, response, told
from .servers import RealServer


def document(server: RealServer) -> Mapping[str, object]:
    return told(response(Wire()(Request(server.endpoints["metadata"], method="GET"))))


@contextmanager
def another_port(said: Mapping[str, object]) -> Iterator[str]:
    """Somebody on this machine who gives this document to everyone who asks for anything."""

    class Everywhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Everywhere) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def test_the_issuer_is_enough(real_server: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # the transport as it comes heeds the environment
    provider = discover(real_server.issuer, RequestsTransport())
    assert isinstance(provider, Provider), provider
    assert provider.issuer == real_server.issuer
    assert {
        "token_endpoint": provider.token_endpoint,
        "device_authorization_endpoint": provider.device_authorization_endpoint,
        "revocation_endpoint": provider.revocation_endpoint,
        "introspection_endpoint": provider.introspection_endpoint,
        "userinfo_endpoint": provider.userinfo_endpoint,
    } == {name: url for name, url in real_server.endpoints.items() if name.endswith("_endpoint")}
    assert {"none", "client_secret_basic", "client_secret_post"} <= {*provider.auth_methods}


def test_both_servers_answer_the_first_place_that_is_asked(real_server: RealServer) -> None:
    wire = Wire()
    discover(real_server.issuer, wire)
    asked = [exchange.request.url for exchange in wire.exchanges]
    assert asked == [f"{real_server.issuer}/.well-known/oauth-authorization-server"]


def test_the_document_alone_makes_the_same_provider(real_server: RealServer) -> None:
    # oidc-provider's document is the one at OpenID Connect's address; discovery read the other.
    read = Provider.from_metadata(document(real_server))
    assert read == Success(discover(real_server.issuer, Wire()))


@pytest.mark.parametrize(
    "spelt",
    [
        lambda issuer: issuer.replace("127.0.0.1", "localhost"),
        lambda issuer: issuer.replace("http", "HTTP"),
    ],
    ids=["name", "case"],
)
def test_an_issuer_is_compared_letter_by_letter(
    real_server: RealServer, spelt: Callable[[str], str]
) -> None:
    asked = spelt(real_server.issuer)
    found = discover(asked, Wire())
    assert isinstance(found, InvalidResponse)
    assert found.problem.startswith(f"metadata: it is of {real_server.issuer}, not of {asked}")


def test_the_slash_of_a_root_issuer_makes_no_difference(real_server: RealServer) -> None:
    assert isinstance(discover(f"{real_server.issuer}/", Wire()), Provider)


def test_nobody_speaks_for_another_port(real_server: RealServer) -> None:
    with another_port(document(real_server)) as impostor:
        found = discover(impostor, Wire())
        assert found == InvalidResponse(
            f"metadata: it is of {real_server.issuer}, not of {impostor}"
        )
    found = discover(impostor, Wire())  # and now nobody is there
    assert isinstance(found, Unreachable), found
    assert (found.fault.kind, found.fault.reached, found.tries) == ("refused", "no", 1)


def test_no_metadata_at_a_path_of_the_server(real_server: RealServer) -> None:
    wire = Wire()
    found = discover(f"{real_server.issuer}/tenant", wire)
    assert isinstance(found, InvalidResponse), found
    assert found.status == 404
    origin, path = real_server.issuer, "/tenant"
    assert [exchange.request.url for exchange in wire.exchanges] == [
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("issuer", None, "issuer is missing"),
        ("token_endpoint", None, "token_endpoint is missing"),
        ("token_endpoint", 7, "token_endpoint: it is no text"),
        ("token_endpoint", "http://as.example/token", "token_endpoint: must be https"),
    ],
)
def test_one_wrong_member_spoils_the_document(
    real_server: RealServer, name: str, value: object, problem: str
) -> None:
    spoilt = {**document(real_server), name: value}
    found = either(Provider.from_metadata(spoilt))
    assert isinstance(found, InvalidResponse), found
    assert found.problem.startswith(f"metadata: {problem}")
