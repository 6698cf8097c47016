"""flytekit's token client: its own scenarios, and what was wrong with it, on real sockets.

F1 to F8, F11, F12, F21 and a half of F20 are the tests of ``token_client`` and of what is told it.
``test_compat_flytekit_callers`` has those of its callers, by what stands in for them here.
"""

from __future__ import annotations

import base64
import dataclasses
import pickle
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
import requests

from grantflow import (
    Client,
    Denied,
    Expired,
    Failed,
    GrantError,
    InvalidResponse,
    MemoryStore,
    Provider,
    Refused,
    Secret,
    SlowDownAsked,
    StillPending,
    TokenSource,
    Unreachable,
)
from grantflow.compat.flytekit import (
    AccessTokenNotFoundError,
    AuthenticationError,
    AuthenticationPending,
    DeviceCodeResponse,
    GrantType,
    error_auth_pending,
    error_slow_down,
    get_basic_authorization_header,
    get_device_code,
    get_token,
    poll_token_endpoint,
    utf_8,
)
from grantflow.shell.http.requests import RequestsTransport
from grantflow.testing import Script, VirtualClock, serve
from tests.interop.pki import issue
from tests.support.error_reports import reported
from tests.support.samples import seconds
from tests.support.wire_stage import HANGS_UP, PENDING, SILENT, TOKEN, Said, wired

CODE = {
    "device_code": "dc-secret",
    "user_code": "BNDJJFXL",
    "verification_uri": "https://idp.example/device",
    "expires_in": 600,
    "interval": 5,
}
HTML = "<html>Bad gateway</html>"


def code(expires_in: int = 600, interval: int = 5) -> DeviceCodeResponse:
    return DeviceCodeResponse("dc-secret", "BNDJJFXL", "https://idp.example", expires_in, interval)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_the_words_are_flytekit_s() -> None:
    assert (utf_8, error_slow_down, error_auth_pending) == (
        "utf-8",
        "slow_down",
        "authorization_pending",
    )
    assert [each.value for each in GrantType] == [
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "refresh_token",
    ]
    assert GrantType("refresh_token") is GrantType.REFRESH_TOKEN
    assert str(GrantType.CLIENT_CREDS) == "GrantType.CLIENT_CREDS"
    for error in (AuthenticationError, AuthenticationPending, AccessTokenNotFoundError):
        assert issubclass(error, RuntimeError)
    assert not issubclass(AuthenticationPending, AuthenticationError)


def test_f1_the_basic_header() -> None:
    assert get_basic_authorization_header("client_id", "abc") == "Basic Y2xpZW50X2lkOmFiYw=="


def test_f2_the_basic_header_of_special_characters() -> None:
    header = get_basic_authorization_header("client_id", "abc%%$?\\/\\/")
    pair = base64.b64decode(header.removeprefix("Basic ")).decode()
    assert pair == "client_id:abc%25%25%24%3F%5C%2F%5C%2F"


def test_an_id_with_a_colon_stays_one_id() -> None:
    header = get_basic_authorization_header("id:with colon", "p q")
    assert base64.b64decode(header.removeprefix("Basic ")) == b"id%3Awith+colon:p+q"


def test_f3_a_token() -> None:
    with wired(Said(200, {"access_token": "abc", "expires_in": 60})) as wire:
        found = get_token(wire.url, client_id="abc123", scopes=["my_scope"])
    assert found == ("abc", None, 60)
    (asked,) = wire.asked
    assert asked.method == "POST"
    assert asked.form == {
        "grant_type": "client_credentials",
        "client_id": "abc123",
        "scope": "my_scope",
    }
    assert asked.headers["cache-control"] == "no-cache"
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


def test_f4_a_token_with_a_refresh_token() -> None:
    body = {"access_token": "abc", "refresh_token": "def", "expires_in": 60}
    with wired(Said(200, body)) as wire:
        assert get_token(wire.url, client_id="abc123") == ("abc", "def", 60)


