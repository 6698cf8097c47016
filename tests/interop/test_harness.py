"""The harness itself, with nothing but requests: what the servers here do on the wire."""

import base64
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast
from urllib.parse import quote, quote_plus

import pytest
import requests
from attrs import evolve

from .chromium import UNTIL_PARENT_ENDS
from .conftest import demand
from .human import NotTakenError
from .servers import RealClient, RealServer, Start, missing_oidc_provider, start_authlib

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

# A person who starts, approves and polls costs a few round trips on loopback.
SOON = 20.0

Json = Mapping[str, object]
Encode = Callable[[str], str]


def percent(text: str) -> str:
    return quote(text, safe="")


def raw(text: str) -> str:
    return text


def basic(client: RealClient, encode: Encode = percent) -> str:
    pair = f"{encode(client.client_id)}:{encode(client.client_secret or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def exchange(
    method: str,
    url: str,
    data: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> requests.Response:
    with requests.Session() as http:
        http.trust_env = False  # no proxy and no .netrc between us and loopback
        return http.request(method, url, data=data, headers=headers, timeout=SOON)


def send(
    server: RealServer, endpoint: str, client: RealClient, data: Mapping[str, str]
) -> requests.Response:
    """POST as the client authenticates."""
    headers = {"Accept": "application/json"}
    form = dict(data)
    if client.auth == "client_secret_basic":
        headers["Authorization"] = basic(client)
    else:
        form["client_id"] = client.client_id
    if client.auth == "client_secret_post":
        form["client_secret"] = client.client_secret or ""
    return exchange("POST", server.endpoints[endpoint], form, headers)


def read(answer: requests.Response) -> Json:
    return cast("Json", answer.json())


class Device:
    """A device that signs in."""

    def __init__(self, server: RealServer, client: str = "device-public") -> None:
        self.server = server
        self.client = server.clients[client]
        started = send(
            server, "device_authorization_endpoint", self.client, {"scope": server.scope}
        )
        assert started.status_code == 200, started.text
        self.answer = read(started)
        self.user_code = str(self.answer["user_code"])

    def token(self, **data: str) -> requests.Response:
        return send(self.server, "token_endpoint", self.client, data)

    def poll(self) -> requests.Response:
        return self.token(grant_type=DEVICE_CODE, device_code=str(self.answer["device_code"]))

    def refresh(self, tokens: Json) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=str(tokens["refresh_token"]))

    def signed_in(self) -> Json:
        self.server.approve(self.user_code)
        answer = self.poll()
        assert answer.status_code == 200, answer.text
        return read(answer)

    def active(self, token: object) -> object:
        answer = send(self.server, "introspection_endpoint", self.client, {"token": str(token)})
        return read(answer)["active"]


def userinfo(server: RealServer, tokens: Json) -> requests.Response:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return exchange("GET", server.endpoints["userinfo_endpoint"], headers=headers)


def refused(answer: requests.Response) -> object:
    assert not answer.ok
    return read(answer)["error"]


@pytest.mark.parametrize("client", ["device-public", "device-basic"])
def test_a_device_waits_for_the_person_and_then_has_a_token(
    real_server: RealServer, client: str
) -> None:
    device = Device(real_server, client)
    assert refused(device.poll()) == "authorization_pending"
    tokens = device.signed_in()
    assert str(tokens["token_type"]).lower() == "bearer"
    assert userinfo(real_server, tokens).json() == {"sub": "alice"}


def test_a_device_code_works_once(real_server: RealServer) -> None:
    device = Device(real_server)
    device.signed_in()
    once_more = refused(device.poll())
    assert (
        once_more
        == {"authlib": "invalid_request", "oidc-provider": "invalid_grant"}[real_server.name]
    )


def test_the_person_may_say_no(real_server: RealServer) -> None:
    device = Device(real_server)
    real_server.deny(device.user_code)
    assert refused(device.poll()) == "access_denied"


def test_a_wrong_code_is_no_approval(real_server: RealServer) -> None:
    with pytest.raises(NotTakenError):
        real_server.approve("WRNG-CODE")
    device = Device(real_server)
    real_server.approve(device.user_code)
    with pytest.raises(NotTakenError):
        real_server.deny(device.user_code)


def test_a_device_code_expires(start_server: Start) -> None:
    with start_server(device_ttl=1) as server:
        device = Device(server)
        assert device.answer["expires_in"] == 1
        end = time.monotonic() + SOON
        while (error := refused(device.poll())) != "expired_token":
            assert error in ("authorization_pending", "slow_down")
            assert time.monotonic() < end
            time.sleep(0.1)
        with pytest.raises(NotTakenError):
            server.approve(device.user_code)


def test_polls_that_come_too_early_are_told_to_slow_down(start_server: Start) -> None:
    with start_server(interval=3) as server:
        device = Device(server)
        assert device.answer["interval"] == 3
        assert refused(device.poll()) == "authorization_pending"
        time.sleep(3.0)
        assert refused(device.poll()) == "authorization_pending"
        assert refused(device.poll()) == "slow_down"
        time.sleep(1.0)
        assert refused(device.poll()) == "slow_down"  # the interval is 8 seconds now


@pytest.mark.interop
def test_oidc_provider_itself_names_no_interval(oidc_provider: RealServer) -> None:
    device = Device(oidc_provider)
    assert "interval" not in device.answer
    assert {refused(device.poll()) for _ in range(3)} == {"authorization_pending"}


