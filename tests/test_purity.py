"""The core reads no clock, file, socket, environment, thread or random source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "grantflow"
CORE = sorted((SOURCE / "core").glob("*.py"))

ALLOWED = {
    "__future__",
    "attrs",
    "attrs.validators",
    "base64",
    "collections.abc",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "ipaddress",
    "json",
    "math",
    "re",
    "returns.result",
    "types",
    "typing",
    "urllib.parse",
}
IMPURE = {
    "now",
    "utcnow",
    "today",
    "open",
    "input",
    "print",
    "eval",
    "exec",
    "__import__",
    "breakpoint",
}
HOMES = {
    "requests": {
        "shell/http/over_requests.py",
        "shell/auth/requests.py",
        "compat/flytekit/__init__.py",
        "compat/flytekit/asking.py",
        "compat/flytekit/words.py",
        "compat/stanford_green/attempts.py",
        "compat/stanford_green/errors.py",
        "compat/bitfount/__init__.py",
        "compat/dagshub/tokens.py",
        "compat/dagshub/authenticator.py",
        "compat/dvc_studio_client/errors.py",
        "compat/dvc_studio_client/studio.py",
    },
    "anyio": {
        *(f"shell/aio/{part}.py" for part in ("driver", "flights", "loops", "threads")),
        "shell/auth/httpx.py",
        "shell/http/over_httpx.py",
        "testing/asynchronous.py",
    },
    "trio": {"shell/aio/loops.py"},
    "httpx": {
        "shell/http/over_httpx.py",
        "shell/auth/httpx.py",
        "compat/dagshub/authenticator.py",
    },
    "pytest": {"testing/fixtures.py"},
    "platformdirs": {"shell/environment.py", "compat/dagshub/places.py"},
    "filelock": {"shell/stores/locks.py"},
    "joserfc": {"shell/keys.py"},
    "keyring": {"shell/stores/keyring_entries.py"},
    "redis": {"shell/stores/redis_server.py"},
    "rich": {"cli/live.py"},
    "segno": {"cli/qr.py"},
    "shtab": {"cli/commands/completion.py"},
    "yaml": {"compat/dagshub/cache.py", "compat/dagshub/entries.py"},
}
"""A package has one home; what adapts to a library's own types lives with that library."""


@cache
def imported(path: Path) -> list[str]:
    return list(_imported(parsed(path)))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_there_is_a_core() -> None:
    assert len(CORE) > 10


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_only_what_is_pure(path: Path) -> None:
    foreign = {name for name in imported(path) if not name.startswith("grantflow.core")}
    assert foreign <= ALLOWED


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_calls_nothing_impure(path: Path) -> None:
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
    }
    assert not called & IMPURE


def test_dependencies_point_one_way() -> None:
    layers = {"core": 0, "providers": 1, "shell": 2, "testing": 3, "cli": 3, "compat": 3}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).parts
        if len(parts) == 1:
            continue
        for name in imported(path):
            words = name.split(".")
            if words[0] == "grantflow" and len(words) > 1:
                assert layers[words[1]] <= layers[parts[0]], f"{path}: {name}"


@pytest.mark.parametrize("package", HOMES)
def test_each_third_party_package_has_its_home(package: str) -> None:
    homes = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if any(name.split(".")[0] == package for name in imported(path))
    }
    assert homes == HOMES[package]
