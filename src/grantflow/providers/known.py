"""The templates that came along: one file of TOML each, and an index of what they are called.

Only what is asked for is read: the index, one file, and the files that it is like.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pkgutil import get_data
from typing import Final

from grantflow.providers.catalog import Catalog
from grantflow.providers.reader import with_more
from grantflow.providers.template import Template

INDEX: Final = "index.toml"


class _Files:
    @staticmethod
    @cache
    def index() -> Mapping[str, tuple[str, ...]]:
        return {name: tuple(aliases) for name, aliases in document(INDEX).items()}

    @staticmethod
    @cache
    def template(name: str, /) -> Template:
        found = with_more(KNOWN, document(f"{name}.toml"))
        if found.mistakes:
            raise ValueError("; ".join(map(str, found.mistakes)))
        return found.template(name)


def document(file: str) -> dict[str, dict[str, object]]:
    """Return one of the files of data."""
    text = get_data("grantflow.providers", f"data/{file}")
    return tomllib.loads((text or b"").decode())


KNOWN: Final = Catalog(known=_Files())
"""The providers that came along."""
