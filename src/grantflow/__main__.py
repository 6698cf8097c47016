"""The entry point of the ``grantflow`` command."""

from __future__ import annotations

import os
import sys

from grantflow.cli.token import quick

TYPE_CHECKING = False  # here and in quick: typing costs more than a stored token
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(argv: Sequence[str] | None = None, now: Callable[[], float] | None = None) -> int:
    """Run the command and return its exit code; whatever goes wrong is told in one line."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        code = 0 if quick.printed(words, None if now is None else now()) else _dispatched(words)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _told("interrupted", 130)
    except BrokenPipeError:
        # Whoever read our output has gone, and Python would say so once more at exit.
        _abandon_output()
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort: never a traceback
        from grantflow.cli.errors import verdict

        message, code = verdict(error)
        if isinstance(error, OSError):
            _abandon_output()
        return _told(message, code)
    return code


def _dispatched(words: list[str]) -> int:
    # Loaded here, so that Ctrl-C while the command loads is met as well.
    from grantflow.cli.dispatch import dispatch

    return dispatch(words)


def _told(message: str, code: int) -> int:
    from grantflow.cli.output import tell

    try:
        tell(f"grantflow: {message}")
    except OSError:
        _abandon_output()
    return code


def _abandon_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
