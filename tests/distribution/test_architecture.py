"""The rules of the house: what is pure, who imports whom, and where a third-party package lives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "grantflow"
FILES = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}
CORE = [name for name in FILES if name.startswith("core/")]

ALLOWED = {
    "__future__",
    "attrs",
    "attrs.validators",
    "base64",
    "collections.abc",
    "datetime",
    "difflib",
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

FLOORS = {
    "core": 0,
    "providers": 1,
    "shell": 2,
    "integrations": 3,
    "testing": 3,
    "cli": 3,
    "compat": 4,
}
DOOR = 3
"""A module beside the packages: it re-exports, and holds no logic."""

SIDEWAYS = {("cli/commands/demo.py", "testing"), ("cli/commands/serve.py", "testing")}
"""Two commands play a server: the only imports from one top floor to another."""

HOMES = {
    "requests": ("shell/http/", "integrations/", "compat/"),
    "anyio": ("shell/aio/", "shell/http/", "integrations/", "testing/"),
    "trio": ("shell/aio/",),
    "httpx": ("shell/http/", "integrations/", "compat/dagshub/"),
    "httpx2": ("shell/http/", "integrations/"),
    "httpcore": ("shell/http/",),
    "aiohttp": ("shell/http/", "integrations/"),
    "pytest": ("testing/fixtures.py",),
    "platformdirs": ("shell/environment.py", "compat/dagshub/"),
    "filelock": ("shell/stores/",),
    "joserfc": ("shell/signing/", "shell/stores/", "testing/server/"),
    "keyring": ("shell/stores/", "integrations/"),
    "redis": ("shell/stores/",),
    "rich": ("cli/progress/",),
    "segno": ("cli/progress/",),
    "shtab": ("cli/commands/completion.py",),
    "yaml": ("compat/dagshub/",),
}

REVEALING = (
    "core/",  # requests are written, keys read, tokens stored
    "shell/http/",
    "shell/auth/",
    "shell/signing/",
    "shell/stores/",
    "cli/",
    "compat/",
    "testing/",
)
"""Who may ask for the text of a secret: what sends, signs, stores or prints it."""


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


@cache
def imported(name: str) -> frozenset[str]:
    return frozenset(_imported(parsed(name)))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            yield module
            if module.startswith("grantflow"):  # a name may be a module
                yield from (f"{module}.{alias.name}" for alias in node.names)


def module_of(name: str) -> str:
    return "grantflow." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_of(name): name for name in FILES if name != "__init__.py"}


def floor_of(name: str) -> int:
    head, *rest = name.split("/")
    return FLOORS[head] if rest else DOOR


def test_there_is_a_core() -> None:
    assert len(CORE) > 10


@pytest.mark.parametrize("name", CORE)
def test_the_core_imports_only_what_is_pure(name: str) -> None:
    foreign = {each for each in imported(name) if not each.startswith("grantflow.core")}
    assert foreign <= ALLOWED


@pytest.mark.parametrize("name", CORE)
def test_the_core_calls_nothing_impure(name: str) -> None:
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Call)
    }
    assert not called & IMPURE


@pytest.mark.parametrize("name", [name for name in FILES if "/" in name])
def test_imports_go_down(name: str) -> None:
    for module in imported(name) & set(MODULES):
        target = MODULES[module]
        down = floor_of(target) < floor_of(name)
        home = target.split("/")[0] == name.split("/")[0]
        assert down or home or (name, target.split("/")[0]) in SIDEWAYS, f"{name}: {module}"


def test_no_circle() -> None:
    edges = {
        name: {MODULES[module] for module in imported(name) & set(MODULES)} - {name}
        for name in FILES
        if not name.endswith("__init__.py")
    }
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name in done:
            return
        for target in sorted(edges.get(name, ())):
            walk(target, (*path, name))
        done.add(name)

    for name in edges:
        walk(name, ())


@pytest.mark.parametrize("package", HOMES)
def test_each_third_party_package_has_its_home(package: str) -> None:
    homes = {
        name for name in FILES if any(each.split(".")[0] == package for each in imported(name))
    }
    assert homes, "nothing imports it"
    assert {name for name in homes if not name.startswith(HOMES[package])} == set()


@pytest.mark.parametrize("name", FILES)
def test_few_packages_reveal_a_secret(name: str) -> None:
    code = re.sub(r"(?m)^ *(>>>|\.\.\.).*$", "", FILES[name].read_text(encoding="utf-8"))
    assert ".reveal()" not in code or name.startswith(REVEALING)
