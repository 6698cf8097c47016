"""``grantflow default``: which profile is meant where none is named."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from grantflow.cli.output import answer, tell
from grantflow.cli.parser import Parser
from grantflow.cli.profiles import profiles


class Options(Namespace):
    """What the command line says."""

    profile: str | None


_EXAMPLES: Final = ("grantflow default work", "grantflow default")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("default", "Choose the profile that is meant where none is named.", _EXAMPLES)
    made.add_argument(
        "profile", metavar="PROFILE", nargs="?", help="without it, the default one is printed"
    )
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    name = parser().read(argv, Options()).profile
    known = profiles.load()
    if name is None:
        answer(known.chosen(None))
        return 0
    if known.chosen(name) != known.default:
        profiles.choose(name)
    tell(f"The default profile is {name}.")
    return 0
