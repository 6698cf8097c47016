"""``grantflow logout``: revoke a token (RFC 7009), and remove it with its profile from here."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from grantflow.cli import context as outside
from grantflow.cli.errors import FAILED, CommandError, usage, verdict
from grantflow.cli.login import pending as starts
from grantflow.cli.output import tell
from grantflow.cli.parser import Parser
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.client import key_of_profile, proven_client_of
from grantflow.cli.profiles.profiles import Profile, Profiles
from grantflow.cli.redact import quoted
from grantflow.cli.transport import Traced
from grantflow.core.client.identity import Grant
from grantflow.core.messages import sentence
from grantflow.shell.ports import StoreError


class Options(Namespace):
    """What the command line says."""

    profile: str | None
    all: bool
    local_only: bool


_EXAMPLES: Final = ("grantflow logout", "grantflow logout work", "grantflow logout --all")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "logout", "Revoke a token, and remove it with its profile from this machine.", _EXAMPLES
    )
    made.add_profile()
    made.add_argument("--all", action="store_true", help="every profile")
    made.add_argument("--local-only", action="store_true", help="do not tell the server")
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    if options.all and options.profile is not None:
        raise usage("--all and a profile contradict each other")
    known = profiles.load()
    failed = False
    for name in _names(known, options):
        try:
            _left(name, known, local_only=options.local_only)
        except (CommandError, StoreError) as error:  # with --all, the others still go
            tell(f"grantflow: {verdict(error)[0]}")
            failed = True
    _tell_of_default(known)
    if os.environ.get("GRANTFLOW_TOKEN"):
        tell(f"grantflow: {_STAYS}")
    return FAILED if failed else 0


_STAYS: Final = "GRANTFLOW_TOKEN is still set, and outranks every profile"


def _tell_of_default(before: Profiles) -> None:
    left = profiles.load()
    if before.default is not None and left.default is None and left.documents:
        tell(
            f"No profile is the default one now; choose with grantflow default NAME: "
            f"{', '.join(left.documents)}"
        )


def _names(known: Profiles, options: Options) -> tuple[str, ...]:
    started = [each for each in starts.names() if each not in known.documents]
    if options.profile in started:
        return (options.profile,)
    if options.all and started:
        return (*known.documents, *started)
    if not known.documents:
        if started and options.profile is None:
            raise usage(f"which started sign-in? Name one of: {', '.join(started)}")
        if options.profile is not None:
            raise usage(f"unknown profile {quoted(options.profile)}; there is none at all")
        stays = f"; {_STAYS}, so unset it" if os.environ.get("GRANTFLOW_TOKEN") else ""
        raise CommandError(f"nothing to log out of: nobody has signed in here{stays}")
    if options.all:
        return tuple(known.documents)
    return (known.chosen(options.profile),)


def _left(name: str, known: Profiles, *, local_only: bool) -> None:
    """Drop what was started, then the token and its profile."""
    if name in starts.names():
        starts.drop(name)
        tell(f"Dropped the sign-in of {name} that was started.")
    if name in known.documents:
        tell(_signed_out(name, known, local_only=local_only))
        profiles.remove(name)


def _signed_out(name: str, known: Profiles, *, local_only: bool) -> str:
    """Revoke and remove a profile's token, and say what was done."""
    try:
        profile = known.named(name)
        key = key_of_profile(profile)
    except CommandError as error:  # what cannot be read has no token to be found
        return f"grantflow: {error}\nRemoved profile {name}; it had no token."
    store = outside.store()
    if store.read(key) is None:
        return f"Removed profile {name}; it had no token."
    if local_only or profile.grant == "given":
        store.forget(key)
        return _HERE_ONLY.format(name=name)
    if profile.revocation_endpoint is None:
        store.forget(key)
        return f"{_HERE_ONLY.format(name=name)} Its provider offers no revocation."
    with store.claim(key):  # what cannot be removed here is not ended there
        pass
    _revoked(profile, profile.grant)
    return f"Signed out of {name}, at the server and here."


_HERE_ONLY: Final = (
    "Signed out of {name} here. The server was not told: "
    "a copy of the token would still work until it ends."
)


def _revoked(profile: Profile, grant: Grant) -> None:
    # Loaded here: a logout that tells nobody needs none of this.
    from returns.unsafe import unsafe_perform_io

    from grantflow.shell.sources.blocking import TokenSource

    send = Traced(outside.transport())
    try:
        client = proven_client_of(profile)
    except CommandError as error:
        raise CommandError(f"{error}; or remove the token here with --local-only") from None
    source = TokenSource(
        client,
        grant,
        store=outside.store(),
        transport=send,
        clock=outside.clock(),
        interactive=False,
        profile=profile.name,
    )
    problem = unsafe_perform_io(source.try_logout().swap().value_or(None))
    if problem is not None:
        at = f"{send.asked}: " if send.asked else ""
        raise CommandError(
            f"the server could not be told of the logout: {at}{sentence(problem)}; the token of "
            f"{profile.name} is kept: try again, or remove it here with --local-only"
        )
