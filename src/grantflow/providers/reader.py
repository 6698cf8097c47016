"""Tables of a document, such as a file of TOML, into templates; every mistake is a value.

``[acme]`` holds the fields of a ``Provider``, with tables inside it for the formats of its requests
and answers. Beside them are the fields of a ``Template``, and ``[acme.needs.NAME]`` with those of a
``Variable``. Rules:

1. ``like`` names a template to begin with, one of the known ones or of those above; what the
   table says replaces that field, whole.
2. A gap ``{name}`` is a need; it is declared only to say more of it. A gap that ends a host name
   would choose the host, so it has to be declared.
3. A table with an issuer and no token endpoint discovers its endpoints.
4. A document holds no secret: where one is met, the mistake says where it belongs instead.
5. A table with a mistake is left out; it does not stop the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from attrs import evolve
from returns.pipeline import is_successful

from grantflow.core.client.authentication import METHODS
from grantflow.core.client.provider import Provider
from grantflow.core.structure import (
    Mistake,
    Mistakes,
    Place,
    kinds,
    structure,
    table_of,
    unknown_key,
    unstructure,
)
from grantflow.providers.catalog import Catalog, plain
from grantflow.providers.template import (
    Template,
    Variable,
    gaps_in,
    gaps_in_text,
    kind_of,
    nearest,
    texts_of,
    urls_of,
)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

PROVIDER_KEYS: Final = tuple(name for name in kinds(Provider) if name != "name")
TEMPLATE_KEYS: Final = tuple(
    name for name in kinds(Template) if name not in ("provider", "needs", "discovers")
)
KEYS: Final = ("like", *PROVIDER_KEYS, *TEMPLATE_KEYS, "needs")
"""What a table may hold."""


def provider_from(name: str, document: Mapping[str, object]) -> Provider | Mistakes:
    """Read what ``document_of`` wrote, or a person; the name is not in it.

    >>> where = {"token_endpoint": "https://acme.example/token"}
    >>> provider_from("acme", where).name
    'acme'
    >>> [str(each) for each in provider_from("acme", {**where, "encodign": "json"})]
    ['[acme] encodign: unknown key; did you mean encoding?']
    """
    mistakes = [*_secrets_in(name, document)]
    found = _provider(name, document, None, mistakes)
    return tuple(mistakes) if found is None or mistakes else found


def document_of(provider: Provider) -> dict[str, object]:
    """Return a provider as a document without its name; ``ValueError`` where it holds a secret.

    >>> document_of(Provider(name="acme", token_endpoint="https://acme.example/token"))
    {'token_endpoint': 'https://acme.example/token'}
    """
    return {key: value for key, value in unstructure(provider).items() if key != "name"}


def with_more(catalog: Catalog, document: Mapping[str, object]) -> Catalog:
    """Return ``catalog`` with the providers of a document before its own.

    >>> acme = {"acme": {"token_endpoint": "https://{host}/token"}, "odd": {"like": "?"}}
    >>> found = with_more(Catalog(), acme)
    >>> found.find("acme", host="a.example").token_endpoint
    'https://a.example/token'
    >>> print(*found.mistakes)
    [odd] like: unknown provider '?'
    """
    own: tuple[Template, ...] = ()
    mistakes: list[Mistake] = []
    for name, table in document.items():
        before = evolve(catalog, layers=(own, *catalog.layers))
        found = _template(name, table, before, mistakes)
        taken = None if found is None else _taken(found, own)
        if taken is not None:
            mistakes.append(taken)
        elif found is not None:
            own = (*own, found)
    layers = (own, *catalog.layers)
    return evolve(catalog, layers=layers, mistakes=(*mistakes, *catalog.mistakes))


def _taken(found: Template, others: tuple[Template, ...]) -> Mistake | None:
    owners = {plain(said): each.name for each in others for said in (each.name, *each.aliases)}
    for said in (found.name, *found.aliases):
        if plain(said) in owners:
            return Mistake((found.name,), None, f"[{owners[plain(said)]}] is called {said} as well")
    return None


def _template(
    name: str, table: object, catalog: Catalog, mistakes: list[Mistake]
) -> Template | None:
    own: list[Mistake] = []
    found = None
    if _NAME.fullmatch(name) is None:
        problem = "a name is made of letters, digits and . _ - and begins with a letter or digit"
        own.append(Mistake((name,), None, problem))
    elif not isinstance(table, Mapping):
        own.append(Mistake((name,), None, f"a table is needed: [{name}] above its keys"))
    else:
        own.extend(_strange(name, table))
        own.extend(_secrets_in(name, table))
        own.extend(_unknown_methods(name, table))
        base = _base(name, table, catalog, own)
        said = {key: value for key, value in table.items() if key in PROVIDER_KEYS}
        discovers = "token_endpoint" not in said and isinstance(said.get("issuer"), str)
        discovers = discovers and "like" not in table
        if discovers:
            said["token_endpoint"] = said["issuer"]  # until the issuer says where it is
        provider = _provider(name, said, None if base is None else base.provider, own)
        found = _described(name, table, base, provider, own)
        found = None if found is None else evolve(found, discovers=discovers)
    mistakes.extend(own)
    return None if own else found


def _strange(name: str, table: Mapping[str, object]) -> Iterator[Mistake]:
    for key in table:
        if key in KEYS or key.lower() in _ELSEWHERE:
            continue
        inside = [
            f"[{name}.{table_name}]"
            for table_name, kind in kinds(Provider).items()
            if (inner := table_of(kind)) is not None and key in kinds(inner)
        ]
        belongs = f"unknown key here; it belongs in {' or '.join(inside)}"
        yield Mistake((name,), key, belongs if inside else unknown_key(key, KEYS))


def _unknown_methods(name: str, table: Mapping[str, object]) -> Iterator[Mistake]:
    said = table.get("auth_methods")
    for method in said if isinstance(said, list) else (said,):
        if isinstance(method, str) and method not in METHODS:
            close = get_close_matches(method, METHODS, n=3, cutoff=0.5) or METHODS
            problem = f"unknown method {method!r}; did you mean {' or '.join(close)}?"
            yield Mistake((name,), "auth_methods", problem)


def _base(
    name: str, table: Mapping[str, object], catalog: Catalog, mistakes: list[Mistake]
) -> Template | None:
    like = table.get("like")
    if like is None:
        return None
    if not isinstance(like, str):
        mistakes.append(Mistake((name,), "like", "the name of a provider is needed"))
        return None
    try:
        return catalog.template(like)
    except LookupError as error:
        mistakes.append(Mistake((name,), "like", str(error)))
        return None


def _provider(
    name: str, document: Mapping[str, object], base: Provider | None, mistakes: list[Mistake]
) -> Provider | None:
    found = structure(Provider, document, (name,), base, name=name)
    if not is_successful(found):
        # Without what it is like, what is missing may be said there.
        lost = any(each.key == "like" for each in mistakes)
        mistakes.extend(
            each for each in found.failure() if not (lost and each.problem == "it is missing")
        )
        return None
    return found.unwrap()


def _described(
    name: str,
    table: Mapping[str, object],
    base: Template | None,
    provider: Provider | None,
    mistakes: list[Mistake],
) -> Template | None:
    said = {key: value for key, value in table.items() if key in TEMPLATE_KEYS}
    # Without a provider there is no template, but what is wrong here is told as well.
    made = provider or Provider(name=name, token_endpoint="https://localhost")
    usual = {"title": name, "source": ("its user",)} if base is None else {}
    about = {key: value for key, value in usual.items() if key not in said}
    start = None if base is None else evolve(base, aliases=(), verified=None)
    found = structure(Template, said, (name,), start, provider=made, needs=(), **about)
    if not is_successful(found):
        mistakes.extend(found.failure())
        return None
    if provider is None:
        return None
    described = found.unwrap()
    inherited = () if base is None else base.needs
    needs = _needs(described, inherited, table.get("needs", {}), mistakes)
    return evolve(described, needs=needs)


# -- what has to be filled in


def _needs(
    template: Template,
    inherited: tuple[Variable, ...],
    declared: object,
    mistakes: list[Mistake],
) -> tuple[Variable, ...]:
    """Return a variable for each gap; ``declared`` is the table of those of which more is said."""
    name, place = template.name, (template.name, "needs")
    if not isinstance(declared, Mapping):
        problem = f"a table for each of them is needed, such as [{name}.needs.host]"
        mistakes.append(Mistake((name,), "needs", problem))
        return ()
    gaps = _gaps(template, mistakes)
    for each, said in declared.items():
        if each not in gaps:
            problem = f"there is no gap {{{each}}}{nearest(each, gaps)}"
            mistakes.append(Mistake(place, each, problem))
        elif not isinstance(said, Mapping):
            mistakes.append(Mistake(place, each, f"a table is needed: [{name}.needs.{each}]"))
    told = {each: said for each, said in declared.items() if isinstance(said, Mapping)}
    known = {each.name: each for each in inherited}
    urls = [url for _, url in urls_of(template.provider)]
    paths = [gap for gap in gaps if _kind_said(gap, told, known) == "path"]
    needs = (_need(gap, told, known, urls, paths, name, mistakes) for gap in gaps)
    # What a person has to say comes first.
    found = [need for need in needs if need is not None]
    return tuple(sorted(found, key=lambda need: need.default is not None))


def _gaps(template: Template, mistakes: list[Mistake]) -> tuple[str, ...]:
    found: list[str] = []
    for key, url in urls_of(template.provider):
        gaps = gaps_in(url)
        if is_successful(gaps):
            found.extend(gaps.unwrap())
        else:
            mistakes.append(Mistake((template.name,), key, gaps.failure()))
    client = () if template.client_id is None else (template.client_id,)
    for text in (*texts_of(template.provider), *client):
        found.extend(gaps_in_text(text))
    return tuple(dict.fromkeys(found))


_Told = Mapping[str, Mapping[str, object]]


def _kind_said(gap: str, told: _Told, known: Mapping[str, Variable]) -> object:
    said = told.get(gap, {}).get("kind")
    return said if said is not None or gap not in known else known[gap].kind


def _need(
    gap: str,
    told: _Told,
    known: Mapping[str, Variable],
    urls: list[str],
    paths: list[str],
    name: str,
    mistakes: list[Mistake],
) -> Variable | None:
    said = dict(told.get(gap, {}))
    before = known.get(gap)
    place: Place = (name, "needs", gap)
    if "kind" not in said and before is None:
        kind = kind_of(gap, urls, paths)
        if kind is None and not said.get("choices"):
            problem = (
                f"the gap {{{gap}}} ends a host name, and would choose the host: say what it may "
                f"be in [{name}.needs.{gap}], by choices or kind"
            )
            mistakes.append(Mistake((name,), None, problem))
            return None
        said["kind"] = kind or "label"
    found = structure(Variable, said, place, before, name=gap)
    if not is_successful(found):
        mistakes.extend(found.failure())
        return None
    need = found.unwrap()
    for text in (need.default, *(text for _, text in need.prefixes)):
        try:
            if text is not None:
                need.checked(text)
        except ValueError as error:
            mistakes.append(Mistake(place, "default", str(error).partition(": ")[2]))
    return need


# -- what does not belong in a document

_SECRET_FILE: Final = "--client-secret-file"
_ELSEWHERE: Final = {
    "access_token": "--token-stdin",
    "refresh_token": "--refresh-token-stdin",
    **dict.fromkeys(("client_secret", "secret", "password"), _SECRET_FILE),
}
_SECRET_PARAMETERS: Final = frozenset(
    {"client_secret", "client_assertion", "password", "access_token", "refresh_token"}
)
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


def _secrets_in(name: str, table: Mapping[str, object]) -> Iterator[Mistake]:
    """Refuse what only a secret can be."""
    for key in table:
        if key.lower() in _ELSEWHERE:
            problem = f"this does not belong in the file; use {_ELSEWHERE[key.lower()]}"
            yield Mistake((name,), key, problem)
    yield from _secret_names((name,), "headers", table.get("headers"), _SECRET_HEADERS)
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            fixed = inner.get("fixed")
            yield from _secret_names((name, key), "fixed", fixed, _SECRET_PARAMETERS)


def _secret_names(
    place: Place, key: str, given: object, secrets: frozenset[str]
) -> Iterator[Mistake]:
    rows = list(given.items()) if isinstance(given, Mapping) else given
    for row in rows if isinstance(rows, list) else ():
        name = row[0] if isinstance(row, (list, tuple)) and row else None
        if isinstance(name, str) and name.lower() in secrets:
            problem = f"{name} is a secret, which does not belong in the file; use {_SECRET_FILE}"
            yield Mistake(place, key, problem)
