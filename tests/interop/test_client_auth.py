"""A client that signs or shows a certificate, at a real server (RFC 7523, RFC 8705).

oidc-provider keeps the ``jti`` of every assertion and refuses the second one, so that a retry which
succeeds is no replay.
"""

import json
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import cast
from urllib.parse import parse_qs

import anyio
import pytest
import requests
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey
from returns.unsafe import unsafe_perform_io

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    DeviceFlow,
    Failed,
    Fault,
    MemoryStore,
    Provider,
    RefreshFlow,
    Refused,
    Response,
    TokenSource,
    run,
)
from grantflow.core.client.authentication import (
    ClientAuthentication,
    ClientSecretBasic,
    ClientSecretJwt,
    MutualTls,
    PrivateKeyJwt,
)
from grantflow.core.flows.states import Final
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.shell import aio
from grantflow.shell.discovery import discover
from grantflow.shell.http.httpx import AsyncHttpxTransport, HttpxTransport
from grantflow.shell.http.requests import RequestsTransport
from grantflow.signing import Signer, signed

from .library import WRONG, Hurried, Wire, after_polls, refresh_token, response, told
from .servers import RealServer, start_oidc_provider

pytestmark = pytest.mark.interop

METHODS = ("private-jwt", "secret-jwt", "mtls")


@pytest.fixture(scope="module")
def server(needs_oidc_provider: None) -> Iterator[RealServer]:
    """oidc-provider behind TLS, which asks every client for a certificate and demands none."""
    with start_oidc_provider(mtls=True) as found:
        yield found


def wire_of(server: RealServer) -> Wire:
    wire, session = Wire(), requests.Session()
    session.trust_env = False
    session.verify = server.verify
    wire.transport = RequestsTransport(session)
    return wire


def private_key(server: RealServer) -> ec.EllipticCurvePrivateKey:
    found = server.clients["cc-private-jwt"].jwk
    assert found is not None
    key = ECKey.import_key(dict(found)).private_key
    assert key is not None
    return key


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def right(server: RealServer, method: str) -> ClientAuthentication:
    if method == "mtls":
        assert server.certificates is not None
        files = server.certificates
        return MutualTls(str(files.client_certificate), str(files.client_key))
    known = server.clients[f"cc-{method}"]
    if method == "secret-jwt":
        return ClientSecretJwt(known.client_secret or "")
    return PrivateKeyJwt(json.dumps(known.jwk))


def wrong(server: RealServer, method: str) -> ClientAuthentication:
    """What is as good as the right one, and somebody else's."""
    if method == "mtls":
        assert server.certificates is not None
        files = server.certificates
        return MutualTls(str(files.wrong_certificate), str(files.wrong_key))
    if method == "secret-jwt":
        return ClientSecretJwt(WRONG)
    return PrivateKeyJwt(pem(ec.generate_private_key(ec.SECP256R1())), kid="client-key")


def client_of(
    server: RealServer, grant: str, method: str, authentication: ClientAuthentication | None = None
) -> Client:
    provider = discover(server.issuer, wire_of(server))
    assert isinstance(provider, Provider), provider
    return Client(
        provider=provider,
        client_id=server.clients[f"{grant}-{method}"].client_id,
        authentication=authentication or right(server, method),
        scope=server.scope if grant == "device" else server.machine_scope,
    )


def authorized(final: Final) -> Authorized:
    assert isinstance(final, Authorized), final
    return final


def refusal(final: Final) -> tuple[str, int | None]:
    assert isinstance(final, Failed), final
    assert isinstance(final.error, Refused), final
    return final.error.code, final.error.status


def assertions(wire: Wire) -> list[str]:
    forms = [parse_qs(each.request.presented().body().decode()) for each in wire.exchanges]
    return [form["client_assertion"][0] for form in forms if "client_assertion" in form]


def claims(token: str) -> Mapping[str, object]:
    part = token.split(".")[1]
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return cast("Mapping[str, object]", json.loads(data))


# Each method with each grant.


@pytest.mark.parametrize("method", METHODS)
def test_a_machine_gets_a_token(server: RealServer, method: str) -> None:
    client, wire = client_of(server, "cc", method), wire_of(server)
    final = authorized(run(ClientCredentialsFlow(client), wire))
    assert final.token.scope == (server.machine_scope,)
    assert len(wire.exchanges) == 1
    assert len(assertions(wire)) == (method != "mtls")
    # The server's own word that it took the proof: it bound the token to the certificate.
    source = TokenSource(
        client, "client_credentials", store=MemoryStore(), transport=wire_of(server)
    )
    said = unsafe_perform_io(source.try_introspect().unwrap())
    assert said["active"] is True
    assert said["client_id"] == client.client_id
    assert ("cnf" in said) is (method == "mtls")


