"""``grantflow status``: who is signed in, where, and for how long."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from grantflow.cli.errors import CommandError
from grantflow.cli.output import answer, tell
from grantflow.cli.parser import Parser
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.login_command import login_command
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.profiles.status import Standing, standing, standing_without
from grantflow.cli.token.acquire import given_to
from grantflow.cli.token.external_token import variable
from grantflow.shell.ports import StoreError


class Options(Namespace):
    """What the command line says."""

    profile: str | None
    json: bool


_EXAMPLES: Final = ("grantflow status", "grantflow status work --json")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "status", "Say who is signed in, and for how long; exit with 1 if nobody is.", _EXAMPLES
    )
    made.add_profile()
    made.add_argument("--json", action="store_true", help="one JSON object")
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    found = _found(options.profile)
    if found.environment is not None and found.profile.name:
        tell(f"grantflow: the token in {found.environment} outranks this profile")
    if options.json:
        answer(json.dumps(found.members()))
    else:
        for line in _lines(found):
            answer(line)
        if not found.signed_in:
            tell(f"grantflow: not signed in; run: {login_command(found.profile)}")
    return 0 if found.signed_in else 1


def _found(name: str | None) -> Standing:
    """Return how a profile stands; without one, what ``grantflow token`` would print."""
    given, asked = given_to(name), variable(name or profiles.default_name())
    try:
        known = profiles.load()
        return standing(known.named(name), known.default)
    except (CommandError, StoreError) as error:
        if given is None or asked is None:
            raise
        if name is not None:
            tell(f"grantflow: {error}")
        return standing_without(given, asked)


def _lines(found: Standing) -> list[str]:
    profile = found.profile
    ends = {"expires": found.expires, "renews itself": "yes" if found.refreshable else "no"}
    if not profile.name:
        return _table({"token": f"from {found.environment}, in the environment", **ends})
    rows = {
        "profile": profile.name + (" (default)" if found.default else ""),
        "provider": _provider(profile),
        "client id": profile.client_id,
        "grant": profile.grant,
        "scope": found.scope,
        **({"bound to": "a key of this machine (DPoP)"} if profile.dpop else {}),
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
