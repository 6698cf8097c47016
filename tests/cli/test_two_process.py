"""``login --start`` and ``login --finish``: a sign-in in two processes."""

from __future__ import annotations

import json
import sys
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import final

import pytest
from attrs import evolve

from grantflow.cli.login import pending
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import Instant, Moment
from grantflow.testing import Script, VirtualClock
from tests.support.cli_stage import ISSUER, Person, Ran, Stage

START = ("login", "--start", "--issuer", ISSUER, "--client-id", "app")
FINISH = ("login", "--finish")
SECRET = "hunter2hunter2"
GO_ON = (
    "continue with grantflow login --finish --profile server.test, with a longer --timeout or "
    "without one"
)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@final
class Elsewhere:
    """The clock of another process: the same wall, another origin of the monotonic one."""

    def __init__(self, here: VirtualClock, shift: timedelta) -> None:
        self._here = here
        self._shift = shift

    def now(self) -> Moment:
        now = self._here.now()
        return evolve(now, mono=Instant(now.mono + self._shift))

    def sleep_until(self, at: Instant) -> None:
        self._here.sleep_until(Instant(at - self._shift))


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def start(stage: Stage, *more: str) -> dict[str, object]:
    ran = stage.run(*START, *more)
    assert ran.code == 0, ran.err
    assert ran.err == ""
    [event] = ran.events
    return event


def finish(stage: Stage, *more: str) -> Ran:
    """Finish in what might be another process."""
    clock = stage.clock
    stage.has(clock=Elsewhere(clock, seconds(90_000)))
    try:
        return stage.run(*FINISH, *more)
    finally:
        stage.has(clock=clock)


def waiting(stage: Stage) -> list[Path]:
    return sorted((stage.home / "starts").glob("login-*.json"))


def kept(stage: Stage) -> dict[str, dict[str, object]]:
    [path] = waiting(stage)
    found: dict[str, dict[str, object]] = json.loads(path.read_text())
    return found


def form(request: Request) -> dict[str, str]:
    return {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in request.form
    }


# -- the first half


def test_a_start_prints_what_a_person_needs_and_does_not_wait(stage: Stage) -> None:
    event = start(stage)
    code = event["user_code"]
    assert event == {
        "event": "code_issued",
        "user_code": code,
        "verification_uri": f"{ISSUER}/activate",
        "verification_uri_complete": f"{ISSUER}/activate?user_code={code}",
        "expires_in": 600,
        "interval": 5,
        "profile": "server.test",
        "finish": "grantflow login --finish --profile server.test",
    }
    assert stage.counts == {"metadata": 1, "device": 1}
    assert stage.clock.slept == []
    assert not (stage.home / "profiles.json").exists()