def test_a_refresh_rotates(real_server: RealServer) -> None:
    device = Device(real_server)
    first = device.signed_in()
    second = read(device.refresh(first))
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert userinfo(real_server, second).status_code == 200
    assert refused(device.refresh(first)) == "invalid_grant"


def test_only_oidc_provider_ends_the_grant_when_a_refresh_token_comes_back(
    real_server: RealServer,
) -> None:
    device = Device(real_server)
    first = device.signed_in()
    second = read(device.refresh(first))
    assert refused(device.refresh(first)) == "invalid_grant"
    survives = real_server.name == "authlib"
    assert device.active(second["access_token"]) is survives
    assert device.refresh(second).ok is survives


@pytest.mark.parametrize("purpose", ["cc-basic", "cc-post", "odd"])
def test_a_machine_gets_a_token_with_the_right_secret_only(
    real_server: RealServer, purpose: str
) -> None:
    client = real_server.clients[purpose]
    ask = {"grant_type": "client_credentials", "scope": real_server.machine_scope}
    right = send(real_server, "token_endpoint", client, ask)
    assert right.status_code == 200, right.text
    assert read(right)["scope"] == real_server.machine_scope
    assert "refresh_token" not in read(right)
    forger = evolve(client, client_secret="wrong")
    wrong = send(real_server, "token_endpoint", forger, ask)
    assert (wrong.status_code, refused(wrong)) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("encode", "takes"),
    [
        (percent, {"authlib", "oidc-provider"}),
        (quote_plus, {"oidc-provider"}),  # Authlib reads "+" as a plus, not as a space
        (raw, set[str]()),
    ],
)
def test_how_odd_ids_and_secrets_are_read(
    real_server: RealServer, encode: Encode, takes: set[str]
) -> None:
    answer = exchange(
        "POST",
        real_server.endpoints["token_endpoint"],
        {"grant_type": "client_credentials"},
        {"Authorization": basic(real_server.clients["odd"], encode)},
    )
    assert answer.ok is (real_server.name in takes), answer.text


def test_a_revoked_token_is_inactive(real_server: RealServer) -> None:
    device = Device(real_server, "device-basic")
    tokens = device.signed_in()
    both = [tokens["access_token"], tokens["refresh_token"]]
    assert [device.active(token) for token in both] == [True, True]
    revoked = send(
        real_server,
        "revocation_endpoint",
        device.client,
        {"token": str(tokens["refresh_token"]), "token_type_hint": "refresh_token"},
    )
    assert revoked.status_code == 200
    assert [device.active(token) for token in both] == [False, False]
    assert refused(device.refresh(tokens)) == "invalid_grant"
    answer = userinfo(real_server, tokens)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_an_access_token_expires(start_server: Start) -> None:
    # oidc-provider counts whole seconds, so a token may live almost one second less; and a busy
    # machine may take one or two to use it.
    with start_server(access_ttl=5) as server:
        device = Device(server)
        tokens = device.signed_in()
        assert tokens["expires_in"] == 5
        assert userinfo(server, tokens).status_code == 200
        end = time.monotonic() + SOON
        while userinfo(server, tokens).status_code == 200:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert userinfo(server, read(device.refresh(tokens))).status_code == 200


def test_the_token_endpoint_can_be_slow(start_server: Start) -> None:
    with start_server(token_delay_ms=300) as server:
        device = Device(server)
        before = time.monotonic()
        device.poll()
        assert time.monotonic() - before >= 0.3


def test_the_metadata_names_the_endpoints(real_server: RealServer) -> None:
    document = read(exchange("GET", real_server.endpoints["metadata"]))
    assert document["issuer"] == real_server.issuer
    endpoints = [name for name in real_server.endpoints if name.endswith("_endpoint")]
    assert {name: document[name] for name in endpoints} == {
        name: real_server.endpoints[name] for name in endpoints
    }


def test_the_server_counts(real_server: RealServer) -> None:
    before = real_server.stats()
    device = Device(real_server)
    device.poll()
    tokens = device.signed_in()
    device.refresh(tokens)
    seen = real_server.stats().since(before)
    assert seen.endpoints == {"device_authorization_endpoint": 1, "token_endpoint": 3}
    assert seen.grants == {DEVICE_CODE: 2, "refresh_token": 1}
    assert seen.errors == Counter(authorization_pending=1)


def test_a_server_that_crashes_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match="invalid int value: 'soon'"),
        start_authlib(device_ttl=cast("int", "soon")),
    ):
        pass


def test_a_server_ends_with_its_test() -> None:
    with start_authlib() as server:
        assert server.stats().endpoints == {}
    with pytest.raises(requests.ConnectionError):
        server.stats()


def test_what_a_server_started_ends_with_a_killed_test_run() -> None:
    shell = ["sh", "-c", "sleep 600 & echo up; wait"]
    with subprocess.Popen(
        [sys.executable, str(UNTIL_PARENT_ENDS), "", *shell],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        # Standard input ends, as it does with a killed parent; the output ends with the last child.
        process.communicate(timeout=SOON)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRANTFLOW_INTEROP_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "node" in (missing_oidc_provider() or "")
    tmp_path.joinpath("node").touch(mode=0o755)
    assert "install.sh" in (missing_oidc_provider() or "")


def test_what_is_missing_is_skipped_unless_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    demand(None)
    monkeypatch.delenv("GRANTFLOW_INTEROP", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not here"):
        demand("not here")
    monkeypatch.setenv("GRANTFLOW_INTEROP", "required")
    with pytest.raises(pytest.fail.Exception, match="not here"):
        demand("not here")
