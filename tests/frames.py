"""What a reporter of errors would send away: every local variable of grantflow's own frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from traceback import TracebackException

import grantflow

_OURS = (str(Path(grantflow.__file__).parent), "<attrs generated")


def told(error: BaseException) -> str:
    """Return an error, its causes, and the variables of our frames, as Sentry collects them."""
    seen = TracebackException.from_exception(error, capture_locals=True, compact=True)
    return "\n".join(_lines(seen))


def _lines(seen: TracebackException | None) -> Iterator[str]:
    while seen is not None:
        yield from seen.format_exception_only()
        for frame in seen.stack:
            if frame.filename.startswith(_OURS):
                yield f"{frame.filename}:{frame.lineno} {frame.locals}"
        seen = seen.__cause__ or seen.__context__
