"""docker's credential protocol (docker/docker-credential-helpers): a token as a password.

Rules:

1. The profile is found by the registry's origin (``Profiles.for_url``), unless it was named; then
   the registry has to be one of its origins.
2. What is not for this helper is answered as docker's own helpers do, so that docker goes on
   without a credential.
3. ``store`` and ``erase`` change nothing: signing in and out is for ``grantflow``.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Final

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, ProfileError, usage
from grantflow.cli.output import answer, place
from grantflow.cli.token import formats
from grantflow.cli.token.acquire import Demand, members_of, profile_for, valid_token
from grantflow.core.acquisition.unauthorized import token_origin
from grantflow.shell.profiles import profiles

NOT_FOUND: Final = "credentials not found in native keychain"
"""What docker takes for an answer, and not for an error of the helper."""

_BY_HAND: Final = (
    'docker runs it with "credHelpers": {"registry.example.com": "grantflow"} in '
    "~/.docker/config.json"
)


def answered(
    operation: str | None,
    name: str | None,
    least: timedelta,
    context: Context,
    user: str | None,
) -> list[str]:
    """Return the lines that answer docker."""
    if operation is None or context.terminal.asks():
        raise usage("--format docker-credential is for docker", _BY_HAND)
    text = "" if sys.stdin is None else sys.stdin.read()
    if operation == "get":
        return _found(text.strip(), name, least, context, user)
    if operation == "list":
        return [json.dumps(_listed(user))]
    if operation == "store":
        raise CommandError("docker login stores nothing here", "use grantflow login instead")
    return []


def _found(
    server: str, name: str | None, least: timedelta, context: Context, user: str | None
) -> list[str]:
    url = server if "://" in server else f"https://{server}"
    try:
        profile = profiles.load().named(profile_for(url, name))
    except ProfileError as error:
        answer(NOT_FOUND)
        raise CommandError(error.problem, error.advice) from None
    token = valid_token(profile.name, context, Demand(least=least, prompts=False))
    wish = formats.Wish(user=user or profile.git_user or formats.USER, server=server)
    return formats.lines("docker-credential", members_of(token), wish)


def _listed(user: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for profile in profiles.load().usable():
        for origin in profile.origins:
            found[_server(origin)] = user or profile.git_user or formats.USER
    return found


def _server(origin: str) -> str:
    return place(token_origin(origin) or origin).removeprefix("https://")