def test_f5_a_code_is_refused() -> None:
    refusal = {"error": "unauthorized_client", "error_description": "not for devices"}
    with wired(Said(400, refusal)) as wire, pytest.raises(AuthenticationError) as caught:
        get_device_code(wire.url, "test")
    assert str(caught.value) == (
        "Unable to retrieve Device Authentication Code for test, Reason "
        "the server refused: unauthorized_client (not for devices)"
    )
    assert isinstance(caught.value.problem, Failed)


def test_f6_a_code() -> None:
    with wired(Said(200, CODE)) as wire:
        found = get_device_code(wire.url, "test", audience="aud", scope=["a", "b"])
    assert found == DeviceCodeResponse(**CODE)  # type: ignore[arg-type]
    assert wire.asked[0].form == {"client_id": "test", "audience": "aud", "scope": "a b"}


def test_f7_a_code_that_nobody_approves(
    clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    with wired(PENDING) as wire, pytest.raises(AuthenticationError) as caught:
        poll_token_endpoint(code(1, 1), wire.url, "test", clock=clock)
    assert str(caught.value).startswith("Authentication failed!")
    assert caught.value.problem == Expired()
    assert len(wire.asked) == 1
    with wired(PENDING) as wire, pytest.raises(AuthenticationError, match="Authentication failed!"):
        poll_token_endpoint(code(21, 5), wire.url, "test", clock=clock)
    assert len(wire.asked) == 4
    assert capsys.readouterr().out == "Authentication Pending...\n" * 3


@pytest.mark.parametrize("interval", [0, 1])
def test_f8_polling(interval: int, clock: VirtualClock, capsys: pytest.CaptureFixture[str]) -> None:
    with wired(Said(200, {"access_token": "abc", "expires_in": 60})) as wire:
        found = poll_token_endpoint(code(1, interval), wire.url, "test", clock=clock)
    assert found == ("abc", None, 60)
    assert capsys.readouterr().out == "Authentication successful!\n"
    assert wire.asked[0].form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "dc-secret",
        "client_id": "test",
    }


def test_a_whole_sign_in(clock: VirtualClock, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(Script(approve_after=seconds(12)), clock=clock) as loopback:
        found = get_device_code(f"{loopback.issuer}/device", "app", scope=["read", "write"])
        assert found.verification_uri == f"{loopback.issuer}/activate"
        assert found.verification_uri_complete is not None
        access, refresh, life = poll_token_endpoint(
            found, f"{loopback.issuer}/token", "app", scopes=["read", "write"], clock=clock
        )
        renewed = get_token(
            f"{loopback.issuer}/token",
            client_id="app",
            scopes=["read", "write"],
            grant_type=GrantType.REFRESH_TOKEN,
            refresh_token=refresh,
        )
    assert access.startswith("at-")
    assert life == 3600
    assert renewed[0] != access
    assert renewed[1] != refresh
    assert clock.slept == [seconds(5)] * 3
    out = capsys.readouterr().out
    assert out == "Authentication Pending...\n" * 2 + "Authentication successful!\n"


def test_scope_and_audience_go_with_every_request() -> None:
    with wired(TOKEN) as wire:
        for grant_type in GrantType:
            get_token(
                wire.url,
                ["a", "b"],
                None,
                "app",
                "dc-secret",
                "aud",
                grant_type,
                refresh_token="rt-1",
            )
    assert [asked.form["scope"] for asked in wire.asked] == ["a b"] * 3
    assert [asked.form["audience"] for asked in wire.asked] == ["aud"] * 3
    assert [asked.form["client_id"] for asked in wire.asked] == ["app"] * 3
    assert "refresh_token" not in wire.asked[0].form
    assert wire.asked[1].form["device_code"] == "dc-secret"
    assert wire.asked[2].form["refresh_token"] == "rt-1"


def test_scopes_that_came_as_the_text_of_a_list() -> None:
    with wired(TOKEN) as wire:
        get_token(wire.url, scopes=["['a'", "'b']"], client_id="app")
        get_token(wire.url, scopes="read write", client_id="app")
        get_token(wire.url, scopes=[], audience="", client_id="app")
    assert [asked.form.get("scope") for asked in wire.asked] == ["a b", "read write", None]
    assert wire.asked[-1].body == "grant_type=client_credentials&client_id=app"


def test_f11_a_machine_s_own_token() -> None:
    with serve(Script(clients={"machine": "s3cret%"})) as loopback:
        endpoint = f"{loopback.issuer}/token"
        header = get_basic_authorization_header("machine", "s3cret%")
        access, refresh, life = get_token(endpoint, ["all"], header)
        assert access.startswith("at-")
        assert (refresh, life) == (None, 3600)


def test_what_is_refused_is_not_asked_for_again() -> None:
    with serve(Script(clients={"machine": "s3cret%"})) as loopback:
        header = get_basic_authorization_header("machine", "wrong")
        with pytest.raises(AuthenticationError) as caught:
            get_token(f"{loopback.issuer}/token", ["all"], header)
        assert loopback.requests == 1
    assert str(caught.value) == (
        "Status Code (401) received from IDP: the server refused: invalid_client "
        "(wrong id or secret)"
    )
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, Refused)


