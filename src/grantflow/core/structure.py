"""Documents, such as tables of TOML or JSON, into attrs classes and back.

Rules:

1. The keys are the fields of the class, and what a field takes is read off its type, so no list of
   keys can drift from the classes. A type without a shape raises ``TypeError``.
2. Every mistake is reported, not only the first one, as a value: the table, the key and what is
   needed there. What was written is not repeated, for it may be a secret.
3. A field that may be ``None`` takes ``false``: TOML has no word for nothing.
4. A field at its default is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import (
    Final,
    Literal,
    Protocol,
    TypeGuard,
    TypeVar,
    Union,
    cast,
    final,
    get_args,
    get_origin,
)
from typing import get_type_hints as hints_of

from attrs import NOTHING, AttrsInstance, fields, frozen, has
from returns.result import Failure, Result, Success

from grantflow.core.values.json import Members, plain
from grantflow.core.values.parsing import span
from grantflow.core.values.secret import Secret
from grantflow.core.values.validators import ArgumentError

A = TypeVar("A", bound=AttrsInstance)
A_co = TypeVar("A_co", covariant=True)

Place = tuple[str, ...]
"""The path of a table: ``("acme", "poll")`` is ``[acme.poll]``."""


@final
@frozen
class Mistake:
    """What is wrong in a document: in which table, at which key, and what is needed there.

    >>> print(Mistake(("acme", "poll"), "drop", "text or a list of texts is needed"))
    [acme.poll] drop: text or a list of texts is needed
    """

    place: Place
    key: str | None
    problem: str
    where: str = ""
    """The file and the line, where they are known."""

    def __str__(self) -> str:
        key = "" if self.key is None else f" {self.key}"
        where = f"{self.where}: " if self.where else ""
        return f"{where}[{'.'.join(self.place)}]{key}: {self.problem}"


Mistakes = tuple[Mistake, ...]


def structure(
    kind: type[A],
    document: Mapping[str, object],
    place: Place,
    current: A | None = None,
    **more: object,
) -> Result[A, Mistakes]:
    """Read a document into ``kind``; what it does not say is as in ``current``, else the default.

    ``more`` are arguments that are not the document's to say.

    >>> from attrs import frozen
    >>> @frozen
    ... class Door:
    ...     name: str
    ...     width: int = 80
    >>> structure(Door, {"width": 90}, ("door",), name="front").unwrap()
    Door(name='front', width=90)
    >>> [str(each) for each in structure(Door, {"wdith": 90, "name": 1}, ("door",)).failure()]
    ['[door] wdith: unknown key; did you mean width?', '[door] name: text is needed']
    """
    mistakes: list[Mistake] = []
    values = _arguments(kind, document, place, current, more, mistakes)
    made = _made(kind, {**held(current), **values, **more}, place, mistakes)
    return Failure(tuple(mistakes)) if made is None or mistakes else Success(made)


def unstructure(value: object, usual: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the fields of an attrs value as a document; ``ValueError`` where one is a secret.

    >>> from grantflow.core.client.dialect import RequestFormat
    >>> unstructure(RequestFormat(method="GET", rename={"device_code": "code"}, drop="scope"))
    {'method': 'GET', 'rename': {'device_code': 'code'}, 'drop': ['scope']}
    """
    expected = usual_of(type(value)) if usual is None else usual
    found: dict[str, object] = {}
    for name in unusual(value, expected):
        each: object = getattr(value, name)
        inner = held(expected.get(name)) or None
        found[name] = unstructure(each, inner) if has(type(each)) else written(each)
    return found


def unknown_key(key: str, known: Collection[str]) -> str:
    """Return what is wrong with a key that is not among the ``known`` ones.

    >>> unknown_key("hsot", ["host", "path"])
    'unknown key; did you mean host?'
    """
    close = get_close_matches(key.lower(), known, n=3, cutoff=0.5)
    if close:
        return f"unknown key; did you mean {' or '.join(close)}?"
    return f"unknown key; there are {', '.join(known)}"


