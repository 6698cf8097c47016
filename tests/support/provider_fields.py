"""Every field in which a provider may differ, and a value for each, derived from their types."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

from attrs import AttrsInstance, fields

from grantflow import Provider, Secret
from grantflow.core.structure import kinds, table_of

URL = "https://b.example/x"
PLAIN = Provider(name="acme", token_endpoint="https://a.example/token")

Path = tuple[str, ...]


def paths(kind: type[AttrsInstance], *before: str) -> Iterator[Path]:
    """The keys of a table and of those inside it; the name is the table's own."""
    for each in fields(kind):
        inner = table_of(kinds(kind)[each.name])
        if inner is not None:
            yield from paths(inner, *before, each.name)
        elif each.name != "name":
            yield (*before, each.name)


SPELLING = sorted(paths(Provider))


def at(value: object, path: Path) -> object:
    for name in path:
        value = getattr(value, name)
    return value


def changed(path: Path) -> tuple[dict[str, object], object]:
    """A document in which one field is not as usual, and what the field then holds."""
    kind: object = Provider
    for name in path:
        table = table_of(kind)
        assert table is not None
        kind = kinds(table)[name]
    said, held = _sample(kind, path[-1], at(PLAIN, path))
    for name in reversed(path):
        said = {name: said}
    assert isinstance(said, dict)
    return {"token_endpoint": PLAIN.token_endpoint, **said}, held


def _sample(kind: object, name: str, usual: object) -> tuple[object, object]:
    parts = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return _sample(next(p for p in parts if p not in (NoneType, Secret)), name, usual)
    if get_origin(kind) is Literal:
        other = next(each for each in parts if each != usual)
        return other, other
    if kind is timedelta:
        return 7.5, timedelta(seconds=7.5)
    if kind is bool:
        return not usual, not usual
    if kind is str:
        text = "https" if name == "link_scheme" else URL
        return text, text
    row = get_args(parts[0])
    if name == "auth_methods":
        return ["none", "tls_client_auth"], ("none", "tls_client_auth")
    if name == "milliseconds":
        return ["device", "token"], ("device", "token")
    if name in ("drop", "path"):
        return ["scope", "resource"], ("scope", "resource")
    if not row:
        return ["one", "two"], ("one", "two")
    word = {"mtls_endpoint_aliases": URL, "rename": "scope", "fields": "scope"}.get(name, "X-One")
    key, number = ("401", 401) if row[0] is int else (word, word)
    if get_origin(row[1]) is tuple:
        return {key: ["one.two"]}, ((number, ("one.two",)),)
    text = "access_denied" if name.endswith(("codes", "statuses")) else URL
    return {key: text}, ((number, text),)
