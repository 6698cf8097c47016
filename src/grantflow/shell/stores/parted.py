"""Long texts among short ones: for keyrings, some of which take 1280 characters in one entry.

Rules:

1. A short text is one entry. A long one is parts, and a head that names them and their checksum.
2. The parts of a new text never touch those of the old one: there are two places for parts, taken
   in turns, and the head is replaced last. A crash leaves the old text or the new.
3. Parts are written upwards and removed downwards, so that what a crash left is found without a
   list. The next writer removes it. A short text that may have such remains is marked.
4. A reader needs no lock: where it meets a writer, it reads again.
5. As few steps as can be, for a keyring is slow: a short text is read in one, and replaced in one.

A text begins with ``{``, a marked one with ``~{``, a head with neither.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Protocol, TypeAlias, final

from attrs import frozen

from grantflow.core.values.errors import InvalidResponse

_PLACES: Final = (0, 1)
_TRIES: Final = 100
_MARK: Final = "~"


class Entries(Protocol):
    """What a keyring can do for one service."""

    @property
    def limit(self) -> int:
        """How many ASCII characters one entry takes."""
        ...

    def get(self, name: str, /) -> str | None:
        """Return what is under a name."""
        ...

    def put(self, name: str, text: str, /) -> None:
        """Replace what is under a name."""
        ...

    def drop(self, name: str, /) -> None:
        """Remove a name that is there."""
        ...


@final
@frozen
class _Head:
    place: int
    parts: int
    digest: str

    def __str__(self) -> str:
        return f"parts {self.place} {self.parts} {self.digest}"


@final
@frozen
class Stored:
    """A whole text; ``first`` is what lies under its name."""

    text: str
    first: str


Found: TypeAlias = Stored | InvalidResponse | None


def read(entries: Entries, name: str) -> Found:
    """Return the text under a name."""
    first = entries.get(name)
    for _ in range(_TRIES):
        found = _read(entries, name, first)
        if not isinstance(found, InvalidResponse):
            return found
        again = entries.get(name)
        if again == first:
            return found
        first = again
    return InvalidResponse("it changes faster than it can be read")


def write(entries: Entries, name: str, text: str, over: Stored | None) -> None:
    """Replace the text ``over`` under a name. The caller holds its lock since it was read."""
    if len(text) < entries.limit:
        _write_short(entries, name, text, over)
    else:
        _write_long(entries, name, text, over)


def remove(entries: Entries, name: str) -> None:
    """Remove what is under a name, if there is anything. The caller holds its lock."""
    if entries.get(name) is not None:
        entries.drop(name)
    _sweep(entries, name, None)


def remains(entries: Entries, name: str) -> str:
    """Return all that is left of a damaged text."""
    first = entries.get(name) or ""
    head = _head(first)
    if head is None:
        return first
    found = [entries.get(_part(name, head.place, number)) for number in range(head.parts)]
    return "\n".join([first, *(part or "" for part in found)])


def _write_short(entries: Entries, name: str, text: str, over: Stored | None) -> None:
    if over is not None and over.first.startswith("{"):
        entries.put(name, text)
        return
    entries.put(name, _MARK + text)
    _sweep(entries, name, None)
    entries.put(name, text)


def _write_long(entries: Entries, name: str, text: str, over: Stored | None) -> None:
    before = None if over is None else _head(over.first)
    if over is not None and over.first.startswith("{"):
        entries.put(name, _MARK + over.text)
    place = 0 if before is None else 1 - before.place
    size = entries.limit
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    for number, part in enumerate(parts):
        entries.put(_part(name, place, number), part)
    head = _Head(place, len(parts), _digest(text))
    entries.put(name, str(head))
    _sweep(entries, name, head)


def _read(entries: Entries, name: str, first: str | None) -> Found:
    if first is None:
        return None
    if first.startswith(("{", f"{_MARK}{{")):
        return Stored(first.removeprefix(_MARK), first)
    head = _head(first)
    if head is None:
        return InvalidResponse("it is damaged")
    parts: list[str] = []
    for number in range(head.parts):
        part = entries.get(_part(name, head.place, number))
        if part is None:
            return InvalidResponse("a part of it is missing")
        parts.append(part)
    text = "".join(parts)
    if _digest(text) != head.digest:
        return InvalidResponse("its parts do not fit together")
    return Stored(text, first)


def _head(first: str) -> _Head | None:
    match first.split():
        case ["parts", "0" | "1" as place, count, digest] if count.isdecimal() and len(count) < 6:
            return _Head(int(place), int(count), digest)
        case _:
            return None


def _sweep(entries: Entries, name: str, head: _Head | None) -> None:
    """Remove every part that does not belong to ``head``."""
    for place in _PLACES:
        kept = head.parts if head is not None and head.place == place else 0
        end = kept
        while entries.get(_part(name, place, end)) is not None:
            end += 1
        for number in reversed(range(kept, end)):
            entries.drop(_part(name, place, number))


def _part(name: str, place: int, number: int) -> str:
    return f"{name}/{place}/{number}"


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
