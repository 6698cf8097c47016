"""``grantflow setup``: what it prints is what git and kubectl understand."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Stage

GIT = pytest.mark.skipif(sys.platform == "win32" or shutil.which("git") is None, reason="needs git")
KUBECTL = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays(Script(approve_after=timedelta()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return made


def given(stage: Stage, name: str, *more: str) -> None:
    assert stage.run("login", "--token-stdin", "--profile", name, *more, stdin="at-1").code == 0


def configured(key: str) -> list[str]:
    ran = subprocess.run(
        ["git", "config", "--global", "--get-all", key], capture_output=True, text=True, check=False
    )
    return ran.stdout.splitlines()


def test_it_prints_and_changes_nothing(stage: Stage) -> None:
    given(stage, "work", "--origin", "https://git.example", "--origin", "https://b.example:8443")
    ran = stage.run("setup", "git", "work")
    assert ran.code == 0
    first, second = (shlex.split(line) for line in ran.out.splitlines())
    helper = "!grantflow token work --format git-credential"
    assert first[-3:] == ["credential.https://b.example:8443.helper", helper, "^!grantflow "]
    assert second[-3] == "credential.https://git.example.helper"
    assert not (stage.folder / ".gitconfig").exists()


@GIT
def test_git_is_configured_once_and_other_helpers_stay(stage: Stage) -> None:
    given(stage, "work", "--issuer", ISSUER)
    key = "credential.https://git.example.helper"
    subprocess.run(["git", "config", "--global", key, "cache"], check=True)
    argv = ("setup", "git", "work", "--origin", "https://git.example/", "--write")
    assert stage.run(*argv).code == 0
    assert stage.run(*argv).code == 0
    helper = "!grantflow token work --host git.example --format git-credential"
    assert configured(key) == ["cache", helper]


@GIT
def test_git_gets_the_token_by_what_was_written(stage: Stage) -> None:
    given(stage, "work", "--origin", "https://git.example")
    assert stage.run("setup", "git", "work", "--write").code == 0
    installed = Path(sys.executable).parent
    ran = subprocess.run(
        ["git", "credential", "fill"],
        input="protocol=https\nhost=git.example\n\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"},
    )
    assert "password=at-1\n" in ran.stdout


@KUBECTL
def test_kubectl_is_configured(stage: Stage) -> None:
    stage.login("--profile", "work", "--scope", "openid")
    assert stage.run("setup", "kubectl", "--user", "me", "--write").code == 0
    view = ["kubectl", "config", "view", "--output", "json"]
    ran = subprocess.run(view, capture_output=True, text=True, check=True)
    [user] = json.loads(ran.stdout)["users"]
    plugin = user["user"]["exec"]
    assert user["name"] == "me"
    assert plugin["command"] == "grantflow"
    assert plugin["args"] == ["token", "work", "--format", "kubernetes", "--id-token"]
    assert plugin["apiVersion"] == "client.authentication.k8s.io/v1"
    assert plugin["interactiveMode"] == "IfAvailable"


def test_without_an_id_token_kubectl_gets_the_access_token(stage: Stage) -> None:
    given(stage, "work")
    ran = stage.run("setup", "kubectl")
    assert "set-credentials work " in ran.out
    assert "--id-token" not in ran.out


@pytest.mark.parametrize(
    ("argv", "code", "hint"),
    [
        ((), 2, "TOOL is missing; it is one of git, kubectl"),
        (("kubctl",), 2, "did you mean 'kubectl'?"),
        (("git", "work"), 2, "profile work has no origin; name the server with --origin URL"),
        (("git", "wrok"), 1, "no profile 'wrok'"),
        (("git", "work", "--user", "me"), 2, "--user is for kubectl"),
        (("kubectl", "work", "--origin", "https://a.example"), 2, "--origin is for git"),
        (("git", "work", "--origin", "http://a.example"), 2, "an https URL is needed"),
    ],
)
def test_what_cannot_be_set_up_is_told(
    stage: Stage, argv: tuple[str, ...], code: int, hint: str
) -> None:
    given(stage, "work")
    ran = stage.run("setup", *argv)
    assert ran.code == code
    assert hint in ran.complaint()


def test_a_tool_that_is_missing_or_fails_is_told(stage: Stage) -> None:
    given(stage, "work", "--origin", "https://git.example")
    stage.monkeypatch.setenv("PATH", str(stage.folder))
    ran = stage.run("setup", "git", "--write")
    assert ran.code == 1
    assert "git is not installed" in ran.complaint()
    tool = stage.folder / "git"
    tool.write_text("#!/bin/sh\necho 'cannot lock' >&2; exit 3\n")
    tool.chmod(0o755)
    if sys.platform != "win32":
        ran = stage.run("setup", "git", "--write")
        assert ran.code == 1
        assert "git config --global: cannot lock" in ran.complaint()
