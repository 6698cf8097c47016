"""The quick way of ``grantflow token``: what it prints, the full command would print."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grantflow.cli import dispatch
from grantflow.cli.errors import CommandError, verdict
from grantflow.cli.token import formats, quick
from grantflow.testing import Script
from tests.cli.test_cli import loaded_by
from tests.support.cli_stage import ISSUER, Ran, Stage
from tests.support.effort import effort

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def access_token(stage: Stage) -> object:
    [token] = stage.tokens()
    return token["access_token"]


# -- it is taken where it may be


LOGINS = {
    "plain": (),
    "scope": ("--scope", "b a", "--scope", "a"),
    "everything": (
        *("--audience", "api", "--resource", "https://b.example", "--resource", "urn:a"),
        *("--param", "prompt=log in", "--param", "access_type=offline", "--scope", "caf\u00e9"),
    ),
    "named": ("--profile", "work.1"),
}


def found(stage: Stage, argv: list[str], stdin: str = "") -> list[str] | None:
    """What the quick way answers."""
    stage.monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    return quick.answer(argv, stage.now())


@pytest.mark.parametrize("name", LOGINS)
def test_a_stored_token_is_quickly_found(stage: Stage, name: str) -> None:
    stage.login(*LOGINS[name])
    profile = stage.document()["default"]
    assert isinstance(profile, str)
    for argv in (["token"], ["token", profile], ["token", "--no-input", profile]):
        assert found(stage, argv) == [access_token(stage)]
        assert stage.run(*argv).out == f"{access_token(stage)}\n"


def test_a_machine_s_token_is_quickly_found(stage: Stage) -> None:
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "s3cret-one")
    argv = ("--client-id", "robot", "--grant", "client_credentials")
    stage.run("login", "--token-endpoint", f"{ISSUER}/token", *argv)
    assert found(stage, ["token"]) == [access_token(stage)]


@pytest.mark.parametrize("name", ["ci", "CI_1.2-x"])
def test_a_given_token_is_quickly_found(stage: Stage, name: str) -> None:
    stage.run("login", "--token-stdin", "--profile", name, stdin="at-1")
    assert found(stage, ["token", name]) == ["at-1"]


def test_a_token_without_an_end_is_quickly_found(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), token_lifetime=None))
    stage.login()
    assert found(stage, ["token"]) == [access_token(stage)]


QUESTION = "protocol=https\nhost=server.test\n\n"


QUICK = [name for name in formats.FORMATS if name != "docker-credential"]
"""docker asks seldom, and about any profile: it takes the full way."""


def asks(name: str, *more: str) -> list[str]:
    return ["token", "--format", name, *more, *(["get"] if name == "git-credential" else [])]


@pytest.mark.parametrize("name", QUICK)
def test_every_format_is_quickly_printed(
    stage: Stage, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.monkeypatch.delenv("KUBERNETES_EXEC_INFO", raising=False)
    stage.login("--scope", "b a")
    assert agrees(stage, asks(name, "--min-ttl", "60"), capsys, QUESTION)
    version = f"{formats.KUBERNETES}/v1beta1"
    stage.monkeypatch.setenv("KUBERNETES_EXEC_INFO", json.dumps({"apiVersion": version}))
    assert agrees(stage, asks(name, "--no-input", "server.test"), capsys, QUESTION)


@pytest.mark.parametrize("name", QUICK)
def test_a_profile_of_this_machine_is_as_quick(
    stage: Stage, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("login", "--token-stdin", "--profile", "ci", "--token-endpoint")
    stage.run(*argv, "http://127.0.0.1:8080/token", stdin="at-1")
    assert agrees(stage, asks(name), capsys, "protocol=http\nhost=127.0.0.1:8080\n")


@pytest.mark.parametrize(
    ("asked", "argv"),
    [
        ("protocol=https\nhost=evil.example\n", ()),
        ("protocol=http\nhost=server.test\n", ()),
        ("protocol=https\nhost=server.test:8443\n", ()),
        ("protocol=https\nhost=server.test@evil.example\n", ()),
        ("", ()),
        (QUESTION, ("--host", "git.example")),
    ],
)
def test_a_question_that_is_not_ours_is_handed_on_whole(
    stage: Stage, asked: str, argv: tuple[str, ...]
) -> None:
    stage.login()
    assert found(stage, asks("git-credential", *argv), asked) is None
    assert sys.stdin.read() == asked
    assert stage.run(*asks("git-credential", *argv), stdin=asked).out == ""


def test_a_host_that_is_named_is_quickly_answered(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.login()
    argv = asks("git-credential", "--host", "git.example")
    assert agrees(stage, argv, capsys, "protocol=https\nhost=git.example\nusername=x\n")


def test_it_loads_next_to_nothing(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    loaded = loaded_by(stage.home, "token", "ci")
    ours = {each for each in loaded if each.startswith("grantflow")}
    assert ours == {
        "grantflow",
        "grantflow.__main__",
        "grantflow.cli",
        "grantflow.shell.profiles",
        "grantflow.cli.token",
        "grantflow.cli.token.formats",
        "grantflow.cli.token.quick",
        "grantflow.shell",
        "grantflow.shell.checksum",
        "grantflow.shell.environment",
    }
    assert not loaded & {"typing", "argparse", "attr", "logging", "pathlib", "datetime"}


# -- it is left where it must be


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["list"],
        ["token", "--format", "yaml"],
        ["token", "--format"],
        ["token", "--format", "text", "--format", "json"],
        ["token", "--format", "git-credential"],
        ["token", "--format", "git-credential", "store"],
        ["token", "--host", "server.test"],
        ["token", "--help"],
        ["token", "--min-ttl", "1.5"],
        ["token", "--min-ttl", "-1"],
        ["token", "--min-ttl", ""],
        ["token", "--min-ttl", "\u0661"],
        ["token", "wrok"],
        ["token", "ci", "ci"],
        ["token", ""],
        ["token", "--"],
    ],
)
def test_what_it_does_not_know_is_left(stage: Stage, argv: list[str]) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    assert found(stage, ["token"]) == ["at-1"]
    assert found(stage, argv) is None


def test_a_token_of_the_environment_is_left(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN_CI", "at-2")
    assert found(stage, ["token"]) is None
    assert stage.run("token").out == "at-2\n"


def test_a_profile_of_another_version_is_left(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    document = stage.document()
    document["profiles"] = {"ci": {**stage.profiles()["ci"], "store": "vault"}}
    write(stage.home / "profiles.json", document)
    assert found(stage, ["token"]) is None


@POSIX
@pytest.mark.parametrize("place", ["profiles.json", "tokens/*.json"])
def test_a_file_that_others_may_read_is_left_and_closed(stage: Stage, place: str) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    [path] = stage.home.glob(place)
    path.chmod(0o644)
    assert found(stage, ["token"]) is None
    assert stage.run("token").out == "at-1\n"
    assert path.stat().st_mode & 0o777 == 0o600


@POSIX
def test_what_is_no_file_is_left(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    [path] = stage.home.glob("tokens/*.json")
    elsewhere = path.rename(stage.folder / "elsewhere")
    path.symlink_to(elsewhere)
    assert found(stage, ["token"]) is None
    path.unlink()
    os.mkfifo(path, 0o600)
    assert found(stage, ["token"]) is None
    path.unlink()
    path.mkdir()
    assert found(stage, ["token"]) is None


@pytest.mark.parametrize("left", [-3600, 0, 29, 31])
def test_a_token_that_is_about_to_end_is_left(stage: Stage, left: int) -> None:
    stage.login()
    stage.clock.advance(timedelta(seconds=3600 - left))
    assert found(stage, ["token"]) is None


# -- and it agrees


ASKED = "protocol=https\nhost=as.example\n"


def nested(depth: int) -> object:
    return [nested(depth - 1)] if depth else "a"


VALUES: list[object] = [
    *(None, "", " ", "a b", "caf\u00e9", "a\nb", "\ud800", 0, 1, True, 1.5, 10**30),
    *([], ["a"], ["b", "a", "a"], ["a b"], [["a", "b"]], [["a"]], [["a", "b", "c"]]),
    *({}, {"a": {}}, nested(7), nested(40)),
]
URLS: list[object] = [
    "https://as.example/token",
    "https://as.example:8443/token",
    "https://as.example:port/token",
    "https://as.example:99999/token",
    "https://as.example:/token",
    "https:///token",
    "https://:443/token",
    "https://as.example/token?tenant=1",
    "https://as.example/token#x",
    "https://as.example/to ken",
    "https://user@as.example/token",
    "https://[::1]/token",
    "https://as..example/~a.b",
    "HTTPS://as.example/token",
    "https://AS.example/token",
    "http://as.example/token",
    "http://127.0.0.1:8080/token",
    "ftp://as.example",
    "as.example",
]
WORDS: list[object] = [["read", "write"], ["a", "a b"], ["", "a"], ["\u00a0"], [1, "a"]]
PAIRS: list[object] = [
    [["b", "a"], ["a", "b"]],
    [["a"]],
    [["a", "b"], ["a", "a"]],
    [["a", 1]],
    [["a:", "{"]],
]
TIMES: list[object] = [
    "2026-01-01T01:00:15+00:00",
    "2026-01-01T01:00:15.250000+00:00",
    "2026-01-01T00:00:20+00:00",
    "2026-01-01T00:00:30.000001+00:00",
    "2026-01-01T00:00:31.500000+00:00",
    "2025-01-01T00:00:00+00:00",
    "2026-06-31T00:00:00+00:00",
    "2026-01-01T01:00:15Z",
    "2026-01-01T01:00:15",
    "2026-01-01T01:00:15+02:00",
    "2026-W01-1T00:00:15+00:00",
    "20990101T000000+00:00",
    "1970-01-01T01:00:00+00:00",
    "9999-12-31T23:59:59.999999+00:00",
    "99999999999",
    "soon",
    "2026-01-01T00:00:00",
]
TEXTS: list[object] = ["at-1", "a b", "~", " ", "a\tb", "caf\u00e9", "", "\x7f"]
MEMBERS: dict[str, dict[str, list[object]]] = {
    "file": {"version": [], "default": ["p", "q"], "later": []},
    "profile": {
        "grant": ["device", "client_credentials", "given"],
        "provider": TEXTS,
        "provider_file": TEXTS,
        "values": PAIRS,
        "spelling": [
            {"version": 1, "auth_methods": ["none"], "device": {"method": "GET"}},
            *({"version": 1, "authorization_scheme": each} for each in ("Acme", "a\nb", "", 7)),
        ],
        "issuer": URLS,
        "token_endpoint": URLS,
        "device_authorization_endpoint": URLS,
        "revocation_endpoint": URLS,
        "client_id": TEXTS,
        "client_auth": TEXTS,
        "scope": WORDS,
        "audience": TEXTS,
        "resource": WORDS,
        "param": PAIRS,
        "registration": TEXTS,
        "client_assertion_file": TEXTS,
        "dpop": [{}, {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7h"}],
        "dpop_key_file": TEXTS,
        "token_key": ["k1", "k2", "../profiles", "a/b"],
        "signed_in_at": TIMES,
        "later": [],
    },
    "token": {
        "version": [],
        "access_token": TEXTS,
        "token_type": TEXTS,
        "expires_at": TIMES,
        "issued_at": TIMES,
        "refresh_token": TEXTS,
        "id_token": TEXTS,
        "scope": WORDS,
        "extra": [{"aud": ["a", {"b": [1, None]}]}],
        "later": [],
    },
}
DROPPED = object()
CHANGES = [
    (place, name, value)
    for place, names in MEMBERS.items()
    for name, values in names.items()
    for value in (DROPPED, *values, *VALUES)
]


def documents(changes: list[tuple[str, str, object]]) -> dict[str, dict[str, object]]:
    """Both files, as a sign-in leaves them, and then changed."""
    made: dict[str, dict[str, object]] = {
        "profile": {
            "grant": "device",
            "issuer": "https://as.example",
            "token_endpoint": "https://as.example/token",
            "client_id": "app",
            "scope": ["read"],
            "token_key": "k1",
        },
        "token": {
            "version": 1,
            "access_token": "at-1",
            "token_type": "Bearer",
            "expires_at": "2026-01-01T01:00:15+00:00",
            "refresh_token": "rt-1",
            "issued_at": "2026-01-01T00:00:15+00:00",
        },
    }
    made["file"] = {"version": 1, "default": "p", "profiles": {"p": made["profile"]}}
    for place, name, value in changes:
        if value is DROPPED:
            made[place].pop(name, None)
        else:
            made[place][name] = value
    return made


def stored(stage: Stage, made: dict[str, dict[str, object]]) -> None:
    """Put the documents where either way would look for them."""
    write(stage.home / "profiles.json", made["file"])
    write(stage.home / "tokens" / "k1.json", made["token"])


def write(path: Path, document: object) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    path.chmod(0o600)


def in_full(stage: Stage, argv: list[str], capsys: pytest.CaptureFixture[str]) -> Ran:
    """What the full command does, without the quick way before it."""
    capsys.readouterr()
    try:
        code = dispatch.dispatch(argv, stage.context)
    except (CommandError, OSError) as error:
        code = verdict(error).code
    out, err = capsys.readouterr()
    return Ran(code, out, err)


def agrees(
    stage: Stage, argv: list[str], capsys: pytest.CaptureFixture[str], stdin: str = ""
) -> bool:
    """Compare both ways, and tell whether the quick one found anything."""
    before = {path: path.read_bytes() for path in stage.home.rglob("*") if path.is_file()}
    lines = found(stage, argv, stdin)
    after = {path: path.read_bytes() for path in stage.home.rglob("*") if path.is_file()}
    assert before == after
    if lines is None:
        return False
    stage.monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    assert in_full(stage, argv, capsys) == Ran(0, "".join(f"{line}\n" for line in lines), "")
    return True


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time without a zone is not this machine's."""
    if sys.platform == "win32":
        pytest.skip("changes the time zone")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ+5")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