def test_what_fetches_the_token_is_in_a_private_file_only(stage: Stage) -> None:
    ran = stage.run(*START)
    device_code = str(kept(stage)["run"]["device_code"])
    assert device_code
    assert device_code not in ran.out + ran.err
    if sys.platform != "win32":
        for path in (stage.home, *stage.home.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_start_waits_out_trouble_until_there_is_a_code(stage: Stage) -> None:
    asked = 0

    def late(request: Request) -> Reply:
        nonlocal asked
        asked += request.url.endswith("/device")
        if asked == 1 and request.url.endswith("/device"):
            return Response(503, {"Retry-After": "7"}, b"")
        return stage.transport(request)

    stage.answers_with(late)
    start(stage)
    assert stage.clock.slept == [seconds(7)]


def test_a_start_that_fails_keeps_nothing(stage: Stage) -> None:
    stage.plays(Script(clients={"other": None}))
    ran = stage.run(*START)
    assert ran.code == 1
    assert "invalid_client" in ran.complaint()
    assert waiting(stage) == []
    ran = stage.run(*START, "--json")
    assert (ran.code, ran.events[0]["error"]) == (1, "invalid_client")


def test_a_second_start_takes_the_place_of_the_first(stage: Stage) -> None:
    first = start(stage)["user_code"]
    second = start(stage)["user_code"]
    assert first != second
    assert kept(stage)["run"]["user_code"] == second


def test_a_start_forgets_those_that_nobody_finished(stage: Stage) -> None:
    start(stage, "--profile", "old")
    stage.clock.advance(seconds(601))
    start(stage, "--profile", "new")
    assert [path.name for path in waiting(stage)] == ["login-new.json"]


# -- the second half


def test_a_finish_waits_and_stores_as_login_does(stage: Stage) -> None:
    start(stage, "--scope", "read write")
    ran = finish(stage)
    assert (ran.code, ran.out) == (0, "")
    lines = ran.err.splitlines()
    assert f"  {ISSUER}/activate?user_code=" in ran.err
    assert lines[-1] == (
        "Signed in: profile server.test, expires in 1 hour (refreshed automatically), "
        "scope read write"
    )
    assert stage.clock.slept == [seconds(5)] * 3
    assert "slow_down" not in stage.counts
    assert waiting(stage) == []
    assert stage.document()["default"] == "server.test"
    assert stage.run("token").code == 0


def test_the_profile_is_the_one_that_login_makes(stage: Stage) -> None:
    stage.login("--scope", "read", "--param", "prompt=login", "--profile", "one")
    start(stage, "--scope", "read", "--param", "prompt=login", "--profile", "two")
    assert finish(stage).code == 0
    one, two = (dict(stage.profiles()[name]) for name in ("one", "two"))
    assert one.pop("token_key") != two.pop("token_key")
    assert str(one.pop("signed_in_at")) < str(two.pop("signed_in_at"))
    assert two == one


def test_time_that_passed_in_between_has_passed(stage: Stage) -> None:
    start(stage)
    stage.clock.advance(seconds(100))
    ran = finish(stage, "--json")
    assert ran.kinds == ["code_issued", "authorized"]
    assert ran.events[0]["expires_in"] == 500
    assert stage.clock.slept == []


def test_events_are_those_of_login(stage: Stage) -> None:
    start(stage)
    ran = finish(stage, "--json")
    assert ran.kinds == ["code_issued", "pending", "pending", "authorized"]
    assert ran.err == ""


def test_no_browser_is_opened_where_another_process_shows_the_link(stage: Stage) -> None:
    person = Person(display=True)
    stage.has(terminal=person)
    start(stage)
    assert finish(stage).code == 0
    assert person.opened == []


def test_a_name_that_was_taken_meanwhile_stays_with_its_owner(stage: Stage) -> None:
    start(stage)
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "other")
    assert ran.code == 0
    assert "profile server.test-2" in finish(stage).err
    assert stage.profiles()["server.test"]["client_id"] == "other"


def test_of_several_one_is_named(stage: Stage) -> None:
    start(stage, "--profile", "one")
    start(stage, "--profile", "two")
    ran = finish(stage)
    assert ran.code == 2
    assert ran.complaint().endswith("add --profile with one of: one, two")
    assert finish(stage, "--profile", "two").code == 0
    assert finish(stage).code == 0
    assert list(stage.profiles()) == ["two", "one"]


def test_the_only_one_that_lives_is_meant(stage: Stage) -> None:
    start(stage, "--profile", "old", "--timeout", "60")
    start(stage, "--profile", "new")
    stage.clock.advance(seconds(120))
    assert "profile new" in finish(stage).err


# -- what else is there meanwhile


def test_a_newer_sign_in_is_not_replaced_unasked(stage: Stage) -> None:
    start(stage, "--profile", "work", "--scope", "old")
    stage.login("--profile", "work", "--scope", "new")
    before = (stage.document(), stage.tokens())
    stage.clock.advance(seconds(60))
    asked = dict(stage.counts)
    ran = finish(stage, "--profile", "work", "--json")
    assert ran.code == 1
    assert ran.err == (
        "grantflow: profile work was signed in 1 minute ago, after this sign-in was started; add "
        "--replace to replace it, or leave it until its code expires\n"
    )
    assert [each["error"] for each in ran.events] == ["newer"]
    assert (stage.document(), stage.tokens(), stage.counts) == (*before, asked)
    assert finish(stage, "--profile", "work", "--replace").code == 0
    assert stage.profiles()["work"]["scope"] == ["old"]
    assert len(stage.tokens()) == 1


def test_a_sign_in_from_before_the_start_is_replaced(stage: Stage) -> None:
    stage.login("--profile", "work")
    start(stage, "--profile", "work")
    stage.clock.advance(seconds(1800 - 1300))
    assert stage.run("token", "work", "--min-ttl", "3500").code == 0, "a renewal is no sign-in"
    assert finish(stage, "--profile", "work").code == 0


