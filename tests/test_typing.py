"""What type checkers say: of this code nothing, of a mistake in yours something."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import grantflow
import grantflow.testing

ROOT = Path(__file__).parent.parent
API = ROOT / "tests" / "typing" / "api.py"

MATCH = """
from typing import assert_never

from grantflow import Authorized, Expired, Failed
from grantflow.core.states import Final


def told(final: Final) -> str:
    match final:
        case {cases}:
            return "ended"
        case _:
            assert_never(final)
"""
NOBODY_ASSERTS = """
from grantflow.core.errors import Denied, Error


def told(error: Error) -> None:
    match error:
        case Denied():
            print(error)
"""
NO_CODE = """
from grantflow import Instant, Pending
from grantflow.core.states import DeviceState


def made(at: Instant) -> DeviceState:
    return Pending(None, at, at)
"""
NO_SUCH_NAMES = """
from grantflow import Clinet
from grantflow.shell.stores import FielStore
from grantflow.testing import Scirpt
"""
IDLE_IGNORE = """
from grantflow import Secret

Secret("a").reveal()  # type: ignore[arg-type]
"""

SMALL = {
    "every case is there": (MATCH.format(cases="Authorized() | Expired() | Failed()"), None),
    "a case is missing": (
        MATCH.format(cases="Authorized() | Failed()"),
        'has incompatible type "Expired"; expected "Never"  [arg-type]',
    ),
    "a case is missing, and nobody asserts": (NOBODY_ASSERTS, "[exhaustive-match]"),
    "a device state without a code": (NO_CODE, "[arg-type]"),
    "a name that is nowhere": (NO_SUCH_NAMES, "Found 3 errors in 1 file"),
    "an ignore ignores nothing": (IDLE_IGNORE, 'Unused "type: ignore" comment'),
}


def mypy(cache: Path, *paths: Path | str) -> tuple[int, str]:
    """Run mypy as ``.ci/run`` does; its own cache, for tests run side by side."""
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(cache), *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_mypy_finds_nothing_here(tmp_path: Path) -> None:
    code, said = mypy(tmp_path, "src", "tests/typing", "docs/diagram.py")
    assert code == 0, said
    assert said.startswith("Success: no issues found in")


@pytest.mark.parametrize("name", SMALL)
def test_mypy_finds_the_mistake(name: str, tmp_path: Path) -> None:
    text, complaint = SMALL[name]
    file = tmp_path / "small.py"
    file.write_text(text, encoding="utf-8")
    code, said = mypy(tmp_path / "cache", file)
    if complaint is None:
        assert code == 0, said
    else:
        assert code == 1, said
        assert complaint in said


def test_every_public_name_is_in_the_api_s_type_test() -> None:
    tree = ast.parse(API.read_text(encoding="utf-8"))
    tested = {
        name.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grantflow")
        for name in node.names
    }
    promised = {*grantflow.__all__, *grantflow.testing.__all__}
    assert promised - tested == set(), "add them to tests/typing/api.py"


def test_what_must_stay_an_error_is_one_for_both_checkers() -> None:
    for number, line in enumerate(API.read_text(encoding="utf-8").splitlines(), 1):
        assert ("# type: ignore[" in line) == ("# pyright: ignore[" in line), f"line {number}"
