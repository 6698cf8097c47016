"""A user's own providers: a document, such as a file of TOML, each table of which is a template.

``[acme]`` holds the fields of a ``Provider``, with tables inside it for ``device``, ``poll``,
``token``, ``refresh`` and ``answers``. Beside them are the fields of a ``Template``, and
``[acme.needs.NAME]`` with those of a ``Variable``. Rules:

1. ``like`` names a template to begin with, one of the known ones or of those above; what the
   table says replaces that field, whole.
2. A gap ``{name}`` in a URL is a need; it is declared only to say more of it (``gaps``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from returns.result import Failure, Result, Success

from grantflow.core.client.provider import Provider
from grantflow.providers.catalog import Catalog, plain
from grantflow.providers.document import (
    Misspelt,
    made,
    unknown,
    values_of,
    without_secrets,
)
from grantflow.providers.shapes import held, kinds
from grantflow.providers.template import Template, Variable
from grantflow.providers.variables import needs_of

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPELLING: Final = {name: kind for name, kind in kinds(Provider).items() if name != "name"}
_ABOUT: Final = {
    name: kind for name, kind in kinds(Template).items() if name not in ("provider", "needs")
}
_KEYS: Final[Mapping[str, object]] = {"like": str, **_SPELLING, **_ABOUT, "needs": dict}


def extended(catalog: Catalog, document: Mapping[str, object]) -> Result[Catalog, Misspelt]:
    """Return ``catalog`` with the providers of a document before its own.

    >>> acme = {"acme": {"token_endpoint": "https://{host}/token"}}
    >>> extended(Catalog(), acme).unwrap().find("acme", host="a.example").token_endpoint
    'https://a.example/token'
    """
    own: Result[tuple[Template, ...], Misspelt] = Success(())
    for name, given in document.items():
        own = own.bind(partial(_with_one_more, name, given, catalog))
    return own.bind(_told_apart).map(lambda found: Catalog((found,)).over(catalog))


def _with_one_more(
    name: str, given: object, catalog: Catalog, before: tuple[Template, ...]
) -> Result[tuple[Template, ...], Misspelt]:
    known = Catalog((before,)).over(catalog)
    return _template(name, given, known).map(lambda template: (*before, template))


def _told_apart(templates: tuple[Template, ...]) -> Result[tuple[Template, ...], Misspelt]:
    owners: dict[str, str] = {}
    for each in templates:
        for said in (each.name, *each.aliases):
            owner = owners.setdefault(plain(said), each.name)
            if owner != each.name:
                return Failure(Misspelt(each.name, None, f"[{owner}] is called {said} as well"))
    return Success(templates)


def _template(name: str, given: object, catalog: Catalog) -> Result[Template, Misspelt]:
    if _NAME.fullmatch(name) is None:
        problem = "a name is made of letters, digits and . _ - and begins with a letter or digit"
        return Failure(Misspelt(name, None, problem))
    if not isinstance(given, Mapping):
        return Failure(Misspelt(name, None, f"a table is needed: [{name}] above its keys"))
    strange = next((key for key in given if key not in _KEYS), None)
    if strange is not None:
        return Failure(Misspelt(name, strange, unknown(name, strange, _KEYS)))
    return Result.do(
        template
        for base in _base(name, given, catalog)
        for provider in _provider(name, given, base)
        for needs in needs_of(provider, _inherited(base), given.get("needs", {}))
        for template in _described(name, given, base, provider, needs)
    )


def _base(
    name: str, given: Mapping[str, object], catalog: Catalog
) -> Result[Template | None, Misspelt]:
    like = given.get("like")
    if like is None:
        return Success(None)
    if not isinstance(like, str):
        return Failure(Misspelt(name, "like", "the name of a provider is needed"))
    try:
        return Success(catalog.template(like))
    except LookupError as error:
        return Failure(Misspelt(name, "like", str(error)))


def _provider(
    name: str, given: Mapping[str, object], base: Template | None
) -> Result[Provider, Misspelt]:
    current = None if base is None else base.provider
    said = {key: value for key, value in given.items() if key in _SPELLING}
    return (
        values_of(Provider, said, name, current=current)
        .bind(lambda values: made(Provider, {**held(current), **values, "name": name}, name))
        .bind(lambda provider: without_secrets(provider, name))
    )


def _inherited(base: Template | None) -> tuple[Variable, ...]:
    return () if base is None else base.needs


def _described(
    name: str,
    given: Mapping[str, object],
    base: Template | None,
    provider: Provider,
    needs: tuple[Variable, ...],
) -> Result[Template, Misspelt]:
    said = {key: value for key, value in given.items() if key in _ABOUT}
    usual = {"title": name, "source": "its user"} if base is None else {**held(base), "aliases": ()}
    parts = {"provider": provider, "needs": needs}
    return values_of(Template, said, name).bind(
        lambda values: made(Template, {**usual, **values, **parts}, name)
    )
