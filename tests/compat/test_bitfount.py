"""What callers of BitfountSession rely on (B1 to B13), and what no longer hurts them."""

from __future__ import annotations

import base64
import json
import logging
import os
import pickle
import stat
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from grantflow import (
    Denied,
    DeviceAuthorization,
    Expired,
    Failed,
    InvalidResponse,
    Token,
)
from grantflow.compat.bitfount import (
    APIKeys,
    AuthenticatedUserError,
    AuthenticationFailedError,
    AuthEnvironmentError,
    BitfountError,
    BitfountSession,
)
from grantflow.compat.bitfount.screen import Screen
from grantflow.testing import VirtualClock
from grantflow.testing.clock import EPOCH
from tests.support.compat_wire import Heard, Says, Wire, wire
from tests.support.error_reports import Failing, disk_full, shown, strikes

CODE = "/oauth/device/code"
TOKEN = "/oauth/token"
PENDING = Says(403, {"error": "authorization_pending", "error_description": "not yet"})
SLOW = Says(429, {"error": "slow_down"})
DENIED = Says(403, {"error": "access_denied", "error_description": "the person said no"})
SECRETS = ("at-1", "rt-1", "dc-1", "at-2", "rt-2")
TOKENS = Token(access_token="at-2", refresh_token="rt-2")


def id_token(username: str) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part({'https://www.bitfount.com/username': username})}.sig"


def granted(number: int = 1, username: str = "alice", **more: object) -> Says:
    found = {
        "access_token": f"at-{number}",
        "refresh_token": f"rt-{number}",
        "id_token": id_token(username),
        "expires_in": 3600,
        "token_type": "Bearer",
        **more,
    }
    return Says(200, {name: value for name, value in found.items() if value is not None})


@pytest.fixture
def auth() -> Iterator[Wire]:
    with wire() as made:
        answer = {
            "device_code": "dc-1",
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{made.url}/activate",
            "verification_uri_complete": f"{made.url}/activate?user_code=ABCD-EFGH",
            "interval": 5,
            "expires_in": 600,
        }
        made.script(CODE, [Says(200, answer)])
        made.script(TOKEN, [granted()])
        yield made


@pytest.fixture
def hub() -> Iterator[Wire]:
    with wire() as made:
        made.script("/api", [Says(200, b"hello")])
        yield made


@pytest.fixture
def manager() -> Iterator[Wire]:
    with wire() as made:
        made.script("/api", [Says(200, b"hello")])
        yield made


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(autouse=True)
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    links: list[str] = []

    def browser(url: str) -> bool:
        links.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browser)
    monkeypatch.setenv("BITFOUNT_STORAGE_PATH", str(tmp_path / "bitfount"))
    for name in ("BITFOUNT_API_KEY_ID", "BITFOUNT_API_KEY", "BITFOUNT_HOME"):
        monkeypatch.delenv(name, raising=False)
    return links


def session(
    auth: Wire,
    clock: VirtualClock,
    hub: Wire | None = None,
    manager: Wire | None = None,
    *,
    username: str = "_default",
    scopes: str = "profile openid offline_access",
    audience: str = "https://hub.bitfount.com/api",
    client_id: str = "client-1",
) -> BitfountSession:
    return BitfountSession(
        auth.url,
        client_id,
        username,
        scopes,
        audience,
        hub_urls=[] if hub is None else [hub.url],
        am_urls=[] if manager is None else [manager.url],
        clock=clock,
    )


def stored(
    session: BitfountSession, auth: Wire, minutes_left: float, **more: object
) -> dict[str, object]:
    """Write the file as the original does, world-readable like there."""
    session.user_storage_path.mkdir(parents=True, exist_ok=True)
    document: dict[str, object] = {
        "access_token": "at-0",
        "refresh_token": "rt-0",
        "id_token": id_token("alice"),
        "access_token_expires_at": (EPOCH + timedelta(minutes=minutes_left)).timestamp(),
        "auth_domain": auth.url,
        "client_id": "client-1",
        "scopes": "profile openid offline_access",
        "audience": "https://hub.bitfount.com/api",
        **more,
    }
    session.token_file.write_text(json.dumps(document))
    session.token_file.chmod(0o644)
    return document


def kept(session: BitfountSession) -> Mapping[str, object]:
    found: dict[str, object] = json.loads(session.token_file.read_text())
    return found


def waits(clock: VirtualClock) -> list[int]:
    return [span.seconds for span in clock.slept]


# The scenarios B1 to B13.