def test_list_shows_what_was_started_and_the_time_left(stage: Stage) -> None:
    stage.login("--profile", "work")
    start(stage, "--profile", "work", "--scope", "read write")
    start(stage, "--profile", "later")
    start(stage, "--profile", "over", "--timeout", "30")
    stage.clock.advance(seconds(60))
    ran = stage.run("list")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines()[2:]] == [
        f"{name} server.test app device started, 9 minutes left - {scope}".split()
        for name, scope in (("later", "-"), ("work", "read write"))
    ]
    assert ran.err.splitlines() == [
        f"To finish the started sign-in: grantflow login --finish --profile {name}"
        for name in ("later", "work")
    ]
    work, later = json.loads(stage.run("list", "--json").out)
    assert (work["profile"], work["signed_in"], work["scope"]) == ("work", True, "")
    assert (later["profile"], later["signed_in"], later["default"]) == ("later", False, False)
    assert later["started"] == {
        "expires_at": later["started"]["expires_at"],
        "expires_in": 540,
        "finish": "grantflow login --finish --profile later",
    }
    assert work["started"]["expires_in"] == 540
    assert finish(stage, "--profile", "work").code == 0
    assert "left" not in stage.run("list").out.splitlines()[1]
    left = {
        each["profile"]: each["started"] for each in json.loads(stage.run("list", "--json").out)
    }
    assert (left["work"], left["later"]) == (None, later["started"])


@pytest.mark.parametrize("command", ["token", "status", "doctor", "default"])
def test_a_profile_that_was_only_started_is_told_as_such(stage: Stage, command: str) -> None:
    start(stage, "--profile", "later")
    ran = stage.run(command, "later")
    assert ran.code == 3
    assert ran.complaint() == (
        "grantflow: the sign-in of later was started and waits for approval; finish it with "
        "grantflow login --finish --profile later"
    )


def test_a_damaged_start_does_not_hide_the_list(stage: Stage) -> None:
    start(stage, "--profile", "torn")
    [path] = waiting(stage)
    path.write_text("{")
    start(stage, "--profile", "later")
    ran = stage.run("list")
    assert (ran.code, "later" in ran.out) == (0, True)
    assert "the started sign-in of torn cannot be resumed" in ran.err
    assert stage.run("logout", "torn").code == 0
    assert stage.run("list").err.startswith("To finish")


@pytest.mark.parametrize("argv", [("later",), ("--all",)])
def test_a_logout_drops_what_was_started(stage: Stage, argv: tuple[str, ...]) -> None:
    start(stage, "--profile", "later")
    ran = stage.run("logout", *argv)
    assert (ran.code, ran.err) == (0, "Dropped the started sign-in of later.\n")
    assert waiting(stage) == []
    assert finish(stage).code == 1


def test_a_logout_drops_the_profile_s_own_start_only(stage: Stage) -> None:
    stage.login("--profile", "work")
    start(stage, "--profile", "work")
    start(stage, "--profile", "later")
    assert stage.run("logout").code == 0
    assert [path.name for path in waiting(stage)] == ["login-later.json"]
    ran = stage.run("logout")
    assert (ran.code, ran.complaint().endswith("pass one of: later")) == (2, True)


def test_a_logout_does_not_take_a_sign_in_from_who_finishes_it(stage: Stage) -> None:
    stage.login("--profile", "work")
    start(stage, "--profile", "work")
    said: list[Ran] = []

    def meanwhile() -> None:
        said.append(stage.run("logout", "work"))

    with pending.held("work"):
        thread = threading.Thread(target=meanwhile)
        thread.start()
        thread.join()
    assert said[0].code == 1
    assert "another process is finishing the sign-in of work" in said[0].err
    assert (len(waiting(stage)), len(stage.tokens())) == (1, 1)


# -- ends


@pytest.mark.parametrize(
    ("script", "passed", "word", "hint"),
    [
        (Script(deny_after=seconds(7)), 0, "access_denied", "the sign-in was denied"),
        (
            Script(lifetime=seconds(12)),
            0,
            "expired",
            "before it was completed; run the command again",
        ),
        (
            Script(lifetime=seconds(12)),
            60,
            "expired",
            "before it was completed; run the command again",
        ),
    ],
)
def test_a_sign_in_that_has_ended_is_over(
    stage: Stage, script: Script, passed: float, word: str, hint: str
) -> None:
    stage.plays(script)
    start(stage)
    stage.clock.advance(seconds(passed))
    ran = finish(stage, "--json")
    assert ran.code == 1
    assert ran.events[-1]["error"] == word
    assert hint in ran.err.splitlines()[-1]
    assert waiting(stage) == []
    assert not (stage.home / "profiles.json").exists()
    ran = finish(stage)
    assert ran.code == 1
    assert "no sign-in was started" in ran.complaint()


