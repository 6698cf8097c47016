"""A user's own providers from a file of TOML."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from returns.result import Failure, Result, Success

from grantflow.providers import Catalog, extended
from grantflow.shell.environment import home

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def own_file() -> Path:
    """Return where a user's own providers are, if there are any."""
    return home() / "providers.toml"


def extended_by(catalog: Catalog, path: Path) -> Result[Catalog, str]:
    """Return ``catalog`` with the providers of a file before its own, or what is wrong in one line.

    The line names the file; for what is no TOML the line in it, else the table and the key.
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
    return extended(catalog, document).alt(lambda problem: f"{path}: {problem}")


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


def _no_toml(path: Path, text: str, problem: str) -> str:
    place = _PLACE.search(problem)
    if place is None:
        return f"{path}: {problem}"
    line = place[1] or str(max(len(text.splitlines()), 1))
    return f"{path}, line {line}: {problem[: place.start()]}"
