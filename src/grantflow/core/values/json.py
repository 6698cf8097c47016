"""JSON values that cannot change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias, final

Json: TypeAlias = "bool | int | float | str | tuple[Json, ...] | Members | None"
"""A JSON value made of things that cannot change."""


@final
class Members(Mapping[str, Json]):
    """JSON members as an immutable, hashable mapping that shows its names but not its values.

    A server may put anything there, other people's tokens included.

    >>> Members({"sub": "alice", "aud": ["a", "b"]})
    Members(aud, sub)
    >>> Members({"aud": ["a", "b"]})["aud"]
    ('a', 'b')
    >>> Members({"a": 1}) == {"a": 1}
    True
    """

    __slots__ = ("_items",)

    def __init__(self, members: Mapping[str, object] | Iterable[tuple[str, object]] = ()) -> None:
        named: dict[str, object] = dict(members)
        self._items = _stilled(named, _DEEPEST)

    @classmethod
    def _of(cls, items: dict[str, Json]) -> Members:
        made = cls()
        made._items = items
        return made

    def __getitem__(self, name: str) -> Json:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return f"Members({', '.join(sorted(ascii(name)[1:-1] for name in self._items))})"


# Deeper than any honest answer, shallower than what hashing and comparing can walk.
_DEEPEST: Final = 32


def _stilled(members: Mapping[str, object], depth: int) -> dict[str, Json]:
    if depth == 0:
        raise ValueError(f"JSON nested more than {_DEEPEST} deep")
    return {str(name): _still(value, depth) for name, value in members.items()}


def _still(value: object, depth: int) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no such numbers; what Python reads as one says nothing
    if value is None or isinstance(value, (bool, int, float, str, Members)):
        return value
    if isinstance(value, Mapping):
        return Members._of(_stilled(value, depth - 1))  # noqa: SLF001 - its own constructor
    if isinstance(value, Iterable) and depth > 0:
        return tuple(_still(each, depth - 1) for each in value)
    raise ValueError(f"not a JSON value, or nested more than {_DEEPEST} deep")


def plain(value: Json) -> object:
    """Return a JSON value made of dicts and lists, for ``json.dumps``.

    >>> plain(Members({"aud": ["a"]}))
    {'aud': ['a']}
    """
    if isinstance(value, Members):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value
