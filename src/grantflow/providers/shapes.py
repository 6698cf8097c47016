"""The shapes that attrs fields have in a document: what TOML and JSON can say, both ways.

What a field takes is read off its type, so there is no list of keys that could drift from the
classes. A type without a shape is a mistake of whoever added the field: ``TypeError``. Where a
field may be ``None``, a document says ``false``: TOML has no word for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Final, Literal, Union, final, get_args, get_origin, get_type_hints

from attrs import NOTHING, AttrsInstance, fields, frozen, has

from grantflow.core.values.parsing import span
from grantflow.core.values.secret import Secret


@final
class Unfit:
    """What ``take`` returns for what has another shape."""


UNFIT: Final = Unfit()


@final
@frozen
class Shape:
    """What a field takes: in words, and as a function that returns ``UNFIT`` for anything else."""

    phrase: str
    take: Callable[[object], object]


@cache
def kinds(table: type[AttrsInstance]) -> Mapping[str, object]:
    """Return the types of a class's fields by their names."""
    hints: Mapping[str, object] = get_type_hints(table)
    return {each.name: hints[each.name] for each in fields(table)}


def table_of(kind: object) -> type[AttrsInstance] | None:
    """Return the class whose fields are a table of their own, if this type is one."""
    if get_origin(kind) in (Union, UnionType):
        return next((found for each in get_args(kind) if (found := table_of(each))), None)
    return kind if isinstance(kind, type) and has(kind) else None


@cache
def shape_of(kind: object) -> Shape:
    """Return the shape of a field's type.

    >>> shape_of(tuple[str, ...]).phrase, shape_of(tuple[str, ...]).take("data")
    ('text or a list of texts', ('data',))
    >>> shape_of(tuple[tuple[int, str], ...]).take({"202": "authorization_pending"})
    ((202, 'authorization_pending'),)
    >>> shape_of(bool).take(1) is UNFIT, shape_of(str | None).take(False)
    (True, None)
    """
    parts: tuple[object, ...] = get_args(kind)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        # A secret may stand in a field, but never in a document.
        [only] = (each for each in parts if each not in (NoneType, Secret))
        return (
            _perhaps(shape_of(only)) if NoneType in parts and only is not bool else shape_of(only)
        )
    if origin is Literal:
        words = ", ".join(str(each) for each in parts)
        return Shape(f"one of {words}", lambda given: given if given in parts else UNFIT)
    if origin is tuple and parts[1:] == (...,):
        row: tuple[object, ...] = get_args(parts[0])
        if get_origin(parts[0]) is tuple and len(row) == 2 and row[1] is not ...:
            return _table(row[0] is int, shape_of(row[1]))
        return _list(shape_of(parts[0]))
    if isinstance(kind, type) and kind in _PLAIN:
        return _PLAIN[kind]
    raise TypeError(f"{kind} has no shape in a document")


def held(value: object) -> dict[str, object]:
    """Return the fields of an attrs value by name, of anything else none."""
    kind = table_of(type(value))
    return {} if kind is None else {name: getattr(value, name) for name in kinds(kind)}


def usual_of(kind: type) -> dict[str, object]:
    """Return the defaults of an attrs class by name; what is required has none."""
    made = table_of(kind)
    found: dict[str, object] = {}
    for each in () if made is None else fields(made):
        if each.default is not NOTHING:
            factory = getattr(each.default, "factory", None)
            found[each.name] = each.default if factory is None else factory()
    return found


def unusual(value: object, usual: Mapping[str, object] | None = None) -> tuple[str, ...]:
    """Return the names of the fields that are not at their defaults, or not as ``usual``."""
    expected = usual_of(type(value)) if usual is None else usual
    return tuple(
        name for name, each in held(value).items() if name not in expected or each != expected[name]
    )


def table(value: object, usual: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the fields of an attrs value as a table; what is as usual is left out.

    >>> from grantflow.core.client.dialect import RequestFormat
    >>> table(RequestFormat(method="GET", rename={"device_code": "code"}, drop="scope"))
    {'method': 'GET', 'rename': {'device_code': 'code'}, 'drop': ['scope']}
    """
    expected = usual_of(type(value)) if usual is None else usual
    found: dict[str, object] = {}
    for name in unusual(value, expected):
        each: object = getattr(value, name)
        found[name] = (
            table(each, held(expected.get(name)) or None) if has(type(each)) else written(each)
        )
    return found


def written(value: object) -> object:
    """Return a field's value as a document says it; ``ValueError`` for a secret."""
    if isinstance(value, Secret):
        raise ValueError("a secret is not written into a document")
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return int(seconds) if seconds.is_integer() else seconds
    if isinstance(value, tuple):
        return _rows(value)
    return False if value is None else value


def _rows(value: tuple[object, ...]) -> object:
    pairs = [each for each in value if isinstance(each, tuple) and len(each) == 2]
    names = {str(pair[0]) for pair in pairs}
    if not value or not len(value) == len(pairs) == len(names):
        return [written(each) for each in value]  # a name that comes twice fits into no table
    return {str(pair[0]): written(pair[1]) for pair in pairs}


def _only(kind: type) -> Callable[[object], object]:
    return lambda given: given if type(given) is kind else UNFIT


def _seconds(given: object) -> object:
    found = span(given) if isinstance(given, (int, float)) and isfinite(given) else None
    return UNFIT if found is None else found


_PLAIN: Final[Mapping[type, Shape]] = {
    str: Shape("text", _only(str)),
    bool: Shape("true or false", _only(bool)),
    int: Shape("a whole number", _only(int)),
    timedelta: Shape("a number of seconds above zero", _seconds),
}


def _perhaps(inner: Shape) -> Shape:
    return Shape(
        f"{inner.phrase}, or false for none,",
        lambda given: None if given is False else inner.take(given),
    )


def _list(inner: Shape) -> Shape:
    several = f"a list of {inner.phrase}s"
    if inner is not _PLAIN[str]:
        return Shape(several, lambda given: _all(inner, given))
    return Shape(
        f"text or {several}",
        lambda given: (given,) if isinstance(given, str) else _all(inner, given),
    )


def _all(inner: Shape, given: object) -> object:
    found = [inner.take(each) for each in given] if isinstance(given, (list, tuple)) else [UNFIT]
    return UNFIT if UNFIT in found else tuple(found)


def _table(by_status: bool, inner: Shape) -> Shape:
    example = f"{400 if by_status else 'name'} = {'text' if inner is _PLAIN[str] else '[texts]'}"
    return Shape(
        f"a table such as {{ {example} }}", lambda given: _rows_of(by_status, inner, given)
    )


def _rows_of(by_status: bool, inner: Shape, given: object) -> object:
    rows = list(given.items()) if isinstance(given, Mapping) else given
    if not isinstance(rows, (list, tuple)):
        return UNFIT
    found: list[tuple[object, object]] = []
    for row in rows:
        if not isinstance(row, (list, tuple)) or len(row) != 2:
            return UNFIT
        found.append((_name(by_status, row[0]), inner.take(row[1])))
    return UNFIT if any(UNFIT in row for row in found) else tuple(found)


def _name(by_status: bool, given: object) -> object:
    if not by_status or not isinstance(given, str):
        return _PLAIN[int if by_status else str].take(given)
    return int(given) if given.isascii() and given.isdigit() and len(given) == 3 else UNFIT
