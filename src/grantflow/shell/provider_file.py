"""A user's own providers from a file of TOML."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from attrs import evolve
from returns.result import Failure, Result, Success

from grantflow.core.structure import Mistake, Place
from grantflow.providers import KNOWN, Catalog, with_own
from grantflow.shell.environment import home

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_HEADER: Final = re.compile(r"\s*\[{1,2}([^\[\]]{1,300})\]{1,2}\s*(?:#.*)?")
_KEY: Final = re.compile(r"""\s*((?:[\w-]|\.|"[^"]*"|'[^']*'){1,300})\s*=""")


def own_file() -> Path:
    """Return where a user's own providers are, if there are any."""
    return home() / "providers.toml"


def extended_by(catalog: Catalog, path: Path) -> Result[Catalog, str]:
    """Return ``catalog`` with the providers of a file before its own, or why it cannot be read.

    What is wrong in a table is among the catalog's ``mistakes``, with the line, and leaves out
    that table only.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return Failure(f"cannot read {path}: {error.strerror or error}")
    except UnicodeDecodeError:
        return Failure(f"{path} is not UTF-8 text")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Failure(_no_toml(path, text, str(error)))
    except RecursionError:
        return Failure(f"{path} is nested too deeply")
    found = with_own(document, catalog)
    own = len(found.mistakes) - len(catalog.mistakes)
    lines = _lines(text)
    located = tuple(_located(each, path, lines) for each in found.mistakes[:own])
    return Success(evolve(found, mistakes=(*located, *catalog.mistakes)))


def with_own_file(catalog: Catalog) -> Result[Catalog, str]:
    """Return ``catalog`` with the user's own providers before its own, if there are any."""
    path = own_file()
    try:
        path.stat()
    except FileNotFoundError:
        return Success(catalog)
    except OSError:
        pass  # whoever reads it says why
    return extended_by(catalog, path)


def check(path: Path) -> tuple[str, ...]:
    """Return everything that is wrong in a file, each with its line; nothing where all is well."""
    found = extended_by(KNOWN, path)
    if isinstance(found, Failure):
        return (found.failure(),)
    return tuple(str(each) for each in found.unwrap().mistakes)


def _no_toml(path: Path, text: str, problem: str) -> str:
    place = _PLACE.search(problem)
    if place is None:
        return f"{path}: {problem}"
    line = place[1] or str(max(len(text.splitlines()), 1))
    return f"{path}, line {line}: {problem[: place.start()]}"


def _located(mistake: Mistake, path: Path, lines: dict[Place, int]) -> Mistake:
    at: Place = mistake.place if mistake.key is None else (*mistake.place, mistake.key)
    while at and at not in lines:
        at = at[:-1]
    where = f"{path}, line {lines[at]}" if at else str(path)
    return evolve(mistake, where=where)


def _lines(text: str) -> dict[Place, int]:
    """Return the line on which each table and key begins.

    The text is TOML; what looks like a key inside a text of several lines may be taken for one,
    and is then behind the real one.
    """
    found: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.fullmatch(line)
        if header is not None:
            table = _parts(header[1])
            at = table
        elif (key := _KEY.match(line)) is not None:
            at = (*table, *_parts(key[1]))
        else:
            continue
        for depth in range(1, len(at) + 1):
            found.setdefault(at[:depth], number)
    return found


def _parts(dotted: str) -> Place:
    """Return the names of a dotted key, without their quotes."""
    parts = re.findall(r'"[^"]*"|\'[^\']*\'|[\w-]+', dotted)
    return tuple(each.strip("\"'") for each in parts)