def test_the_budget_of_the_start_ends_both_halves(stage: Stage) -> None:
    stage.plays(Script())
    start(stage, "--timeout", "20")
    stage.clock.advance(seconds(3))
    ran = finish(stage)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == (
        "grantflow: the --timeout that was given with --start has passed; run the command again "
        "with a longer --timeout, or without one"
    )
    assert stage.clock.now().mono <= seconds(20)
    assert waiting(stage) == []


# -- pauses


def interrupted(request: Request) -> Reply:
    raise KeyboardInterrupt


def unreachable(request: Request) -> Reply:
    return Fault("refused", "no", "connection refused")


@pytest.mark.parametrize(
    ("more", "transport", "code", "hint"),
    [
        ((), interrupted, 130, "interrupted"),
        (("--timeout", "30"), unreachable, 1, GO_ON),
        (
            ("--timeout", "2"),
            None,
            1,
            f"within the --timeout of 2 seconds, and its code is still valid; {GO_ON}",
        ),
        (("--timeout", "0.5"), None, 1, "not approved within the --timeout of 0.5 seconds"),
        (
            ("--timeout", "8"),
            None,
            1,
            "continue with grantflow login --finish --profile server.test",
        ),
    ],
)
def test_a_process_that_gives_up_leaves_the_sign_in(
    stage: Stage,
    more: tuple[str, ...],
    transport: Callable[[Request], Reply] | None,
    code: int,
    hint: str,
) -> None:
    stage.plays(Script(approve_after=seconds(200)))
    start(stage)
    if transport is not None:
        stage.answers_with(transport)
    ran = finish(stage, *more)
    assert ran.code == code
    assert hint in ran.err.splitlines()[-1]
    stage.answers_with(stage.transport)
    assert finish(stage).code == 0
    assert "slow_down" not in stage.counts
    assert waiting(stage) == []


def test_new_patience_bears_new_trouble(stage: Stage) -> None:
    start(stage)
    stage.answers_with(unreachable)
    assert finish(stage, "--timeout", "30").code == 1
    asked = 0

    def once_more(request: Request) -> Reply:
        nonlocal asked
        asked += 1
        return unreachable(request) if asked == 1 else stage.transport(request)

    stage.answers_with(once_more)
    assert finish(stage).code == 0


def test_an_interval_that_grew_is_remembered(stage: Stage) -> None:
    start(stage)

    def impatient(request: Request) -> Reply:
        if stage.clock.now().mono > seconds(5):
            raise KeyboardInterrupt
        return Response(400, {}, b'{"error": "slow_down"}')

    stage.answers_with(impatient)
    assert finish(stage).code == 130
    assert (kept(stage)["run"]["interval"], kept(stage)["run"]["state"]) == (10, "slow_down")
    stage.answers_with(stage.transport)
    assert finish(stage).code == 0
    # Polled at 5, interrupted while polling at 15; nobody knows whether that one arrived.
    assert stage.clock.now().mono == seconds(25)


def test_little_patience_again_and_again_still_gets_there(stage: Stage) -> None:
    start(stage)
    codes = []
    for _ in range(30):
        stage.clock.advance(seconds(1))
        codes.append(finish(stage, "--timeout", "0.5").code)
        if codes[-1] == 0:
            break
    assert codes[-1] == 0
    assert "slow_down" not in stage.counts
    assert stage.counts["poll"] <= 4


def test_a_code_that_ends_during_trouble_is_over(stage: Stage) -> None:
    stage.plays(Script(lifetime=seconds(30)))
    start(stage)

    def slowly_unreachable(request: Request) -> Reply:
        stage.clock.advance(seconds(9))
        return Fault("timeout", "maybe")

    stage.answers_with(slowly_unreachable)
    ran = finish(stage)
    assert ran.code == 1
    assert "go on with" not in ran.err
    assert waiting(stage) == []