def test_without_a_name_none_is_sent() -> None:
    header = get_basic_authorization_header("machine", "s3cret")
    with wired(TOKEN) as wire:
        for grant_type in GrantType:
            get_token(
                wire.url,
                authorization_header=header,
                device_code="dc-secret",
                grant_type=grant_type,
                refresh_token="rt-1",
            )
    assert ["client_id" in asked.form for asked in wire.asked] == [False] * 3
    assert [asked.headers["authorization"] for asked in wire.asked] == [header] * 3


@pytest.mark.parametrize(
    ("error", "event"), [("authorization_pending", StillPending), ("slow_down", SlowDownAsked)]
)
@pytest.mark.parametrize("status", [400, 403, 429, 200])
def test_pending_and_slow_down_are_told_apart(
    error: str, event: type[StillPending | SlowDownAsked], status: int
) -> None:
    """By the code in the body, whatever the status."""
    with wired(Said(status, {"error": error})) as wire, pytest.raises(AuthenticationPending) as got:
        get_token(
            wire.url, client_id="app", device_code="dc-secret", grant_type=GrantType.DEVICE_CODE
        )
    assert str(got.value) == f"Token not yet available, try again in some time {error}"
    assert isinstance(got.value.event, event)


MACHINES = (GrantType.CLIENT_CREDS, GrantType.REFRESH_TOKEN)


@pytest.mark.parametrize("grant_type", MACHINES)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_wants_to_be_asked_later(status: int, grant_type: GrantType) -> None:
    """Nobody is waited for, so nothing is pending."""
    busy = Said(status, HTML, {"Retry-After": "7"})
    with wired(busy) as wire, pytest.raises(AuthenticationError) as caught:
        get_token(wire.url, client_id="app", grant_type=grant_type, refresh_token="rt-1")
    assert str(caught.value) == ("server error: the server asked to wait; ask again in 7 s")
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, Unreachable)
    assert caught.value.problem.error.fault.retry_after == seconds(7)
    assert len(wire.asked) == 1


@pytest.mark.parametrize("grant_type", MACHINES)
@pytest.mark.parametrize("error", ["authorization_pending", "slow_down"])
def test_only_a_person_is_waited_for(error: str, grant_type: GrantType) -> None:
    with wired(Said(400, {"error": error})) as wire, pytest.raises(AuthenticationError):
        get_token(wire.url, client_id="app", grant_type=grant_type, refresh_token="rt-1")
    assert len(wire.asked) == 1


def test_a_busy_server_is_one_to_ask_again_for_a_person_s_decision() -> None:
    busy = Said(429, HTML, {"Retry-After": "7"})
    with wired(busy) as wire, pytest.raises(AuthenticationPending) as caught:
        get_token(
            wire.url, client_id="app", device_code="dc-secret", grant_type=GrantType.DEVICE_CODE
        )
    assert isinstance(caught.value.event, SlowDownAsked)
    assert caught.value.event.retry_after == seconds(7)


