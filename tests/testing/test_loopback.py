"""The scripted server behind HTTP: real sockets, real time, and a person with a browser."""

from __future__ import annotations

import http.client
import logging
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from traceback import walk_stack
from typing import Final, cast

import pytest
import requests

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    Denied,
    DeviceFlow,
    Failed,
    Fault,
    Pending,
    Provider,
    RefreshFlow,
    Request,
    Response,
    Secret,
    run,
)
from grantflow.core.flows.states import DeviceState
from grantflow.shell.http.requests import RequestsTransport
from grantflow.testing import (
    Loopback,
    Outage,
    Script,
    Server,
    VirtualClock,
    answer,
    serve,
)
from grantflow.testing.loopback.http import IDLE_SECONDS, LARGEST_BODY

SECOND: Final = timedelta(seconds=1)
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"

Json = Mapping[str, object]


@pytest.fixture(scope="module")
def shared() -> Iterator[Loopback]:
    """A server that every test may use which needs no other script."""
    with serve(Script(interval=SECOND)) as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy and no .netrc between us and loopback
        yield session


def post(
    browser: requests.Session,
    url: str,
    data: Mapping[str, str] | None = None,
    *,
    json: Mapping[str, str | list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> requests.Response:
    return browser.post(url, data=data, json=json, headers=headers, timeout=10)


def get(browser: requests.Session, url: str, **headers: str) -> requests.Response:
    return browser.get(url, headers=headers, timeout=10)


def port_of(running: Loopback) -> int:
    return int(running.issuer.rpartition(":")[2])


def issued(browser: requests.Session, running: Loopback, **form: str) -> dict[str, str]:
    """A device authorization for the client ``app``."""
    answered = post(browser, f"{running.issuer}/device", {"client_id": "app"} | form)
    assert answered.status_code == 200
    return cast("dict[str, str]", answered.json())


def tokens(browser: requests.Session, running: Loopback) -> dict[str, str]:
    """The tokens of a sign-in that was approved at once."""
    code = issued(browser, running)
    running.approve(code["user_code"])
    form = {"client_id": "app", "grant_type": DEVICE_CODE, "device_code": code["device_code"]}
    while (answered := post(browser, f"{running.issuer}/token", form)).status_code != 200:
        assert answered.json()["error"] == "slow_down"
        time.sleep(0.05)
    return cast("dict[str, str]", answered.json())


@pytest.fixture(scope="module")
def hasty() -> Iterator[Loopback]:
    """A server that lets a device poll as often as it likes."""
    with serve(Script(interval=timedelta(microseconds=1))) as running:
        yield running


def test_importing_the_testing_package_loads_no_http_server() -> None:
    code = "import sys, grantflow.testing as t; a = 'http.server' in sys.modules; t.serve; "
    code += "print(a, 'http.server' in sys.modules, 'serve' in dir(t))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.split() == ["False", "True", "True"]


# Flows


def test_a_device_flow_on_a_real_socket() -> None:
    with serve(Script(interval=SECOND)) as running:
        waited = list[timedelta]()

        def approve(state: DeviceState) -> None:
            if isinstance(state, Pending):
                waited.append(state.interval)
                running.approve(state.authorization.user_code)

        flow = DeviceFlow(Client(provider=running.provider, client_id="app", scope="a b"))
        final = run(flow, watch=approve)
        assert isinstance(final, Authorized)
        assert final.token.scope == ("a", "b")
        assert waited == [SECOND]
        assert dict(running.server.counts) == {"device": 1, "poll": 1}
        assert running.requests == 2


def test_a_person_who_denies() -> None:
    with serve(Script(interval=SECOND)) as running:

        def deny(state: DeviceState) -> None:
            if isinstance(state, Pending):
                running.deny(state.authorization.user_code)

        final = run(DeviceFlow(Client(provider=running.provider, client_id="app")), watch=deny)
        assert isinstance(final, Failed)
        assert isinstance(final.error, Denied)


def test_a_device_flow_in_virtual_time() -> None:
    clock = VirtualClock()
    script = Script(approve_after=timedelta(seconds=12), latency=timedelta(hours=1))
    with serve(script, clock=clock) as running:
        final = run(DeviceFlow(Client(provider=running.provider, client_id="app")), clock=clock)
        assert isinstance(final, Authorized)
        assert clock.slept == [timedelta(seconds=5)] * 3
        assert running.server.epoch == datetime(2026, 1, 1, tzinfo=UTC)


def test_virtual_time_goes_on_where_it_is() -> None:
    clock = VirtualClock()
    clock.advance(timedelta(hours=1))
    with serve(clock=clock) as running, requests.Session() as session:
        code = issued(session, running)["user_code"]
        found = running.server.sign_in(code)
        assert found is not None
        assert found.issued_at == timedelta(hours=1)
        assert running.server.epoch == datetime(2026, 1, 1, tzinfo=UTC)
        clock.advance(timedelta(minutes=10))
        with pytest.raises(LookupError, match=f"'{code}': expired"):
            running.approve(code)


def test_client_credentials_and_refresh_through_the_library(hasty: Loopback) -> None:
    client = Client(provider=hasty.provider, client_id="app")
    assert isinstance(run(ClientCredentialsFlow(client)), Authorized)
    with requests.Session() as browser:
        first = tokens(browser, hasty)
    final = run(RefreshFlow(client, first["refresh_token"]))
    assert isinstance(final, Authorized)
    assert final.token.refresh_token not in (None, Secret(first["refresh_token"]))


def test_refresh_rotates_and_reuse_ends_the_grant(
    hasty: Loopback, browser: requests.Session
) -> None:
    first = tokens(browser, hasty)
    form = {"client_id": "app", "grant_type": "refresh_token"}
    old = form | {"refresh_token": first["refresh_token"]}
    second = post(browser, f"{hasty.issuer}/token", old).json()
    assert second["refresh_token"] != first["refresh_token"]
    reused = post(browser, f"{hasty.issuer}/token", old)
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    new = form | {"refresh_token": second["refresh_token"]}
    ended = post(browser, f"{hasty.issuer}/token", new)
    assert (ended.status_code, ended.json()["error"]) == (400, "invalid_grant")
    assert hasty.server.counts["reuse"] == 1


def test_revoke_introspect_and_userinfo(hasty: Loopback, browser: requests.Session) -> None:
    granted = tokens(browser, hasty)
    bearer = {"Authorization": f"Bearer {granted['access_token']}"}
    introspect = {"client_id": "app", "token": granted["access_token"]}
    told = post(browser, f"{hasty.issuer}/introspect", introspect).json()
    assert (told["active"], told["sub"], told["client_id"]) == (True, "alice", "app")
    # The server's time is real: the token ends an hour from now.
    assert abs(told["exp"] - (time.time() + 3600)) < 30
    assert get(browser, f"{hasty.issuer}/userinfo", **bearer).json()["sub"] == "alice"
    revoke = {"client_id": "app", "token": granted["refresh_token"]}
    assert post(browser, f"{hasty.issuer}/revoke", revoke).status_code == 200
    assert post(browser, f"{hasty.issuer}/introspect", introspect).json() == {"active": False}
    refused = get(browser, f"{hasty.issuer}/userinfo", **bearer)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


def test_the_metadata_document_makes_a_provider(
    shared: Loopback, browser: requests.Session
) -> None:
    answered = get(browser, f"{shared.issuer}/.well-known/oauth-authorization-server")
    assert answered.headers["Content-Type"] == "application/json"
    assert Provider.from_metadata(answered.json()).unwrap() == shared.provider
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", shared.issuer)


def test_it_forgets_nothing_that_it_started_with() -> None:
    script = Script(clients={"app": "s3cret"}, interval=timedelta(microseconds=1))
    before = Server(script)
    ask = Request("/device", form={"client_id": "app", "client_secret": "s3cret"})
    before, reply = answer(before, ask, timedelta())
    assert isinstance(reply, Response)
    user_code = next(before.sign_ins.values()).user_code
    with serve(before) as running:
        running.approve(user_code)
        found = running.server.sign_in(user_code)
        assert found is not None
        assert found.verdict == "approved"


def test_codes_cannot_be_guessed_whatever_the_seed() -> None:
    with serve(Server(seed="known")) as one, serve(Server(seed="known")) as other:
        assert len({one.server.seed, other.server.seed, "known"}) == 3


# The person without a page


def test_deciding_about_a_code_that_nobody_waits_for_is_a_mistake(
    shared: Loopback, browser: requests.Session
) -> None:
    with pytest.raises(LookupError, match="'BBBB-BBBB': unknown"):
        shared.approve("BBBB-BBBB")
    code = issued(browser, shared)["user_code"]
    shared.deny(code)
    with pytest.raises(LookupError, match=f"'{code}': denied"):
        shared.approve(code)


# HTTP


def test_json_objects_are_read_as_forms_are(shared: Loopback, browser: requests.Session) -> None:
    answered = post(
        browser,
        f"{shared.issuer}/device",
        json={"client_id": "app", "scope": "a b", "resource": ["x", "y"], "audience": ""},
    )
    found = shared.server.sign_in(answered.json()["user_code"])
    assert found is not None
    assert (found.client_id, found.scope) == ("app", "a b")


def test_a_parameter_without_a_value_is_omitted(
    shared: Loopback, browser: requests.Session
) -> None:
    url = f"{shared.issuer}/device"
    for answered in (
        post(browser, url, {"client_id": "", "scope": "a"}),
        post(browser, url, json={"client_id": "", "scope": "a"}),
    ):
        assert (answered.status_code, answered.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[]", "application/json"),
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 5000, "application/json"),
        (b'{"client_id": 5}', "application/json"),
        (b'{"client_id": ["a", null]}', "application/json"),
        (b"client_id=app", "text/plain"),
        (b"client_id=app", "multipart/form-data"),
    ],
)
def test_a_body_of_another_kind_is_an_invalid_request(
    shared: Loopback, browser: requests.Session, body: bytes, content_type: str
) -> None:
    answered = browser.post(
        f"{shared.issuer}/device", data=body, headers={"Content-Type": content_type}, timeout=10
    )
    assert (answered.status_code, answered.json()["error"]) == (400, "invalid_request")


