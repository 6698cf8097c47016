"""``grantflow logout``: revoke a token (RFC 7009), and remove it with its profile from here."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Final, final

from grantflow.cli.context import Context
from grantflow.cli.errors import FAILED, CommandError, ProfileError, quoted, usage, verdict
from grantflow.cli.login import pending
from grantflow.cli.output import tell, warn
from grantflow.cli.parser import Parser
from grantflow.cli.profiles.client import client_of_profile
from grantflow.core.client.identity import Grant
from grantflow.core.messages import sentence
from grantflow.shell.environment import home
from grantflow.shell.ports import StoreError
from grantflow.shell.profiles import profiles
from grantflow.shell.profiles.client import key_of_profile
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.profiles.profiles import Profiles


@final
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
    made.add_argument("--local-only", action="store_true", help="do not revoke at the server")
    return made


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    if options.all and options.profile is not None:
        raise usage("--all and a profile exclude each other")
    known = profiles.load()
    overrides = "GRANTFLOW_TOKEN is still set, and overrides every profile"
    is_set = bool(context.environment.get("GRANTFLOW_TOKEN"))
    failed = False
    for name in _names(known, options, f"{overrides}, so unset it" if is_set else ""):
        try:
            _log_out(name, known, context, local_only=options.local_only)
        except (ProfileError, StoreError) as error:  # with --all, the others still go
            warn(str(verdict(error)))
            failed = True
    _report_default(known)
    if is_set:
        warn(overrides)
    return FAILED if failed else 0


def _report_default(before: Profiles) -> None:
    left = profiles.load()
    if before.default is not None and left.default is None and left.documents:
        names = ", ".join(left.documents)
        tell(f"There is no default profile now; set it with grantflow default NAME: {names}")


def _names(known: Profiles, options: Options, environment: str) -> tuple[str, ...]:
    started = [each for each in pending.names() if each not in known.documents]
    if options.profile in started:
        return (options.profile,)
    if options.all and started:
        return (*known.documents, *started)
    if not known.documents:
        if started and options.profile is None:
            raise usage("several sign-ins are pending", f"pass one of: {', '.join(started)}")
        if options.profile is not None:
            raise CommandError(f"no profile {quoted(options.profile)} in {home()}")
        raise CommandError(f"nothing to log out of: no profiles in {home()}", environment)
    if options.all:
        return tuple(known.documents)
    return (known.name(options.profile),)


def _log_out(name: str, known: Profiles, context: Context, *, local_only: bool) -> None:
    """Drop what was started, then the token and its profile."""
    if name in pending.names():
        pending.drop(name)
        tell(f"Dropped the started sign-in of {name}.")
    if name in known.documents:
        tell(_sign_out(name, known, context, local_only=local_only))
        profiles.remove(name)


def _sign_out(name: str, known: Profiles, context: Context, *, local_only: bool) -> str:
    """Revoke and remove a profile's token, and return what was done."""
    try:
        profile = known.named(name)
        key = key_of_profile(profile)
    except ProfileError as error:  # what cannot be read has no token to be found
        warn(str(error))
        return f"Removed profile {name}; it had no token."
    store = context.store(profile.store)
    if store.read(key) is None:
        return f"Removed profile {name}; it had no token."
    if local_only or profile.grant == "given":
        store.forget(key)
        return _HERE_ONLY.format(name=name)
    if profile.revocation_endpoint is None:
        store.forget(key)
        return f"{_HERE_ONLY.format(name=name)} Its provider has no revocation endpoint."
    with store.claim(key):  # what cannot be removed here is not revoked there
        pass
    _revoke(profile, profile.grant, context)
    return f"Signed out of {name}, at the server and here."


_HERE_ONLY: Final = (
    "Signed out of {name} here. The token was not revoked: a copy of it is valid until it expires."
)


def _revoke(profile: Profile, grant: Grant, context: Context) -> None:
    # Loaded here: a local logout needs none of this.
    from returns.unsafe import unsafe_perform_io

    from grantflow.shell.sources.blocking import TokenSource

    send = context.transport()
    try:
        client = client_of_profile(profile, context)
    except ProfileError as error:
        advice = f"{error.advice}, or remove the token here with --local-only".removeprefix(", ")
        raise ProfileError(error.problem, advice, kind=error.kind) from None
    source = TokenSource(
        client,
        grant,
        store=context.store(profile.store),
        transport=send,
        clock=context.clock,
        interactive=False,
        profile=profile.name,
    )
    problem = unsafe_perform_io(source.try_logout().swap().value_or(None))
    if problem is not None:
        at = f"{send.asked}: " if send.asked else ""
        raise CommandError(
            f"the token of {profile.name} could not be revoked, and is kept: "
            f"{at}{sentence(problem)}",
            "try again, or remove it here with --local-only",
        )