def test_slow_down_slows_down(clock: VirtualClock) -> None:
    slow = Said(400, {"error": "slow_down"})
    slower = Said(429, {"error": "slow_down", "interval": 30})
    with wired(PENDING, slow, PENDING, slower, TOKEN) as wire:
        poll_token_endpoint(code(), wire.url, "test", clock=clock)
    assert clock.slept == [seconds(each) for each in (5, 5, 10, 10, 30)]
    assert len(wire.asked) == 5


def test_an_interval_of_nothing_is_no_hot_loop(clock: VirtualClock) -> None:
    with wired(PENDING) as wire, pytest.raises(AuthenticationError):
        poll_token_endpoint(code(20, 0), wire.url, "test", clock=clock)
    assert len(wire.asked) == 19
    assert min(clock.slept) == seconds(1)


def test_the_end_of_the_code_counts_time_and_not_sleeps(clock: VirtualClock) -> None:
    asked_at: list[timedelta] = []

    def slowly() -> None:
        asked_at.append(clock.now().mono)
        clock.advance(seconds(1.2))

    with wired(PENDING, before=slowly) as wire, pytest.raises(AuthenticationError):
        poll_token_endpoint(code(6, 1), wire.url, "test", clock=clock)
    assert asked_at == [seconds(each) for each in (1, 3.2, 5.4)]


def test_a_code_that_is_over_is_not_asked_for(clock: VirtualClock) -> None:
    with wired(TOKEN) as wire, pytest.raises(AuthenticationError) as caught:
        poll_token_endpoint(code(0, 5), wire.url, "test", clock=clock)
    assert caught.value.problem == Expired()
    assert wire.asked == []


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        ("access_denied", Failed(Denied("the person said no"))),
        ("expired_token", Expired()),
        (
            "invalid_grant",
            Failed(Refused("invalid_grant", "the person said no", None, 400, "invalid_grant")),
        ),
    ],
)
def test_the_ends_are_told_apart(
    error: str, problem: Expired | Failed, clock: VirtualClock
) -> None:
    end = Said(400, {"error": error, "error_description": "the person said no"})
    with wired(PENDING, end) as wire, pytest.raises(AuthenticationError) as caught:
        poll_token_endpoint(code(), wire.url, "test", clock=clock)
    assert caught.value.problem == problem
    assert str(caught.value).startswith("Authentication failed! ")
    assert len(wire.asked) == 2
    with wired(end) as wire, pytest.raises(AuthenticationError) as caught:
        get_token(
            wire.url, client_id="app", device_code="dc-secret", grant_type=GrantType.DEVICE_CODE
        )
    assert caught.value.problem == problem


def test_a_bad_gateway_does_not_end_a_sign_in(clock: VirtualClock) -> None:
    with wired(Said(502, HTML), HANGS_UP, PENDING, TOKEN) as wire:
        assert poll_token_endpoint(code(), wire.url, "test", clock=clock) == ("at-1", None, 60)
    assert len(wire.asked) == 4


def test_a_dead_server_is_not_asked_for_ever(clock: VirtualClock) -> None:
    with wired(HANGS_UP) as wire, pytest.raises(AuthenticationError, match="expired before"):
        poll_token_endpoint(code(), wire.url, "test", clock=clock)
    assert len(wire.asked) > 5  # until the code expires, for the user may have approved


@pytest.mark.parametrize("body", [HTML, "", "[]", '"text"', "\xff\xfe", "[" * 5000])
@pytest.mark.parametrize("status", [200, 400, 502])
def test_what_is_no_answer_is_told_as_one_line(body: str, status: int) -> None:
    with wired(Said(status, body)) as wire:
        with pytest.raises(AuthenticationError) as caught:
            get_token(wire.url, client_id="app")
        with pytest.raises(AuthenticationError) as code_caught:
            get_device_code(wire.url, "app")
    for told in (str(caught.value), str(code_caught.value)):
        assert str(status) in told
        assert "\n" not in told
        assert "Bad gateway" not in told


