"""What tests of applications often use already: clocks that stand still, HTTP that is played."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import requests

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    DeviceFlow,
    Expired,
    MemoryStore,
    Provider,
    TokenSource,
    run,
)
from grantflow.integrations.httpx import TokenAuth as HttpxTokenAuth
from grantflow.integrations.requests import TokenAuth
from grantflow.shell.http.httpx import HttpxTransport
from grantflow.testing import Script, Server, ServerTransport, VirtualClock

for each in ("freezegun", "pytest_httpx", "responses", "respx", "time_machine"):
    pytest.importorskip(each, reason="of the extra test")

import freezegun  # noqa: E402
import responses  # noqa: E402
import respx  # noqa: E402
import time_machine  # noqa: E402
from pytest_httpx import HTTPXMock  # noqa: E402

ACME = Provider(
    name="acme",
    token_endpoint="https://acme.example/token",
    device_authorization_endpoint="https://acme.example/device",
)
CLIENT = Client(provider=ACME, client_id="app")
API = "https://api.example/things"
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
TOKEN = {"access_token": "one", "token_type": "Bearer", "expires_in": 3600}
CODE = {
    "device_code": "dc",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://acme.example/go",
    "expires_in": 60,
    "interval": 5,
}
PENDING = {"error": "authorization_pending"}


class Numbered:
    """A transport that gives another token each time."""

    def __init__(self) -> None:
        clock = VirtualClock()
        self.server = ServerTransport(Server(Script()), clock)
        self.client = Client(provider=self.server.server.provider, client_id="app")

    def source(self) -> TokenSource:
        return TokenSource(
            self.client, "client_credentials", store=MemoryStore(), transport=self.server
        )


# Clocks


def test_freezegun_moves_the_end_of_a_token() -> None:
    source = Numbered().source()  # made before the clock stands
    with freezegun.freeze_time(NOON) as frozen:
        first = source.token()
        assert source.token() == first
        frozen.tick(timedelta(hours=2))
        assert source.token() != first


def test_time_machine_moves_the_end_of_a_token() -> None:
    source = Numbered().source()
    with time_machine.travel(NOON, tick=False) as traveller:
        first = source.token()
        assert source.token() == first
        traveller.shift(timedelta(hours=2))
        assert source.token() != first


@responses.activate
def test_a_replaced_sleep_neither_spins_nor_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    responses.post(ACME.device_authorization_endpoint or "", json=CODE)
    responses.post(ACME.token_endpoint, json=PENDING, status=400)
    assert isinstance(run(DeviceFlow(CLIENT)), Expired)
    assert sum(slept) == pytest.approx(55, abs=5)
    assert len(slept) < 15


@responses.activate
def test_a_sign_in_ends_though_freezegun_stops_every_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    responses.post(ACME.device_authorization_endpoint or "", json=CODE)
    responses.post(ACME.token_endpoint, json=PENDING, status=400)
    responses.post(ACME.token_endpoint, json=PENDING, status=400)
    responses.post(ACME.token_endpoint, json=TOKEN)
    with freezegun.freeze_time(NOON):
        end = run(DeviceFlow(CLIENT))
    assert isinstance(end, Authorized)
    assert end.token.expires_at == NOON + timedelta(hours=1)
    assert slept == [5, 5, 5]


# HTTP


@responses.activate
def test_responses_plays_the_server_and_the_api() -> None:
    responses.post(ACME.token_endpoint, json=TOKEN)
    responses.post(ACME.token_endpoint, json={**TOKEN, "access_token": "two"})
    responses.get(API, status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    responses.get(API, json=["a"])
    source = TokenSource(CLIENT, "client_credentials", store=MemoryStore())
    answer = requests.get(API, auth=TokenAuth(source), timeout=10)
    assert answer.json() == ["a"]
    shown = [call.request.headers.get("Authorization") for call in responses.calls]
    assert shown[-1] == "Bearer two"
    assert len(responses.calls) == 4


@respx.mock
def test_respx_plays_the_server_and_the_api(respx_mock: respx.MockRouter) -> None:
    tokens = [TOKEN, {**TOKEN, "access_token": "two"}]
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    respx_mock.post(ACME.token_endpoint).side_effect = [
        httpx.Response(200, json=each) for each in tokens
    ]
    api = respx_mock.get(API)
    api.side_effect = [httpx.Response(401, headers=challenge), httpx.Response(200, json=["a"])]
    source = TokenSource(
        CLIENT, "client_credentials", store=MemoryStore(), transport=HttpxTransport(httpx.Client())
    )
    answer = httpx.get(API, auth=HttpxTokenAuth(source))
    assert answer.json() == ["a"]
    assert [call.request.headers["Authorization"] for call in api.calls] == [
        "Bearer one",
        "Bearer two",
    ]


def test_pytest_httpx_plays_the_server(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(method="POST", url=ACME.token_endpoint, json=TOKEN)
    end = run(ClientCredentialsFlow(CLIENT), HttpxTransport(httpx.Client()))
    assert isinstance(end, Authorized)
    (request,) = httpx_mock.get_requests()
    assert b"grant_type=client_credentials" in request.content


def test_a_transport_of_one_s_own_is_a_function() -> None:
    from grantflow import Request, Response

    def played(request: Request) -> Response:
        assert request.url == ACME.token_endpoint
        return Response(200, {}, json.dumps(TOKEN).encode())

    assert isinstance(run(ClientCredentialsFlow(CLIENT), played), Authorized)
