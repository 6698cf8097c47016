"""``grantflow list``: every profile in a line."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias, final

from grantflow.cli.context import Context
from grantflow.cli.errors import ProfileError
from grantflow.cli.login import pending
from grantflow.cli.login.pending import Start
from grantflow.cli.output import answer, columns, spoken, tell, warn
from grantflow.cli.parser import Parser
from grantflow.cli.profiles.status import Status, status_of
from grantflow.shell.ports import StoreError
from grantflow.shell.profiles import profiles
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.profiles.profiles import Profiles

Value: TypeAlias = str | int | bool | dict[str, str | int] | None


@final
class Options(Namespace):
    """What the command line says."""

    json: bool
    names: bool


_EXAMPLES: Final = ("grantflow list", "grantflow list --json")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "list", "List every profile and started sign-in; * marks the default profile.", _EXAMPLES
    )
    made.add_argument("--json", action="store_true", help="print one JSON list")
    made.add_argument("--names", action="store_true", help="print the names only, one a line")
    return made


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    known = profiles.load()
    if options.names:
        for name in known.documents:
            answer(name)
        return 0
    now = context.clock.now().wall
    found, waiting = _found(known, context), pending.valid(now)
    if options.json:
        answer(json.dumps(_members(found, waiting, now)))
    elif found or waiting:
        rows = (*(_row(each) for each in found), *(_pending(each, now) for each in waiting))
        for line in columns([_HEAD, *rows]):
            answer(line)
        for each in waiting:
            tell(f"To finish the started sign-in: {pending.finishing(each.profile.name)}")
    else:
        tell("No profiles yet. To make one: grantflow login --issuer URL --client-id ID")
    return 0


def _found(known: Profiles, context: Context) -> list[Status]:
    found: list[Status] = []
    for name in known.documents:
        try:
            found.append(status_of(known.named(name), known.default, context))
        except (ProfileError, StoreError) as error:  # one that is damaged hides no others
            warn(str(error))
    return found


def _members(found: list[Status], waiting: list[Start], now: datetime) -> list[dict[str, Value]]:
    """Return what ``--json`` prints: the profiles, and those that a started sign-in would make."""
    begun = {each.profile.name: each for each in waiting}
    signed_in = {each.profile.name for each in found}
    new = [Status(each.profile, None, now, default=False) for each in waiting]
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
            "finish": pending.finishing(start.profile.name),
        }
    }


_HEAD: Final = ("  PROFILE", "PROVIDER", "CLIENT", "GRANT", "EXPIRES", "REFRESHED", "SCOPE")


def _pending(start: Start, now: datetime) -> tuple[str, ...]:
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


def _row(each: Status) -> tuple[str, ...]:
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