def test_an_error_in_a_200_is_an_error() -> None:
    with wired(Said(200, {"error": "invalid_client"})) as wire:
        with pytest.raises(AuthenticationError, match="invalid_client"):
            get_token(wire.url, client_id="app")
        with pytest.raises(AuthenticationError, match="invalid_client"):
            get_device_code(wire.url, "app")


def test_what_the_rfc_lets_a_server_leave_out() -> None:
    bare = {name: CODE[name] for name in ("device_code", "user_code", "verification_uri")}
    with wired(Said(200, bare), Said(200, {"access_token": "at-1"})) as wire:
        found = get_device_code(wire.url, "app")
        assert (found.expires_in, found.interval) == (1800, 5)
        assert get_token(wire.url, client_id="app") == ("at-1", None, None)


def test_numbers_as_text_and_fractions() -> None:
    loose = {**CODE, "expires_in": "600.9", "interval": "1.2"}
    with wired(Said(200, loose), Said(200, {"access_token": "at-1", "expires_in": "60"})) as wire:
        found = get_device_code(wire.url, "app")
        assert (found.expires_in, found.interval) == (600, 2)
        assert get_token(wire.url, client_id="app") == ("at-1", None, 60)


def test_a_link_to_anything_but_the_web_is_refused() -> None:
    evil = {**CODE, "verification_uri": "file:///etc/passwd"}
    with wired(Said(200, evil)) as wire, pytest.raises(AuthenticationError) as caught:
        get_device_code(wire.url, "app")
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, InvalidResponse)


@pytest.mark.parametrize("link", ["url", "idp.example/device", "idp.example:8443/device"])
def test_a_link_without_a_scheme_is_one_to_the_web(link: str) -> None:
    with wired(Said(200, {**CODE, "verification_uri": link})) as wire:
        assert get_device_code(wire.url, "app").verification_uri == f"https://{link}"


def test_a_refresh_that_brings_no_new_refresh_token_keeps_the_old_one() -> None:
    with wired(TOKEN) as wire:
        found = get_token(
            wire.url, client_id="app", grant_type=GrantType.REFRESH_TOKEN, refresh_token="rt-1"
        )
    assert found == ("at-1", "rt-1", 60)


def test_redirects_are_refused() -> None:
    with wired(TOKEN) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            with wired(Said(status, "", {"Location": elsewhere.url})) as wire:
                with pytest.raises(AuthenticationError, match=str(status)):
                    get_token(
                        wire.url,
                        client_id="app",
                        grant_type=GrantType.REFRESH_TOKEN,
                        refresh_token="rt-1",
                    )
                with pytest.raises(AuthenticationError, match=str(status)):
                    get_device_code(wire.url, "app")
    assert elsewhere.asked == []


def test_a_silent_server_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time-out is flytekit's; here there is one for each read, and shorter in this test."""
    defaults = RequestsTransport.__init__.__kwdefaults__
    assert defaults is not None
    assert defaults["timeout"] == (10.0, 30.0)
    monkeypatch.setitem(defaults, "timeout", (1.0, 0.05))
    with wired(SILENT) as wire, pytest.raises(requests.Timeout, match="in time"):
        get_token(wire.url, client_id="app")
    assert len(wire.asked) == 1


def test_trouble_on_the_network_is_requests_s_own() -> None:
    with wired(HANGS_UP) as wire:
        with pytest.raises(requests.ConnectionError, match="broke"):
            get_token(wire.url, client_id="app")
        with pytest.raises(requests.ConnectionError, match="broke"):
            get_device_code(wire.url, "app")
        assert len(wire.asked) == 2
    with pytest.raises(requests.ConnectionError, match="no connection"):
        get_token(wire.url, client_id="app")


def test_f12_a_client_without_an_id_or_a_secret() -> None:
    with pytest.raises(ValueError, match="client_id: it is empty"):
        get_basic_authorization_header("", "s3cret")
    with pytest.raises(ValueError, match="secret: it is empty"):
        get_basic_authorization_header("machine", "")


