"""``grantflow completion``: scripts that real shells read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grantflow import providers
from grantflow.cli import dispatch
from tests.support.cli_stage import Stage

SHELLS = ("bash", "zsh", "tcsh", "fish", "powershell")
BASH = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash"
)


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    return Stage(tmp_path, monkeypatch, capsys)


def script(stage: Stage, shell: str) -> Path:
    ran = stage.run("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    path = stage.folder / f"grantflow.{shell}"
    path.write_text(ran.out)
    return path


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_reads_its_script(stage: Stage, shell: str) -> None:
    program = {"powershell": "pwsh"}.get(shell, shell)
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    path = script(stage, shell)
    own = {
        "tcsh": ["-f", "-c", f"source {path}; complete"],
        "powershell": ["-NoProfile", "-File", f"{path}.ps1"],
    }
    if shell == "powershell":
        path.rename(f"{path}.ps1")
    read = own.get(shell, ["-n", str(path)])
    ran = subprocess.run([program, *read], capture_output=True, text=True, check=True)
    assert ran.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_knows_every_command(stage: Stage, shell: str) -> None:
    text = script(stage, shell).read_text()
    assert all(name in text for name in dispatch.COMMANDS)
    assert "grantflow list --names" in text


COMPLETES = """
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_shtab_grantflow
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(stage: Stage, path: Path, *words: str) -> list[str]:
    """What bash offers for the last word, with the command itself behind it."""
    installed = Path(sys.executable).parent
    ran = subprocess.run(
        ["bash", "--norc", "-c", COMPLETES, "bash", str(path), "grantflow", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=stage.folder,
        env={**os.environ, "PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"},
    )
    assert ran.stderr == ""
    return ran.stdout.split()


@BASH
def test_bash_completes(stage: Stage) -> None:
    for name in ("work", "home.1"):
        stage.run("login", "--token-stdin", "--profile", name, stdin="at-1")
    path = script(stage, "bash")
    assert completed(stage, path, "to") == ["token"]
    assert set(completed(stage, path, "")) == set(dispatch.COMMANDS)
    assert completed(stage, path, "token", "--form") == ["--format"]
    assert completed(stage, path, "token", "--format", "ku") == ["kubernetes"]
    assert set(completed(stage, path, "token", "")) == {"work", "home.1"}
    for command in ("status", "logout", "doctor", "run"):
        assert completed(stage, path, command, "ho") == ["home.1"]
    assert completed(stage, path, "login", "--profile", "w") == ["work"]
    (stage.folder / "secret.txt").touch()
    assert completed(stage, path, "login", "--client-secret-file", "sec") == ["secret.txt"]


@BASH
def test_a_name_of_a_profile_is_not_executed(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    names = ("$(touch${IFS}executed)", "`touch executed`", "*", "ci")
    document = stage.document() | {"profiles": {name: {"grant": "given"} for name in names}}
    (stage.home / "profiles.json").write_text(json.dumps(document))
    assert "ci" in completed(stage, script(stage, "bash"), "token", "")
    assert not (stage.folder / "executed").exists()


@BASH
@pytest.mark.parametrize("command", ["login", "providers"])
def test_a_provider_s_name_is_completed(stage: Stage, command: str) -> None:
    path = script(stage, "bash")
    assert set(completed(stage, path, command, "git")) == {
        name for name in providers.names() if name.startswith("git")
    }


def test_the_names_alone_are_listed(stage: Stage) -> None:
    assert stage.run("list", "--names").out == ""
    for name in ("b", "a"):
        stage.run("login", "--token-stdin", "--profile", name, stdin="at-1")
    ran = stage.run("list", "--names")
    assert (ran.code, ran.out, ran.err) == (0, "b\na\n", "")


def test_an_unknown_shell_is_usage(stage: Stage) -> None:
    ran = stage.run("completion", "nosuch")
    assert ran.code == 2
    assert "unknown value 'nosuch'" in ran.complaint()
    assert "bash" in ran.err
    assert stage.run("completion").code == 2


def test_without_the_extra_it_says_what_to_install(stage: Stage) -> None:
    stage.monkeypatch.setitem(sys.modules, "shtab", None)
    ran = stage.run("completion", "bash")
    assert ran.code == 1
    assert "pip install 'grantflow[cli]'" in ran.complaint()


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("grantflow tok", "token"),
        ("grantflow token ", "ci"),
        ("grantflow token --fo", "--format"),
        ("grantflow login gitl", "gitlab"),
    ],
)
def test_fish_completes_with_the_script(stage: Stage, line: str, expected: str) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    path = script(stage, "fish")
    installed = Path(sys.executable).parent
    ran = subprocess.run(
        ["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"},
    )
    assert expected in [each.partition("\t")[0] for each in ran.stdout.splitlines()]
