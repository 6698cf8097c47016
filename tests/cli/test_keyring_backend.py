"""The keyring backend: what pip, uv and twine ask, with the real library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli_stage import Stage

keyring = pytest.importorskip("keyring")
BACKEND = "grantflow.integrations.keyring.GrantflowKeyring"


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    argv = ("login", "--token-stdin", "--profile", "ci", "--origin", "https://pypi.example")
    assert made.run(*argv, stdin="at-1").code == 0
    return made


@pytest.mark.parametrize(
    ("service", "found"),
    [
        ("https://pypi.example/simple/", "at-1"),
        ("https://__token__@pypi.example/simple/", "at-1"),
        ("pypi.example", "at-1"),
        ("https://evil.example/", None),
        ("http://pypi.example/", None),
        ("grantflow", None),
        ("", None),
    ],
)
def test_an_index_gets_its_token_and_no_other(
    stage: Stage, service: str, found: str | None
) -> None:
    from keyring.errors import PasswordDeleteError, PasswordSetError

    from grantflow.integrations.keyring import GrantflowKeyring

    backend = GrantflowKeyring()
    assert backend.get_password(service, "user") == found
    credential = backend.get_credential(service, None)
    pair = None if credential is None else (credential.username, credential.password)
    assert pair == (None if found is None else ("__token__", found))
    with pytest.raises(PasswordSetError):
        backend.set_password(service, "user", "hunter2")
    with pytest.raises(PasswordDeleteError):
        backend.delete_password(service, "user")
    assert stage.run("token").out == "at-1\n"


def test_the_keyring_command_prints_it(stage: Stage) -> None:
    """As ``pip --keyring-provider subprocess`` and uv run it."""
    ran = subprocess.run(
        [sys.executable, "-m", "keyring", "get", "https://pypi.example/simple/", "__token__"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHON_KEYRING_BACKEND": BACKEND, "GRANTFLOW_HOME": str(stage.home)},
    )
    assert (ran.returncode, ran.stdout) == (0, "at-1\n"), ran.stderr


def test_it_is_never_found_by_itself() -> None:
    code = "import keyring.backend as b; print([str(k) for k in b.get_all_keyring()])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "grantflow" not in ran.stdout.lower()
