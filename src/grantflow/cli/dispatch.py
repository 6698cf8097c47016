"""From the first word of the command line to the command."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Final, final

from grantflow.cli import overview
from grantflow.cli.errors import usage
from grantflow.cli.output import answer, tell
from grantflow.cli.parser import nearest
from grantflow.cli.redact import quoted

_HELP: Final = ("--help", "-h", "help")


def dispatch(argv: list[str]) -> int:
    """Run the command that ``argv`` names, and return its exit code."""
    _warnings_told()
    if not argv:
        return _shown(overview.short())
    first, *rest = argv
    if first in overview.COMMANDS:
        return _ran(first, rest)
    if first in _HELP:
        topics = [each for each in rest if each not in _HELP]
        return dispatch([topics[0], "--help"]) if topics else _shown(overview.whole())
    if first in ("--version", "-V"):
        return _shown(overview.version())
    if first.startswith("-"):
        raise usage(f"unknown flag {quoted(first.partition('=')[0])}: flags follow the command")
    raise usage(
        f"unknown command {quoted(first)}"
        f"{nearest(first, overview.COMMANDS, 'see grantflow --help')}"
    )


def _ran(name: str, argv: list[str]) -> int:
    main: Callable[[list[str]], int] = import_module(f"grantflow.cli.commands.{name}").main
    try:
        return main(argv)
    except SystemExit:
        return 0  # argparse ends like this after --help, and after nothing else here


def _shown(lines: tuple[str, ...]) -> int:
    for line in lines:
        answer(line)
    return 0


@final
class _OnStandardError(logging.Handler):
    """Tells the library's warnings like everything else the command has to say."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(f"grantflow: {record.getMessage()}")


_WARNINGS: Final = _OnStandardError(logging.WARNING)


def _warnings_told() -> None:
    logging.getLogger("grantflow").addHandler(_WARNINGS)
