"""What callers of dvc_studio_client.auth rely on (D1 to D13), and what no longer hurts them."""

from __future__ import annotations

import json
import logging
import pickle
import threading
import webbrowser
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO

import pytest
import requests
from requests.adapters import HTTPAdapter

from grantflow import (
    Client,
    Failed,
    Fault,
    GrantError,
    InvalidResponse,
    MemoryStore,
    Refused,
    Secret,
    TokenSource,
    Unreachable,
    providers,
)
from grantflow.compat.dvc_studio_client import (
    AuthorizationDeniedError,
    AuthorizationExpiredError,
    InvalidScopesError,
    StudioAuthError,
    UnusableAnswerError,
    check_token_authentication,
    get_access_token,
    start_device_login,
)
from grantflow.compat.dvc_studio_client import (
    studio as wiring,
)
from grantflow.compat.dvc_studio_client.errors import error_of
from grantflow.testing import VirtualClock
from tests.support.compat_wire import Heard, Says, Wire, wire
from tests.support.error_reports import reported

START = "/api/device-login"
POLL = "/api/device-login/token"
DEVICE_CODE = "device-code-that-nobody-sees"
TOKEN = "isat_access_token"
OPENED = (
    "Opening link for login at {url}?code=MOCKCODE\n"
    "\nOnce you've logged in, return here and you'll be ready to start the experiments.\n"
)
SHOWN = OPENED.replace(
    "Opening link for login at", "Open this url to continue in your web browser:"
)
NOT_OPENED = "\nFailed to open a web browser. Open the above url to continue in your web browser.\n"

PENDING = Says(400, {"detail": "authorization_pending"})
SLOW = Says(400, {"detail": "slow_down"})
EXPIRED = Says(400, {"detail": "authorization_expired"})
DENIED = Says(400, {"detail": "access_denied"})
GRANTED = Says(200, {"access_token": TOKEN})
DROPPED = Says(None)


