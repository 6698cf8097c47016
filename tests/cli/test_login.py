"""``grantflow login``: who is asked, what is stored, and what is said."""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow.cli import context
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.testing import Outage, Script
from tests.support.cli_stage import ISSUER, Person, Stage, Terminal

SECRET = "hunter2 hunter2"


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def headers(stage: Stage, place: int = -1) -> dict[str, str]:
    return stage.transport.requests[place].header_map()


def form(stage: Stage, place: int) -> list[tuple[str, str]]:
    return [
        (name, value.reveal() if isinstance(value, Secret) else value)
        for name, value in stage.transport.requests[place].form
    ]


def test_the_link_stands_alone_with_the_code_beside_it(stage: Stage) -> None:
    ran = stage.login()
    lines = ran.err.splitlines()
    link = next(at for at, line in enumerate(lines) if "activate" in line)
    code = lines[link].rpartition("=")[2]
    assert lines[link] == f"  {ISSUER}/activate?user_code={code}"
    assert lines[link + 2] == f"  {code}"
    assert ran.out == ""


def test_the_last_line_says_who_is_signed_in_and_until_when(stage: Stage) -> None:
    last = stage.login("--scope", "read write").err.splitlines()[-1]
    expires = "expires in 1 hour (refreshed automatically)"
    assert last == f"Signed in: profile server.test, {expires}, scope read write"


def test_a_login_is_remembered_without_a_secret(stage: Stage) -> None:
    stage.login("--scope", "read", "--param", "prompt=login", "--resource", "https://r.example")
    assert stage.document()["default"] == "server.test"
    assert stage.profiles() == {
        "server.test": {
            "signed_in_at": "2026-01-01T00:00:15+00:00",
            "grant": "device",
            "issuer": ISSUER,
            "token_endpoint": f"{ISSUER}/token",
            "device_authorization_endpoint": f"{ISSUER}/device",
            "revocation_endpoint": f"{ISSUER}/revoke",
            "client_id": "app",
            "scope": ["read"],
            "resource": ["https://r.example"],
            "param": [["prompt", "login"]],
            "spelling": stage.profiles()["server.test"]["spelling"],
            "token_key": stage.token_key("server.test"),
        }
    }
    [token] = stage.tokens()
    assert str(token["access_token"]) not in (stage.home / "profiles.json").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_everything_that_is_kept_is_its_owner_s_alone(stage: Stage) -> None:
    stage.login()
    for path in (stage.home, *stage.home.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_endpoints_do_where_there_is_no_metadata(stage: Stage) -> None:
    endpoints = [f"--{name}-endpoint={ISSUER}/{name}" for name in ("device", "token")]
    ran = stage.run("login", *endpoints, "--client-id", "app")
    assert ran.code == 0
    assert "metadata" not in stage.counts
    assert stage.run("token").code == 0


def test_logging_in_again_signs_in_anew(stage: Stage) -> None:
    stage.login()
    first = stage.run("token").out
    stage.login()
    assert stage.counts["device"] == 2
    assert stage.run("token").out != first
    assert list(stage.profiles()) == ["server.test"]


def test_a_wider_scope_replaces_the_profile_and_its_token(stage: Stage) -> None:
    stage.login("--scope", "read")
    stage.login("--scope", "read write")
    assert list(stage.profiles()) == ["server.test"]
    assert [token["scope"] for token in stage.tokens()] == [["read", "write"]]


def test_another_client_at_the_same_host_gets_a_name_of_its_own(stage: Stage) -> None:
    stage.login()
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "other")
    assert "profile server.test-2" in ran.err
    stage.login()
    assert list(stage.profiles()) == ["server.test-2", "server.test"]
    assert stage.document()["default"] == "server.test"


def test_no_then_means_no(stage: Stage) -> None:
    stage.plays(Script(deny_after=seconds(3)))
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app")
    assert ran.code == 1
    assert "grantflow: the sign-in was denied (the person said no)" in ran.err
    assert not (stage.home / "profiles.json").exists()
    assert stage.tokens() == []


def test_the_timeout_ends_the_waiting(stage: Stage) -> None:
    stage.plays(Script())
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app", "--timeout", "20", "--json")
    assert ran.code == 1
    assert ran.err == (
        "grantflow: the sign-in was not approved within the --timeout of 20 seconds; its code was "
        "valid for another 10 minutes; run the command again with a longer --timeout, or without "
        "one\n"
    )
    assert stage.clock.now().mono <= seconds(20)
    assert (ran.events[-1]["event"], ran.events[-1]["error"]) == ("expired", "timeout")