def _arguments(
    kind: type[AttrsInstance],
    document: Mapping[str, object],
    place: Place,
    current: object,
    more: Collection[str],
    mistakes: list[Mistake],
) -> dict[str, object]:
    known = {name: each for name, each in kinds(kind).items() if name not in more}
    before = usual_of(kind) if current is None else held(current)
    found: dict[str, object] = {}
    for key, given in document.items():
        if key not in known:
            mistakes.append(Mistake(place, key, unknown_key(key, known)))
            continue
        inner = table_of(known[key])
        if inner is not None and isinstance(given, Mapping):
            there, now = (*place, key), before.get(key)
            values = _arguments(inner, given, there, now, (), mistakes)
            value: object = _made(inner, {**held(now), **values}, there, mistakes)
            if value is None:
                continue
        elif inner is not None:
            table = ".".join((*place, key))
            mistakes.append(Mistake(place, key, f"a table [{table}] is needed"))
            continue
        else:
            shape = shape_of(known[key])
            value = shape.take(given)
            if value is UNFIT:
                mistakes.append(Mistake(place, key, f"{shape.phrase} is needed"))
                continue
        found[key] = value
    return found


def _made(
    kind: type[A], values: Mapping[str, object], place: Place, mistakes: list[Mistake]
) -> A | None:
    """Construct a value; its complaint begins with the name of the argument."""
    missing = [
        each.name for each in fields(kind) if each.default is NOTHING and each.name not in values
    ]
    told = {each.key for each in mistakes if each.place == place}
    if missing:
        more = (Mistake(place, name, "it is missing") for name in missing if name not in told)
        mistakes.extend(more)
        return None
    try:
        return cast("_Maker[A]", kind)(**values)
    except ArgumentError as error:
        mistakes.append(Mistake(place, error.argument, error.problem))
        return None
    except (ValueError, TypeError) as error:
        mistakes.append(Mistake(place, None, str(error)))
        return None


class _Maker(Protocol[A_co]):
    """A class's constructor; no checker follows a name through a mapping, so the types are read."""

    def __call__(self, **values: object) -> A_co: ...


# -- what a field takes


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
    hints: Mapping[str, object] = hints_of(table)
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
        # A secret may be in a field, but never in a document.
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
        if parts[0] is str:
            return _TEXTS
    if isinstance(kind, type) and kind in _PLAIN:
        return _PLAIN[kind]
    raise TypeError(f"{kind} has no shape in a document")


def held(value: object) -> dict[str, object]:
    """Return the fields of an attrs value by name, of anything else none."""
    kind = table_of(type(value))
    return {} if kind is None else {name: getattr(value, name) for name in kinds(kind)}


@cache
def _usual(kind: type[AttrsInstance]) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for each in fields(kind):
        if each.default is not NOTHING and not getattr(each.default, "takes_self", False):
            factory = getattr(each.default, "factory", None)
            found[each.name] = each.default if factory is None else factory()
    return found


def usual_of(kind: type) -> Mapping[str, object]:
    """Return the defaults of an attrs class by name; what is required has none."""
    made = table_of(kind)
    return {} if made is None else _usual(made)


def unusual(value: object, usual: Mapping[str, object] | None = None) -> tuple[str, ...]:
    """Return the names of the fields that are not at their defaults, or not as ``usual``."""
    expected = usual_of(type(value)) if usual is None else usual
    return tuple(
        name for name, each in held(value).items() if name not in expected or each != expected[name]
    )


def written(value: object) -> object:
    """Return a field's value as a document says it; ``ValueError`` for a secret."""
    if isinstance(value, Secret):
        raise ValueError("a secret is not written into a document")
    if isinstance(value, Members):
        return plain(value)
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


def _json_object(given: object) -> object:
    try:
        return Members(given) if isinstance(given, Mapping) else UNFIT
    except (ValueError, TypeError):
        return UNFIT


_PLAIN: Final[Mapping[type, Shape]] = {
    str: Shape("text", _only(str)),
    bool: Shape("true or false", _only(bool)),
    int: Shape("a whole number", _only(int)),
    timedelta: Shape("a number of seconds above zero", _seconds),
    Members: Shape("a table", _json_object),
}


def _perhaps(inner: Shape) -> Shape:
    return Shape(
        f"{inner.phrase}, or false for none,",
        lambda given: None if given is False else inner.take(given),
    )


def _texts(given: object) -> object:
    if isinstance(given, str):
        return (given,)
    return tuple(given) if _are_texts(given) else UNFIT


def _are_texts(given: object) -> TypeGuard[Sequence[str]]:
    return isinstance(given, (list, tuple)) and all(isinstance(each, str) for each in given)


_TEXTS: Final = Shape("text or a list of texts", _texts)


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