@pytest.fixture
def studio() -> Iterator[Wire]:
    with wire() as made:
        made.script(START, [Says(200, login(made))])
        yield made


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The links that a browser was opened with; it opens whatever it is given."""
    links: list[str] = []

    def browser(url: str) -> bool:
        links.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browser)
    return links


def login(studio: Wire, **more: object) -> dict[str, object]:
    return {
        "verification_uri": f"{studio.url}/auth/device-login",
        "user_code": "MOCKCODE",
        "device_code": DEVICE_CODE,
        "token_uri": f"{studio.url}{POLL}",
        "token_name": "random-name",
        **more,
    }


def waits(clock: VirtualClock) -> list[int]:
    return [span.seconds for span in clock.slept]


def polled(studio: Wire, *answers: Says, clock: VirtualClock) -> str:
    studio.script(POLL, answers)
    return check_token_authentication(
        uri=f"{studio.url}{POLL}", device_code=DEVICE_CODE, clock=clock
    )


def problem(error: BaseException) -> object:
    assert isinstance(error.__cause__, GrantError)
    return error.__cause__.problem


# The scenarios of the original, D1 to D13.


def test_d1_a_code_that_expired(studio: Wire, clock: VirtualClock, opened: list[str]) -> None:
    studio.script(POLL, [EXPIRED])
    with pytest.raises(
        AuthorizationExpiredError,
        match=r"^failed to authenticate: This 'device_code' has expired.$",
    ):
        get_access_token(client_name="client", hostname=studio.url, clock=clock)
    asked, polled = studio.heard
    assert (asked.method, asked.path, asked.json) == ("POST", START, {"client_name": "client"})
    assert asked.headers["content-type"] == "application/json"
    assert (polled.method, polled.path, polled.json) == ("POST", POLL, {"code": DEVICE_CODE})


def test_d2_a_token_after_a_while(
    studio: Wire, clock: VirtualClock, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    studio.script(POLL, [PENDING, GRANTED])
    got = get_access_token(
        hostname=studio.url, scopes="experiments", token_name="random-name", clock=clock
    )
    assert got == ("random-name", TOKEN)
    assert studio.at(START)[0].json == {
        "client_name": "client",
        "token_name": "random-name",
        "scopes": ["experiments"],
    }
    assert [each.json for each in studio.at(POLL)] == [{"code": DEVICE_CODE}] * 2
    assert opened == [f"{studio.url}/auth/device-login?code=MOCKCODE"]
    said = capsys.readouterr()
    assert said.out == OPENED.format(url=f"{studio.url}/auth/device-login")
    assert said.err == ""


@pytest.mark.parametrize("trouble", [None, webbrowser.Error("none"), OSError(2, "no such file")])
def test_d3_a_browser_that_does_not_open(
    trouble: Exception | None,
    studio: Wire,
    clock: VirtualClock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before: list[str] = []

    def browser(url: str) -> bool:
        before.append(capsys.readouterr().out)
        if trouble is not None:
            raise trouble
        return False

    monkeypatch.setattr(webbrowser, "open", browser)
    studio.script(POLL, [PENDING, GRANTED])
    assert get_access_token(hostname=studio.url, clock=clock) == ("random-name", TOKEN)
    said = capsys.readouterr()
    assert said.out == ""
    assert before[0] == OPENED.format(url=f"{studio.url}/auth/device-login")
    assert said.err == NOT_OPENED


@pytest.mark.parametrize("use_device_code", [True, False])
def test_d4_no_browser(
    use_device_code: bool,
    studio: Wire,
    clock: VirtualClock,
    opened: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    studio.script(POLL, [PENDING, GRANTED])
    got = get_access_token(
        hostname=studio.url,
        open_browser=use_device_code,
        use_device_code=use_device_code,
        clock=clock,
    )
    assert got == ("random-name", TOKEN)
    assert opened == []
    said = capsys.readouterr()
    assert said.out == SHOWN.format(url=f"{studio.url}/auth/device-login")
    assert said.err == ""


def test_d5_the_answer_as_it_came(studio: Wire) -> None:
    answer = login(studio, expires_in=1500, unheard_of=[1, None])
    studio.script(START, [Says(200, answer)])
    got = start_device_login(
        base_url=studio.url, client_name="dvc", token_name="token_name", scopes=["EXPERIMENTS"]
    )
    assert got == answer
    assert studio.heard[0].json == {
        "client_name": "dvc",
        "token_name": "token_name",
        "scopes": ["EXPERIMENTS"],
    }


def test_d6_a_scope_that_is_none(studio: Wire) -> None:
    with pytest.raises(
        InvalidScopesError, match=r"^Following scopes are not valid: INVALID!, more$"
    ):
        start_device_login(
            base_url=studio.url, client_name="dvc", scopes=["INVALID!", "models", "more"]
        )
    with pytest.raises(InvalidScopesError):
        get_access_token(hostname=studio.url, scopes="experiments,nothing")
    assert studio.heard == []


def test_d7_pending_then_expired(studio: Wire, clock: VirtualClock) -> None:
    with pytest.raises(AuthorizationExpiredError):
        polled(studio, PENDING, EXPIRED, clock=clock)
    assert [each.json for each in studio.heard] == [{"code": DEVICE_CODE}] * 2


def test_d8_pending_then_an_error(studio: Wire, clock: VirtualClock) -> None:
    with pytest.raises(requests.HTTPError, match="HTTP 500") as caught:
        polled(studio, PENDING, Says(500, {"detail": "unexpected_error"}), clock=clock)
    assert caught.value.response is not None
    assert caught.value.response.status_code == 500
    assert caught.value.response.json() == {"detail": "unexpected_error"}
    assert len(studio.heard) == 2


def test_d9_pending_twice_then_a_token(studio: Wire, clock: VirtualClock) -> None:
    assert polled(studio, PENDING, PENDING, GRANTED, clock=clock) == TOKEN
    assert len(studio.heard) == 3
    assert waits(clock) == [5, 5, 5]


def test_d10_teams_and_lifetimes_are_told_as_what_they_are(studio: Wire) -> None:
    start_device_login(
        base_url=studio.url, client_name="test", team_names=["team1"], expires_in_days=30
    )
    start_device_login(
        base_url=studio.url, client_name="test", all_teams=False, team_names=["team1", "team2"]
    )
    start_device_login(
        base_url=studio.url, client_name="test", all_teams=True, never_expires=True, token_name=""
    )
    assert [each.json for each in studio.heard] == [
        {"client_name": "test", "team_names": ["team1"], "expires_in_days": 30},
        {"client_name": "test", "team_names": ["team1", "team2"], "all_teams": False},
        {"client_name": "test", "all_teams": True, "never_expires": True},
    ]


@pytest.mark.parametrize(
    "start",
    [
        lambda: start_device_login(client_name="test"),
        lambda: start_device_login(client_name="test", base_url=""),
        lambda: get_access_token(hostname=None),
        lambda: get_access_token(hostname=""),
    ],
)
def test_d10_the_default_is_the_studio_of_today(
    start: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALL_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with wire() as proxy:  # it opens no tunnel, but hears where one was to lead
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(requests.ConnectionError, match="the proxy .* refuses to connect"):
            start()
        assert [each.host for each in proxy.heard] == ["studio.datachain.ai:443"]


def test_d11_get_access_token_passes_them_on(
    studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    studio.script(POLL, [GRANTED])
    get_access_token(hostname=studio.url, team_names=["team1"], expires_in_days=7, clock=clock)
    assert studio.heard[0].json == {
        "client_name": "client",
        "team_names": ["team1"],
        "expires_in_days": 7,
    }


def test_d12_an_old_call_asks_for_what_it_did(
    studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    studio.script(POLL, [GRANTED])
    got = get_access_token(hostname=studio.url, scopes="experiments", clock=clock)
    assert got == ("random-name", TOKEN)
    assert studio.heard[0].json == {"client_name": "client", "scopes": ["experiments"]}


def test_d13_not_all_teams_but_which(studio: Wire) -> None:
    for nobody in (None, []):
        with pytest.raises(ValueError, match="team_names must be specified when all_teams is Fal"):
            start_device_login(
                base_url=studio.url, client_name="test", all_teams=False, team_names=nobody
            )
    assert studio.heard == []
    got = start_device_login(
        base_url=studio.url, client_name="test", all_teams=False, team_names=["team1"]
    )
    assert got == login(studio)


# What was weak in the original.


def test_a_code_ends_when_the_server_said(
    studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    studio.script(START, [Says(200, login(studio, expires_in=60))])
    studio.script(POLL, [PENDING])
    with pytest.raises(AuthorizationExpiredError):
        get_access_token(hostname=studio.url, clock=clock)
    assert len(studio.at(POLL)) == 11  # at 5, 10, ... 55 seconds
    assert clock.now().mono == timedelta(seconds=55)


def test_a_code_that_says_nothing_does_not_wait_for_ever(studio: Wire, clock: VirtualClock) -> None:
    with pytest.raises(AuthorizationExpiredError):
        polled(studio, PENDING, clock=clock)
    assert clock.now().mono < timedelta(minutes=30)
    assert len(studio.heard) == 359


@pytest.mark.parametrize(
    "slow", [SLOW, Says(400, {"error": "slow_down"}), Says(429, {"detail": "slow_down"}), Says(429)]
)
def test_slow_down_is_obeyed(slow: Says, studio: Wire, clock: VirtualClock) -> None:
    assert polled(studio, PENDING, slow, PENDING, GRANTED, clock=clock) == TOKEN
    assert waits(clock) == [5, 5, 10, 10]


@pytest.mark.parametrize("denied", [DENIED, Says(403, {"error": "access_denied"})])
def test_a_denial_is_told_apart(denied: Says, studio: Wire, clock: VirtualClock) -> None:
    with pytest.raises(AuthorizationDeniedError, match="denied") as caught:
        polled(studio, PENDING, denied, clock=clock)
    assert isinstance(caught.value, StudioAuthError)
    assert isinstance(caught.value, requests.HTTPError)
    assert caught.value.response is not None
    assert caught.value.response.status_code == denied.status
    assert len(studio.heard) == 2


def test_the_standard_s_own_spelling_is_understood(studio: Wire, clock: VirtualClock) -> None:
    pending = Says(403, {"error": "authorization_pending"})
    assert polled(studio, pending, GRANTED, clock=clock) == TOKEN
    with pytest.raises(AuthorizationExpiredError):
        polled(studio, Says(400, {"error": "expired_token"}), clock=clock)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (Says(400, b"<html>Bad Request</html>"), requests.HTTPError, "HTTP 400 .HTML"),
        (Says(400, ["not", "an", "object"]), requests.HTTPError, "HTTP 400 .a JSON list"),
        (Says(400, {"detail": "code_unknown"}), requests.HTTPError, "refused: code_unknown"),
        (Says(401, {}), requests.HTTPError, "HTTP 401"),
        (Says(204), requests.HTTPError, "HTTP 204"),
        (Says(200, b"<html>Welcome</html>"), UnusableAnswerError, "HTTP 200: HTML"),
        (Says(200, {}), UnusableAnswerError, "access_token is missing"),
        (Says(200, {"access_token": 7.5}), UnusableAnswerError, "access_token is missing"),
        (Says(200, b""), UnusableAnswerError, "HTTP 200: an empty body"),
    ],
)
def test_an_answer_that_makes_no_sense_is_a_clear_end(
    said: Says, kind: type[Exception], words: str, studio: Wire, clock: VirtualClock
) -> None:
    with pytest.raises(kind, match=words) as caught:
        polled(studio, PENDING, said, clock=clock)
    assert isinstance(caught.value, requests.RequestException)
    assert isinstance(caught.value.__cause__, GrantError)
    assert len(studio.heard) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int, studio: Wire, clock: VirtualClock) -> None:
    with wire() as elsewhere:
        away = Says(status, headers={"Location": f"{elsewhere.url}{POLL}"})
        with pytest.raises(requests.HTTPError, match=f"HTTP {status}"):
            polled(studio, away, clock=clock)
        studio.script(START, [away])
        with pytest.raises(requests.HTTPError, match=f"HTTP {status}"):
            start_device_login(base_url=studio.url, client_name="dvc")
        assert elsewhere.heard == []


def test_a_stall_of_the_network_does_not_end_the_sign_in(studio: Wire, clock: VirtualClock) -> None:
    assert polled(studio, PENDING, DROPPED, DROPPED, PENDING, GRANTED, clock=clock) == TOKEN
    first, *rest = waits(clock)
    assert first == 5
    assert min(rest) >= 5


def test_a_server_that_is_gone_is_asked_until_the_code_expires(
    studio: Wire, clock: VirtualClock
) -> None:
    with pytest.raises(AuthorizationExpiredError):
        polled(studio, DROPPED, clock=clock)
    assert len(studio.heard) > 5


def test_a_start_that_nobody_answers_is_not_repeated(studio: Wire) -> None:
    studio.script(START, [DROPPED])
    with pytest.raises(requests.ConnectionError):
        start_device_login(base_url=studio.url, client_name="dvc")
    assert len(studio.heard) == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Says(400, {"detail": "invalid_scope"}), requests.HTTPError),
        (Says(500), requests.HTTPError),
        (Says(429), requests.HTTPError),
        (Says(404, b"<html>"), requests.HTTPError),
        (Says(200, b"<html>"), UnusableAnswerError),
        (Says(200, b"device_code=a&user_code=b"), UnusableAnswerError),
    ],
)
def test_a_start_that_brings_no_code(said: Says, kind: type[Exception], studio: Wire) -> None:
    studio.script(START, [said])
    with pytest.raises(kind) as caught:
        start_device_login(base_url=studio.url, client_name="dvc")
    assert isinstance(caught.value, requests.RequestException)
    if kind is requests.HTTPError:
        assert isinstance(caught.value, requests.HTTPError)
        assert caught.value.response is not None
        assert caught.value.response.status_code == said.status


def test_a_form_is_no_answer_although_it_could_be_read(studio: Wire) -> None:
    text = f"device_code=d&user_code=u&verification_uri={studio.url}&token_uri={studio.url}{POLL}"
    studio.script(START, [Says(200, text.encode())])
    with pytest.raises(UnusableAnswerError, match="no JSON"):
        start_device_login(base_url=studio.url, client_name="dvc")


def test_the_answer_is_read_as_the_code_was(
    studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    """A byte too many at the start, or a stray one in a name, hides nothing."""
    text = json.dumps(login(studio, token_name="na?me")).encode()
    body = b"\xef\xbb\xbf" + text.replace(b"?", b"\xff")
    studio.script(START, [Says(200, body)])
    studio.script(POLL, [GRANTED])
    assert get_access_token(hostname=studio.url, clock=clock) == ("na\ufffdme", TOKEN)


def test_a_client_has_a_name(studio: Wire) -> None:
    for name in (None, "", " "):
        start_device_login(base_url=studio.url, client_name=name)
        assert studio.heard.pop().json == {"client_name": "client"}


def test_the_answer_of_a_start_is_returned_whatever_it_holds(studio: Wire) -> None:
    studio.script(START, [Says(200, {"user_code": "MOCKCODE", "detail": "welcome"})])
    answer = start_device_login(base_url=studio.url, client_name="dvc")
    assert answer == {"user_code": "MOCKCODE", "detail": "welcome"}
    with pytest.raises(requests.RequestException):
        get_access_token(hostname=studio.url)


def test_a_silent_studio_is_not_waited_for_without_end(
    studio: Wire, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five seconds are the original's, and shorter in this test."""
    over = threading.Event()

    def silent(_: Heard) -> Says:
        over.wait(60)
        return DROPPED

    assert wiring.TIMEOUT == (5.0, 5.0)
    monkeypatch.setattr(wiring, "TIMEOUT", (1.0, 0.05))
    studio.script(START, [silent])
    studio.script(POLL, [silent])
    with pytest.raises(requests.ReadTimeout, match="in time"):
        start_device_login(base_url=studio.url, client_name="dvc")
    uri = f"{studio.url}{POLL}"
    with pytest.raises(AuthorizationExpiredError):
        check_token_authentication(uri=uri, device_code=DEVICE_CODE, clock=clock)
    over.set()
    assert {each.path for each in studio.heard} == {START, POLL}