def test_a_code_that_ends_before_the_timeout_is_told_as_such(stage: Stage) -> None:
    stage.plays(Script(lifetime=seconds(30)))
    argv = ("login", "--issuer", ISSUER, "--client-id", "app", "--json", "--timeout", "60")
    ran = stage.run(*argv)
    assert ran.code == 1
    assert "run the command again" in ran.err
    assert (ran.events[-1]["event"], ran.events[-1]["error"]) == ("expired", "expired")


def test_a_timeout_before_there_is_a_code_is_told(stage: Stage) -> None:
    stage.plays(Script(outages=(Outage(seconds(0), seconds(9999)),)))
    ends = ("--device-endpoint", f"{ISSUER}/device", "--token-endpoint", f"{ISSUER}/token")
    ran = stage.run("login", *ends, "--client-id", "app", "--timeout", "1")
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == (
        f"grantflow: {ISSUER}/device: no token was received within the --timeout of 1 second: the "
        "server did not answer in time: scripted outage; run the command again with a longer "
        "--timeout, or without one"
    )


def test_the_timeout_bounds_a_machine_s_sign_in_as_well(stage: Stage) -> None:
    outage = Outage(seconds(0), seconds(9999))
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", SECRET)
    stage.plays(Script(outages=(outage,)))
    argv = ("--token-endpoint", f"{ISSUER}/token", "--client-id", "robot", "--timeout", "2")
    ran = stage.run("login", *argv, "--grant", "client_credentials")
    assert ran.code == 1
    assert stage.clock.now().mono <= seconds(2)


def test_plain_lines_say_what_is_waited_for(stage: Stage) -> None:
    script = Script(approve_after=seconds(60), outages=(Outage(seconds(4), seconds(6)),))
    stage.plays(script)
    lines = stage.login().err.splitlines()
    assert "The code expires in 10 minutes." in lines
    assert [line for line in lines if line.endswith("...")] == [
        "Waiting for approval ...",
        "No valid answer; trying again in 10 seconds ...",
        "Waiting for approval ...",
    ]


# -- events


def test_events_tell_the_whole_story_and_no_secret(stage: Stage) -> None:
    ran = stage.login("--json", "--scope", "read")
    assert ran.kinds == ["code_issued", "pending", "pending", "authorized"]
    issued, pending, _, authorized = ran.events
    assert issued == {
        "event": "code_issued",
        "user_code": issued["user_code"],
        "verification_uri": f"{ISSUER}/activate",
        "verification_uri_complete": f"{ISSUER}/activate?user_code={issued['user_code']}",
        "expires_in": 600,
        "interval": 5,
    }
    assert pending == {"event": "pending", "interval": 5, "polls": 1, "faults": 0}
    assert authorized == {
        "event": "authorized",
        "profile": "server.test",
        "scope": "read",
        "expires_at": "2026-01-01T01:00:15+00:00",
    }
    assert ran.err == ""
    [token] = stage.tokens()
    device_code = form(stage, -1)[1][1]
    for secret in (token["access_token"], token["refresh_token"], device_code):
        assert str(secret) not in ran.out


def test_an_event_says_that_the_server_wants_to_be_asked_less_often(stage: Stage) -> None:
    asked = 0

    def impatient(request: Request) -> Reply:
        nonlocal asked
        asked += request.url.endswith("/token")
        if asked == 1 and request.url.endswith("/token"):
            return Response(400, {}, b'{"error": "slow_down"}')
        return stage.transport(request)

    stage.answers_with(impatient)
    ran = stage.login("--json")
    assert ran.kinds == ["code_issued", "slow_down", "authorized"]
    assert ran.events[1]["interval"] == 10


@pytest.mark.parametrize(
    ("script", "event", "error"),
    [
        (Script(deny_after=seconds(1)), "failed", "access_denied"),
        (Script(lifetime=seconds(12)), "expired", "expired"),
        (Script(clients={"other": None}), "failed", "invalid_client"),
    ],
)
def test_the_last_event_says_why(stage: Stage, script: Script, event: str, error: str) -> None:
    stage.plays(script)
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app", "--json")
    assert ran.code == 1
    last = ran.events[-1]
    assert (last["event"], last["error"]) == (event, error)
    assert f"grantflow: {last['message']}\n" == ran.err


def test_events_tell_of_a_server_that_is_not_there(stage: Stage) -> None:
    stage.answers_with(lambda request: Fault("refused", "no", "connection refused"))
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app", "--json")
    assert ran.code == 1
    assert (ran.kinds, ran.events[0]["error"]) == (["failed"], "unreachable")