@pytest.mark.parametrize("endpoint", ["", "test.com", "http://idp.example/token", "https://u:p@h/"])
def test_an_endpoint_that_must_not_be_told_a_secret(endpoint: str) -> None:
    with pytest.raises(ValueError, match="token_endpoint: must"):
        get_token(endpoint, client_id="app")
    with pytest.raises(ValueError, match="token_endpoint: must"):
        poll_token_endpoint(code(), endpoint, "app")
    if endpoint:  # F13 is about none
        with pytest.raises(ValueError, match="^device_auth_endpoint: must"):
            get_device_code(endpoint, "app")


def test_an_argument_that_is_missing() -> None:
    with pytest.raises(ValueError, match="device_code: this grant_type needs it"):
        get_token("https://idp.example", client_id="app", grant_type=GrantType.DEVICE_CODE)
    with pytest.raises(ValueError, match="refresh_token: this grant_type needs it"):
        get_token("https://idp.example", client_id="app", grant_type=GrantType.REFRESH_TOKEN)
    with pytest.raises(ValueError, match="password"):
        get_token("https://idp.example", client_id="app", grant_type="password")  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["Basic s3cret-word\n", "Basic s3cret-word\u2603"])
def test_a_header_that_cannot_be_sent(text: str) -> None:
    with wired(TOKEN) as wire, pytest.raises(ValueError, match="^authorization_header: ") as caught:
        get_token(wire.url, authorization_header=text)
    assert wire.asked == []
    assert "s3cret-word" not in reported(caught.value, __file__)


class Marked(requests.Session):
    """A session with a setting of its own, as flytekit's has for its proxy."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark = mark
        self.trust_env = False

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        request.headers = {**request.headers, "proxy-authorization": f"Bearer {self.mark}"}
        return super().prepare_request(request)


@pytest.mark.parametrize("verify", [None, True, False])
def test_f21_the_session_is_used_for_every_request(
    verify: bool | None, clock: VirtualClock
) -> None:
    with Marked("foo-bar") as session, wired(Said(200, CODE), PENDING, TOKEN) as wire:
        found = get_device_code(wire.url, "app", verify=verify, session=session)
        poll_token_endpoint(found, wire.url, "app", verify=verify, session=session, clock=clock)
        get_token(wire.url, client_id="app", verify=verify, session=session)
        assert session.verify is True
    assert [asked.headers["proxy-authorization"] for asked in wire.asked] == ["Bearer foo-bar"] * 4


@pytest.mark.parametrize("with_session", [False, True])
def test_the_proxy_is_asked(with_session: bool, clock: VirtualClock) -> None:
    with Marked("x") as own, wired(Said(200, CODE), PENDING, TOKEN) as proxy:
        session = own if with_session else None
        proxy_url = proxy.url.removesuffix("/token")
        endpoint = "http://127.0.0.1:9/token"
        found = get_device_code(endpoint, "app", http_proxy_url=proxy_url, session=session)
        poll_token_endpoint(
            found, endpoint, "app", http_proxy_url=proxy_url, session=session, clock=clock
        )
        get_token(endpoint, client_id="app", http_proxy_url=proxy_url, session=session)
        assert own.proxies == {}
    assert [asked.target for asked in proxy.asked] == [endpoint] * 4


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of a company's own authority, beside that of a server."""
    return issue(tmp_path_factory.mktemp("tls")).authority


def test_f20_whose_certificates_are_believed(authority: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.with_name("server.pem"), authority.with_name("server.key"))
    with wired(TOKEN, context=context) as wire:
        for verify in (None, True):
            with pytest.raises(requests.exceptions.SSLError, match="certificate"):
                get_token(wire.url, client_id="app", verify=verify)
        assert wire.asked == []
        assert get_token(wire.url, client_id="app", verify=str(authority))[0] == "at-1"
        with pytest.warns(Warning, match="Unverified HTTPS"):
            assert get_token(wire.url, client_id="app", verify=False)[0] == "at-1"


