"""What a report of an error shows, by those that keep the locals of every frame (Sentry's do)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import NoReturn

import pytest

import grantflow

_OURS = (str(Path(grantflow.__file__).parent), "<attrs generated")


class Boom(BaseException):
    """What nobody expects, wherever it strikes: Ctrl-C, or a bug in a library."""


def strikes(*_: object, **__: object) -> NoReturn:
    """Fail as nobody expects."""
    raise Boom


def disk_full(*_: object, **__: object) -> NoReturn:
    """Fail as a disk does one day."""
    raise OSError(errno.ENOSPC, "No space left on device")


class Failing:
    """Lets something fail, perhaps at a place that is patched, and keeps the errors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: list[BaseException] = []
        self._monkeypatch = monkeypatch

    def __call__(
        self,
        action: Callable[[], object],
        at: object = None,
        name: str = "",
        how: object = strikes,
    ) -> None:
        with self._monkeypatch.context() as patch:
            if at is not None:
                patch.setattr(at, name, how)
            with pytest.raises((Exception, Boom)) as caught:
                action()
        self.errors.append(caught.value)


def reported(error: BaseException, test: str) -> str:
    """Return an error's report with all that led to it, and every frame but those of a test."""
    return "\n".join(
        f"{place}\n{text}" for place, text in _texts(error) if not place.startswith(test)
    )


def shown(error: BaseException, *words: str) -> list[str]:
    """Return where an error, what led to it, or a frame of grantflow shows one of the words."""
    return [
        place
        for place, text in _texts(error)
        if place.startswith(("the message", *_OURS)) and any(word in text for word in words)
    ]


def _texts(error: BaseException) -> Iterator[tuple[str, str]]:
    for each in _chain(error):
        yield "the message", f"{each!s} {each!r} {vars(each)!r}"  # notes are among its variables
        for frame, line in walk_tb(each.__traceback__):
            for name, text in _locals(frame):
                yield f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}: {name}", text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what it came from, also where ``from None`` would hide that."""
    if error is not None:
        yield error
        yield from _chain(error.__cause__)
        if error.__context__ is not error.__cause__:
            yield from _chain(error.__context__)


def _locals(frame: FrameType) -> Iterator[tuple[str, str]]:
    for name, value in frame.f_locals.items():
        yield name, repr(value)
        for text in _walked(value):
            yield name, text


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
