"""What a report of an error shows, by those that keep the locals of every frame (Sentry's do)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from traceback import TracebackException, walk_tb


def reported(error: BaseException, test: str) -> str:
    """Return an error's report with all that led to it, and every frame but those of a test."""
    return "\n".join(part for each in _chain(error) for part in _parts(each, test))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what it came from, also where ``from None`` would hide that."""
    if error is not None:
        yield error
        yield from _chain(error.__cause__)
        if error.__context__ is not error.__cause__:
            yield from _chain(error.__context__)


def _parts(error: BaseException, test: str) -> Iterator[str]:
    yield f"{error!s} {error!r} {vars(error)!r}"
    for told in TracebackException.from_exception(error, capture_locals=True).stack:
        if told.filename != test:
            yield f"{told.filename}:{told.name}"
            yield from (told.locals or {}).values()
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code.co_filename != test:
            yield from _walked(frame.f_locals)


def _walked(value: object) -> Iterator[str]:
    """Yield what is inside, as reports do that do not ask a mapping or a list for its own text."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield f"{name} ="
            yield from _walked(inner)
    elif isinstance(value, Iterable) and isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _walked(inner)
    else:
        yield repr(value)
