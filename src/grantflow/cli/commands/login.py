"""``grantflow login``: sign in, store the token, and remember how."""

from __future__ import annotations

from collections.abc import Sequence

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, ProfileError, verdict
from grantflow.cli.login import external, two_process
from grantflow.cli.login.flags import Options, parser, read
from grantflow.cli.login.prepare import attempt, keep
from grantflow.cli.login.sign_in import signed_in
from grantflow.cli.output import expiry, tell, warn
from grantflow.cli.progress import screen
from grantflow.core.values.token import Token
from grantflow.shell.environment import token_variable
from grantflow.shell.ports import StoreError
from grantflow.shell.profiles import profiles
from grantflow.shell.profiles.profile import Profile

__all__ = ["main", "parser"]


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    options = read(list(argv))
    before = profiles.default_name()
    try:
        stored = _stored(options, context)
    except (ProfileError, StoreError) as error:
        if options.json:
            screen.print_end(verdict(error))
        raise
    except KeyboardInterrupt:
        if options.json:
            screen.print_end(CommandError("interrupted", kind="cancelled"))
        raise
    if stored is None:
        return 0
    profile, token = stored
    if options.json:
        screen.print_authorized(profile.name, token)
    else:
        _report_default(profile.name, before)
        tell(_done(profile, token, context), strong=True)
    variable = token_variable(profile.name)
    if variable is not None:
        warn(f"{variable} is set and overrides this profile; unset it to use the new token")
    return 0


def _report_default(name: str, before: str | None) -> None:
    """Report that the default profile changed, or that another one was chosen and stays."""
    now = profiles.default_name()
    if before is not None and now != before:
        warn(f"the default profile is now {now} (it was {before})")
    elif now != name:
        warn(f"the default profile is still {now}; to change it: grantflow default {name}")


def _stored(options: Options, context: Context) -> tuple[Profile, Token] | None:
    """Return what was stored; nothing is by ``--start``."""
    if options.finish:
        return two_process.finish(options, context)
    if options.start:
        two_process.start(options, context)
        return None
    if options.token_stdin:
        return external.stored(options, context)
    given = external.refresh_token(options, context) if options.refresh_token_stdin else None
    asked = attempt(options, context)
    token = signed_in(asked, options, context, given)
    return keep(asked.profile, token, asked.known, context), token


def _done(profile: Profile, token: Token, context: Context) -> str:
    now = context.clock.now().wall
    ends = "" if token.expires_at is None else f", expires {expiry(token.expires_at, now)}"
    itself = profile.grant == "client_credentials" or token.refresh_token is not None
    renews = " (refreshed automatically)" if ends and itself else ""
    scope = f", scope {' '.join(token.scope)}" if token.scope else ""
    return f"Signed in: profile {profile.name}{ends}{renews}{scope}"
