"""The providers that have a name: those that came along, and before them a user's own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from grantflow.cli.errors import usage
from grantflow.cli.output import tell
from grantflow.cli.redact import quoted
from grantflow.core.client.provider import Provider
from grantflow.core.values.result import either
from grantflow.providers import KNOWN, Catalog, Template, Variable
from grantflow.shell.provider_file import extended_by, with_own_file


def catalog(file: str | None) -> Catalog:
    """Return the providers of ``file``, then those of the user's own file, then the known ones."""
    found = with_own_file(KNOWN)
    if file is not None:
        found = found.bind(lambda own: extended_by(own, Path(file)))
    match either(found):
        case str() as problem:
            raise usage(problem)
        case Catalog() as known:
            for each in known.mistakes:
                tell(f"grantflow: {each}")
            return known


def template(known: Catalog, name: str) -> Template:
    """Return the template of a name."""
    try:
        return known.template(name)
    except LookupError as error:
        said = str(error).replace(repr(name), quoted(name), 1)
        rest = "" if said.endswith("?") else "; grantflow providers lists them"
        raise usage(f"{said}{rest}") from None


def with_environment(
    template: Template, values: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Return the values of ``--set``, and those that the provider's own variables hold."""
    given = {name for name, _ in values}
    found = [
        (need.name, _checked(need, need.environment, text))
        for need in template.needs
        if need.environment is not None and need.name not in given
        if (text := os.environ.get(need.environment, "").strip())
    ]
    return (*values, *found)


def _checked(need: Variable, variable: str, text: str) -> str:
    try:
        return need.checked(text.removeprefix("https://").rstrip("/"))
    except ValueError as error:
        raise usage(f"{variable}: {str(error).partition(': ')[2]}") from None


def filled(template: Template, values: Iterable[tuple[str, str]]) -> Provider:
    """Return the provider with the values of ``--set``."""
    chosen: dict[str, str] = {}
    for name, value in values:
        if name in chosen:
            raise usage(f"--set {name} is given twice")
        chosen[name] = value
    needs = {need.name: need for need in template.needs}
    missing = [name for name in needs if needs[name].default is None and name not in chosen]
    if missing and needs.keys() >= chosen.keys():
        flags = " ".join(f"--set {name}={name.upper()}" for name in missing)
        raise usage(f"{template.name} needs to know its {' and '.join(missing)}: add {flags}")
    try:
        return template.filled(chosen)
    except ValueError as error:
        raise usage(f"--set {error}") from None
