"""A token that works now, for the commands that need one: stored, renewed, or signed in for."""

from __future__ import annotations

import sys
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from grantflow.cli import context as outside
from grantflow.cli.errors import PERSON_NEEDED, CommandError, ended
from grantflow.cli.format import spoken
from grantflow.cli.output import is_terminal, tell
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.client import key_of_profile, proven_client_of
from grantflow.cli.profiles.login_command import login_command
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.token.external_token import handed_over, variable
from grantflow.cli.transport import Traced
from grantflow.core.acquisition.freshness import SKEW, Freshness, Skew, freshness
from grantflow.core.client.identity import Grant
from grantflow.core.codec import dump_token
from grantflow.core.flows.states import Expired, Failed
from grantflow.core.values.errors import InteractionRequired
from grantflow.core.values.token import DeviceAuthorization, Token
from grantflow.shell.environment import token_given
from grantflow.shell.ports import Store

if TYPE_CHECKING:
    from grantflow.shell.sources.blocking import GrantError


def usable(name: str | None, least: timedelta, *, may_ask: bool) -> Token:
    """Return the token of a profile, the default one without a name; it lives for ``least``.

    A person is asked only if ``may_ask`` is set and one sits there.
    """
    given = given_to(name)
    return _stored(name, least, may_ask=may_ask) if given is None else given


def without_its_key(token: Token) -> Token:
    """Return a token for a program that makes no proofs; say so where it is of no use there."""
    if token.token_type.lower() == "dpop":
        tell(
            "grantflow: this token is bound to a key (DPoP), and without a proof by that key no "
            "server takes it; the program that gets it has to make one"
        )
    return token


def members_of(token: Token) -> dict[str, object]:
    """Return what ``formats`` prints; times are in UTC, as a sign-in stores them."""
    ends = token.expires_at
    return dump_token(token if ends is None else evolve(token, expires_at=ends.astimezone(UTC)))


def given_to(name: str | None) -> Token | None:
    """Return the token of the environment, which outranks every profile."""
    asked = name or profiles.default_name()
    given = token_given(asked)
    if given is None:
        return None
    return handed_over(given.reveal(), f"the environment's {variable(asked)}")


def renewed(profile: Profile, rejected: Token) -> Token | None:
    """Return another token than the one that was just refused, if nobody has to be asked."""
    # Loaded here and below: a token that is fresh needs none of this.
    from returns.unsafe import unsafe_perform_io

    from grantflow.shell.sources.blocking import TokenSource

    if profile.grant == "given":
        return None
    source = TokenSource(
        proven_client_of(profile),
        profile.grant,
        store=outside.store(),
        transport=outside.transport(),
        clock=outside.clock(),
        interactive=False,
        profile=profile.name,
    )
    return unsafe_perform_io(source.try_renew(rejected).value_or(None))


def _stored(name: str | None, least: timedelta, *, may_ask: bool) -> Token:
    known = profiles.load()
    if name is None and not known.documents:
        raise profiles.nobody(PERSON_NEEDED)
    profile = known.named(name)
    store = outside.store()
    skew = evolve(SKEW, needed=least)
    token = store.read(key_of_profile(profile))
    if token is None or freshness(token, outside.clock().now().wall, skew) is Freshness.STALE:
        if profile.grant == "given":
            raise _person_needed(profile)
        token = _obtained(profile, profile.grant, store, skew, may_ask=may_ask)
        _check_life(profile, token, least)
    return token


def _obtained(profile: Profile, grant: Grant, store: Store, skew: Skew, *, may_ask: bool) -> Token:
    from grantflow.cli.progress.prompt import Invite, browser_wanted
    from grantflow.cli.progress.screen import screen
    from grantflow.shell.sources.blocking import GrantError, TokenSource

    clock, send = outside.clock(), Traced(outside.transport())
    with screen(Invite(browser_wanted(), picture=True), clock) as view:
        source = TokenSource(
            proven_client_of(profile),
            grant,
            store=store,
            transport=send,
            clock=clock,
            prompt=_shown_by_the_screen,
            watch=view,
            interactive=may_ask and is_terminal(sys.stdin),
            profile=profile.name,
            skew=skew,
        )
        try:
            return source.token()
        except GrantError as error:
            raise _refused(error, profile, send.asked) from None


def _shown_by_the_screen(_: DeviceAuthorization) -> None:
    """Prompt for nothing: the screen sees the code among the states."""


def _refused(error: GrantError, profile: Profile, asked: str) -> CommandError:
    match error.problem:
        case InteractionRequired():
            return _person_needed(profile)
        case Expired() | Failed() as problem:
            return ended(problem, where=asked or profile.server or "")


def _person_needed(profile: Profile) -> CommandError:
    return CommandError(
        f"a person has to sign in; run: {login_command(profile)}",
        PERSON_NEEDED,
        word="login_required",
    )


def _check_life(profile: Profile, token: Token, least: timedelta) -> None:
    now = outside.clock().now().wall
    if token.expires_at is not None and token.expires_at - now < least:
        left = spoken(max(token.expires_at - now, timedelta()))
        raise CommandError(
            f"the token of {profile.name} lives only for another {left}, and --min-ttl asks for "
            f"{spoken(least)}; ask for less, if that will do",
            word="short_lived",
        )
