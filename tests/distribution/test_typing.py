"""What type checkers say: of this code nothing, of a mistake in yours something."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import grantflow
import grantflow.testing
from tests.docs.test_docs import blocks, speaking
from tests.docs.test_examples import ELSEWHERE, EXAMPLES

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
API = ROOT / "tests" / "typing" / "api.py"

MATCH = """
from typing import assert_never

from grantflow import Authorized, Expired, Failed
from grantflow.core.flows.states import Final


def told(final: Final) -> str:
    match final:
        case {cases}:
            return "ended"
        case _:
            assert_never(final)
"""
NOBODY_ASSERTS = """
from grantflow.core.values.errors import Denied, Error


def told(error: Error) -> None:
    match error:
        case Denied():
            print(error)
"""
NO_CODE = """
from grantflow import Instant, Pending
from grantflow.core.flows.states import DeviceState


def made(at: Instant) -> DeviceState:
    return Pending(None, at, at)
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
    **{
        f"a name that is nowhere in {module}": (
            f"from {module} import {name}\n",
            f'Module "{module}" has no attribute "{name}"',
        )
        for module, name in {
            "grantflow": "Clinet",
            "grantflow.shell.stores": "FielStore",
            "grantflow.testing": "Scirpt",
        }.items()
    },
    "an ignore ignores nothing": (IDLE_IGNORE, 'Unused "type: ignore" comment'),
}


def given(folder: Path) -> list[Path]:
    """Return what is checked in one run: all that shall be right, and the small mistakes."""
    right = [
        ROOT / "src" / "grantflow",
        *API.parent.glob("*.py"),
        *(ROOT / "docs" / f"{name}.py" for name in ("diagram", "state_chart", "tables")),
        *(path for path in EXAMPLES if path.name not in ELSEWHERE),
    ]
    for number, page in enumerate(speaking("python")):
        code = "\n".join(block.code for block in blocks(page, "python"))
        right.append(written(folder / f"page{number}.py", code))
    return [*right, *(written(folder / small(name), text) for name, (text, _) in SMALL.items())]


def small(name: str) -> str:
    return f"small{[*SMALL].index(name)}.py"


def written(path: Path, code: str) -> Path:
    path.write_text(code, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of everything, in one run: it reads the libraries once, or finds them read."""
    paths = given(tmp_path_factory.mktemp("small"))
    files = sum(len([*path.rglob("*.py")]) if path.is_dir() else 1 for path in paths)
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-pretty", "--show-absolute-path", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ended.stderr, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[-1].endswith(f"(checked {files} source files)"), ended.stdout
    return lines[:-1]


@pytest.mark.thorough
def test_mypy_finds_nothing_in_the_source_the_examples_and_the_pages(said: list[str]) -> None:
    assert [line for line in said if not re.search(r"small\d+\.py:", line)] == []


@pytest.mark.thorough
@pytest.mark.parametrize("name", SMALL)
def test_mypy_finds_the_mistake(name: str, said: list[str]) -> None:
    found = [line for line in said if f"{small(name)}:" in line]
    complaint = SMALL[name][1]
    if complaint is None:
        assert found == []
    else:
        assert complaint in "\n".join(found)


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