def test_it_agrees_with_the_full_command_on_every_change(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    compared = 0
    for number, change in enumerate(CHANGES):
        stage.moves(f"home{number}")
        stored(stage, documents([change]))
        argv = asks(list(formats.FORMATS)[number % len(formats.FORMATS)])
        compared += agrees(stage, argv, capsys, ASKED)
    assert compared > len(CHANGES) / 5, "hardly anything was compared"


@pytest.mark.usefixtures("far_from_greenwich")
def test_it_agrees_with_the_full_command_on_many_changes(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    compared: list[bool] = []

    @settings(max_examples=effort(40, 200), deadline=None)
    @given(
        st.lists(st.sampled_from(CHANGES), min_size=2, max_size=4),
        st.sampled_from(list(formats.FORMATS)),
        st.sampled_from([(), ("p",), ("p", "--no-input", "--min-ttl=20")]),
    )
    def explored(changes: list[tuple[str, str, object]], name: str, argv: tuple[str, ...]) -> None:
        stage.moves(f"home{len(compared)}")
        stored(stage, documents(changes))
        compared.append(agrees(stage, asks(name, *argv), capsys, ASKED))

    explored()
    assert any(compared)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"version": 1}', b"1" * 5000]
)
@pytest.mark.parametrize("place", ["profiles.json", "tokens/*.json"])
def test_a_damaged_file_is_left(stage: Stage, place: str, text: bytes) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    [path] = stage.home.glob(place)
    path.write_bytes(text)
    assert found(stage, ["token"]) is None
