"""``grantflow login dagshub``: a token made by hand, or a link and a request that is held open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from grantflow import Request, Response
from tests.support.cli_stage import Stage, Terminal
from tests.support.compat_wire import Says, wire
from tests.support.dagshub_stage import ISSUED, REFUSED, USER, DagsHub, dagshub

LOGIN = ("login", "dagshub")  # as the client of DagsHub itself
HAND = (*LOGIN, "--token-stdin")


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


@pytest.fixture
def asked(stage: Stage) -> list[Request]:
    requests: list[Request] = []

    def dagshub(request: Request) -> Response:
        requests.append(request)
        if request.url == "https://dagshub.com/login/oauth/middleman":
            return Response(200, {}, b'"the-code"')
        assert request.url == "https://dagshub.com/login/oauth/access_token"
        body = b'{"access_token": "oauth-token-1", "expiry": "2026-01-02T00:00:00.123456789Z"}'
        return Response(200, {}, body)

    stage.answers_with(dagshub)
    return requests


def test_the_printed_line_is_the_one_that_is_run_here(stage: Stage) -> None:
    printed = stage.run("providers", "dagshub").out.splitlines()
    assert [each for each in printed if "grantflow login" in each] == [
        f"# grantflow {' '.join(LOGIN)}"
    ]


@pytest.mark.parametrize("value", ["https://hub.acme.example/", "hub.acme.example"])
def test_a_deployment_of_one_s_own_is_where_its_variable_says(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    asked: list[str] = []

    def elsewhere(request: Request) -> Response:
        asked.append(request.url)
        return Response(200, {}, b'{"username": "alice"}')

    stage.answers_with(elsewhere)
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", value)
    assert stage.run(*HAND, stdin="app-token-1").code == 0
    flag = ("--set", "host=other.acme.example", "--profile", "other")
    assert stage.run(*HAND, *flag, stdin="app-token-2").code == 0
    hosts = ("hub.acme.example", "other.acme.example")
    assert asked == [f"https://{host}/api/v1/user" for host in hosts]
    assert json.loads(stage.run("status", "dagshub", "--json").out)["provider"] == "dagshub"


def test_a_variable_that_names_no_host_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", "http://hub.acme.example")
    ran = stage.run(*HAND, stdin="app-token-1")
    assert ran.code == 2
    assert ran.err.startswith("grantflow: DAGSHUB_CLIENT_HOST: a host name with an optional port")


def test_a_token_made_by_hand_is_stored_after_dagshub_took_it(stage: Stage) -> None:
    asked: list[tuple[str, str, str]] = []

    def dagshub(request: Request) -> Response:
        asked.append((request.method, request.url, request.header_map()["Authorization"]))
        return Response(200, {}, b'{"login": "alice", "username": "alice"}')

    stage.answers_with(dagshub)
    assert stage.run(*HAND, stdin="app-token-1\n").code == 0
    own = stage.run(*HAND, "--set", "host=hub.acme.example", "--profile", "own", stdin="own-1\n")
    assert (own.code, own.out) == (0, "")
    assert own.err == (
        "grantflow: the default profile is now own (it was dagshub)\nSigned in: profile own\n"
    )
    assert stage.run("token", "dagshub").out == "app-token-1\n"
    assert stage.run("token", "own").out == "own-1\n"
    assert asked == [
        ("GET", "https://dagshub.com/api/v1/user", "Bearer app-token-1"),
        ("GET", "https://hub.acme.example/api/v1/user", "Bearer own-1"),
    ]


def test_a_person_is_given_a_link_once(stage: Stage, asked: list[Request]) -> None:
    ran = stage.run(*LOGIN)
    assert (ran.code, ran.out) == (0, "")
    (link,) = [each.strip() for each in ran.err.splitlines() if "https://" in each]
    shown = {name: texts[0] for name, texts in parse_qs(urlsplit(link).query).items()}
    assert link.startswith("https://dagshub.com/login/oauth/authorize?")
    assert parse_qs(asked[0].body().decode()) == {"request_id": [shown["middleman_request_id"]]}
    assert parse_qs(asked[1].body().decode())["state"] == [shown["state"]]
    assert "code:" not in ran.err
    assert "oauth-token-1" not in ran.err
    assert stage.run("token").out == "oauth-token-1\n"
    assert len(asked) == 2


def test_so_is_a_program(stage: Stage, asked: list[Request]) -> None:
    ran = stage.run(*LOGIN, "--json")
    assert ran.kinds.count("code_issued") == 1
    assert ran.kinds[-1] == "authorized"


def test_so_is_a_terminal(
    stage: Stage, asked: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    stage.run(*LOGIN)
    assert terminal.getvalue().count("To sign in, open this link") == 1


# On real sockets: a provider of one's own that is like DagsHub, but on this machine.

OWN = ("login", "hub", "--token-stdin")
WITH_USER = 'userinfo_endpoint = "{home}/api/v1/user"'


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    """The command with its own transport and clock."""
    return Stage(tmp_path, monkeypatch, capsys)


@pytest.fixture
def hub(here: Stage) -> Iterator[DagsHub]:
    with dagshub() as made:
        lives_at(here, made.url)
        yield made


def lives_at(here: Stage, home: str, *more: str, user: str = WITH_USER) -> None:
    here.home.mkdir(exist_ok=True)
    ends = {"authorization": "authorize", "poll": "middleman", "token": "access_token"}
    lines = (
        "[hub]",
        'like = "dagshub"',
        *(f'{name}_endpoint = "{home}/login/oauth/{end}"' for name, end in ends.items()),
        user.format(home=home),
        *more,
    )
    (here.home / "providers.toml").write_text("\n".join(lines))


def test_a_token_that_is_taken_is_stored(here: Stage, hub: DagsHub) -> None:
    ran = here.run(*OWN, stdin="good-token\n")
    assert (ran.code, ran.out, ran.err) == (0, "", "Signed in: profile hub\n")
    assert hub.asked() == [(USER, "good-token")]
    assert here.run("token", "hub").out == "good-token\n"
    assert len(hub.wire.heard) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_is_not_stored(status: int, here: Stage, hub: DagsHub) -> None:
    hub.wire.script(USER, [Says(status, {"message": "bad-token-1 is not valid"})])
    ran = here.run(*OWN, stdin="bad-token-1\n")
    assert ran.code == 1
    said = ran.complaint()
    assert said.startswith(f"grantflow: hub refuses this token (HTTP {status}), and nothing was ")
    assert "bad-token-1" not in said
    assert not (here.home / "profiles.json").exists()
    assert not (here.home / "tokens").exists()
    assert len(hub.wire.heard) == 1
    told = json.loads(here.run(*OWN, "--json", stdin="bad-token-1\n").out)
    assert (told["event"], told["error"]) == ("failed", "invalid_token")


def test_a_refused_token_replaces_none(here: Stage, hub: DagsHub) -> None:
    here.run(*OWN, stdin="good-token\n")
    assert here.run(*OWN, stdin="bad-token-1\n").code == 1
    assert here.run("token", "hub").out == "good-token\n"


TROUBLE = {
    "503": (Says(503), "server error: HTTP 503"),
    "429": (Says(429), "server error: HTTP 429"),
    "404": (Says(404), "HTTP 404 instead of a user"),
    "no answer": (Says(None), "the connection failed"),
    "HTML": (Says(200, b"<html>Welcome</html>"), "HTTP 200: HTML instead of a user"),
    "a list": (Says(200, [1]), "a JSON list instead of an object"),
    "nested": (Says(200, b"[" * 100_000), "a body that is no JSON"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_where_nobody_could_be_asked_a_token_is_stored_and_that_is_told(
    name: str, here: Stage, hub: DagsHub
) -> None:
    said, why = TROUBLE[name]
    hub.wire.script(USER, [said])
    ran = here.run(*OWN, stdin="good-token\n")
    assert (ran.code, ran.out) == (0, "")
    warning, done = ran.err.splitlines()
    assert warning.startswith("grantflow: the token was stored without a check at hub")
    assert why in warning
    assert done == "Signed in: profile hub"
    assert "good-token" not in ran.err
    assert here.run("token", "hub").out == "good-token\n"


def test_who_is_not_there_was_not_asked(here: Stage) -> None:
    with wire() as gone:
        url = gone.url
    lives_at(here, url)
    ran = here.run(*OWN, stdin="good-token\n")
    assert ran.code == 0
    assert "no connection to the server: connection refused" in ran.err
    assert here.run("token", "hub").out == "good-token\n"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_token_anywhere(status: int, here: Stage, hub: DagsHub) -> None:
    with wire() as elsewhere:
        hub.wire.script(USER, [Says(status, b"", {"Location": f"{elsewhere.url}{USER}"})])
        ran = here.run(*OWN, stdin="good-token\n")
        assert elsewhere.heard == []
    assert ran.code == 0
    assert f"HTTP {status} instead of a user" in ran.err
    assert len(hub.wire.heard) == 1


def test_a_token_is_shown_to_its_own_server_alone(here: Stage, hub: DagsHub) -> None:
    with wire() as elsewhere:
        elsewhere.script(USER, [REFUSED])
        lives_at(here, hub.url, user=WITH_USER.format(home=elsewhere.url))
        ran = here.run(*OWN, stdin="good-token\n")
        assert (ran.code, ran.err) == (0, "Signed in: profile hub\n")
        assert elsewhere.heard == hub.wire.heard == []


def test_a_provider_that_does_not_say_where_is_not_asked(here: Stage, hub: DagsHub) -> None:
    lives_at(here, hub.url, user="userinfo_endpoint = false")
    assert here.run(*OWN, stdin="at-1").err == "Signed in: profile hub\n"
    assert hub.wire.heard == []


def test_a_token_is_shown_as_its_provider_spells_it(here: Stage, hub: DagsHub) -> None:
    lives_at(here, hub.url, 'authorization_scheme = "token"')
    here.run(*OWN, stdin="at-1")
    assert hub.wire.heard[0].headers["authorization"] == "token at-1"


def test_a_person_signs_in_on_real_sockets(here: Stage, hub: DagsHub) -> None:
    ran = here.run("login", "hub", "--no-browser")
    assert ran.code == 0, ran.err
    assert here.run("token").out == f"{ISSUED}\n"
    assert hub.sign_ins == 1