@pytest.mark.parametrize("grant", ["device", "client_credentials"])
def test_f20_a_source_believes_whom_its_session_does(
    grant: Literal["device", "client_credentials"], authority: Path, clock: VirtualClock
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.with_name("server.pem"), authority.with_name("server.key"))

    def token(url: str, verify: bool | str) -> str:
        provider = Provider(name="f", token_endpoint=url, device_authorization_endpoint=url)
        client = Client(provider=provider, client_id="app")
        with requests.Session() as session:
            session.verify = verify
            source = TokenSource(
                client,
                grant,
                store=MemoryStore(),
                transport=RequestsTransport(session),
                clock=clock,
                prompt=lambda _: None,
            )
            return source.token().access_token.reveal()

    answers = (Said(200, CODE), TOKEN) if grant == "device" else (TOKEN,)
    with wired(*answers, context=context) as wire:
        with pytest.raises(GrantError, match="certificate was not accepted"):
            token(wire.url, verify=True)
        assert wire.asked == []
        assert token(wire.url, verify=str(authority)) == "at-1"
        assert len(wire.asked) == len(answers)
    with wired(*answers, context=context) as wire, pytest.warns(Warning, match="Unverified HTTPS"):
        assert token(wire.url, verify=False) == "at-1"


def test_a_code_that_was_decoded_already() -> None:
    found = DeviceCodeResponse.from_json_response({**CODE, "verification_uri": "url"})
    assert dataclasses.astuple(found) == ("dc-secret", "BNDJJFXL", "url", 600, 5, None)
    told = {**CODE, "interval": "7", "verification_uri_complete": "https://a.example/?c=1"}
    found = DeviceCodeResponse.from_json_response(told)
    assert (found.interval, found.verification_uri_complete) == (7, "https://a.example/?c=1")
    for name in ("device_code", "user_code", "verification_uri"):
        without = {key: value for key, value in CODE.items() if key != name}
        for answer in (without, {**without, name: None}):
            with pytest.raises(KeyError, match=name):
                DeviceCodeResponse.from_json_response(answer)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"interval": 7, "expires_in": 600}, (600, 7)),
        ({"interval": "5.0", "expires_in": "600"}, (600, 5)),
        ({"interval": 1.1, "expires_in": 599.9}, (599, 2)),
        ({"interval": "1.5", "expires_in": "599.9"}, (599, 2)),
        ({"interval": None, "expires_in": None}, (1800, 5)),
        ({"interval": 0, "expires_in": 0}, (1800, 5)),
        ({"interval": -3, "expires_in": "soon"}, (1800, 5)),
        ({"interval": True, "expires_in": [1]}, (1800, 5)),
        ({}, (1800, 5)),
    ],
)
def test_spans_are_read_as_those_of_an_answer_are(
    said: dict[str, object], seconds: tuple[int, int]
) -> None:
    answer = {**{name: CODE[name] for name in ("device_code", "user_code")}, **said}
    answer["verification_uri"] = "https://idp.example/device"
    found = DeviceCodeResponse.from_json_response(answer)
    assert (found.expires_in, found.interval) == seconds
    with wired(Said(200, answer)) as wire:
        assert get_device_code(wire.url, "app") == found


