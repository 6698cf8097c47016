"""The command itself: its first word, its help, its last resort, and what it loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

from grantflow.cli import dispatch
from grantflow.cli.parser import Parser
from tests.support.cli_stage import ISSUER, Person, Stage


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    return Stage(tmp_path, monkeypatch, capsys)


def test_alone_it_says_what_it_is_and_what_to_do_first(stage: Stage) -> None:
    ran = stage.run()
    assert (ran.code, ran.err) == (0, "")
    named = [line.split()[1] for line in ran.out.splitlines() if line.startswith("  grantflow ")]
    assert named[:5] == ["demo", "login", "token", "status", "logout"]


@pytest.mark.parametrize("argv", [("--help",), ("-h",), ("help",), ("help", "help")])
def test_help_names_every_command_and_exit_code(stage: Stage, argv: tuple[str, ...]) -> None:
    ran = stage.run(*argv)
    assert (ran.code, ran.err) == (0, "")
    for word in (*dispatch.COMMANDS, "GRANTFLOW_HOME", "130"):
        assert word in ran.out


def test_the_version_is_the_package_s(stage: Stage) -> None:
    from importlib.metadata import version

    assert stage.run("--version").out == f"grantflow {version('grantflow')}\n"


@pytest.mark.parametrize("name", dispatch.COMMANDS)
def test_every_command_has_help_with_examples(stage: Stage, name: str) -> None:
    ran = stage.run(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"  grantflow {name}" in ran.out.partition("examples:")[2]
    assert stage.run("help", name) == stage.run("--help", name) == ran


@pytest.mark.parametrize("name", dispatch.COMMANDS)
def test_help_fits_the_screen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    parser: Parser = import_module(f"grantflow.cli.commands.{name}").parser()
    assert max(len(line) for line in parser.format_help().splitlines()) <= 100


@pytest.mark.parametrize("name", dispatch.COMMANDS)
def test_every_flag_is_explained(name: str) -> None:
    parser: Parser = import_module(f"grantflow.cli.commands.{name}").parser()
    lines = [*parser.format_help().splitlines(), ""]
    for line, following in pairwise(lines):
        if line.startswith("  -"):  # on the same line after two spaces, or on the next one
            assert re.search(r"\S  +\S", line) or following.startswith(" " * 10), line


def test_every_command_that_is_listed_is_there_and_no_other() -> None:
    folder = Path(dispatch.__file__).parent / "commands"
    found = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert found == set(dispatch.COMMANDS)


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("stauts",), "did you mean 'status'"),
        (("qqq",), "see grantflow --help"),
        (("help", "stauts"), "did you mean 'status'"),
        (("--json", "list"), "flags come after a command"),
        (("list", "--jsno"), "did you mean '--json'"),
        (("login", "--isuer=x"), "did you mean '--issuer'"),
        (("list", "--qqqqqq"), "see grantflow list --help"),
        (("list", "extra"), "unexpected argument 'extra'"),
        (("token", "--min-ttl"), "--min-ttl: expected one argument"),
        (("token", "--form", "json"), "unknown flag '--form'"),
        (("serve", "--port", "70000"), "a port from 0 to 65535"),
        (("serve", "--port", "http"), "a port from 0 to 65535"),
    ],
)
def test_a_wrong_word_is_met_with_the_nearest_right_one(
    stage: Stage, argv: tuple[str, ...], hint: str
) -> None:
    ran = stage.run(*argv)
    assert ran.code == 2
    assert hint in ran.complaint()


@pytest.mark.parametrize("flag", ["--client-secret", "--password", "--token", "--secret"])
def test_a_secret_in_an_argument_is_refused_and_not_repeated(stage: Stage, flag: str) -> None:
    for argv in ((flag, "hunter2hunter2"), (f"{flag}=hunter2hunter2",)):
        ran = stage.run("login", *argv)
        assert ran.code == 2
        assert "never an argument" in ran.complaint()
        assert "hunter2" not in ran.err


def test_a_mistake_of_ours_is_one_line_that_can_be_reported(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> tuple[str, ...]:
        raise KeyError("hunter2hunter2")

    monkeypatch.setattr(dispatch, "short", broken)
    ran = stage.run()
    assert ran.code == 1
    line = ran.complaint()
    assert "KeyError at test_cli.py:" in line
    assert "report" in line
    assert "hunter2" not in line


def test_ctrl_c_is_130_and_one_word(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> tuple[str, ...]:
        raise KeyboardInterrupt

    monkeypatch.setattr(dispatch, "short", interrupted)
    ran = stage.run()
    assert ran.code == 130
    assert ran.complaint() == "grantflow: interrupted"


def loaded_by(home: Path, *argv: str) -> set[str]:
    """The modules that are loaded once the command has run, in a process of its own."""
    program = (
        "import sys; from grantflow.__main__ import main\n"
        f"code = main({list(argv)!r})\n"
        "print(code, *sys.modules, file=sys.stderr)"
    )
    environment = {**os.environ, "GRANTFLOW_HOME": str(home)}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    code, *modules = ran.stderr.split()
    assert code == "0", ran.stderr
    return set(modules)


HEAVY = {"requests", "rich", "segno", "http.server", "webbrowser", "asyncio"}


def test_a_fresh_token_is_printed_without_loading_what_it_does_not_need(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    loaded = loaded_by(stage.home, "token", "ci", "--min-ttl", "1.0")
    assert "grantflow.cli.commands.token" in loaded
    assert not loaded & HEAVY
    assert not loaded & {"grantflow.shell.sources.blocking", "grantflow.testing", "platformdirs"}


@pytest.mark.parametrize("argv", [(), ("--help",), ("list",), ("status", "ci")])
def test_looking_loads_nothing_heavy(stage: Stage, argv: tuple[str, ...]) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    assert not loaded_by(stage.home, *argv) & HEAVY


@pytest.mark.parametrize("missing", ["rich", "segno"])
def test_without_the_extra_it_speaks_in_plain_lines(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "grantflow.cli.progress.live", raising=False)
    stage.plays()
    stage.has(terminal=Person(shows=True))
    ran = stage.login("--no-browser")
    assert f"  {ISSUER}/activate?user_code=" in ran.err
    assert "Signed in" in ran.err


def test_an_answer_survives_a_terminal_that_knows_only_ascii(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", "--scope", "caf\u00e9", stdin="at-1")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [sys.executable, "-m", "grantflow", "list"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert "caf\\xe9" in ran.stdout


def test_what_others_wrote_is_shown_and_not_obeyed(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    document = stage.document()
    document["profiles"] = {"ci": {"grant": "given", "issuer": "https://a\x1b[31m\u202e"}}
    (stage.home / "profiles.json").write_text(json.dumps(document))
    for argv in (("list",), ("status",)):
        out = stage.run(*argv).out
        assert "\\u001b[31m\\u202e" in out
        assert "\x1b" not in out
    document |= {"profiles": {"\x1b[31m": {}, "ci": {}}, "default": None}
    (stage.home / "profiles.json").write_text(json.dumps(document))
    assert "pass one of \\u001b[31m, ci" in stage.run("token").complaint()