def test_b1_pending_slow_down_pending_and_a_token(
    auth: Wire,
    clock: VirtualClock,
    opened: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    auth.script(TOKEN, [PENDING, SLOW, PENDING, granted()])
    one = session(auth, clock)
    assert not one.authenticated
    one.authenticate()
    assert one.authenticated
    assert not one.expired
    assert one.access_token == "at-1"
    assert waits(clock) == [5, 5, 10, 10]  # RFC 8628 section 3.5: 5 seconds more, for good
    assert one.token_request_interval == 10
    assert auth.at(CODE)[0].form == {
        "client_id": "client-1",
        "scope": "profile openid offline_access",
        "audience": "https://hub.bitfount.com/api",
    }
    assert auth.at(TOKEN)[0].form == {
        "client_id": "client-1",
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "dc-1",
    }
    link = f"{auth.url}/activate?user_code=ABCD-EFGH"
    assert opened == [link]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "Your confirmation code is: ABCD-EFGH",
        "A browser window will open, please log in to confirm your identity.",
        "If no browser window opens, then please visit the following URL:",
        link,
        "Awaiting authentication in browser. Will check again in 5 seconds.",
        "Awaiting authentication in browser. Will check again in 10 seconds.",
        "Awaiting authentication in browser. Will check again in 10 seconds.",
    ]


def test_b2_a_denial(auth: Wire, clock: VirtualClock, capsys: pytest.CaptureFixture[str]) -> None:
    auth.script(TOKEN, [DENIED])
    with pytest.raises(ConnectionError, match="the sign-in was denied") as caught:
        session(auth, clock).authenticate()
    assert len(auth.at(TOKEN)) == 1
    assert isinstance(caught.value, AuthenticationFailedError)
    assert isinstance(caught.value, BitfountError)
    assert caught.value.problem == Failed(Denied("the person said no"))
    assert "access_denied" not in capsys.readouterr().out


def test_b2_a_denial_while_a_request_waits(auth: Wire, hub: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [DENIED])
    with pytest.raises(ConnectionError, match="the sign-in was denied") as caught:
        session(auth, clock, hub).get(f"{hub.url}/api")
    assert isinstance(caught.value, AuthenticationFailedError)
    assert hub.heard == []


@pytest.mark.parametrize("access_token", [5.5, True, "two\nlines", ["at-0"]])
def test_a_file_whose_tokens_are_none_is_kept_aside(
    auth: Wire, clock: VirtualClock, access_token: object, caplog: pytest.LogCaptureFixture
) -> None:
    one = session(auth, clock)
    stored(one, auth, 60, access_token=access_token)
    one.authenticate()
    assert one.access_token == "at-1"
    assert "its tokens cannot be read; kept as .token.damaged-" in caplog.text


def test_an_error_survives_a_pickle(auth: Wire, clock: VirtualClock) -> None:
    """Task runners send exceptions from process to process."""
    auth.script(TOKEN, [DENIED])
    with pytest.raises(AuthenticationFailedError) as caught:
        session(auth, clock).authenticate()
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is AuthenticationFailedError
    assert (str(again), again.problem) == (str(caught.value), caught.value.problem)


def test_b3_a_token_endpoint_in_trouble(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [Says(500, b"<html>")])
    with pytest.raises(ConnectionError, match="HTTP 500") as caught:
        session(auth, clock).authenticate()
    assert min(waits(clock)[:-1]) == 5
    assert waits(clock)[:-1] == sorted(waits(clock)[:-1])  # it backs off, never below the interval
    # While the user may still approve, it goes on until the code expires.
    assert clock.now().mono < timedelta(seconds=600)
    assert isinstance(caught.value, AuthenticationFailedError)
    assert isinstance(caught.value.problem, Expired)
    assert caught.value.problem.fault is not None


def test_b3_trouble_that_passes(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [*[Says(500)] * 3, granted()])
    one = session(auth, clock)
    one.authenticate()
    assert one.access_token == "at-1"


@pytest.mark.parametrize("path", [TOKEN, CODE])
def test_b4_a_page_instead_of_a_token_or_a_code(auth: Wire, clock: VirtualClock, path: str) -> None:
    auth.script(path, [Says(200, b"<html>Welcome</html>")])
    with pytest.raises(ConnectionError, match="HTTP 200: HTML") as caught:
        session(auth, clock).authenticate()
    assert len(auth.at(path)) == 1
    assert isinstance(caught.value, AuthenticationFailedError)
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, InvalidResponse)


@pytest.mark.parametrize("expired", [None, Says(403, {"error": "expired_token"})])
def test_b5_a_code_that_runs_out(auth: Wire, clock: VirtualClock, expired: Says | None) -> None:
    auth.script(TOKEN, [PENDING] if expired is None else [PENDING, expired])
    with pytest.raises(ConnectionError, match="expired before") as caught:
        session(auth, clock).authenticate()
    # At 5, 10, ... 595 seconds: the original asks at once as well, when nobody can have approved.
    assert len(auth.at(TOKEN)) == (119 if expired is None else 2)
    assert clock.now().mono < timedelta(seconds=600)
    assert isinstance(caught.value, AuthenticationFailedError)
    assert caught.value.problem == Expired()


def test_b6_a_token_that_lives(auth: Wire, clock: VirtualClock) -> None:
    one = session(auth, clock)
    before = stored(one, auth, minutes_left=11)
    one.authenticate()
    assert one.access_token == "at-0"
    assert one.refresh_token == "rt-0"
    assert one.username == "alice"
    assert one.access_token_expires_at == EPOCH + timedelta(minutes=11)
    assert auth.heard == []
    assert kept(one) == before