def test_events_tell_of_ctrl_c(stage: Stage) -> None:
    def interrupted(request: Request) -> Reply:
        raise KeyboardInterrupt

    stage.answers_with(interrupted)
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app", "--json")
    assert (ran.code, ran.events[0]["error"]) == (130, "cancelled")


# -- machines and their secrets

ROBOT = ("--client-id", "robot", "--grant", "client_credentials")


def test_a_machine_needs_a_token_endpoint_only(stage: Stage) -> None:
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", SECRET)
    stage.plays(Script(clients={"robot": SECRET}))
    ran = stage.run("login", "--token-endpoint", f"{ISSUER}/token", *ROBOT, "--json")
    assert (ran.code, ran.kinds) == (0, ["authorized"])
    assert stage.counts == {"client_credentials": 1}
    assert headers(stage)["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("method", "in_header", "in_body"),
    [
        ("client_secret_basic", "cm9ib3Q6aHVudGVyMiUyMGh1bnRlcjI=", False),
        ("client_secret_basic_raw", "cm9ib3Q6aHVudGVyMiBodW50ZXIy", False),
        ("client_secret_post", None, True),
    ],
)
def test_the_named_authentication_is_the_one_that_is_used(
    stage: Stage, method: str, in_header: str | None, in_body: bool
) -> None:
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", SECRET)
    ran = stage.run("login", "--issuer", ISSUER, *ROBOT, "--client-auth", method)
    assert ran.code == 0
    expected = None if in_header is None else f"Basic {in_header}"
    assert headers(stage).get("Authorization") == expected
    assert (("client_secret", SECRET) in form(stage, -1)) is in_body
    assert stage.profiles()["server.test"]["client_auth"] == method


def test_a_server_that_takes_the_secret_in_the_body_alone_gets_it_there(stage: Stage) -> None:
    metadata = stage.transport.server.metadata()
    metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]

    def only_post(request: Request) -> Reply:
        if request.method == "GET":
            return Response(200, {}, json.dumps(metadata).encode())
        return stage.transport(request)

    stage.answers_with(only_post)
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", SECRET)
    stage.run("login", "--issuer", ISSUER, *ROBOT)
    assert ("client_secret", SECRET) in form(stage, -1)


def test_none_leaves_the_environment_s_secret_alone(stage: Stage) -> None:
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", SECRET)
    stage.login("--client-auth", "none")
    assert "Authorization" not in headers(stage)


def test_a_secret_file_is_remembered_by_its_path(stage: Stage) -> None:
    (stage.folder / "secret.txt").write_text(f"{SECRET}\n")
    stage.plays(Script(clients={"robot": SECRET}))
    ran = stage.run("login", "--issuer", ISSUER, *ROBOT, "--client-secret-file", "secret.txt")
    assert ran.code == 0, ran.err
    profile = stage.profiles()["server.test"]
    assert profile["client_secret_file"] == str(stage.folder / "secret.txt")
    assert "hunter2" not in json.dumps(stage.document())


def test_a_secret_from_standard_input_is_not_remembered(stage: Stage) -> None:
    stage.plays(Script(clients={"robot": SECRET}))
    argv = ("login", "--issuer", ISSUER, *ROBOT, "--client-secret-file", "-")
    assert stage.run(*argv, stdin=f"{SECRET}\r\n").code == 0
    assert "client_secret_file" not in stage.profiles()["server.test"]
    stage.clock.advance(seconds(7200))
    complaint = stage.run("token").complaint()
    assert "needs the client's secret" in complaint


# -- a token that was handed over


def test_a_token_from_standard_input_is_stored_as_it_is(stage: Stage) -> None:
    ran = stage.run("login", "--token-stdin", "--profile", "ci", stdin="  at-long-lived\r\n")
    assert ran.code == 0
    assert ran.err == "Signed in: profile ci\n"
    assert stage.run("token", "ci").out == "at-long-lived\n"
    assert stage.transport.requests == []


def test_at_a_terminal_a_token_is_typed_unseen(stage: Stage) -> None:
    person = Person(types="at-1")
    stage.has(terminal=person)
    ran = stage.run("login", "--token-stdin", "--profile", "ci", terminal=True)
    assert (ran.code, person.asked) == (0, ["Token"])
    assert stage.run("token").out == "at-1\n"


def test_at_a_terminal_ctrl_d_is_no_token(stage: Stage) -> None:
    def ended(prompt: str) -> str:
        raise EOFError

    stage.monkeypatch.setattr("getpass.getpass", ended)
    ran = stage.run("login", "--token-stdin", "--profile", "ci", terminal=True)
    assert ran.code == 2
    assert "standard input is empty" in ran.complaint()