def test_only_one_process_finishes(stage: Stage) -> None:
    start(stage)
    holds, done = threading.Event(), threading.Event()

    def other() -> None:
        with pending.held("server.test"):
            holds.set()
            done.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    holds.wait(60)
    try:
        for argv in (FINISH, START):
            ran = stage.run(*argv)
            assert ran.code == 1
            assert "another process is finishing the sign-in of server.test" in ran.complaint()
    finally:
        done.set()
        thread.join()
    assert finish(stage).code == 0


# -- secrets and proofs

ROBOT = ("login", "--start", "--issuer", ISSUER, "--client-id", "robot")


def test_a_secret_is_read_again_by_each_half(stage: Stage) -> None:
    stage.plays(Script(clients={"robot": SECRET}, approve_after=seconds(1)))
    (stage.folder / "secret.txt").write_text(SECRET)
    assert stage.run(*ROBOT, "--client-secret-file", "secret.txt").code == 0
    [path] = waiting(stage)
    assert SECRET not in path.read_text()
    assert finish(stage).code == 0


def test_a_secret_from_standard_input_is_given_twice(stage: Stage) -> None:
    stage.plays(Script(clients={"robot": SECRET}, approve_after=seconds(1)))
    assert stage.run(*ROBOT, "--client-secret-file", "-", stdin=SECRET).code == 0
    ran = finish(stage)
    assert ran.code == 2
    assert (
        "needs the client's secret; use --client-secret-file FILE, or set GRANTFLOW_CLIENT_SECRET"
        in ran.complaint()
    )
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "wrong-secret")
    ran = finish(stage)
    assert ran.code == 1
    assert "invalid_client" in ran.err
    assert "then continue with grantflow login --finish" in ran.err
    stage.monkeypatch.delenv("GRANTFLOW_CLIENT_SECRET")
    ran = stage.run(*FINISH, "--client-secret-file", "-", stdin=SECRET)
    assert ran.code == 0, ran.err
    assert "client_secret_file" not in stage.profiles()["server.test"]


def own(stage: Stage, *lines: str) -> Path:
    stage.home.mkdir(exist_ok=True)
    path = stage.home / "providers.toml"
    ends = [f'{name}_endpoint = "{ISSUER}/{end}"' for name, end in ENDS]
    path.write_text("\n".join(("[acme]", *ends, *lines)))
    return path


ENDS = (("token", "token"), ("device_authorization", "device"))


def test_a_provider_s_own_file_is_not_needed_twice(stage: Stage) -> None:
    path = own(stage, 'scope_separator = ","', "[acme.poll]", 'fixed = { extra = "1" }')
    assert stage.run("login", "acme", "--start", "--client-id", "app").code == 0
    path.unlink()
    assert finish(stage).code == 0
    assert form(stage.transport.requests[-1])["extra"] == "1"
    assert stage.profiles()["acme"]["provider"] == "acme"


def test_the_second_half_knows_the_verifier_of_the_first(stage: Stage) -> None:
    own(stage, "pkce = true")
    ran = stage.run("login", "acme", "--start", "--client-id", "app")
    assert ran.code == 0, ran.err
    challenge = form(stage.transport.requests[0])["code_challenge"]
    assert finish(stage).code == 0
    verifier = form(stage.transport.requests[-1])["code_verifier"]
    digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert digest == challenge
    assert verifier not in ran.out


def test_a_flow_without_a_request_for_a_code_is_started_too(stage: Stage) -> None:
    ran = stage.run("login", "dagshub", "--start")  # it has a public client of its own
    assert ran.code == 0, ran.err
    [event] = ran.events
    assert event["user_code"] is None
    assert str(event["verification_uri"]).startswith("https://dagshub.com/login/oauth/authorize?")
    assert stage.transport.requests == []
    sent: list[str] = []

    def middleman(request: Request) -> Reply:
        sent.append(request.url)
        if request.url.endswith("middleman"):
            return Response(200, {}, b'"the-code"')
        return Response(200, {}, b'{"access_token": "at-1"}')

    stage.answers_with(middleman)
    assert finish(stage).code == 0
    assert [url.rpartition("/")[2] for url in sent] == ["middleman", "access_token"]


