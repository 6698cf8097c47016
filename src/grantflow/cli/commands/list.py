"""``grantflow list``: every profile in a line."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from grantflow.cli import profiles
from grantflow.cli.failure import CommandError
from grantflow.cli.output import answer, tell
from grantflow.cli.parser import Parser
from grantflow.cli.profiles import Profiles
from grantflow.cli.standing import Standing, standing
from grantflow.cli.table import columns


class Options(Namespace):
    """What the command line says."""

    json: bool
    names: bool


_EXAMPLES: Final = ("grantflow list", "grantflow list --json")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("list", "List every profile; * marks the default one.", _EXAMPLES)
    made.add_argument("--json", action="store_true", help="one JSON list")
    made.add_argument("--names", action="store_true", help="the names alone, one a line")
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    known = profiles.load()
    if options.names:
        for name in known.documents:
            answer(name)
        return 0
    found = _found(known)
    if options.json:
        answer(json.dumps([each.members() for each in found]))
    elif found:
        for line in columns([_HEAD, *(_row(each) for each in found)]):
            answer(line)
    else:
        tell("No profiles yet. Make one: grantflow login --issuer URL --client-id ID")
    return 0


def _found(known: Profiles) -> list[Standing]:
    found: list[Standing] = []
    for name in known.documents:
        try:
            found.append(standing(known.named(name), known.default))
        except CommandError as error:  # one that is damaged does not hide the others
            tell(f"grantflow: {error}")
    return found


_HEAD: Final = ("  PROFILE", "PROVIDER", "CLIENT", "GRANT", "EXPIRES", "RENEWS", "SCOPE")


def _row(each: Standing) -> tuple[str, ...]:
    profile = each.profile
    server = (profile.place or "-").removeprefix("https://")
    return (
        f"{'*' if each.default else ' '} {profile.name}",
        server,
        profile.client_id or "-",
        profile.grant,
        each.expires,
        "yes" if each.refreshable else "no",
        each.scope or "-",
    )
