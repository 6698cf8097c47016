"""``grantflow default``: show or set the default profile."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Final, final

from grantflow.cli.context import Context
from grantflow.cli.login import pending
from grantflow.cli.output import answer, tell
from grantflow.cli.parser import Parser
from grantflow.shell.profiles import profiles


@final
class Options(Namespace):
    """What the command line says."""

    profile: str | None


_EXAMPLES: Final = ("grantflow default work", "grantflow default")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("default", "Show or set the default profile.", _EXAMPLES)
    made.add_argument(
        "profile", metavar="PROFILE", nargs="?", help="the new default (without: print it)"
    )
    return made


def main(argv: Sequence[str], context: Context) -> int:  # noqa: ARG001
    """Run the command."""
    name = parser().read(argv, Options()).profile
    known = profiles.load()
    if name is None:
        answer(known.name(None))
        return 0
    known.name(name, pending.names)
    if (known.default, known.chosen) != (name, True):
        profiles.choose(name)
    tell(f"The default profile is {name}.")
    return 0
