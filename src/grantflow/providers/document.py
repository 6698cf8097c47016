"""A provider as a document, such as a table of TOML: read with every mistake named, and written.

Rules:

1. The keys are the fields of ``Provider`` and of the classes inside it, and nothing else.
2. A mistake is a value: the table, the key and what is needed there. What was given is not
   repeated, for it may be a secret.
3. A document holds no secret: where one is met, the mistake says where it belongs instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, Protocol, TypeVar, cast, final

from attrs import NOTHING, AttrsInstance, fields, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from grantflow.core.client.dialect import RequestFormat
from grantflow.core.client.provider import Provider
from grantflow.core.values.pairs import Pairs
from grantflow.providers.shapes import UNFIT, held, kinds, shape_of, table, table_of, usual_of

A = TypeVar("A", bound=AttrsInstance)
A_co = TypeVar("A_co", covariant=True)
V = TypeVar("V")


@final
@frozen
class Misspelt:
    """What is wrong in a document: which table, which key, and what is needed there.

    >>> print(Misspelt("acme.poll", "drop", "text or a list of texts is needed"))
    [acme.poll] drop: text or a list of texts is needed
    """

    table: str
    key: str | None
    problem: str

    def __str__(self) -> str:
        key = "" if self.key is None else f" {self.key}"
        return f"[{self.table}]{key}: {self.problem}"


def provider_from(name: str, document: Mapping[str, object]) -> Result[Provider, Misspelt]:
    """Read what ``document_of`` wrote, or somebody wrote by hand; the name is not in it.

    >>> where = {"token_endpoint": "https://acme.example/token"}
    >>> provider_from("acme", where).unwrap().name
    'acme'
    >>> print(provider_from("acme", {**where, "scope_seperator": ","}).failure())
    [acme] scope_seperator: unknown key; did you mean scope_separator?
    """
    return (
        values_of(Provider, document, name)
        .bind(lambda values: made(Provider, {**values, "name": name}, name))
        .bind(lambda provider: without_secrets(provider, name))
    )


def document_of(provider: Provider) -> dict[str, object]:
    """Return a provider as a document without its name; ``ValueError`` where it holds a secret.

    >>> document_of(Provider(name="acme", token_endpoint="https://acme.example/token"))
    {'token_endpoint': 'https://acme.example/token'}
    """
    return {key: value for key, value in table(provider).items() if key != "name"}


def values_of(
    kind: type[AttrsInstance],
    document: Mapping[str, object],
    where: str,
    current: object = None,
) -> Result[dict[str, object], Misspelt]:
    """Read a table into arguments of ``kind``; a table inside it changes what ``current`` has.

    Where ``kind`` has a ``name``, the table has it already.
    """
    before = usual_of(kind) if current is None else held(current)
    known = {name: each for name, each in kinds(kind).items() if name != "name"}
    strange = next((key for key in document if key not in known), None)
    if strange is not None:
        return Failure(Misspelt(where, strange, unknown(where, strange, known)))
    return together(
        _argument(known[key], given, where, key, before.get(key)) for key, given in document.items()
    ).map(dict)


def made(kind: type[A], values: Mapping[str, object], where: str) -> Result[A, Misspelt]:
    """Construct a value; its complaint begins with the name of the argument."""
    for each in fields(kind):
        if each.default is NOTHING and each.name not in values:
            return Failure(Misspelt(where, each.name, "it is missing"))
    try:
        return Success(cast("_Maker[A]", kind)(**values))
    except ValueError as error:
        key, _, problem = str(error).partition(": ")
        return Failure(Misspelt(where, key, problem))


class _Maker(Protocol[A_co]):
    """A class's constructor; no checker follows a name through a mapping, so the types are read."""

    def __call__(self, **values: object) -> A_co: ...


def _argument(
    kind: object, given: object, where: str, key: str, current: object
) -> Result[tuple[str, object], Misspelt]:
    return _value(kind, given, where, key, current).map(lambda value: (key, value))


def _value(
    kind: object, given: object, where: str, key: str, current: object
) -> Result[object, Misspelt]:
    inner = table_of(kind)
    if inner is None:
        shape = shape_of(kind)
        found = shape.take(given)
        if found is UNFIT:
            return Failure(Misspelt(where, key, f"{shape.phrase} is needed"))
        return Success(found)
    place = f"{where}.{key}"
    if not isinstance(given, Mapping):
        return Failure(Misspelt(where, key, f"a table [{place}] is needed"))
    return values_of(inner, given, place, current).bind(
        lambda values: made(inner, {**held(current), **values}, place)
    )


def together(results: Iterable[Result[V, Misspelt]]) -> Result[tuple[V, ...], Misspelt]:
    """Return all the values, or the first mistake."""
    found: list[V] = []
    for each in results:
        if not is_successful(each):
            return Failure(each.failure())
        found.append(each.unwrap())
    return Success(tuple(found))


def unknown(where: str, key: str, known: Mapping[str, object]) -> str:
    """Return what is wrong with a key that nothing has: the nearest one, or its own table."""
    if key.lower() in _ELSEWHERE:
        return f"this does not belong in the file; use {_ELSEWHERE[key.lower()]}"
    inside = [
        f"[{where}.{name}]"
        for name, kind in known.items()
        if (inner := table_of(kind)) is not None and key in kinds(inner)
    ]
    if inside:
        return f"unknown key here; it belongs in {' or '.join(inside)}"
    close = get_close_matches(key.lower(), known, n=3, cutoff=0.5)
    if close:
        return f"unknown key; did you mean {' or '.join(close)}?"
    return f"unknown key; there are {', '.join(known)}"


_SECRET_FILE: Final = "--client-secret-file"
_ELSEWHERE: Final = {
    "scope": "--scope",
    "audience": "--audience",
    "resource": "--resource",
    "access_token": "--token-stdin",
    "refresh_token": "--token-stdin",
    **dict.fromkeys(("client_secret", "secret", "password"), _SECRET_FILE),
}
_SECRET_PARAMETERS: Final = frozenset(
    {"client_secret", "client_assertion", "password", "access_token", "refresh_token"}
)
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


def without_secrets(provider: Provider, where: str) -> Result[Provider, Misspelt]:
    """Refuse a provider that always sends what only a secret can be."""
    name = _first(provider.headers, _SECRET_HEADERS)
    if name is not None:
        return Failure(Misspelt(where, "headers", _secret(name)))
    for key in kinds(Provider):
        asking: object = getattr(provider, key)
        if isinstance(asking, RequestFormat):
            name = _first(asking.fixed, _SECRET_PARAMETERS)
            if name is not None:
                return Failure(Misspelt(f"{where}.{key}", "fixed", _secret(name)))
    return Success(provider)


def _first(pairs: Pairs, secrets: frozenset[str]) -> str | None:
    return next((name for name, _ in pairs if name.lower() in secrets), None)


def _secret(name: str) -> str:
    return f"{name} is a secret, which does not belong in the file; use {_SECRET_FILE}"