def test_given_tokens_of_two_profiles_do_not_meet(stage: Stage) -> None:
    for name in ("one", "two"):
        stage.run("login", "--token-stdin", "--profile", name, stdin=f"at-{name}")
    assert stage.run("token", "one").out == "at-one\n"
    assert stage.run("token", "two").out == "at-two\n"


def test_a_given_token_may_know_its_server(stage: Stage) -> None:
    ran = stage.run("login", "--token-stdin", "--issuer", ISSUER, stdin="at-1")
    assert ran.code == 0
    assert stage.profiles() == {
        "server.test": {
            "grant": "given",
            "issuer": ISSUER,
            "signed_in_at": "2026-01-01T00:00:00+00:00",
            "token_key": stage.token_key("server.test"),
        }
    }


# -- the browser and the picture


def opened(stage: Stage, *argv: str, terminal: bool = True) -> list[str]:
    for stream in ("sys.stdin", "sys.stdout"):
        stage.monkeypatch.setattr(stream, Streamed(terminal))
    person = Person(display=context.Terminal().has_display())
    stage.has(terminal=person)
    stage.login(*argv)
    return person.opened


class Streamed(io.StringIO):
    """A stream that is a terminal, or is not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def test_the_browser_is_opened_where_a_person_sees_it(stage: Stage) -> None:
    stage.monkeypatch.setenv("DISPLAY", ":0")
    [link] = opened(stage)
    assert link.startswith(f"{ISSUER}/activate?user_code=")


@pytest.mark.parametrize("browser", [True, False])
def test_the_browser_is_announced_if_there_is_one(stage: Stage, browser: bool) -> None:
    stage.has(terminal=Person(display=True, browser=browser))
    assert ("in a browser" in stage.login().err) is browser


def test_a_browser_that_stays_open_holds_nothing_up(stage: Stage) -> None:
    left = stage.folder / "closed"
    script = stage.folder / "browser"
    script.write_text(f"#!/bin/sh\nsleep 20\ntouch {left}\n")
    script.chmod(0o700)
    stage.monkeypatch.setenv("BROWSER", str(script))
    assert context.Terminal().open("https://a.example")
    assert not left.exists()


@pytest.mark.parametrize("why", ["--no-browser", "--json", "no terminal", "no display"])
def test_the_browser_stays_closed(stage: Stage, why: str) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        stage.monkeypatch.delenv(name, raising=False)
    stage.monkeypatch.setattr("sys.platform", "linux")
    if why != "no display":
        stage.monkeypatch.setenv("DISPLAY", ":0")
    flags = (why,) if why.startswith("-") else ()
    assert opened(stage, *flags, terminal=why != "no terminal") == []


@pytest.mark.parametrize(("session", "expected"), [(None, 1), ("10.0.0.1 1 10.0.0.2 22", 0)])
def test_a_mac_has_a_screen_unless_one_came_by_ssh(
    stage: Stage, session: str | None, expected: int
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION"):
        stage.monkeypatch.delenv(name, raising=False)
    if session is not None:
        stage.monkeypatch.setenv("SSH_CONNECTION", session)
    stage.monkeypatch.setattr("sys.platform", "darwin")
    assert len(opened(stage)) == expected


def drawn(stage: Stage, *argv: str, lines: str = "50") -> bool:
    stage.monkeypatch.setenv("COLUMNS", "100")
    stage.monkeypatch.setenv("LINES", lines)
    stage.monkeypatch.setenv("TERM", "dumb")
    stage.has(terminal=Person(shows=True))
    return "\u2588\u2580" in stage.login(*argv).err


def test_the_link_is_drawn_where_there_is_room(stage: Stage) -> None:
    assert drawn(stage)
    assert not drawn(stage, "--no-qr")
    assert not drawn(stage, lines="10")


def test_nothing_is_drawn_into_a_file(stage: Stage) -> None:
    assert "\u2588" not in stage.login().err


def test_the_live_line_shows_the_code_and_the_time_left(stage: Stage) -> None:
    from grantflow.cli.progress.prompt import best_screen

    terminal = Terminal()
    stage.monkeypatch.setattr("sys.stderr", terminal)
    stage.monkeypatch.setenv("TERM", "xterm")
    with best_screen(stage.context) as view:
        from grantflow import Client, DeviceFlow, run

        client = Client(provider=stage.transport.server.provider, client_id="app")
        run(DeviceFlow(client), stage.transport, stage.clock, view)
    assert "waiting for approval" in terminal.getvalue()
    assert "10:00 left" in terminal.getvalue()