def test_the_client_may_authenticate_with_basic(browser: requests.Session) -> None:
    with serve(Script(clients={"app": "s3cret"})) as running:
        form = {"grant_type": "client_credentials"}
        right = {"Authorization": f"Basic {b64encode(b'app:s3cret').decode()}"}
        wrong = {"Authorization": f"Basic {b64encode(b'app:guess').decode()}"}
        url = f"{running.issuer}/token"
        assert post(browser, url, form, headers=right).status_code == 200
        refused = post(browser, url, form, headers=wrong)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert "WWW-Authenticate" in refused.headers


def test_other_paths_and_methods_are_refused(shared: Loopback, browser: requests.Session) -> None:
    assert get(browser, f"{shared.issuer}/nowhere").status_code == 404
    assert get(browser, f"{shared.issuer}/token").status_code == 405
    assert browser.put(f"{shared.issuer}/token", timeout=10).status_code == 501
    assert browser.options(f"{shared.issuer}/token", timeout=10).status_code == 501
    headed = browser.head(f"{shared.issuer}/activate", timeout=10)
    assert (headed.status_code, headed.content) == (200, b"")
    assert int(headed.headers["Content-Length"]) > 0


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 4 * 1024 * 1024])
def test_a_body_that_is_too_large_is_refused(
    shared: Loopback, browser: requests.Session, size: int
) -> None:
    before = shared.requests
    answered = post(browser, f"{shared.issuer}/device", {"client_id": "x" * size})
    assert answered.status_code == 413
    assert answered.headers["Connection"] == "close"
    assert shared.requests == before