@pytest.mark.parametrize("method", METHODS)
def test_a_person_signs_in_and_the_token_is_refreshed(server: RealServer, method: str) -> None:
    client, wire = client_of(server, "device", method), wire_of(server)
    before = server.stats()
    watch = after_polls(1, server.approve)
    first = authorized(run(DeviceFlow(client), wire, Hurried(), watch)).token
    second = authorized(run(RefreshFlow(client, refresh_token(first)), wire, Hurried())).token
    assert second.access_token != first.access_token
    assert server.stats().since(before).errors == Counter(authorization_pending=1)
    # Code, two polls, refresh: each with a proof of its own.
    assert len(wire.exchanges) == 4
    proofs = assertions(wire)
    assert len(set(proofs)) == len(proofs) == (0 if method == "mtls" else 4)


@pytest.mark.parametrize("method", METHODS)
def test_a_source_signs_in_renews_and_revokes(server: RealServer, method: str) -> None:
    client, wire = client_of(server, "device", method), wire_of(server)
    source = TokenSource(
        client,
        store=MemoryStore(),
        transport=wire,
        clock=Hurried(),
        prompt=lambda code: server.approve(code.user_code),
    )
    before = server.stats()
    first = source.token()
    renewed = unsafe_perform_io(source.try_renew(first).unwrap())
    assert renewed.access_token != first.access_token
    assert unsafe_perform_io(source.try_introspect().unwrap())["active"] is True
    source.try_logout().unwrap()
    seen = server.stats().since(before)
    assert seen.errors == Counter()
    assert seen.endpoints["revocation_endpoint"] > 0
    assert source.notes == ()
    proofs = assertions(wire)
    assert len(set(proofs)) == len(proofs) == (0 if method == "mtls" else len(wire.exchanges))


def test_a_key_that_only_signs_bytes_is_enough(server: RealServer) -> None:
    key = private_key(server)

    def hsm(data: bytes) -> bytes:
        numbers = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256())))
        return b"".join(number.to_bytes(32, "big") for number in numbers)

    for authentication in (
        PrivateKeyJwt(hsm),
        PrivateKeyJwt(hsm, kid="client-key"),
        PrivateKeyJwt(pem(key)),
    ):
        client = client_of(server, "cc", "private-jwt", authentication)
        authorized(run(ClientCredentialsFlow(client), wire_of(server)))


def test_the_endpoint_is_an_audience_as_well(server: RealServer) -> None:
    client = client_of(server, "cc", "private-jwt")
    client = evolve(client, provider=evolve(client.provider, issuer=None))
    wire = wire_of(server)
    authorized(run(ClientCredentialsFlow(client), wire))
    assert claims(assertions(wire)[0])["aud"] == client.provider.token_endpoint


# What the server refuses.


@pytest.mark.parametrize("grant", ["cc", "device"])
@pytest.mark.parametrize("method", METHODS)
def test_the_proof_of_somebody_else_is_refused(server: RealServer, method: str, grant: str) -> None:
    client, wire = client_of(server, grant, method, wrong(server, method)), wire_of(server)
    final = (
        run(ClientCredentialsFlow(client), wire) if grant == "cc" else run(DeviceFlow(client), wire)
    )
    assert refusal(final) == ("invalid_client", 401)
    assert len(wire.exchanges) == 1
    assert WRONG not in repr(final)


@pytest.mark.parametrize("method", METHODS)
def test_another_way_than_the_registered_one_is_refused(server: RealServer, method: str) -> None:
    known = server.clients[f"cc-{method}"].client_secret or WRONG
    client = client_of(server, "cc", method, ClientSecretBasic(known))
    assert refusal(run(ClientCredentialsFlow(client), wire_of(server)))[0] == "invalid_client"


def test_an_assertion_for_another_server_is_refused(server: RealServer) -> None:
    known = right(server, "private-jwt")
    assert isinstance(known, PrivateKeyJwt)
    elsewhere = evolve(known, audience="https://elsewhere.example")
    client = client_of(server, "cc", "private-jwt", elsewhere)
    assert refusal(run(ClientCredentialsFlow(client), wire_of(server)))[0] == "invalid_client"


