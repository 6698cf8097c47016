"""What a report of an error shows, by those that keep the locals of every frame (Sentry's do)."""

from __future__ import annotations

from collections.abc import Iterator
from traceback import TracebackException


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
    for frame in TracebackException.from_exception(error, capture_locals=True).stack:
        if frame.filename != test:
            yield f"{frame.filename}:{frame.name}"
            yield from (f"{name} = {text}" for name, text in (frame.locals or {}).items())