def test_the_refusal_is_heard_by_who_sends_everything_first(shared: Loopback) -> None:
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", port_of(shared))
        try:
            connection.request("POST", "/device", body=b"x" * 1_000_000)
            assert connection.getresponse().status == 413
        finally:
            connection.close()


def test_the_largest_body_is_read(shared: Loopback, browser: requests.Session) -> None:
    name = "x" * (LARGEST_BODY - len("client_id="))
    assert post(browser, f"{shared.issuer}/device", {"client_id": name}).status_code == 200


def spoken(running: Loopback, text: bytes) -> bytes:
    """What the server says to raw bytes, until it hangs up."""
    address = ("127.0.0.1", port_of(running))
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


HOST: Final = b"Host: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / and more HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"421"),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", b"421"),
        (b"GET / HTTP/1.1\r\nHost: [\r\n\r\n", b"421"),
        (b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n", b"400"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
    ],
)
def test_what_is_no_request_for_it_is_refused(shared: Loopback, said: bytes, status: bytes) -> None:
    assert spoken(shared, said).split(b"\n")[0].split()[1] == status


def test_half_a_request_gets_no_answer(shared: Loopback) -> None:
    before = shared.requests
    assert spoken(shared, b"") == b""
    half = b"POST /device HTTP/1.1\r\n" + HOST + b"Content-Length: 99\r\n\r\nclient_id=app"
    assert spoken(shared, half) == b""
    assert shared.requests == before