@pytest.mark.parametrize("minutes", [10, 1, -60])
def test_b7_a_token_near_its_end(auth: Wire, clock: VirtualClock, minutes: int) -> None:
    auth.script(TOKEN, [granted(2)])
    one = session(auth, clock)
    stored(one, auth, minutes, later={"kept": [1]})
    one.authenticate()
    assert one.access_token == "at-2"
    assert auth.at(CODE) == []
    assert [each.form for each in auth.at(TOKEN)] == [
        {"client_id": "client-1", "grant_type": "refresh_token", "refresh_token": "rt-0"}
    ]
    assert kept(one)["access_token"] == "at-2"
    assert kept(one)["refresh_token"] == "rt-2"
    assert kept(one)["access_token_expires_at"] == (EPOCH + timedelta(hours=1)).timestamp()
    assert kept(one)["later"] == {"kept": [1]}


def test_b8_a_refresh_that_is_refused(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [Says(403, {"error": "invalid_grant"}), PENDING, granted()])
    one = session(auth, clock)
    stored(one, auth, minutes_left=-1, later=True)
    one.authenticate()
    assert one.access_token == "at-1"
    grants = [each.form["grant_type"].rpartition(":")[2] for each in auth.at(TOKEN)]
    assert grants == ["refresh_token", "device_code", "device_code"]
    assert kept(one)["access_token"] == "at-1"
    assert kept(one)["later"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": "profile"},
        {"audience": "https://other.example"},
        {"client_id": "client-2"},
        {"auth_domain": "auth.bitfount.com"},
    ],
)
def test_b9_other_inputs(
    auth: Wire, clock: VirtualClock, change: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    one = session(auth, clock)
    before = stored(one, auth, minutes_left=60, **change)
    one.authenticate()
    out = capsys.readouterr().out
    assert out.startswith("Stored tokens are no longer valid, fresh authentication is necessary\n")
    assert one.access_token == "at-1"
    assert len(auth.at(CODE)) == 1
    assert one.token_file.name == ".token"
    assert kept(one)["access_token"] == "at-1"
    # What was there is not lost: a session with those inputs finds it.
    aside = [each for each in one.user_storage_path.iterdir() if each.name.startswith(".token-")]
    assert [json.loads(each.read_text()) for each in aside] == [before]


def test_b10_api_keys(
    auth: Wire, hub: Wire, manager: Wire, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITFOUNT_API_KEY_ID", "h:am")
    monkeypatch.setenv("BITFOUNT_API_KEY", "k:amk")
    one = session(auth, clock, hub, manager)
    assert one.authenticated
    one.authenticate()
    given = {"x-mine": "1"}
    with wire() as other:
        for place in (hub, manager, other):
            one.get(f"{place.url}/api", headers=given)
        (there,) = other.heard
    assert given == {"x-mine": "1"}
    keys = ("x-api-key-id", "x-api-key")
    assert [hub.heard[0].headers[name] for name in keys] == ["h", "k"]
    assert [manager.heard[0].headers[name] for name in keys] == ["h:am", "k:amk"]
    assert not {*keys, "authorization"} & set(there.headers)
    assert "authorization" not in hub.heard[0].headers
    assert one.access_token is None
    assert auth.heard == []
    monkeypatch.delenv("BITFOUNT_API_KEY")  # they were read once
    assert one.api_keys == APIKeys("h:am", "k:amk")
    assert "amk" not in repr(one.api_keys)


def test_b11_somebody_else_signs_in(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [granted(username="mallory"), granted(2, username="bob")])
    one = session(auth, clock, username="bob")
    with pytest.raises(AssertionError, match="'mallory' signed in, but .* for 'bob'") as caught:
        one.authenticate()
    assert isinstance(caught.value, AuthenticatedUserError)
    assert [each.name for each in one.user_storage_path.iterdir()] == [".token.lock"]
    assert not one.authenticated
    assert one.access_token == "at-2"  # asked again, and it is bob now
    assert one.username == "bob"
    assert kept(one)["access_token"] == "at-2"


def test_b11_somebody_else_makes_no_request(auth: Wire, hub: Wire, clock: VirtualClock) -> None:
    """Neither the first one nor the one after a 401."""
    auth.script(TOKEN, [granted(username="mallory")])
    one = session(auth, clock, hub, username="bob")
    with pytest.raises(AuthenticatedUserError, match="'mallory' signed in"):
        one.get(f"{hub.url}/api")
    assert hub.heard == []

    auth.script(TOKEN, [Says(403, {"error": "invalid_grant"}), granted(username="mallory")])
    hub.script("/api", [Says(401)])
    one = session(auth, clock, hub, username="bob")
    stored(one, auth, minutes_left=60, id_token=id_token("bob"))
    with pytest.raises(AuthenticatedUserError, match="'mallory' signed in"):
        one.get(f"{hub.url}/api")
    assert [each.headers["authorization"] for each in hub.heard] == ["Bearer at-0"]
    assert not kept(one)["access_token"]


def test_b11_a_refresh_that_names_somebody_else(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [granted(username="mallory"), granted(2, username="bob")])
    one = session(auth, clock, username="bob")
    stored(one, auth, minutes_left=-1, id_token=id_token("bob"))
    with pytest.raises(AuthenticatedUserError, match="'mallory' signed in"):
        one.authenticate()
    assert auth.at(CODE) == []
    assert one.access_token == "at-2"  # the person is asked, and it is bob
    assert len(auth.at(CODE)) == 1


def test_b12_nobody_else_gets_the_token(
    auth: Wire, hub: Wire, manager: Wire, clock: VirtualClock
) -> None:
    one = session(auth, clock, hub, manager)
    given = {"x-mine": "1"}
    with wire() as other:
        assert one.get(f"{other.url}/api").status_code == 404
        assert auth.heard == []  # nobody had to sign in for that
        for place in (hub, manager, other):
            one.get(f"{place.url}/api", headers=given)
        assert all("authorization" not in each.headers for each in other.heard)
    assert given == {"x-mine": "1"}
    assert hub.heard[0].headers["authorization"] == "Bearer at-1"
    assert manager.heard[0].headers["authorization"] == "Bearer at-1"


@pytest.mark.parametrize(
    "damage", [b"{", b"[]", b"", b"\xff", b"{}", b'{"access_token": "a"}', b"[" * 100_000]
)
def test_b13_a_damaged_file(
    auth: Wire, clock: VirtualClock, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    one = session(auth, clock)
    stored(one, auth, 60)
    one.token_file.write_bytes(damage)
    one.authenticate()
    assert one.access_token == "at-1"
    assert kept(one)["access_token"] == "at-1"
    assert "kept as .token.damaged-" in caplog.text
    (aside,) = (each for each in one.user_storage_path.iterdir() if "damaged" in each.name)
    assert aside.read_bytes() == damage


# What was weak in the original.


def test_no_credential_goes_out_in_the_clear(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = "must be https .http is only for loopback., not http://hub.acme.example"
    with pytest.raises(ValueError, match=f"^hub_urls: {clear}$"):
        BitfountSession(hub_urls=["https://x.example", "http://hub.acme.example"], clock=clock)
    with pytest.raises(ValueError, match=f"^am_urls: {clear}$"):
        BitfountSession(am_urls=["http://hub.acme.example/api"], clock=clock)
    monkeypatch.setenv("BITFOUNT_API_KEY_ID", "id")
    monkeypatch.setenv("BITFOUNT_API_KEY", "key")
    audience = "http://hub.acme.example/api"
    one = BitfountSession("login.acme.example", audience=audience, clock=clock)
    prepared = one.prepare_request(requests.Request("GET", f"{audience}/x"))
    assert "x-api-key" not in prepared.headers
    near = BitfountSession("login.acme.example", audience="http://localhost:1/api", clock=clock)
    prepared = near.prepare_request(requests.Request("GET", "http://localhost:1/api/x"))
    assert prepared.headers["x-api-key"] == "key"


def test_an_origin_is_not_a_prefix(auth: Wire, hub: Wire, clock: VirtualClock) -> None:
    one = session(auth, clock, hub)
    request = requests.Request("GET", f"{hub.url}.evil.example/api")
    with pytest.raises(requests.exceptions.InvalidURL):
        one.prepare_request(request)
    for url in ("https://hub.bitfount.com.evil.example/", "https://hub.bitfount.com@evil.example/"):
        production = BitfountSession(clock=clock)
        prepared = production.prepare_request(requests.Request("GET", url))
        assert "Authorization" not in prepared.headers
    assert auth.heard == []


def test_every_domain_has_its_own_services(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITFOUNT_API_KEY_ID", "id")
    monkeypatch.setenv("BITFOUNT_API_KEY", "key")
    urls = {
        "production": ("https://hub.bitfount.com/x", "https://am.hub.bitfount.com/"),
        "staging": (
            "https://hub.staging.bitfount.com/x",
            "https://am.hub.staging.bitfount.com/",
            "http://localhost:3000/x",
            "http://localhost:3001/x",
        ),
        "other": ("https://api.acme.example/v2/x",),
    }
    sessions = {
        "production": BitfountSession(),
        "staging": BitfountSession("https://Auth.staging.bitfount.com/"),
        "other": BitfountSession("login.acme.example", audience="https://api.acme.example/v1"),
    }
    for name, one in sessions.items():
        for whose, places in urls.items():
            for url in places:
                prepared = one.prepare_request(requests.Request("GET", url))
                assert ("x-api-key" in prepared.headers) == (name == whose), (name, url)


@pytest.mark.parametrize("keys", [True, False])
def test_a_redirect_takes_no_credential_elsewhere(
    auth: Wire,
    hub: Wire,
    manager: Wire,
    clock: VirtualClock,
    keys: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if keys:
        monkeypatch.setenv("BITFOUNT_API_KEY_ID", "id:am")
        monkeypatch.setenv("BITFOUNT_API_KEY", "key:am")
    one = session(auth, clock, hub, manager)
    with wire() as other:
        other.script("/api", [Says(200, b"hello")])
        hub.script("/away", [Says(302, headers={"Location": f"{other.url}/api"})])
        hub.script("/here", [Says(302, headers={"Location": "/api"})])
        assert one.get(f"{hub.url}/away").text == "hello"
        assert one.get(f"{hub.url}/here").text == "hello"
        (there,) = other.heard
    credentials = {"authorization", "x-api-key", "x-api-key-id"}
    assert not credentials & set(there.headers)
    assert all(credentials & set(each.headers) for each in hub.heard)


@pytest.mark.parametrize("away", [TOKEN, CODE])
def test_the_authorization_server_redirects_nobody(
    auth: Wire, clock: VirtualClock, away: str
) -> None:
    with wire() as other:
        auth.script(away, [Says(307, headers={"Location": f"{other.url}{away}"})])
        with pytest.raises(ConnectionError):
            session(auth, clock).authenticate()
        assert other.heard == []


def test_a_refresh_may_leave_things_out(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [granted(2, refresh_token=None, id_token=None, expires_in=None)])
    one = session(auth, clock)
    stored(one, auth, minutes_left=-1)
    one.authenticate()
    assert (one.access_token, one.refresh_token) == ("at-2", "rt-0")
    assert one.username == "alice"
    assert one.access_token_expires_at is None
    assert one.authenticated
    assert kept(one)["refresh_token"] == "rt-0"


def test_a_device_answer_may_leave_things_out(
    auth: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    link = f"{auth.url}/activate"
    auth.script(
        CODE, [Says(200, {"device_code": "dc-1", "user_code": "A", "verification_uri": link})]
    )
    one = session(auth, clock)
    one.authenticate()
    assert opened == [link]
    assert one.token_request_interval == 5


def test_a_short_life_is_long_enough(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [granted(expires_in=300), granted(2, expires_in=300)])
    one = session(auth, clock)
    one.authenticate()
    assert one.authenticated
    for each in (one, session(auth, clock)):  # also for who finds it in the file
        clock.advance(timedelta(seconds=100))
        assert each.access_token == "at-1"
    clock.advance(timedelta(seconds=60))
    assert one.expired
    assert one.access_token == "at-2"
    assert len(auth.at(CODE)) == 1


def test_a_refresh_that_may_have_arrived_is_not_repeated(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [Says(None)])
    one = session(auth, clock)
    before = stored(one, auth, minutes_left=-1)
    with pytest.raises(ConnectionError, match="connection"):
        one.authenticate()
    assert len(auth.at(TOKEN)) == 1
    assert auth.at(CODE) == []
    assert kept(one) == before | {"refresh_sent": True}  # trouble is no reason to forget a sign-in


def test_a_session_that_finds_a_lost_refresh_waits_for_the_end(
    auth: Wire, clock: VirtualClock
) -> None:
    """A second use of a refresh token may end the whole grant (RFC 9700 section 4.14.2)."""
    auth.script(TOKEN, [Says(None), granted(2)])
    one = session(auth, clock)
    stored(one, auth, minutes_left=5)
    for each in (one, session(auth, clock)):
        each.authenticate()
        assert each.access_token == "at-0"
    assert kept(one)["refresh_sent"] is True
    assert len(auth.at(TOKEN)) == 1
    clock.advance(timedelta(minutes=6))
    last = session(auth, clock)
    last.authenticate()
    assert (last.access_token, len(auth.at(TOKEN))) == ("at-2", 2)
    assert "refresh_sent" not in kept(one)


def test_a_refresh_that_was_not_acted_on_leaves_the_file_as_it_was(
    auth: Wire, clock: VirtualClock
) -> None:
    auth.script(TOKEN, [Says(503)])
    one = session(auth, clock)
    before = stored(one, auth, minutes_left=5)
    one.authenticate()
    assert kept(one) == before


def test_a_token_that_lives_is_used_while_the_server_has_trouble(
    auth: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    auth.script(TOKEN, [Says(500)])
    one = session(auth, clock)
    stored(one, auth, minutes_left=5)
    one.authenticate()
    assert one.access_token == "at-0"
    assert opened == []


def test_a_refused_client_is_not_tried_again(auth: Wire, clock: VirtualClock) -> None:
    auth.script(CODE, [Says(401, {"error": "invalid_client"})])
    with pytest.raises(ConnectionError, match="invalid_client"):
        session(auth, clock).authenticate()
    assert len(auth.heard) == 1


def test_a_401_renews_once_and_goes_on(auth: Wire, hub: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [granted(2)])
    one = session(auth, clock, hub)
    stored(one, auth, minutes_left=60)
    hub.script("/api", [Says(401), Says(200, b"hello")])
    assert one.get(f"{hub.url}/api").text == "hello"
    assert [each.headers["authorization"] for each in hub.heard] == ["Bearer at-0", "Bearer at-2"]
    hub.script("/api", [Says(401)])
    auth.script(TOKEN, [Says(403, {"error": "invalid_grant"}), DENIED])
    assert one.get(f"{hub.url}/api").status_code == 401


def test_the_file_of_somebody_else_is_not_used(
    auth: Wire, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    auth.script(TOKEN, [granted(username="bob")])
    one = session(auth, clock, username="bob")
    before = stored(one, auth, minutes_left=60, id_token=id_token("mallory"))
    one.authenticate()
    assert one.access_token == "at-1"
    assert "its tokens are those of 'mallory'" in caplog.text
    (aside,) = (each for each in one.user_storage_path.iterdir() if "damaged" in each.name)
    assert json.loads(aside.read_text()) == before


def test_two_sets_of_inputs_live_side_by_side(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [granted(1), granted(2), granted(3)])
    wide, narrow = session(auth, clock), session(auth, clock, scopes="openid")
    wide.authenticate()
    narrow.authenticate()
    assert [wide.access_token, narrow.access_token] == ["at-1", "at-2"]
    again = session(auth, clock, scopes="offline_access openid profile")  # a scope is a set
    assert again.access_token == "at-1"
    assert session(auth, clock, scopes="openid").access_token == "at-2"
    assert len(auth.at(CODE)) == 2
    assert again.token_file != narrow.token_file
    clock.advance(timedelta(hours=2))
    assert again.access_token == "at-3"
    assert kept(again)["access_token"] == "at-3"
    assert kept(narrow)["access_token"] == "at-2"


@pytest.fixture
def aside(auth: Wire, clock: VirtualClock) -> Path:
    """A file of ``session``'s own inputs, moved by a session with others."""
    one = session(auth, clock)
    stored(one, auth, minutes_left=60)
    auth.script(TOKEN, [granted(9)])
    session(auth, clock, scopes="openid").authenticate()
    (found,) = one.user_storage_path.glob(".token-*")
    auth.script(TOKEN, [granted(1)])
    return found


@pytest.mark.parametrize(("minutes", "wins"), [(120, "at-new"), (30, "at-0")])
def test_of_two_files_for_the_same_inputs_the_later_end_counts(
    minutes: int, wins: str, auth: Wire, clock: VirtualClock, aside: Path
) -> None:
    first = aside.with_name(".token")
    document = json.loads(aside.read_text())
    end = (EPOCH + timedelta(minutes=minutes)).timestamp()
    first.write_text(  # another program signed in
        json.dumps({**document, "access_token": "at-new", "access_token_expires_at": end})
    )
    one = session(auth, clock)
    assert one.access_token == wins
    one._source.try_logout(revoke=False)  # noqa: SLF001
    assert not aside.exists()
    assert one.token_file == first
    assert session(auth, clock).access_token == "at-1"  # what was forgotten does not come back


def test_what_was_moved_comes_back_when_its_place_is_free(
    auth: Wire, clock: VirtualClock, aside: Path
) -> None:
    first = aside.with_name(".token")
    first.unlink()
    clock.advance(timedelta(hours=2))
    one = session(auth, clock)
    assert one.access_token == "at-1"
    assert one.token_file == first
    assert not aside.exists()


def test_an_older_token_does_not_replace_what_was_moved(
    auth: Wire, clock: VirtualClock, aside: Path
) -> None:
    document = json.loads(aside.read_text())
    old = {**document, "access_token": "at-old", "access_token_expires_at": 1}
    aside.with_name(".token").write_text(json.dumps(old))
    session(auth, clock, scopes="profile").authenticate()
    assert session(auth, clock).access_token == "at-0"


def test_the_folder_is_the_person_s(
    auth: Wire, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth.script(TOKEN, [granted(1, username="bob"), granted(2, username="alice")])
    bob, alice = (session(auth, clock, username=name) for name in ("bob", "alice"))
    assert (bob.access_token, alice.access_token) == ("at-1", "at-2")
    assert bob.token_file == tmp_path / "bitfount" / "bob" / ".token"
    monkeypatch.delenv("BITFOUNT_STORAGE_PATH")
    monkeypatch.setenv("BITFOUNT_HOME", str(tmp_path / "home"))
    assert session(auth, clock).token_file == tmp_path / "home" / ".bitfount/_default/.token"
    monkeypatch.delenv("BITFOUNT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert session(auth, clock).user_storage_path == tmp_path / ".bitfount" / "_default"


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_the_files_are_private(auth: Wire, clock: VirtualClock) -> None:
    one = session(auth, clock)
    one.authenticate()
    assert stat.S_IMODE(one.token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(one.user_storage_path.stat().st_mode) == 0o700
    other = session(auth, clock, username="alice")
    stored(other, auth, minutes_left=60)
    other.authenticate()
    assert stat.S_IMODE(other.token_file.stat().st_mode) == 0o600


def test_threads_share_one_sign_in(
    auth: Wire, hub: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    one = session(auth, clock, hub)
    threads = [
        threading.Thread(target=lambda: one.get(f"{hub.url}/api", timeout=10)) for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(opened) == len(auth.at(CODE)) == len(auth.at(TOKEN)) == 1
    assert {each.headers["authorization"] for each in hub.heard} == {"Bearer at-1"}
    assert len(hub.heard) == 8


def test_threads_are_told_together_that_somebody_else_signed_in(
    auth: Wire,
    hub: Wire,
    clock: VirtualClock,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrived: list[None] = []
    all_wait = threading.Event()
    original = Screen.expected

    def expected(self: Screen) -> None:
        original(self)
        arrived.append(None)
        if len(arrived) == 8:
            all_wait.set()

    def late(_: Heard) -> Says:
        all_wait.wait(60)
        return granted(username="mallory")

    monkeypatch.setattr(Screen, "expected", expected)
    auth.script(TOKEN, [late])
    one = session(auth, clock, hub, username="bob")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(one.get, f"{hub.url}/api") for _ in range(8)]
        assert {type(each.exception(10)) for each in asked} == {AuthenticatedUserError}
    assert len(opened) == len(auth.at(TOKEN)) == 1
    assert hub.heard == []
    for later in (lambda: one.get(f"{hub.url}/api"), one.authenticate):
        with pytest.raises(AuthenticatedUserError):
            later()
    assert len(opened) == 3  # who comes later is asked


def test_processes_share_one_refresh(auth: Wire, clock: VirtualClock) -> None:
    auth.script(TOKEN, [granted(2), Says(403, {"error": "invalid_grant"})])
    one = session(auth, clock)
    stored(one, auth, minutes_left=-60 * 24 * 3650)  # the processes know the real time
    program = (
        "import sys\n"
        "from grantflow.compat.bitfount import BitfountSession\n"
        "one = BitfountSession(sys.argv[1], 'client-1')\n"
        "one.authenticate()\n"
        "assert one.access_token == 'at-2'\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, auth.url]) for _ in range(3)]
    assert [each.wait(30) for each in running] == [0, 0, 0]
    assert len(auth.heard) == 1


def test_nothing_tells_a_secret(
    auth: Wire,
    hub: Wire,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    auth.script(TOKEN, [PENDING, granted(), granted(2)])
    one = session(auth, clock, hub)
    with caplog.at_level(logging.DEBUG):
        one.get(f"{hub.url}/api")
        clock.advance(timedelta(hours=2))
        one.get(f"{hub.url}/api")
    assert one.access_token == "at-2"
    said = capsys.readouterr()
    for secret in SECRETS:
        assert secret not in caplog.text + said.out + said.err + repr(one) + repr(vars(one))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(one)


def test_no_frame_of_ours_shows_a_secret(
    auth: Wire, hub: Wire, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reporter of errors sends all local variables away, not only the messages."""
    fails = Failing(monkeypatch)

    echo = Says(403, {"error": "invalid_grant", "error_description": "rt-0, dc-1 and at-0 are bad"})
    for said in (DENIED, Says(200, b"<html>at-1"), Says(403, {"error": "expired_token"}), echo):
        auth.script(TOKEN, [said])
        fails(session(auth, clock).authenticate)
    auth.script(TOKEN, [PENDING, granted(id_token=id_token("mallory-secret"))])
    fails(session(auth, clock, username="bob").authenticate)
    io = ((HTTPAdapter, "send"), (os, "fsync"), (os, "open"), (VirtualClock, "sleep_until"))
    for at, name in (*io, (webbrowser, "open")):
        auth.script(TOKEN, [PENDING, granted()])
        fails(session(auth, clock, username="bob").authenticate, at, name)

    for at, name in io[:3]:
        one = session(auth, clock, hub, username="alice")
        stored(one, auth, minutes_left=-1, later={"token": "at-0"})
        auth.script(TOKEN, [granted(2)])
        fails(one.authenticate, at, name)
    stored(one, auth, minutes_left=60)
    fails(lambda: one.get(f"{hub.url}/api"), HTTPAdapter, "send")
    fails(lambda: one._source.try_logout(revoke=False), os, "fsync")  # noqa: SLF001
    other = session(auth, clock, username="alice", scopes="openid")
    for how in (strikes, disk_full):
        fails(lambda: other._file.save(other._source.key, TOKENS), Path, "replace", how)  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue]
        fails(lambda: one._file.save(one._source.key, TOKENS), os, "fsync", how)  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue]
    one.token_file.write_text('{"access_token": "at-0", "id')
    fails(session(auth, clock, username="alice").authenticate, Path, "rename")

    monkeypatch.setenv("BITFOUNT_API_KEY", "key-secret")
    fails(session(auth, clock).authenticate)
    monkeypatch.setenv("BITFOUNT_API_KEY_ID", "id-secret\n\x01")
    fails(session(auth, clock).authenticate)
    monkeypatch.setenv("BITFOUNT_API_KEY_ID", "id-secret")
    fails(lambda: session(auth, clock, hub).get(f"{hub.url}/api"), HTTPAdapter, "send")
    words = (*SECRETS, "at-0", "rt-0", "id-secret", "key-secret", id_token("alice"))
    assert {place for error in fails.errors for place in shown(error, *words)} == set()


def test_a_caller_s_own_screen_takes_the_place_of_ours(
    auth: Wire, clock: VirtualClock, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    auth.script(TOKEN, [PENDING, SLOW, granted()])
    shown: list[DeviceAuthorization] = []
    one = BitfountSession(auth.url, clock=clock, prompt=shown.append)
    one.authenticate()
    assert [each.user_code for each in shown] == ["ABCD-EFGH"]
    assert one.token_request_interval == 10
    said = capsys.readouterr()
    assert (said.out, said.err, opened) == ("", "", [])


@pytest.mark.parametrize("trouble", [webbrowser.Error("no browser"), OSError(2, "no such file")])
def test_a_browser_that_does_not_open_ends_no_sign_in(
    trouble: Exception,
    auth: Wire,
    clock: VirtualClock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before: list[str] = []

    def broken(url: str) -> bool:
        before.extend(capsys.readouterr().out.splitlines())
        raise trouble

    monkeypatch.setattr(webbrowser, "open", broken)
    one = session(auth, clock)
    one.authenticate()
    assert one.access_token == "at-1"
    assert before[-1] == f"{auth.url}/activate?user_code=ABCD-EFGH"


def test_what_a_terminal_would_obey_is_escaped(
    auth: Wire, clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    auth.script(
        CODE,
        [
            Says(
                200,
                {
                    "device_code": "dc-1",
                    "user_code": "A",
                    "verification_uri": f"{auth.url}/\u202ego",
                },
            )
        ],
    )
    auth.script(TOKEN, [granted(username="mal\x1b[31m")])
    with pytest.raises(AuthenticatedUserError, match=r"mal\\+u001b") as caught:
        session(auth, clock, username="bob").authenticate()
    assert "\x1b" not in str(caught.value)
    assert "\\u202ego" in capsys.readouterr().out


def test_keys_of_which_one_is_missing_are_named(
    auth: Wire, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITFOUNT_API_KEY_ID", "id")
    with pytest.raises(AuthEnvironmentError, match=r"^BITFOUNT_API_KEY is not set, but"):
        session(auth, clock).authenticate()
    monkeypatch.setenv("BITFOUNT_API_KEY", "k\nx")
    with pytest.raises(AuthEnvironmentError, match=r"^BITFOUNT_API_KEY has characters"):
        assert session(auth, clock).authenticated
    assert issubclass(AuthEnvironmentError, BitfountError)
    assert auth.heard == []


@pytest.mark.parametrize("username", ["", "..", "a/b", "a\\b"])
def test_a_name_that_leads_elsewhere_is_refused(
    auth: Wire, clock: VirtualClock, username: str
) -> None:
    with pytest.raises(ValueError, match=r"^username: one name is needed"):
        session(auth, clock, username=username)


def test_a_domain_that_is_none_is_named(clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match=r"^auth_domain: must be https"):
        BitfountSession("http://auth.bitfount.com")


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.!.c", "e30.W10.", "e30.e30.", "a.\u00e9.b"])
def test_an_id_token_that_names_nobody(auth: Wire, clock: VirtualClock, text: str) -> None:
    auth.script(TOKEN, [granted(id_token=text or None)])
    one = session(auth, clock)
    if text.isascii():
        one.authenticate()
        assert session(auth, clock, username="bob").access_token == "at-1"
    with pytest.raises(AuthenticatedUserError, match="no name is known"):
        assert one.username


def test_the_last_code_is_known(auth: Wire, clock: VirtualClock) -> None:
    one = session(auth, clock)
    nothing = (
        one.device_code,
        one.device_code_arrival_time,
        one.device_code_expires_in,
        one.device_code_expires_at,
        one.token_request_interval,
        one.id_token,
        one.refresh_token,
        one.access_token_expires_at,
    )
    assert nothing == (None,) * len(nothing)
    clock.advance(timedelta(minutes=1))
    one.authenticate()
    arrived = EPOCH + timedelta(minutes=1)
    assert one.device_code == "dc-1"
    assert one.device_code_arrival_time == arrived
    assert one.device_code_expires_in == 600
    assert one.device_code_expires_at == arrived + timedelta(minutes=10)
    assert one.token_request_interval == 5
    assert one.id_token == id_token("alice")
    assert one.refresh_token == "rt-1"
    assert one.access_token_expires_at == clock.now().wall + timedelta(hours=1)


def test_nobody_waits_for_ever(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[object] = []

    def send(
        self: HTTPAdapter,
        request: requests.PreparedRequest,
        stream: bool,
        timeout: object,
        *_: object,
    ) -> requests.Response:
        waited.append(timeout)
        raise requests.ConnectionError

    monkeypatch.setattr(HTTPAdapter, "send", send)
    one = BitfountSession(clock=clock)
    for timeout in (None, 3):
        with pytest.raises(requests.ConnectionError):
            one.get("https://elsewhere.example", timeout=timeout)
    assert waited == [20.0, 3]
