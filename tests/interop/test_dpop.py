"""Tokens bound to a key, and tokens for one resource, at a real server (RFC 9449, RFC 8707)."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import cast

import anyio
import httpx
import pytest
import requests
from attrs import evolve
from returns.unsafe import unsafe_perform_io

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    DeviceFlow,
    Failed,
    Fault,
    MemoryStore,
    RefreshFlow,
    Refused,
    Request,
    Token,
    TokenSession,
    TokenSource,
    run,
)
from grantflow.core.flows.states import Final
from grantflow.core.values.response import Reply
from grantflow.integrations.httpx import TokenAuth
from grantflow.signing import dpop_key

from .library import Hurried, Wire, after_polls, provider_of, refresh_token
from .servers import RealServer, start_oidc_provider

pytestmark = pytest.mark.interop

KEY = dpop_key()


@pytest.fixture(scope="module", params=["without a nonce", "with a nonce"])
def wanted(request: pytest.FixtureRequest) -> bool:
    """Whether the server wants nonces."""
    return str(request.param) == "with a nonce"


@pytest.fixture(scope="module")
def server(needs_oidc_provider: None, wanted: bool) -> Iterator[RealServer]:
    with start_oidc_provider(dpop_nonce=wanted) as found:
        yield found


def person(server: RealServer, resource: tuple[str, ...] = ()) -> Client:
    return Client(
        provider=provider_of(server),
        client_id="device-dpop",
        scope=server.scope,
        resource=resource,
        dpop=KEY,
    )


def machine(server: RealServer, resource: tuple[str, ...] = ()) -> Client:
    known = server.clients["cc-basic"]
    return Client(
        provider=provider_of(server),
        client_id=known.client_id,
        authentication=ClientSecretBasic(known.client_secret or ""),
        scope=server.machine_scope,
        resource=resource,
        dpop=KEY,
    )


def token_of(final: Final) -> Token:
    assert isinstance(final, Authorized), final
    return final.token


def test_a_machine_s_token_is_bound_to_its_key(server: RealServer) -> None:
    client = machine(server)
    token = token_of(run(ClientCredentialsFlow(client), Wire()))
    assert token.token_type == "DPoP"
    source = TokenSource(client, "client_credentials", store=MemoryStore(), transport=Wire())
    said = unsafe_perform_io(source.try_introspect().unwrap())
    assert said["cnf"] == {"jkt": KEY.thumbprint}


def test_a_machine_is_asked_for_a_nonce_where_one_is_wanted(
    server: RealServer, wanted: bool
) -> None:
    before = server.stats()
    token_of(run(ClientCredentialsFlow(machine(server)), Wire(), Hurried()))
    assert server.stats().since(before).errors["use_dpop_nonce"] == wanted


def test_a_repeated_request_has_a_proof_of_its_own(server: RealServer) -> None:
    wire = Wire()
    lost = iter([True, False, False])

    def unlucky(request: Request, /) -> Reply:
        reply = wire(request)  # the server saw it, and keeps its jti
        return Fault("timeout", "maybe") if next(lost) else reply

    token_of(run(ClientCredentialsFlow(machine(server)), unlucky, Hurried()))
    proofs = [each.request.header_map()["DPoP"] for each in wire.exchanges]
    assert len(set(proofs)) == len(proofs) >= 2


def test_a_person_signs_in_and_refreshes(server: RealServer, wanted: bool) -> None:
    before = server.stats()
    client = person(server)
    wire, watch = Wire(), after_polls(1, server.approve)
    first = token_of(run(DeviceFlow(client), wire, Hurried(), watch))
    second = token_of(run(RefreshFlow(client, refresh_token(first)), wire, Hurried()))
    third = token_of(run(RefreshFlow(client, refresh_token(second)), wire, Hurried()))
    assert {each.token_type for each in (first, second, third)} == {"DPoP"}
    assert len({each.access_token for each in (first, second, third)}) == 3
    errors = server.stats().since(before).errors
    # Once for the sign-in, and once for each refresh, which begins without a nonce.
    assert errors["use_dpop_nonce"] == (3 if wanted else 0)
    assert set(errors) <= {"use_dpop_nonce", "authorization_pending"}


def test_another_key_cannot_refresh(server: RealServer) -> None:
    client = person(server)
    first = token_of(run(DeviceFlow(client), Wire(), Hurried(), after_polls(1, server.approve)))
    thief = evolve(client, dpop=dpop_key())
    end = run(RefreshFlow(thief, refresh_token(first)), Wire(), Hurried())
    assert isinstance(end, Failed)
    assert isinstance(end.error, Refused)
    assert end.error.code == "invalid_grant"


def source_of(server: RealServer) -> TokenSource:
    return TokenSource(
        person(server),
        store=MemoryStore(),
        transport=Wire(),
        clock=Hurried(),
        prompt=lambda code: server.approve(code.user_code),
    )


def test_calls_carry_a_proof_by_requests(server: RealServer) -> None:
    source = source_of(server)
    userinfo = (source.token() and provider_of(server).userinfo_endpoint) or ""
    with TokenSession(source, [server.issuer]) as session:
        session.trust_env = False
        for _ in range(2):
            assert session.get(userinfo, timeout=10).status_code == 200
        renewed = unsafe_perform_io(source.try_renew(source.token()).unwrap())
        assert renewed.token_type == "DPoP"
        assert session.get(userinfo, timeout=10).status_code == 200
    bare = {"Authorization": f"Bearer {source.token().access_token.reveal()}"}
    refused = requests.get(userinfo, headers=bare, timeout=10)
    assert refused.status_code == 401


def test_calls_carry_a_proof_by_httpx(server: RealServer) -> None:
    auth = TokenAuth(source_of(server), [server.issuer])
    userinfo = provider_of(server).userinfo_endpoint or ""

    async def call() -> list[int]:
        async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
            return [(await client.get(userinfo)).status_code for _ in range(2)]

    assert anyio.run(call) == [200, 200]
    with httpx.Client(auth=auth, trust_env=False) as client:
        assert client.get(userinfo).status_code == 200


# Resources


def audience(token: Token) -> object:
    """What a JWT of this server is for."""
    part = token.access_token.reveal().split(".")[1]
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return cast("dict[str, object]", json.loads(data))["aud"]


def test_a_machine_s_token_is_for_its_resource(server: RealServer) -> None:
    client = machine(server, (str(server.api_resource),))
    assert audience(token_of(run(ClientCredentialsFlow(client), Wire()))) == server.api_resource


def test_a_person_s_tokens_are_for_the_resource_and_so_are_the_refreshed(
    server: RealServer,
) -> None:
    client = evolve(person(server, (str(server.api_resource),)), scope="offline_access api:read")
    watch = after_polls(1, server.approve)
    first = token_of(run(DeviceFlow(client), Wire(), Hurried(), watch))
    second = token_of(run(RefreshFlow(client, refresh_token(first)), Wire(), Hurried()))
    assert audience(first) == audience(second) == server.api_resource
    assert first.access_token != second.access_token


def test_of_several_resources_each_token_is_for_one(server: RealServer) -> None:
    other = "urn:other-api"
    several = evolve(
        person(server, (str(server.api_resource), other)), scope="offline_access api:read"
    )
    vague = run(DeviceFlow(several), Wire(), Hurried(), after_polls(1, server.approve))
    assert isinstance(vague, Failed)
    assert isinstance(vague.error, Refused)
    assert vague.error.code == "invalid_target"

    client = evolve(several, target=server.api_resource)
    token = token_of(run(DeviceFlow(client), Wire(), Hurried(), after_polls(1, server.approve)))
    assert audience(token) == server.api_resource
    for target in (other, server.api_resource):
        one = evolve(client, target=target)
        token = token_of(run(RefreshFlow(one, refresh_token(token)), Wire(), Hurried()))
        # This server's tokens for other resources are opaque.
        assert ("." in token.access_token.reveal()) == (target == server.api_resource)