def test_nothing_shows_a_secret(
    clock: VirtualClock, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    header = get_basic_authorization_header("machine", "s3cret-word")
    told = [repr(code())]
    for grant_type, sent in (
        (GrantType.DEVICE_CODE, "dc-secret"),
        (GrantType.REFRESH_TOKEN, "rt-secret"),
    ):
        echo = {"error": "invalid_grant", "error_description": f"no {sent} of {header}"}
        with wired(Said(400, echo)) as wire, pytest.raises(AuthenticationError) as caught:
            get_token(
                wire.url,
                authorization_header=header,
                device_code=sent,
                refresh_token=sent,
                grant_type=grant_type,
            )
        told += [str(caught.value), repr(caught.value), repr(caught.value.problem)]
    with wired(PENDING, Said(200, {"access_token": "at-secret", "expires_in": 60})) as wire:
        poll_token_endpoint(code(), wire.url, "test", clock=clock)
    told += [*capfd.readouterr(), *caplog.messages]
    for text in ("dc-secret", "rt-secret", "at-secret", "s3cret-word", header):
        assert text not in "".join(told)


SECRETS = ("dc-secret", "rt-secret", "s3cret-word", "proxy-secret")
DEAD_PROXY = "http://me:proxy-secret@127.0.0.1:9"


def get_with_all_secrets(url: str, grant_type: GrantType, proxy: str | None) -> object:
    return get_token(
        url,
        ["read"],
        "Bearer s3cret-word",
        "app",
        "dc-secret",
        grant_type=grant_type,
        refresh_token="rt-secret",
        http_proxy_url=proxy,
    )


def get_code(url: str, proxy: str | None) -> object:
    return get_device_code(url, "app", http_proxy_url=proxy)


def poll(url: str, proxy: str | None) -> object:
    return poll_token_endpoint(code(), url, "app", http_proxy_url=proxy, clock=VirtualClock())


CALLS: dict[str, Callable[[str, str | None], object]] = {
    **{
        each.name: lambda url, proxy, each=each: get_with_all_secrets(url, each, proxy)
        for each in GrantType
    },
    "get_device_code": get_code,
    "poll_token_endpoint": poll,
}


@pytest.mark.parametrize("call", CALLS)
def test_no_report_of_an_error_shows_a_secret(call: str) -> None:
    """Not where it keeps the locals of every frame, either."""
    raised: list[BaseException] = []

    def fails(url: str, proxy: str | None = None) -> None:
        with pytest.raises(Exception) as caught:
            CALLS[call](url, proxy)
        raised.append(caught.value)

    for answer in (
        Said(400, {"error": "invalid_grant"}),
        Said(400, {"error": "access_denied"}),
        Said(400, {"error": "expired_token"}),
        Said(429, HTML),
        Said(200, HTML),
        Said(200, {**CODE, "user_code": None}),
        HANGS_UP,
    ):
        with wired(answer) as wire:
            fails(wire.url)
    fails("http://127.0.0.1:9/token")
    fails("https://idp.example/token", DEAD_PROXY)
    fails("http://idp.example/token", DEAD_PROXY)
    for error in raised:
        report = reported(error, __file__)
        assert "compat/flytekit" in report
        assert [secret for secret in SECRETS if secret in report] == []


def test_no_report_of_an_unusable_argument_shows_a_secret() -> None:
    def header() -> object:
        return get_basic_authorization_header("", "s3cret-word")

    def decoded() -> object:
        told = {**CODE, "user_code": None, "of_its_own": "s3cret-word"}
        return DeviceCodeResponse.from_json_response(told)

    def without_a_code() -> object:
        told = {**CODE, "device_code": None, "of_its_own": "s3cret-word"}
        return DeviceCodeResponse.from_json_response(told)

    for call in (header, decoded, without_a_code):
        with pytest.raises((ValueError, KeyError)) as caught:
            call()
        report = reported(caught.value, __file__)
        assert "compat/flytekit" in report
        assert [secret for secret in SECRETS if secret in report] == []


def test_a_secret_may_come_as_one() -> None:
    header = Secret(get_basic_authorization_header("machine", Secret("s3cret-word")))
    with wired(TOKEN) as wire:
        for grant_type in GrantType:
            get_token(
                wire.url,
                authorization_header=header,
                device_code=Secret("dc-secret"),
                grant_type=grant_type,
                refresh_token=Secret("rt-secret"),
            )
    assert [asked.headers["authorization"] for asked in wire.asked] == [header.reveal()] * 3
    assert wire.asked[1].form["device_code"] == "dc-secret"
    assert wire.asked[2].form["refresh_token"] == "rt-secret"


def test_an_error_survives_a_pickle() -> None:
    """Task runners send exceptions from process to process."""
    denied = Said(400, {"error": "access_denied"})
    with wired(denied) as wire, pytest.raises(AuthenticationError) as caught:
        get_token(
            wire.url, client_id="a", device_code="dc-secret", grant_type=GrantType.DEVICE_CODE
        )
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.problem) == (str(caught.value), Failed(Denied(None)))
