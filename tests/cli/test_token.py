"""``grantflow token``: always a token that works, and nothing beside it."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow import Secret, StoreError
from grantflow.core.values.response import Fault
from grantflow.shell.stores.file import FileStore
from grantflow.stores import PrivateFile
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Stage

HOUR = timedelta(hours=1)


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def access_token(stage: Stage) -> str:
    [token] = stage.tokens()
    return str(token["access_token"])


def test_a_fresh_token_is_printed_and_nobody_is_asked(stage: Stage) -> None:
    stage.login()
    asked = len(stage.transport.requests)
    ran = stage.run("token")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{access_token(stage)}\n"
    assert len(stage.transport.requests) == asked


def test_a_stale_token_is_refreshed_and_stored(stage: Stage) -> None:
    stage.login()
    before = access_token(stage)
    stage.clock.advance(HOUR)
    ran = stage.run("token", "--no-input")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{access_token(stage)}\n" != f"{before}\n"
    assert stage.counts["refresh"] == 1


def test_a_token_is_found_by_its_profile(stage: Stage) -> None:
    stage.login("--profile", "one")
    stage.login("--profile", "two")
    assert stage.run("token", "one").out != stage.run("token", "two").out
    assert stage.run("token").out == stage.run("token", "two").out


def test_a_header_is_ready_to_be_sent(stage: Stage) -> None:
    stage.login()
    ran = stage.run("token", "--format", "header")
    assert ran.out == f"Authorization: Bearer {access_token(stage)}\n"


@pytest.mark.parametrize("kind", ["header", "headers-json"])
def test_a_type_that_is_not_understood_has_no_header(stage: Stage, kind: str) -> None:
    stage.login()
    [path] = (stage.home / "tokens").glob("*.json")
    found = json.loads(path.read_text()) | {"token_type": "mac"}
    found.pop("crc32")
    path.write_text(json.dumps(found))
    ran = stage.run("token", "--format", kind)
    assert (ran.code, ran.out) == (1, "")
    assert ran.complaint() == (
        "grantflow: the token's type is 'mac', neither Bearer nor DPoP; "
        "print it without a header: --format text, or json"
    )
    assert stage.run("token").out == f"{access_token(stage)}\n"
    assert json.loads(stage.run("token", "--format", "json").out)["token_type"] == "mac"


def test_json_has_what_a_program_needs(stage: Stage) -> None:
    stage.login("--scope", "read write")
    assert json.loads(stage.run("token", "--format", "json").out) == {
        "access_token": access_token(stage),
        "token_type": "Bearer",
        "expires_at": "2026-01-01T01:00:15+00:00",
        "scope": "read write",
    }


# -- how long it must live


def test_min_ttl_renews_what_ends_too_soon(stage: Stage) -> None:
    stage.login()
    before = stage.run("token").out
    stage.clock.advance(timedelta(minutes=10))
    assert stage.run("token", "--min-ttl", "2900").out == before
    ran = stage.run("token", "--min-ttl", "3100")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out != before
    assert stage.counts["refresh"] == 1
    [token] = stage.tokens()
    assert token["expires_at"] == "2026-01-01T01:10:15+00:00"


@pytest.mark.parametrize("argv", [("token",), ("token", "--format", "json")])
def test_a_token_that_lives_shorter_than_asked_is_refused(
    stage: Stage, argv: tuple[str, ...]
) -> None:
    stage.login()
    ran = stage.run(*argv, "--min-ttl", "7200")
    assert ran.code == 1
    assert ran.complaint() == (
        "grantflow: the token of server.test expires in 1 hour, less than --min-ttl (2 hours); "
        "ask for less"
    )
    assert stage.run("token").out == f"{access_token(stage)}\n", "the renewed one is kept"


def test_min_ttl_says_nothing_about_a_token_without_an_end(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), token_lifetime=None))
    stage.login()
    assert stage.run("token", "--min-ttl", "99999", "--no-input").code == 0
    assert "refresh" not in stage.counts


# -- when a person is needed


def test_no_input_says_exactly_how_to_sign_in(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login("--scope", "read", "--param", "prompt=log in", "--audience", "api")
    stage.clock.advance(HOUR)
    ran = stage.run("token", "--no-input", terminal=True)
    assert ran.code == 3
    command = (
        f"grantflow login --issuer {ISSUER} --client-id app --scope read --audience api "
        "--param 'prompt=log in' --profile server.test"
    )
    assert ran.complaint() == f"grantflow: a person has to sign in; run: {command}"
    assert stage.counts["device"] == 1


def test_where_nobody_can_answer_nobody_is_asked(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login()
    stage.clock.advance(HOUR)
    assert stage.run("token").code == 3


def test_at_a_terminal_a_person_signs_in(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login()
    stage.clock.advance(HOUR)
    ran = stage.run("token", terminal=True)
    assert ran.code == 0
    assert ran.out == f"{access_token(stage)}\n"
    assert f"  {ISSUER}/activate?user_code=" in ran.err
    assert ran.err.count("user_code=") == 1


def test_a_refresh_token_that_is_dead_needs_a_person(stage: Stage) -> None:
    stage.login()
    stage.plays()
    stage.clock.advance(2 * HOUR)
    ran = stage.run("token", "--no-input")
    assert ran.code == 3
    why, what = ran.err.splitlines()
    assert "could not be renewed: the server refused: invalid_grant" in why
    assert what.startswith("grantflow: a person has to sign in; run: grantflow login")


def test_where_nobody_ever_signed_in_a_person_is_needed(stage: Stage) -> None:
    ran = stage.run("token")
    assert ran.code == 3
    assert "grantflow login --issuer URL --client-id ID" in ran.complaint()


def test_a_given_token_that_is_gone_must_be_given_again(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    FileStore().clear()
    ran = stage.run("token")
    assert ran.code == 3
    assert ran.complaint().endswith("run: grantflow login --token-stdin --profile ci")


def test_a_network_that_is_down_is_no_reason_to_ask_a_person(stage: Stage) -> None:
    stage.login()
    stage.clock.advance(HOUR)
    stage.answers_with(lambda request: Fault("refused", "no", "connection refused"))
    ran = stage.run("token", "--no-input")
    assert ran.code == 1
    *waits, complaint = ran.err.splitlines()
    assert "no connection to the server" in complaint
    assert all(each.startswith("No valid answer; trying again in ") for each in waits)
    assert len(stage.tokens()) == 1


# -- machines


def test_a_machine_signs_itself_in(stage: Stage) -> None:
    secret = stage.folder / "secret.txt"
    secret.write_text("s3cret-one")
    stage.plays(Script(clients={"robot": "s3cret-one"}))
    argv = ("--client-id", "robot", "--client-secret-file", str(secret))
    endpoint = ("--token-endpoint", f"{ISSUER}/token")
    stage.run("login", *endpoint, *argv, "--grant", "client_credentials")
    stage.clock.advance(HOUR)
    ran = stage.run("token", "--no-input")
    assert (ran.code, ran.err) == (0, "")
    assert stage.counts == {"client_credentials": 2}


def test_the_secret_file_is_read_at_each_use_and_outranks_the_environment(stage: Stage) -> None:
    secret = stage.folder / "secret.txt"
    secret.write_text("s3cret-one")
    argv = ("--client-id", "robot", "--client-secret-file", str(secret))
    stage.run("login", "--issuer", ISSUER, *argv, "--grant", "client_credentials")
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "of another profile")
    secret.write_text("s3cret-two")
    stage.plays(Script(clients={"robot": "s3cret-two"}))
    stage.clock.advance(2 * HOUR)
    assert stage.run("token").code == 0


# -- the environment


@pytest.mark.parametrize(
    ("variable", "argv"),
    [
        ("GRANTFLOW_TOKEN", ()),
        ("GRANTFLOW_TOKEN", ("nobody",)),
        ("GRANTFLOW_TOKEN_WORK_1", ("work.1",)),
        ("GRANTFLOW_TOKEN_SERVER_TEST", ()),
    ],
)
def test_the_environment_outranks_every_store(
    stage: Stage, variable: str, argv: tuple[str, ...]
) -> None:
    stage.login()
    stage.monkeypatch.setenv(variable, "at-from-the-environment")
    assert stage.run("token", *argv).out == "at-from-the-environment\n"


def test_the_environment_s_token_needs_no_home(stage: Stage) -> None:
    stage.home.write_text("this is not a directory")
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-1")
    assert stage.run("token").out == "at-1\n"


def test_the_environment_s_token_must_be_one(stage: Stage) -> None:
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "two\nlines")
    ran = stage.run("token", "--format", "header")
    assert ran.code == 2
    assert "GRANTFLOW_TOKEN" in ran.complaint()
    assert "two" not in ran.err


# -- trouble with the files


def test_a_token_that_cannot_be_saved_is_still_given(stage: Stage) -> None:
    stage.login()
    stage.clock.advance(HOUR)
    write, writes = PrivateFile.write, []

    def full(file: PrivateFile, data: bytes | Secret) -> None:
        writes.append(file)
        if len(writes) > 1:  # the first marks the old token
            raise StoreError(f"cannot write {file}: No space left on device")
        write(file, data)

    stage.monkeypatch.setattr(PrivateFile, "write", full)
    ran = stage.run("token")
    assert ran.code == 0
    assert ran.out.startswith("at-")
    assert ran.err.startswith("grantflow: the token could not be saved: ")
    assert len(ran.err.splitlines()) == 1


def test_a_damaged_token_is_moved_aside_and_told(stage: Stage) -> None:
    stage.login()
    [path] = (stage.home / "tokens").glob("*.json")
    path.write_text("{")
    ran = stage.run("token", "--no-input")
    assert ran.code == 3
    warning, complaint = ran.err.splitlines()
    assert warning.startswith(f"grantflow: {path.name}: ")
    assert "run: grantflow login" in complaint
    assert len(list((stage.home / "tokens").glob("*.damaged-*"))) == 1


def test_many_at_once_refresh_once(stage: Stage) -> None:
    """Threads here, processes in use: what holds them apart is the store's lock."""
    stage.login()
    stage.clock.advance(HOUR)
    codes: list[int] = []
    from grantflow.__main__ import main

    threads = [
        threading.Thread(target=lambda: codes.append(main(["token", "--no-input"], stage.context)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 8
    assert stage.counts["refresh"] == 1