@pytest.mark.parametrize("trouble", [Fault("timeout", "maybe"), KeyboardInterrupt()])
def test_what_is_exchanged_is_not_sent_by_anybody_again(
    stage: Stage, trouble: Fault | KeyboardInterrupt
) -> None:
    assert stage.run("login", "dagshub", "--start").code == 0

    def middleman(request: Request) -> Reply:
        if request.url.endswith("middleman"):
            return Response(200, {}, b'"the-code"')
        if isinstance(trouble, KeyboardInterrupt):
            raise trouble
        return trouble

    stage.answers_with(middleman)
    ran = finish(stage)
    assert ran.code in (1, 130)
    assert "go on with" not in ran.err
    assert waiting(stage) == []


# -- what is wrong


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        ((*START, "--finish"), "--start and --finish exclude each other"),
        ((*START, "--grant", "client_credentials"), "--start and --grant client_credentials"),
        ((*START, "--token-stdin"), "--start and --token-stdin exclude each other"),
        ((*FINISH, "github"), "--finish and PROVIDER exclude each other"),
        ((*FINISH, "--client-id", "app"), "--finish and --client-id exclude each other"),
        ((*FINISH, "--scope", "a"), "--finish and --scope exclude each other"),
        ((*FINISH, "--set", "a=b"), "--finish and --set exclude each other"),
        ((*FINISH, "--token-stdin"), "--finish and --token-stdin exclude each other"),
        ((*FINISH, "--profile", "work"), "no sign-in of 'work' was started; start one"),
        ((*FINISH, "--profile", "sever.test"), "did you mean 'server.test'?"),
        ((*FINISH, "--profile", "../profiles"), "no sign-in of '../profiles' was started"),
    ],
)
def test_what_contradicts_itself_is_usage(stage: Stage, argv: tuple[str, ...], hint: str) -> None:
    start(stage)
    ran = stage.run(*argv)
    assert ran.code == 2
    assert hint in ran.complaint()
    assert len(waiting(stage)) == 1


def test_nothing_that_was_started_is_told(stage: Stage) -> None:
    ran = stage.run(*FINISH)
    assert ran.code == 1
    assert ran.complaint().endswith("start one with grantflow login --start")


def damaged(**changes: object) -> Callable[[dict[str, object]], dict[str, object]]:
    return lambda document: {**document, **changes}


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        (b"{", "it is not a JSON object"),
        (b"[]", "it is not a JSON object"),
        (b"", "it is not a JSON object"),
        (b"\xff\xfe", "it is not a JSON object"),
        (b"[" * 100_000, "it is not a JSON object"),
        (b"{}", "another version of grantflow wrote it"),
        (damaged(version=2), "another version of grantflow wrote it"),
        (damaged(run=None), "it is incomplete"),
        (damaged(run=[]), "it is incomplete"),
        (damaged(entropy=""), "it is incomplete"),
        (damaged(expires_at="soon"), "it is incomplete"),
        (damaged(started_at=None), "it is incomplete"),
        (damaged(profile={"grant": "device"}), "its profile is not usable"),
        (damaged(run={"version": 1}), "it belongs to another client, scope, provider"),
        (damaged(run={"version": 7}), "written by another version of grantflow"),
    ],
)
def test_a_damaged_start_is_told(
    stage: Stage, damage: bytes | Callable[[dict[str, object]], dict[str, object]], hint: str
) -> None:
    start(stage)
    device_code = str(kept(stage)["run"]["device_code"])
    [path] = waiting(stage)
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    asked = dict(stage.counts)
    ran = finish(stage)
    assert ran.code == 1
    complaint = ran.complaint()
    assert hint in complaint
    assert path.name in complaint
    assert "start again with grantflow login --start" in complaint
    assert device_code not in complaint
    assert stage.counts == asked
    start(stage)
    assert finish(stage).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_link_is_not_followed(stage: Stage) -> None:
    start(stage)
    [path] = waiting(stage)
    path.rename(stage.folder / "elsewhere.json")
    path.symlink_to(stage.folder / "elsewhere.json")
    ran = finish(stage)
    assert ran.code == 1
    assert "a link, which is not followed" in ran.complaint()


def test_a_start_that_cannot_be_kept_is_told(stage: Stage) -> None:
    stage.home.mkdir()
    (stage.home / "starts").write_text("this is a file")
    ran = stage.run(*START)
    assert ran.code == 1
    assert "GRANTFLOW_HOME" in ran.complaint()
    assert "device" not in stage.counts
