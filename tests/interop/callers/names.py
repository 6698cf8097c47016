"""What the source of an original defines, and the module under its name lacks."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Final

_OTHERS: Final = {"logger"}
"""A program does not log by the logger of a library that it imports."""


def lacking(*modules: str) -> list[str]:
    """Return the public names, members and parameters that are missing, as ``module.name``.

    The original's source is read, not imported: another module may be found under its name.
    """
    return [f"{name}.{each}" for name in modules for each in _lacking(name)]


def _lacking(name: str) -> Iterator[str]:
    source = _source(name)
    module = import_module(name)
    tree = ast.parse(source.read_text("utf-8"))
    for node in tree.body:
        for each in _defined(node, package=source.name == "__init__.py"):
            if each.startswith("_") or each in _OTHERS:
                continue
            if not hasattr(module, each):
                yield each
            elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                yield from _members(each, node, getattr(module, each))


def _source(name: str) -> Path:
    parts = name.split(".")
    for folder in sys.path:
        place = Path(folder, *parts)
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    raise LookupError(f"no source of {name}")


def _defined(node: ast.stmt, *, package: bool) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [each.id for each in targets if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.ImportFrom(names=names) if package:  # what a package imports, others import of it
            return [each.asname or each.name for each in names]
        case _:
            return []


def _members(name: str, node: ast.ClassDef | ast.FunctionDef, made: object) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield from (f"{name}({each})" for each in _parameters(node, made))
        return
    for member in node.body:
        for each in _defined(member, package=False):
            if each == "__init__" and isinstance(member, ast.FunctionDef):
                yield from (f"{name}({less})" for less in _parameters(member, made, first=1))
            elif each.startswith("_"):
                continue
            elif not hasattr(made, each):
                yield f"{name}.{each}"
            elif isinstance(member, ast.FunctionDef) and callable(getattr(made, each)):
                found = getattr(made, each)
                yield from (f"{name}.{each}({less})" for less in _parameters(member, found))


def _parameters(node: ast.FunctionDef, made: object, first: int = 0) -> Iterator[str]:
    assert callable(made)
    found = signature(made).parameters
    takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in found.values())
    own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs][first:]
    for each in own:
        if each.arg not in ("self", "cls") and each.arg not in found and not takes_any:
            yield each.arg
    if node.args.kwarg is not None and not takes_any:
        yield f"**{node.args.kwarg.arg}"
