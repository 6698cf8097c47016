"""What a reporter of errors would send away: every local variable of grantflow's own frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from traceback import TracebackException

import grantflow

_OURS = (str(Path(grantflow.__file__).parent), "<attrs generated")


def shown(error: BaseException, *words: str) -> list[str]:
    """Return where an error, its causes, or a variable of our frames shows one of the words.

    They are looked at as Sentry does: by their ``repr``, in every frame of every cause.
    """
    seen = TracebackException.from_exception(error, capture_locals=True, compact=True)
    return [place for place, text in _texts(seen) if any(word in text for word in words)]


def _texts(seen: TracebackException | None) -> Iterator[tuple[str, str]]:
    while seen is not None:
        yield "the message", "".join(seen.format_exception_only())
        for frame in seen.stack:
            if frame.filename.startswith(_OURS):
                for name, text in (frame.locals or {}).items():
                    yield f"{frame.filename}:{frame.lineno} {frame.name}: {name}", text
        seen = seen.__cause__ or seen.__context__