def test_a_client_may_wait_for_leave_to_send(shared: Loopback) -> None:
    ask = b"POST /device HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n"
    ask += b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\n\r\n"
    heard = spoken(shared, ask + b"client_id=app")
    assert heard.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 200 OK" in heard


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.1", ""])
@pytest.mark.parametrize("path", ["/", "/activate", "/userinfo"])
def test_a_name_that_is_not_loopback_is_refused(
    shared: Loopback, browser: requests.Session, host: str, path: str
) -> None:
    assert get(browser, f"{shared.issuer}{path}", Host=host).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "[::1]:80", "app.localhost"])
def test_every_name_of_loopback_is_served(
    shared: Loopback, browser: requests.Session, host: str
) -> None:
    assert get(browser, f"{shared.issuer}/", Host=host).status_code == 200


def test_an_outage_closes_the_connection_without_an_answer(browser: requests.Session) -> None:
    whole = Outage(timedelta(), timedelta(hours=1))
    with serve(Script(outages=(whole,))) as running:
        with pytest.raises(requests.ConnectionError):
            post(browser, f"{running.issuer}/device", {"client_id": "app"})
        with requests.Session() as session:
            reply = RequestsTransport(session)(Request(f"{running.issuer}/token"))
        assert isinstance(reply, Fault)
        assert reply.reached == "maybe"
        assert running.server.counts["outage"] == 2


def test_an_outage_may_answer_what_it_likes(browser: requests.Session) -> None:
    busy = Response(503, {"Retry-After": "7", "Content-Length": "999"}, b"busy")
    with serve(Script(outages=(Outage(timedelta(), timedelta(hours=1), busy),))) as running:
        answered = get(browser, f"{running.issuer}/userinfo")
        assert (answered.status_code, answered.content) == (503, b"busy")
        assert answered.headers["Retry-After"] == "7"


def test_latency_is_waited_for(browser: requests.Session) -> None:
    with serve(Script(latency=timedelta(milliseconds=200))) as running:
        before = time.monotonic()
        get(browser, f"{running.issuer}/userinfo")
        assert time.monotonic() - before >= 0.2


def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grantflow.testing.loopback.http.Connection.timeout", 0.1)
    with serve() as running:
        address = ("127.0.0.1", port_of(running))
        with socket.create_connection(address, timeout=10) as connection:
            assert connection.recv(1) == b""


def test_many_at_once_are_answered_one_after_the_other(hasty: Loopback) -> None:
    def ask(_: int) -> str:
        with requests.Session() as session:
            return issued(session, hasty)["user_code"]

    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(ask, range(64)))) == 64


def test_the_connection_is_kept_for_the_next_request(shared: Loopback) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(shared))
    try:
        connection.connect()
        kept = connection.sock
        for _ in range(2):
            connection.request("GET", "/userinfo")
            connection.getresponse().read()
            assert connection.sock is kept
    finally:
        connection.close()


# Starting and stopping


def test_it_leaves_no_thread_and_no_port_behind() -> None:
    before = set(threading.enumerate())
    running = serve()
    port = port_of(running)
    with socket.create_connection(("127.0.0.1", port)), requests.Session() as session:
        get(session, f"{running.issuer}/userinfo")
        started = time.monotonic()
        running.close()
        assert time.monotonic() - started < IDLE_SECONDS, "an idle connection is not waited for"
        running.close()
        assert set(threading.enumerate()) <= before
        with pytest.raises(requests.ConnectionError):
            get(session, f"{running.issuer}/userinfo")
    with serve(port=port) as again:
        assert again.issuer == running.issuer


def answering() -> bool:
    """Whether a request has come in and waits for the latency to pass."""
    stacks = [walk_stack(frame) for frame in sys._current_frames().values()]
    return any(frame.f_code.co_name == "_reply" for stack in stacks for frame, _ in stack)


def test_closing_cuts_latency_short_and_finishes_what_is_being_answered() -> None:
    with requests.Session() as session, ThreadPoolExecutor(1) as threads:
        running = serve(Script(latency=timedelta(minutes=2)))
        answered = threads.submit(get, session, f"{running.issuer}/userinfo")
        while not answering():
            time.sleep(0.01)
        running.close()
        reply = answered.result(timeout=60)
        assert (reply.status_code, reply.headers["Connection"]) == (401, "close")


def test_a_port_must_be_a_port_and_free() -> None:
    with pytest.raises(ValueError, match="port: a number from 0 to 65535"):
        serve(port=65536)
    with serve() as running, pytest.raises(OSError, match="in use"):
        serve(port=port_of(running))


# The page


