"""``grantflow login``: sign in anew, store the token, and remember how."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve

from grantflow.cli import context as outside
from grantflow.cli import format as words
from grantflow.cli.errors import CommandError, ended, unstored, usage
from grantflow.cli.login import check_token as whose
from grantflow.cli.login import flags as login_line
from grantflow.cli.login import resolve as where
from grantflow.cli.login import timeout as limit
from grantflow.cli.login import two_process as halves
from grantflow.cli.login.flags import Options, parser
from grantflow.cli.login.prepare import Attempt, attempt, called, known_profiles
from grantflow.cli.login.save import keep
from grantflow.cli.output import tell
from grantflow.cli.profiles.client import STDIN, standard_input
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.progress import json_events as events
from grantflow.cli.progress.prompt import Invite, browser_wanted
from grantflow.cli.progress.screen import Screen, screen
from grantflow.cli.token.external_token import handed_over
from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider
from grantflow.core.flows.client_credentials import ClientCredentialsFlow
from grantflow.core.flows.states import Authorized, Expired, Failed
from grantflow.core.messages import sentence
from grantflow.core.values.errors import Refused
from grantflow.core.values.token import Token
from grantflow.shell.blocking import run
from grantflow.shell.ports import StoreError

__all__ = ["main", "parser"]


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    try:
        stored = _stored(options)
    except CommandError as error:
        if options.json:
            events.ended(error)
        raise
    except KeyboardInterrupt:
        if options.json:
            events.ended(CommandError("interrupted", word="cancelled"))
        raise
    if stored is None:
        return 0
    profile, token = stored
    if options.json:
        events.authorized(profile.name, token)
    else:
        tell(_done(profile, token), strong=True)
    return 0


def _stored(options: Options) -> tuple[Profile, Token] | None:
    """Return what was stored; nothing was where a sign-in was only started."""
    login_line.check_when(options)
    try:
        if options.finish:
            return halves.finished(options)
        if options.start:
            halves.started(options)
            return None
        return _given(options) if options.token_stdin else _asked(options)
    except StoreError as error:
        raise unstored(error) from error


def _given(options: Options) -> tuple[Profile, Token]:
    """Store a token from standard input, unless its provider refuses it."""
    if options.client_secret_file == STDIN:
        raise usage("--token-stdin and --client-secret-file -: standard input is read only once")
    login_line.check_provider(options)
    asked = evolve(login_line.wanted(options), grant="given")
    if options.profile is None and asked.place is None:
        raise usage("--token-stdin needs --profile NAME, to find the token again")
    known = known_profiles()
    named, provider = where.named(asked)
    profile = called(named, options.profile, known)
    token = evolve(handed_over(_standard_input(), "standard input"), scope=profile.scope)
    if provider is not None:
        _check(token, provider, options.timeout)
    keep(profile, token, known)
    return profile, token


def _check(token: Token, provider: Provider, budget: timedelta | None) -> None:
    """Ask the provider whether it takes a token; trouble in asking is told, and no refusal."""
    match whose.problem_with(token, provider, outside.transport(budget)):
        case None:
            return
        case Refused(status=status) as refused:
            raise CommandError(
                f"{provider.name} refuses this token (HTTP {status}), and nothing was stored; "
                "make another one there, or store it unasked: "
                "grantflow login --token-stdin --profile NAME",
                word=refused.code,
            )
        case problem:
            tell(
                f"grantflow: the token was not checked at {provider.name}, and is stored as it is: "
                f"{sentence(Failed(problem))}"
            )


def _standard_input() -> str:
    try:
        return standard_input("Token")
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"cannot read a token from standard input: {error}") from None


def _asked(options: Options) -> tuple[Profile, Token]:
    """Ask the server, and a person where the grant needs one."""
    asked = attempt(options)
    token = _signed_in(asked, options)
    keep(asked.profile, token, asked.known)
    return asked.profile, token


def _signed_in(asked: Attempt, options: Options) -> Token:
    clock = outside.clock()
    invite = Invite(not options.no_browser and browser_wanted(), not options.no_qr)
    view: Screen = events.Events(clock) if options.json else screen(invite, clock)
    with view:
        if options.grant == "device":
            flow = halves.person_s_flow(asked.client, options.timeout, halves.entropy())
            end = run(flow, asked.send, clock, view)
        else:
            end = run(_machine_flow(asked.client, options.timeout), asked.send, clock, view)
    match end:
        case Authorized(token):
            return token
        case Expired() | Failed():
            raise _ended(end, asked, options, view)


def _ended(end: Expired | Failed, asked: Attempt, options: Options, view: Screen) -> CommandError:
    place, now = asked.send.asked or asked.profile.place or "", view.clock.now().mono
    if isinstance(end, Expired) and options.timeout is not None and limit.ended_by(view.last, now):
        return limit.exceeded(end, view.last, now, options.timeout, place)
    return ended(end, where=place)


def _machine_flow(client: Client, budget: timedelta | None) -> ClientCredentialsFlow:
    flow = ClientCredentialsFlow(client)
    return flow if budget is None else evolve(flow, budget=budget)


def _done(profile: Profile, token: Token) -> str:
    now = outside.clock().now().wall
    ends = "" if token.expires_at is None else f", expires {words.expiry(token.expires_at, now)}"
    itself = profile.grant == "client_credentials" or token.refresh_token is not None
    renews = " (renews itself)" if ends and itself else ""
    scope = f", scope {' '.join(token.scope)}" if token.scope else ""
    return f"Signed in: profile {profile.name}{ends}{renews}{scope}"
