"""``grantflow list``: every profile in a line."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias

from grantflow.cli import context as outside
from grantflow.cli.errors import CommandError
from grantflow.cli.format import spoken
from grantflow.cli.login import pending as starts
from grantflow.cli.login.pending import Start
from grantflow.cli.output import answer, tell
from grantflow.cli.parser import Parser
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.profiles import Profile, Profiles
from grantflow.cli.profiles.status import Standing, standing
from grantflow.cli.table import columns
from grantflow.shell.ports import StoreError

Value: TypeAlias = str | int | bool | dict[str, str | int] | None


class Options(Namespace):
    """What the command line says."""

    json: bool
    names: bool


_EXAMPLES: Final = ("grantflow list", "grantflow list --json")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "list", "List every profile and started sign-in; * marks the default one.", _EXAMPLES
    )
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
    found, waiting = _found(known), starts.alive(outside.clock().now().wall)
    if options.json:
        answer(json.dumps(_members(found, waiting)))
    elif found or waiting:
        now = outside.clock().now().wall
        rows = (*(_row(each) for each in found), *(_waits(each, now) for each in waiting))
        for line in columns([_HEAD, *rows]):
            answer(line)
        for each in waiting:
            tell(f"To finish what was started: {starts.finishing(each.profile.name)}")
    else:
        tell("No profiles yet. Make one: grantflow login --issuer URL --client-id ID")
    return 0


def _found(known: Profiles) -> list[Standing]:
    found: list[Standing] = []
    for name in known.documents:
        try:
            found.append(standing(known.named(name), known.default))
        except (CommandError, StoreError) as error:  # one that is damaged hides no others
            tell(f"grantflow: {error}")
    return found


def _members(found: list[Standing], waiting: list[Start]) -> list[dict[str, Value]]:
    """Return what ``--json`` tells: the profiles, and those that a started sign-in would make."""
    begun = {each.profile.name: each for each in waiting}
    now = outside.clock().now().wall
    signed_in = {each.profile.name for each in found}
    new = [Standing(each.profile, None, now, default=False) for each in waiting]
    rows = (*found, *(each for each in new if each.profile.name not in signed_in))
    return [{**each.members(), **_started(begun.get(each.profile.name), now)} for each in rows]


def _started(start: Start | None, now: datetime) -> dict[str, Value]:
    if start is None:
        return {"started": None}
    left = start.expires_at - now
    return {
        "started": {
            "expires_at": start.expires_at.isoformat(),
            "expires_in": round(left.total_seconds()),
            "finish": starts.finishing(start.profile.name),
        }
    }


_HEAD: Final = ("  PROFILE", "PROVIDER", "CLIENT", "GRANT", "EXPIRES", "RENEWS", "SCOPE")


def _waits(start: Start, now: datetime) -> tuple[str, ...]:
    profile = start.profile
    return (
        f"  {profile.name}",
        _server(profile),
        profile.client_id or "-",
        profile.grant,
        f"started, {spoken(start.expires_at - now)} left",
        "-",
        " ".join(profile.scope) or "-",
    )


def _server(profile: Profile) -> str:
    return (profile.place or "-").removeprefix("https://")


def _row(each: Standing) -> tuple[str, ...]:
    profile = each.profile
    return (
        f"{'*' if each.default else ' '} {profile.name}",
        _server(profile),
        profile.client_id or "-",
        profile.grant,
        each.expires,
        "yes" if each.refreshable else "no",
        each.scope or "-",
    )
