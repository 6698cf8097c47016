"""``grantflow status``: who is signed in, where, and until when."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import Final, final

from grantflow.cli.context import Context
from grantflow.cli.errors import ProfileError, usage
from grantflow.cli.login import pending
from grantflow.cli.output import answer, warn
from grantflow.cli.parser import Parser
from grantflow.cli.profiles.status import Status, status_of, status_without
from grantflow.cli.token.acquire import token_of_environment
from grantflow.shell.environment import token_variable
from grantflow.shell.ports import StoreError
from grantflow.shell.profiles import profiles
from grantflow.shell.profiles.profile import Profile


@final
class Options(Namespace):
    """What the command line says."""

    profile: str | None
    all: bool
    json: bool


_EXAMPLES: Final = ("grantflow status", "grantflow status work --json", "grantflow status --all")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "status", "Show who is signed in, and until when; exit 1 if nobody is.", _EXAMPLES
    )
    made.add_profile()
    made.add_argument("--all", action="store_true", help="show every profile")
    made.add_argument(
        "--json", action="store_true", help="print one JSON object, or with --all one list"
    )
    return made


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    if options.all:
        return _all(options, context)
    found = _found(options.profile, context)
    if found.environment is not None and found.profile.name:
        warn(f"the token in {found.environment} overrides this profile")
    if options.json:
        answer(json.dumps(found.members()))
    else:
        for line in _lines(found):
            answer(line)
        if not found.signed_in:
            from grantflow.cli.login.flags import login_command

            warn(f"not signed in; run: {login_command(found.profile)}")
    return 0 if found.signed_in else 1


def _all(options: Options, context: Context) -> int:
    if options.profile is not None:
        raise usage("--all and a profile exclude each other")
    known = profiles.load()
    if not known.documents:
        raise profiles.nobody()
    found: list[Status] = []
    damaged = False
    for name in known.documents:
        try:
            found.append(status_of(known.named(name), known.default, context))
        except (ProfileError, StoreError) as error:  # one that is damaged hides no others
            damaged = True
            warn(str(error))
    if options.json:
        answer(json.dumps([each.members() for each in found]))
    else:
        for place, each in enumerate(found):
            for line in ([""] if place else []) + _lines(each):
                answer(line)
    return 0 if not damaged and all(each.signed_in for each in found) else 1


def _found(name: str | None, context: Context) -> Status:
    """Return the status of a profile; without one, of what ``grantflow token`` would print."""
    given = token_of_environment(name)
    asked = token_variable(name or profiles.default_name())
    try:
        known = profiles.load()
        return status_of(known.named(name, pending.names), known.default, context)
    except (ProfileError, StoreError) as error:
        if given is None or asked is None:
            raise
        if name is not None:
            warn(str(error))
        return status_without(given, asked, context)


def _lines(found: Status) -> list[str]:
    profile = found.profile
    by = found.renewed_by
    ends = {
        "expires" if not found.expired else "expired": found.expires,
        "refreshed automatically": "no" if by is None else f"yes, by {by}",
    }
    if not profile.name:
        return _table({"token": f"from {found.environment}, in the environment", **ends})
    rows = {
        "profile": profile.name + (" (default)" if found.default else ""),
        **(
            {"signed in as": f"{found.who} (as its ID token says; not verified)"}
            if found.who
            else {}
        ),
        "provider": _provider(profile),
        "client id": profile.client_id,
        "grant": profile.grant,
        "scope": found.scope,
        **({"bound to": "a key of this machine (DPoP)"} if profile.dpop else {}),
        "stored in": found.place,
        **ends,
    }
    return _table(rows)


def _table(rows: dict[str, str | None]) -> list[str]:
    width = max(len(name) for name in rows)
    return [f"{name:<{width}}  {text or '-'}" for name, text in rows.items()]


def _provider(profile: Profile) -> str | None:
    if profile.provider is None or profile.server is None:
        return profile.place
    return f"{profile.provider} ({profile.server})"
