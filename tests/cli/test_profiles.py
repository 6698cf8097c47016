"""``grantflow status``, ``list`` and ``logout``, and the file they share."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow import Fault, FileStore, StoreError, Token
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Stage, Terminal

HOUR = timedelta(hours=1)


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


# -- status


def token_path(stage: Stage) -> str:
    return str(stage.home / "tokens" / f"{stage.token_key('server.test')}.json")


def test_status_says_who_where_and_for_how_long(stage: Stage) -> None:
    stage.login("--scope", "read")
    ran = stage.run("status")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "profile                  server.test (default)",
        f"provider                 {ISSUER}",
        "client id                app",
        "grant                    device",
        "scope                    read",
        f"stored in                {token_path(stage)}",
        "expires                  in 1 hour",
        "refreshed automatically  yes, by a refresh token",
    ]


def test_status_for_programs(stage: Stage) -> None:
    stage.login("--scope", "read")
    assert json.loads(stage.run("status", "server.test", "--json").out) == {
        "profile": "server.test",
        "default": True,
        "signed_in": True,
        "provider": None,
        "issuer": ISSUER,
        "token_endpoint": f"{ISSUER}/token",
        "client_id": "app",
        "grant": "device",
        "scope": "read",
        "who": None,
        "who_verified": None,
        "store": "file",
        "stored_in": token_path(stage),
        "expires_at": "2026-01-01T01:00:15+00:00",
        "expires": "in 1 hour",
        "refreshable": True,
        "renewed_by": "a refresh token",
        "environment": None,
        "dpop": False,
    }


def test_status_says_whom_the_id_token_names(stage: Stage) -> None:
    claims = {"sub": "17", "email": "mona@a.example\x1b[31m"}
    stage.plays(Script(approve_after=timedelta(), claims=claims))
    stage.login("--scope", "openid")
    ran = stage.run("status")
    shown = "mona@a.example\\u001b[31m (17) (as its ID token says; not verified)"
    assert f"signed in as             {shown}" in ran.out.splitlines()
    found = json.loads(stage.run("status", "--json").out)
    assert (found["who"], found["who_verified"]) == (f"{claims['email']} (17)", False)


def test_status_of_all(stage: Stage) -> None:
    stage.login("--profile", "one")
    stage.run("login", "--token-stdin", "--profile", "two", stdin="at-1")
    ran = stage.run("status", "--all")
    assert ran.code == 0
    first, second = ran.out.split("\n\n")
    assert first.splitlines()[0].split() == ["profile", "one"]
    assert second.splitlines()[0].split() == ["profile", "two", "(default)"]
    found = json.loads(stage.run("status", "--all", "--json").out)
    assert [each["profile"] for each in found] == ["one", "two"]
    assert "at-1" not in ran.out


def test_status_of_all_hides_nothing_that_is_wrong(stage: Stage) -> None:
    stage.login("--profile", "one")
    stage.run("login", "--token-stdin", "--profile", "two", stdin="at-1")
    document = stage.document()
    document["profiles"] = {"bad": {"grant": "magic"}, **stage.profiles()}
    (stage.home / "profiles.json").write_text(json.dumps(document))
    ran = stage.run("status", "--all")
    assert ran.code == 1
    assert "profile 'bad'" in ran.err
    assert "one" in ran.out
    assert stage.run("status", "--all", "one").code == 2


def test_status_of_all_without_a_profile_is_1(stage: Stage) -> None:
    ran = stage.run("status", "--all")
    assert ran.code == 1
    assert "no profiles" in ran.complaint()


def test_an_ended_token_that_renews_itself_counts_as_signed_in(stage: Stage) -> None:
    stage.login()
    stage.clock.advance(3 * HOUR)
    ran = stage.run("status")
    assert ran.code == 0
    assert "expired                  2 hours ago" in ran.out


def test_an_ended_token_alone_is_not_signed_in(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login()
    assert stage.run("status").code == 0
    stage.clock.advance(HOUR)
    ran = stage.run("status")
    assert ran.code == 1
    assert "not signed in; run: grantflow login --issuer" in ran.err
    assert json.loads(stage.run("status", "--json").out)["signed_in"] is False


def test_status_of_nobody_is_1(stage: Stage) -> None:
    ran = stage.run("status")
    assert ran.code == 1
    assert "no profiles" in ran.complaint()


def test_status_tells_when_the_environment_outranks_it(stage: Stage) -> None:
    stage.login()
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN_SERVER_TEST", "at-1")
    ran = stage.run("status", "--json")
    assert ran.err == (
        "grantflow: the token in GRANTFLOW_TOKEN_SERVER_TEST overrides this profile\n"
    )
    assert json.loads(ran.out)["environment"] == "GRANTFLOW_TOKEN_SERVER_TEST"


@pytest.mark.parametrize(
    ("variable", "argv"),
    [("GRANTFLOW_TOKEN", ()), ("GRANTFLOW_TOKEN", ("ci",)), ("GRANTFLOW_TOKEN_CI", ("ci",))],
)
def test_status_without_a_profile_tells_of_the_environment_s_token(
    stage: Stage, variable: str, argv: tuple[str, ...]
) -> None:
    stage.monkeypatch.setenv(variable, "at-1")
    assert stage.run("token", *argv).out == "at-1\n"
    ran = stage.run("status", *argv)
    assert (ran.code, len(ran.err.splitlines())) == (0, len(argv))
    assert ran.out.splitlines() == [
        f"token                    from {variable}, in the environment",
        "expires                  unknown",
        "refreshed automatically  no",
    ]
    found = json.loads(stage.run("status", *argv, "--json").out)
    assert (found["profile"], found["signed_in"]) == (None, True)
    assert (found["environment"], found["expires"]) == (variable, "unknown")
    assert "at-1" not in ran.out + ran.err


def test_status_of_a_profile_without_a_token_goes_by_the_environment(stage: Stage) -> None:
    stage.login()
    for path in (stage.home / "tokens").glob("*.json"):
        path.unlink()
    assert stage.run("status").code == 1
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-1")
    assert stage.run("status").code == 0


def test_an_environment_s_token_that_is_none_is_told_by_status(stage: Stage) -> None:
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "two\nlines")
    ran = stage.run("status")
    assert ran.code == 2
    assert "the environment's GRANTFLOW_TOKEN holds characters" in ran.complaint()


# -- list


def test_list_shows_every_profile_and_marks_the_default(stage: Stage) -> None:
    stage.login("--profile", "work", "--scope", "read")
    stage.login("--profile", "home")
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    ran = stage.run("list")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["PROFILE", "PROVIDER", "CLIENT", "GRANT", "EXPIRES", "REFRESHED", "SCOPE"],
        ["work", "server.test", "app", "device", "in", "1", "hour", "yes", "read"],
        ["home", "server.test", "app", "device", "in", "1", "hour", "yes", "-"],
        ["*", "ci", "-", "-", "given", "unknown", "no", "-"],
    ]


def test_list_is_cut_to_the_screen_and_whole_in_a_pipe(stage: Stage) -> None:
    stage.login("--scope", " ".join(f"scope-{number}" for number in range(40)))
    assert max(map(len, stage.run("list").out.splitlines())) > 300
    stage.monkeypatch.setenv("COLUMNS", "70")
    terminal = Terminal()
    with stage.monkeypatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        stage.run("list")
    assert max(map(len, terminal.getvalue().splitlines())) == 70


def test_list_for_programs(stage: Stage) -> None:
    assert stage.run("list", "--json").out == "[]\n"
    stage.login()
    [found] = json.loads(stage.run("list", "--json").out)
    assert (found["profile"], found["signed_in"]) == ("server.test", True)


def test_an_empty_list_says_how_to_begin(stage: Stage) -> None:
    ran = stage.run("list")
    assert (ran.code, ran.out) == (0, "")
    assert "grantflow login" in ran.err


def test_no_token_is_ever_shown(stage: Stage) -> None:
    stage.login()
    [token] = stage.tokens()
    for argv in (("list",), ("list", "--json"), ("status",), ("status", "--json"), ("logout",)):
        ran = stage.run(*argv)
        assert ran.code == 0
        for name in ("access_token", "refresh_token"):
            assert str(token[name]) not in ran.out + ran.err


# -- logout


def test_logout_removes_the_token_and_the_profile(stage: Stage) -> None:
    stage.login()
    ran = stage.run("logout")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "Signed out of server.test, at the server and here.\n"
    assert stage.counts["revoke"] == 2
    assert stage.tokens() == []
    assert stage.profiles() == {}
    assert stage.run("token").code == 3


def test_logout_touches_one_profile_only(stage: Stage) -> None:
    stage.login("--profile", "one")
    stage.login("--profile", "two")
    assert stage.run("logout", "one", "--local-only").code == 0
    assert list(stage.profiles()) == ["two"]
    assert stage.run("token").code == 0


def test_after_a_logout_no_other_profile_steps_in_unasked(stage: Stage) -> None:
    stage.login("--profile", "one")
    stage.login("--profile", "two")
    ran = stage.run("logout")
    assert ran.err.splitlines()[-1] == (
        "There is no default profile now; set it with grantflow default NAME: one"
    )
    ran = stage.run("token")
    assert ran.code == 2
    assert ran.complaint().endswith("pass one of one, or set it with grantflow default NAME")
    assert stage.document()["default"] is None
    assert stage.run("token", "one").code == 0


# -- default


def test_a_default_profile_is_chosen_without_signing_in(stage: Stage) -> None:
    stage.login("--profile", "one")
    stage.login("--profile", "two")
    assert stage.run("default").out == "two\n"
    before = stage.document()
    ran = stage.run("default", "one")
    assert (ran.code, ran.out, ran.err) == (0, "", "The default profile is one.\n")
    assert stage.run("default").out == "one\n"
    assert stage.document() == {**before, "default": "one", "default_chosen": True}
    assert json.loads(stage.run("status", "--json").out)["profile"] == "one"
    stage.run("logout")
    assert stage.run("default", "two").code == 0
    assert stage.run("token").code == 0


def test_what_cannot_be_the_default_is_told(stage: Stage) -> None:
    ran = stage.run("default")
    assert (ran.code, "no profiles" in ran.complaint()) == (1, True)
    stage.login("--profile", "one")
    ran = stage.run("default", "oen")
    assert (ran.code, ran.complaint()) == (
        1,
        f"grantflow: no profile 'oen' in {stage.home}; did you mean 'one'?",
    )
    assert stage.document()["default"] == "one"
    stage.login("--profile", "two")
    stage.run("logout")
    ran = stage.run("default")
    assert (ran.code, "grantflow default NAME" in ran.complaint()) == (2, True)


def test_a_local_logout_tells_nobody(stage: Stage) -> None:
    stage.login()
    ran = stage.run("logout", "--local-only")
    assert ran.code == 0
    assert "The token was not revoked" in ran.err
    assert "revoke" not in stage.counts
    assert stage.tokens() == []


def test_a_logout_that_cannot_tell_the_server_keeps_the_token(stage: Stage) -> None:
    stage.login("--profile", "one")
    stage.login("--profile", "two")
    stage.answers_with(lambda request: Fault("refused", "no", "connection refused"))
    ran = stage.run("logout")
    assert ran.code == 1
    assert ran.complaint().endswith("try again, or remove it here with --local-only")
    assert len(stage.tokens()) == 2
    assert stage.run("logout", "--all").code == 1
    assert list(stage.profiles()) == ["one", "two"]
    assert stage.run("logout", "--all", "--local-only").code == 0
    assert (stage.tokens(), stage.profiles()) == ([], {})


def test_a_token_given_by_hand_is_only_removed_here(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "hand", stdin="hand-made\n")
    ran = stage.run("logout", "hand")
    assert ran.code == 0
    assert "The token was not revoked" in ran.err
    assert stage.tokens() == []


def test_logout_of_all(stage: Stage) -> None:
    stage.login("--profile", "one")
    stage.login("--profile", "two")
    ran = stage.run("logout", "--all")
    assert ran.code == 0
    assert len(ran.err.splitlines()) == 2
    assert (stage.tokens(), stage.profiles()) == ([], {})


@pytest.mark.parametrize("argv", [("logout",), ("logout", "--all")])
def test_logout_of_nobody_is_1(stage: Stage, argv: tuple[str, ...]) -> None:
    ran = stage.run(*argv)
    assert ran.code == 1
    assert "nothing to log out of" in ran.complaint()


def test_logout_of_an_unknown_profile_is_1(stage: Stage) -> None:
    stage.login("--profile", "work")
    ran = stage.run("logout", "wrok")
    assert ran.code == 1
    assert "did you mean 'work'" in ran.complaint()
    assert len(stage.tokens()) == 1


def test_logout_says_that_the_environment_s_token_stays(stage: Stage) -> None:
    stage.login()
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-1")
    assert "GRANTFLOW_TOKEN is still set" in stage.run("logout").err
    assert "GRANTFLOW_TOKEN is still set" in stage.run("logout").complaint()


def test_a_profile_without_a_token_can_be_removed(stage: Stage) -> None:
    stage.login()
    for path in (stage.home / "tokens").glob("*.json"):
        path.unlink()
    ran = stage.run("logout")
    assert ran.code == 0
    assert "it had no token" in ran.err


# -- the file


def rewritten(stage: Stage, **members: object) -> None:
    (stage.home / "profiles.json").write_text(json.dumps({**stage.document(), **members}))


def test_members_of_later_versions_are_kept(stage: Stage) -> None:
    stage.login("--profile", "one")
    profiles = stage.profiles()
    profiles["one"]["colour"] = "blue"
    rewritten(stage, profiles=profiles, theme="dark")
    stage.login("--profile", "two")
    stage.login("--profile", "one")
    assert stage.document()["theme"] == "dark"
    assert stage.profiles()["one"]["colour"] == "blue"


def test_what_a_later_version_wrote_is_left_alone(stage: Stage) -> None:
    stage.login()
    rewritten(stage, version=2)
    before = (stage.home / "profiles.json").read_text()
    for argv in (("list",), ("token",), ("login", "--issuer", ISSUER, "--client-id", "app")):
        ran = stage.run(*argv)
        assert ran.code == 1
        assert "newer grantflow" in ran.complaint()
    assert (stage.home / "profiles.json").read_text() == before


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"", b"\xff\xfe", b'{"version": 1}', b"[" * 100_000, b'{"profiles": {}}']
)
def test_a_damaged_file_is_moved_aside_and_told_once(stage: Stage, text: bytes) -> None:
    stage.login()
    (stage.home / "profiles.json").write_bytes(text)
    ran = stage.run("token")
    assert ran.code == 1
    [aside] = stage.home.glob("profiles.json.damaged-*")
    assert aside.name in ran.complaint()
    assert aside.read_bytes() == text
    assert stage.run("token").code == 3


def test_a_login_mends_a_damaged_file(stage: Stage) -> None:
    stage.login()
    (stage.home / "profiles.json").write_text("{")
    ran = stage.login()
    assert "was damaged" in ran.err
    assert list(stage.profiles()) == ["server.test"]


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        [],
        {"grant": "implicit"},
        {"grant": "device", "client_id": 5},
        {"grant": "device", "token_endpoint": ["x"], "client_id": "app"},
        {"grant": "device", "token_endpoint": "http://evil.example/t", "client_id": "app"},
    ],
)
def test_a_damaged_profile_costs_that_profile_only(stage: Stage, document: object) -> None:
    stage.login("--profile", "good")
    rewritten(stage, profiles={**stage.profiles(), "bad": document})
    ran = stage.run("token", "bad")
    assert ran.code in (1, 2)
    assert "'bad'" in ran.complaint()
    listed = stage.run("list")
    assert (listed.code, "good" in listed.out, "'bad'" in listed.err) == (0, True, True)
    assert stage.run("token", "good").code == 0
    assert stage.run("logout", "bad").code == 0
    assert list(stage.profiles()) == ["good"]


def test_a_token_that_cannot_be_read_does_not_hide_the_list(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.login("--profile", "bad")
    bad = FileStore().keys()
    stage.login("--profile", "good", "--scope", "write")
    read = FileStore.read

    def refused(store: FileStore, key: str) -> Token | None:
        if key in bad:
            raise StoreError(f"cannot read {key}: permission denied")
        return read(store, key)

    monkeypatch.setattr(FileStore, "read", refused)
    listed = stage.run("list")
    assert (listed.code, "good" in listed.out) == (0, True)
    assert listed.err == f"grantflow: cannot read {bad[0]}: permission denied\n"


def test_an_authentication_of_a_later_version_is_named(stage: Stage) -> None:
    stage.login("--profile", "one")
    rewritten(stage, profiles={"one": {**stage.profiles()["one"], "client_auth": "new_jwt"}})
    assert stage.run("token").code == 0
    stage.clock.advance(HOUR)
    ran = stage.run("token")
    assert ran.code == 2
    assert "'one' uses the client authentication 'new_jwt'" in ran.complaint()