def test_a_certificate_that_is_not_there_is_not_asked_for(server: RealServer) -> None:
    assert server.certificates is not None
    missing = MutualTls("/nowhere/client.pem", str(server.certificates.client_key))
    client, wire = client_of(server, "cc", "mtls", missing), wire_of(server)
    before = server.stats()
    final = run(ClientCredentialsFlow(client), wire, Hurried())
    assert isinstance(final, Failed), final
    assert "/nowhere/client.pem: no such file" in repr(final.error)
    assert server.stats().since(before).endpoints == Counter()


# A retry is no replay.


def test_the_server_knows_a_replay(server: RealServer) -> None:
    client, wire = client_of(server, "cc", "private-jwt"), wire_of(server)
    form = (("grant_type", "client_credentials"),)
    ready = Signer()(client.request(client.provider.token_endpoint, form))
    assert isinstance(ready, Request)
    first, again = response(wire(ready)), response(wire(ready))
    assert first.status == 200
    assert (again.status, told(again)["error"]) == (401, "invalid_client")


LOST: dict[str, Callable[[Reply], Reply]] = {
    "a proxy says 503": lambda _: Response(503, {"Retry-After": "1"}),
    "the answer is lost": lambda _: Fault("timeout", "maybe", "no answer in time"),
}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("method", ["private-jwt", "secret-jwt"])
def test_a_retry_has_an_assertion_of_its_own(server: RealServer, method: str, lost: str) -> None:
    client, wire = client_of(server, "cc", method), wire_of(server)

    def unlucky(request: Request, /) -> Reply:
        # The server did see the first one, and keeps its jti.
        reply = wire(request)
        return reply if len(wire.exchanges) > 1 else LOST[lost](reply)

    before = server.stats()
    authorized(run(ClientCredentialsFlow(client), signed(unlucky), Hurried()))
    assert [response(each.reply).status for each in wire.exchanges] == [200, 200]
    first, second = (claims(token) for token in assertions(wire))
    assert first["jti"] != second["jti"]
    assert {name: first[name] for name in ("iss", "sub", "aud")} == {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": server.issuer,
    }
    assert server.stats().since(before).errors == Counter()


@pytest.mark.parametrize("method", ["private-jwt", "secret-jwt"])
def test_every_repeated_poll_has_an_assertion_of_its_own(server: RealServer, method: str) -> None:
    client, wire = client_of(server, "device", method), wire_of(server)
    lost = 0

    def unlucky(request: Request, /) -> Reply:
        # The server saw these polls and keeps their jti; the answers never came.
        nonlocal lost
        reply = wire(request)
        if ("device_code" in dict(request.form)) and lost < 2:
            lost += 1
            return Fault("timeout", "maybe")
        return reply

    before = server.stats()
    watch = after_polls(3, server.approve)
    first = authorized(run(DeviceFlow(client), signed(unlucky), Hurried(), watch)).token
    assert lost == 2
    busy = iter([True, False])

    def throttled(request: Request, /) -> Reply:
        # A proxy in front says 429 to a refresh that it has not passed on.
        return Response(429, {}, b"") if next(busy) else wire(request)

    authorized(run(RefreshFlow(client, refresh_token(first)), signed(throttled), Hurried()))
    told = [claims(token)["jti"] for token in assertions(wire)]
    assert len(told) == len(set(told)) >= 5
    assert set(server.stats().since(before).errors) == {"authorization_pending"}


def test_httpx_shows_the_certificate_as_well(
    server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.verify))  # it outranks SSL_CERT_FILE
    client = client_of(server, "cc", "mtls")
    authorized(run(ClientCredentialsFlow(client), HttpxTransport()))

    async def main() -> Final:
        transport = AsyncHttpxTransport()
        try:
            return await aio.run(ClientCredentialsFlow(client), transport)
        finally:
            await transport.aclose()

    authorized(anyio.run(main))
    stranger = client_of(server, "cc", "mtls", wrong(server, "mtls"))
    assert refusal(run(ClientCredentialsFlow(stranger), HttpxTransport()))[0] == "invalid_client"
    missing = client_of(server, "cc", "mtls", MutualTls("/nowhere.pem"))
    end = run(ClientCredentialsFlow(missing), HttpxTransport(), Hurried())
    assert isinstance(end, Failed)
    assert "/nowhere.pem" in str(end.error)