def test_the_front_page_leads_to_the_approval_page(
    shared: Loopback, browser: requests.Session
) -> None:
    answered = get(browser, f"{shared.issuer}/")
    assert '<a href="/activate">' in answered.text
    assert shared.issuer in answered.text
    assert "default-src 'none'" in answered.headers["Content-Security-Policy"]
    assert get(browser, f"{shared.issuer}/activate").status_code == 200


def opened(browser: requests.Session, code: Mapping[str, str]) -> dict[str, str]:
    """The hidden fields of the page behind ``verification_uri_complete``."""
    answered = get(browser, code["verification_uri_complete"])
    assert answered.status_code == 200
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answered.text))


@pytest.mark.parametrize("verdict", ["approved", "denied"])
def test_a_person_decides_on_the_page(
    shared: Loopback, browser: requests.Session, verdict: str
) -> None:
    code = issued(browser, shared)
    form = opened(browser, code) | {"verdict": verdict}
    answered = post(browser, f"{shared.issuer}/activate", form)
    assert answered.status_code == 200
    assert f"<h1>{verdict.capitalize()}</h1>" in answered.text
    found = shared.server.sign_in(code["user_code"])
    assert found is not None
    assert found.verdict == verdict


def undecided(running: Loopback, user_code: str) -> bool:
    found = running.server.sign_in(user_code)
    return found is not None and found.verdict is None


def test_a_get_does_not_approve(shared: Loopback, browser: requests.Session) -> None:
    code = issued(browser, shared)
    form = opened(browser, code) | {"verdict": "approved"}
    answered = browser.get(f"{shared.issuer}/activate", params=form, timeout=10)
    assert answered.text.count("<button") == 2
    assert undecided(shared, code["user_code"])


@pytest.mark.parametrize(
    "told",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_form_of_another_site_is_refused(
    shared: Loopback, browser: requests.Session, told: dict[str, str]
) -> None:
    code = issued(browser, shared)
    form = opened(browser, code) | {"verdict": "approved"}
    assert post(browser, f"{shared.issuer}/activate", form, headers=told).status_code == 403
    assert undecided(shared, code["user_code"])


def test_a_form_needs_the_key_that_only_this_server_s_page_holds(
    shared: Loopback, hasty: Loopback, browser: requests.Session
) -> None:
    code = issued(browser, shared)
    form = opened(browser, code) | {"verdict": "approved"}
    url = f"{shared.issuer}/activate"
    for wrong in ("", "0" * 43, opened(browser, issued(browser, hasty))["key"]):
        assert post(browser, url, form | {"key": wrong}).status_code == 403
    assert undecided(shared, code["user_code"])
    assert post(browser, url, form).status_code == 200


def test_what_a_client_calls_itself_is_escaped(shared: Loopback, browser: requests.Session) -> None:
    code = issued(
        browser, shared, client_id="<script>alert(1)</script>", scope="<script>x</script>"
    )
    text = get(browser, code["verification_uri_complete"]).text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;script&gt;x&lt;/script&gt;" in text


# Silence


def test_nothing_that_a_client_says_is_printed(
    hasty: Loopback, browser: requests.Session, capfd: pytest.CaptureFixture[str]
) -> None:
    tokens(browser, hasty)
    get(browser, f"{hasty.issuer}/activate?user_code=s3cret")
    get(browser, f"{hasty.issuer}/s3cret", Authorization="Bearer s3cret")
    post(browser, f"{hasty.issuer}/token", {"client_id": "a", "client_secret": "s3cret"})
    spoken(hasty, b"s3cret\r\n\r\n")
    assert capfd.readouterr() == ("", "")


def test_a_client_that_goes_away_is_no_failure(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(Script(latency=timedelta(milliseconds=100))) as running:
        address = ("127.0.0.1", port_of(running))
        for _ in range(3):
            with socket.create_connection(address, timeout=10) as connection:
                # Not even a goodbye: the connection is reset while the answer is made.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
                time.sleep(0.02)
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_a_failure_of_its_own_is_told_without_what_was_said(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    browser: requests.Session,
) -> None:
    def broken(server: Server, request: Request, at: timedelta) -> tuple[Server, Response]:
        raise RuntimeError(f"cannot answer {request.url}")

    monkeypatch.setattr("grantflow.testing.loopback.loopback.answer", broken)
    with (
        caplog.at_level(logging.ERROR, "grantflow"),
        serve() as running,
        pytest.raises(requests.ConnectionError),
    ):
        get(browser, f"{running.issuer}/s3cret")
    assert "the loopback server failed: RuntimeError" in caplog.text
    assert "in _answered" in caplog.text
    assert "s3cret" not in caplog.text
