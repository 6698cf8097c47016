"""The entry point of the ``grantflow`` command."""

from __future__ import annotations

import os
import sys

from grantflow.cli.token import quick

TYPE_CHECKING = False  # here and in quick: typing costs more than a stored token
if TYPE_CHECKING:
    from collections.abc import Sequence

    from grantflow.cli.context import Context


def main(argv: Sequence[str] | None = None, context: Context | None = None) -> int:
    """Run the command and return its exit code; every problem is reported in one line."""
    words = sys.argv[1:] if argv is None else list(argv)
    now = None if context is None else context.clock.now().wall.timestamp()
    try:
        code = 0 if quick.printed(words, now) else _dispatch(words, context)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        told: tuple[str, int] = getattr(interrupt, "told", ("interrupted", 130))
        return _end(*told)
    except BrokenPipeError:
        # The reader of our output is gone, and Python would report that again at exit.
        _abandon_output()
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort: never a traceback
        from grantflow.cli.errors import verdict

        found = verdict(error)
        if isinstance(error, OSError):
            _abandon_output()
        return _end(str(found), found.code)
    return code


def docker() -> int:
    """Answer docker: the entry point ``docker-credential-grantflow``, under which it looks."""
    return main(["token", "--format", "docker-credential", *sys.argv[1:]])


def _dispatch(words: list[str], context: Context | None) -> int:
    # Loaded here, so that Ctrl-C while the command loads is caught as well.
    from grantflow.cli.dispatch import dispatch

    return dispatch(words, context)


def _end(message: str, code: int) -> int:
    from grantflow.cli.output import warn

    try:
        warn(message)
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