def test_the_errors_of_the_network_are_told_apart(studio: Wire) -> None:
    with pytest.raises(requests.exceptions.SSLError, match="certificate"):
        start_device_login(base_url=studio.url.replace("http:", "https:"), client_name="dvc")
    late = Fault("timeout", "no", "no connection in time")  # no machine of a test is that far away
    assert isinstance(
        error_of(Failed(Unreachable(late, 1)), late), requests.exceptions.ConnectTimeout
    )


def test_the_problem_is_behind_every_error(studio: Wire, clock: VirtualClock) -> None:
    with pytest.raises(requests.HTTPError) as caught:
        polled(studio, Says(400, {"detail": "code_unknown"}), clock=clock)
    found = problem(caught.value)
    assert isinstance(found, Failed)
    assert isinstance(found.error, Refused)
    assert found.error.code == "code_unknown"
    with pytest.raises(UnusableAnswerError) as unusable:
        polled(studio, Says(200, b"[]"), clock=clock)
    found = problem(unusable.value)
    assert isinstance(found, Failed)
    assert isinstance(found.error, InvalidResponse)


def test_the_link_is_built_by_the_rules_of_links(
    studio: Wire, clock: VirtualClock, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = login(studio, verification_uri=f"{studio.url}/go?x=1", user_code="AB &CD")
    studio.script(START, [Says(200, answer)])
    studio.script(POLL, [GRANTED])
    get_access_token(hostname=studio.url, clock=clock)
    assert opened == [f"{studio.url}/go?x=1&code=AB+%26CD"]
    assert opened[0] in capsys.readouterr().out


@pytest.mark.parametrize("link", ["javascript:alert(1)", "file:///etc/passwd", "-version"])
def test_no_browser_opens_what_is_no_link(
    link: str, studio: Wire, opened: list[str], clock: VirtualClock
) -> None:
    studio.script(START, [Says(200, login(studio, verification_uri=link))])
    with pytest.raises(UnusableAnswerError, match="verification_uri is no http or https link"):
        get_access_token(hostname=studio.url, clock=clock)
    assert opened == []


def test_what_a_terminal_would_obey_is_escaped(
    studio: Wire, clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = login(studio, verification_uri=f"{studio.url}/\u202ego")
    studio.script(START, [Says(200, answer)])
    studio.script(POLL, [GRANTED])
    get_access_token(hostname=studio.url, open_browser=False, clock=clock)
    assert "\\u202ego" in capsys.readouterr().out


@pytest.mark.parametrize("base", ["{url}/studio", "{url}/studio/"])
def test_a_studio_below_a_path_is_found(base: str, studio: Wire) -> None:
    studio.script(f"/studio{START}", [Says(200, login(studio))])
    start_device_login(base_url=base.format(url=studio.url), client_name="dvc")
    assert [each.path for each in studio.heard] == [f"/studio{START}"]


def test_scopes_may_have_spaces_after_the_commas(
    studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    studio.script(POLL, [GRANTED])
    get_access_token(hostname=studio.url, scopes="experiments, Models,", clock=clock)
    assert studio.heard[0].json == {"client_name": "client", "scopes": ["experiments", "Models"]}


def test_a_code_is_not_polled_for_elsewhere(
    studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    for elsewhere in ("https://studio.example/token", "http://studio.example/token", None, 7):
        studio.script(START, [Says(200, login(studio, token_uri=elsewhere))])
        with pytest.raises(UnusableAnswerError, match="token_uri is on another origin"):
            get_access_token(hostname=studio.url, clock=clock)
    assert {each.path for each in studio.heard} == {START}
    assert opened == []


def test_a_code_may_be_polled_for_on_this_machine(
    studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    """A Studio under test has its API on another port, or under the other name."""
    with wire() as elsewhere:
        elsewhere.script(POLL, [GRANTED])
        studio.script(START, [Says(200, login(studio, token_uri=f"{elsewhere.url}{POLL}"))])
        assert get_access_token(hostname=studio.url, clock=clock)[1] == TOKEN
        assert [each.path for each in elsewhere.heard] == [POLL]
    studio.script(POLL, [GRANTED])
    studio.script(START, [Says(200, login(studio, token_uri=POLL))])
    assert get_access_token(hostname=studio.url, clock=clock)[1] == TOKEN


@pytest.mark.parametrize(
    ("told", "origins", "asked"),
    [
        ("https://api.example/t", ["https://api.example"], "https://api.example/t"),
        ("https://api.example/t", ["https://other.example"], None),
        ("http://studio.example/t", [], "https://studio.example/t"),
        ("http://api.example/t", ["http://api.example"], None),
        ("/t", [], "https://studio.example/t"),
        ("//evil.example/t", [], None),
    ],
)
def test_where_a_code_is_polled_for(
    told: str,
    origins: list[str],
    asked: str | None,
    clock: VirtualClock,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    def send(adapter: object, request: requests.PreparedRequest, **_: object) -> requests.Response:
        seen.append(str(request.url))
        made = requests.Response()
        made.status_code = 200
        body: dict[str, object] = {"access_token": TOKEN}
        if str(request.url).endswith(START):
            body = {
                "device_code": DEVICE_CODE,
                "user_code": "MOCKCODE",
                "verification_uri": "https://studio.example/device",
                "token_uri": told,
            }
        made.raw = BytesIO(json.dumps(body).encode())
        return made

    monkeypatch.setattr(HTTPAdapter, "send", send)

    def signed_in() -> str:
        return get_access_token(
            hostname="https://studio.example", token_origins=origins, clock=clock
        )[1]

    if asked is None:
        with pytest.raises(UnusableAnswerError):
            signed_in()
        assert len(seen) == 1
    else:
        assert signed_in() == TOKEN
        assert seen[1:] == [asked]


@pytest.mark.parametrize("url", ["http://studio.example.com", "studio.example.com", "ftp://x"])
def test_a_url_that_no_secret_may_be_sent_to_is_named(url: str) -> None:
    schema, invalid = requests.exceptions.MissingSchema, requests.exceptions.InvalidURL
    with pytest.raises(invalid if "://" in url else schema, match=r"^base_url: must be"):
        start_device_login(base_url=url, client_name="dvc")
    with pytest.raises(ValueError, match=r"^uri: must be"):
        check_token_authentication(uri=url, device_code=DEVICE_CODE)


def test_a_token_without_a_name_keeps_the_one_that_was_asked_for(
    studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    studio.script(START, [Says(200, login(studio, token_name=None))])
    studio.script(POLL, [GRANTED])
    assert get_access_token(hostname=studio.url, token_name="mine", clock=clock) == ("mine", TOKEN)
    assert get_access_token(hostname=studio.url, clock=clock) == ("", TOKEN)


def test_the_caller_s_own_message_is_shown(
    studio: Wire, clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    studio.script(POLL, [GRANTED])
    for message, shown in (("Come back.", "Come back."), ("", "Once you've logged in, ")):
        get_access_token(
            hostname=studio.url, open_browser=False, post_login_message=message, clock=clock
        )
        assert f"?code=MOCKCODE\n\n{shown}" in capsys.readouterr().out


def test_nothing_tells_a_secret(
    studio: Wire,
    clock: VirtualClock,
    opened: list[str],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    studio.script(POLL, [PENDING, GRANTED])
    with caplog.at_level(logging.DEBUG):
        get_access_token(hostname=studio.url, clock=clock)
    said = capsys.readouterr()
    for secret in (DEVICE_CODE, TOKEN):
        assert secret not in caplog.text + said.out + said.err


ENDS = [
    Says(400, {"detail": f"no such code: {DEVICE_CODE}"}),
    EXPIRED,
    DENIED,
    DROPPED,
    Says(200, {}),
    Says(200, b"<html>"),
    Says(503, {"detail": "no"}),
]


@pytest.mark.parametrize("last", ENDS)
def test_no_report_of_an_error_shows_a_secret(
    last: Says, studio: Wire, clock: VirtualClock, opened: list[str]
) -> None:
    """Not where it keeps the locals of every frame, either."""
    studio.script(POLL, [PENDING, last])
    with pytest.raises((StudioAuthError, requests.RequestException)) as caught:
        get_access_token(hostname=studio.url, clock=clock)
    with pytest.raises((StudioAuthError, requests.RequestException)) as alone:
        polled(studio, last, clock=clock)
    for error in (caught.value, alone.value):
        report = reported(error, __file__)
        assert "token_for" in report
        assert DEVICE_CODE not in report


def test_no_report_of_a_start_that_fails_shows_a_secret(studio: Wire, opened: list[str]) -> None:
    spoilt = [
        login(studio, token_uri="https://elsewhere.example"),
        login(studio, verification_uri="javascript:alert(1)"),
        login(studio, user_code=None),
    ]
    link = f"verification_uri={studio.url}&token_uri={studio.url}{POLL}"
    answers: list[Says] = [Says(200, each) for each in spoilt]
    answers.append(Says(200, f"device_code={DEVICE_CODE}&user_code=u&{link}".encode()))
    for answer in answers:
        studio.script(START, [answer])
        with pytest.raises(UnusableAnswerError) as caught:
            get_access_token(hostname=studio.url)
        report = reported(caught.value, __file__)
        assert "code_for" in report
        assert DEVICE_CODE not in report
    assert opened == []


def test_no_report_of_an_unusable_argument_shows_a_secret() -> None:
    with pytest.raises(ValueError, match="uri: must be") as caught:
        check_token_authentication(uri="http://studio.example.com", device_code=DEVICE_CODE)
    report = reported(caught.value, __file__)
    assert "known_code" in report
    assert DEVICE_CODE not in report


def test_no_report_of_a_broken_prompt_shows_a_secret(
    studio: Wire, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(url: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", broken)
    with pytest.raises(KeyboardInterrupt) as caught:
        get_access_token(hostname=studio.url, clock=clock)
    report = reported(caught.value, __file__)
    assert "get_access_token" in report
    assert DEVICE_CODE not in report


def test_a_device_code_may_come_as_a_secret(studio: Wire, clock: VirtualClock) -> None:
    studio.script(POLL, [GRANTED])
    uri = f"{studio.url}{POLL}"
    got = check_token_authentication(uri=uri, device_code=Secret(DEVICE_CODE), clock=clock)
    assert got == TOKEN
    assert studio.heard[0].json == {"code": DEVICE_CODE}


@pytest.mark.parametrize("last", [EXPIRED, DENIED, Says(500, {"detail": "no"}), Says(200, b'"x"')])
def test_an_error_survives_a_pickle(last: Says, studio: Wire, clock: VirtualClock) -> None:
    """Task runners send exceptions from process to process."""
    with pytest.raises((StudioAuthError, requests.RequestException)) as caught:
        polled(studio, last, clock=clock)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (type(caught.value), str(caught.value))
    cause = pickle.loads(pickle.dumps(caught.value.__cause__))  # no pickle carries a cause along
    assert cause.problem == problem(caught.value)


# What stands in for its config: which token counts.


@pytest.mark.parametrize(
    ("argument", "variable", "kept", "used"),
    [
        ("of-an-argument", "of-the-environment", "of-a-file", "of-an-argument"),
        (None, "of-the-environment", "of-a-file", "of-the-environment"),
        (None, "", "of-a-file", "of-a-file"),
        (None, "", None, None),
    ],
)
def test_which_token_counts(
    argument: str | None,
    variable: str,
    kept: str | None,
    used: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DVC_STUDIO_TOKEN", variable)
    source = TokenSource(
        Client(provider=providers.find("dvc-studio"), client_id="client"),
        store=MemoryStore(),
        environment="DVC_STUDIO_TOKEN",
        interactive=False,
        token=argument,
    )
    if kept is not None:
        source.adopt(kept)
    if used is None:
        with pytest.raises(GrantError, match="sign-in required"):
            source.token()
    else:
        assert source.token().access_token.reveal() == used
    assert source.scheme == "token"


# The names and signatures of the original.
