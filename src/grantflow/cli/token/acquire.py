"""A valid token for the commands that need one: stored, refreshed, or signed in for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, final

from attrs import evolve, frozen

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, login_required, usage
from grantflow.cli.login import pending
from grantflow.cli.login.flags import login_command
from grantflow.cli.output import place, spoken, tell, warn
from grantflow.cli.profiles.client import client_of_profile
from grantflow.cli.profiles.secrets import external_token
from grantflow.cli.token.claims import instant
from grantflow.cli.token.formats import scheme_in
from grantflow.core.acquisition.freshness import SKEW, Freshness, Skew, freshness
from grantflow.core.acquisition.unauthorized import token_origin
from grantflow.core.client.identity import Grant
from grantflow.core.codec import dump_token
from grantflow.core.values.errors import InteractionRequired
from grantflow.core.values.token import DeviceAuthorization, Token
from grantflow.shell.environment import token_given, token_variable
from grantflow.shell.profiles import profiles
from grantflow.shell.profiles.client import (
    ClientExpiredError,
    key_of_profile,
)
from grantflow.shell.profiles.errors import ProfileError
from grantflow.shell.profiles.profile import Profile

if TYPE_CHECKING:
    from grantflow.core.acquisition.source_events import SourceEvent
    from grantflow.shell.sources.results import GrantError

_SIGN_IN: Final = "a person has to sign in"


@final
@frozen(kw_only=True)
class Demand:
    """What a command asks of a token.

    It has to be valid for ``least``. A person is asked only if ``prompts`` is set and stdin is a
    terminal. ``another``: a server refused the current token, so another one is needed.
    """

    prompts: bool
    least: timedelta = timedelta()
    another: bool = False


def valid_token(name: str | None, context: Context, demand: Demand) -> Token:
    """Return the token of a profile, without a name the default one's."""
    given = token_of_environment(name)
    if given is None:
        profile = _profile(name)
        return _stored(profile, context, demand, _refused_of(profile, context, demand))
    if demand.another:
        variable = token_variable(name or profiles.default_name())
        raise CommandError(
            f"the token of {variable} cannot be renewed",
            f"set another one, or unset {variable} to use a stored sign-in",
        )
    return given


def profile_for(url: str, name: str | None) -> str:
    """Return the name of the profile with a token for a URL; a named one has to have it."""
    known = profiles.load()
    if name is None:
        return known.for_url(url).name
    profile = known.named(name, pending.names)
    if token_origin(url) not in profile.destinations:
        there = " and ".join(sorted(place(each) for each in profile.destinations)) or "nowhere"
        raise usage(f"the token of {profile.name} goes to {there}, not to that URL")
    return profile.name


def token_with_id(name: str | None, context: Context, demand: Demand) -> Token:
    """Return a token whose ID token is valid as well; it is renewed if that one has expired."""
    token = valid_token(name, context, demand)
    if _id_is_valid(token, context, demand):
        return token
    if token_of_environment(name) is not None:
        raise CommandError("a token of the environment has no ID token", kind="no_id_token")
    profile = _profile(name)
    if token.id_token is not None and not demand.another:
        token = _stored(profile, context, demand, token)
    if token.id_token is None:
        raise CommandError(
            f"profile {profile.name} has no ID token",
            "sign in with --scope openid, if the provider knows OpenID Connect",
            kind="no_id_token",
        )
    if not _id_is_valid(token, context, demand):
        raise login_required(
            f"the ID token of {profile.name} expires too soon, and the provider renews none",
            f"run: {login_command(profile)}",
        )
    return token


def _id_is_valid(token: Token, context: Context, demand: Demand) -> bool:
    """Return whether an ID token is valid for long enough, by the same rule as an access token."""
    if token.id_token is None:
        return False
    text = token.id_token.reveal()
    ends, begins = instant(text, "exp"), instant(text, "iat")
    if ends is None:
        return True
    timed = evolve(
        token,
        expires_at=datetime.fromtimestamp(ends, UTC),
        issued_at=None if begins is None else datetime.fromtimestamp(begins, UTC),
    )
    skew = evolve(SKEW, needed=demand.least)
    return freshness(timed, context.clock.now().wall, skew) is not Freshness.STALE


def token_of_environment(name: str | None) -> Token | None:
    """Return the token of the environment, which overrides every profile."""
    asked = name or profiles.default_name()
    given = token_given(asked)
    if given is None:
        return None
    return external_token(given.reveal(), f"the environment's {token_variable(asked)}")


def without_proof(token: Token) -> Token:
    """Return a token for a program that makes no proofs; warn if it is of no use there."""
    if token.token_type.lower() == "dpop":
        warn(
            "this token is bound to a key (DPoP): servers accept it only with a proof by that "
            "key, which the program has to make"
        )
    return token


def scheme_of(name: str | None) -> str | None:
    """Return the word before a profile's token in a header, if its provider names one."""
    known = profiles.load()
    try:
        return scheme_in(known.documents[known.name(name)])
    except ProfileError:  # the token is that of the environment, and there is no such profile
        return None


def members_of(token: Token) -> dict[str, object]:
    """Return what ``formats`` prints; times are in UTC, as a sign-in stores them."""
    ends = token.expires_at
    return dump_token(token if ends is None else evolve(token, expires_at=ends.astimezone(UTC)))


def renewed(profile: Profile, rejected: Token, context: Context) -> Token | None:
    """Return another token than the one that was just refused, if no person is needed for it."""
    # Loaded here and below: a token that is valid needs none of this.
    from returns.unsafe import unsafe_perform_io

    from grantflow.shell.sources.blocking import TokenSource

    if profile.grant == "given":
        return None
    source = TokenSource(
        client_of_profile(profile, context),
        profile.grant,
        store=context.store(profile.store),
        transport=context.transport(),
        clock=context.clock,
        interactive=False,
        profile=profile.name,
    )
    return unsafe_perform_io(source.try_renew(rejected).value_or(None))


def _profile(name: str | None) -> Profile:
    known = profiles.load()
    if name is None and not known.documents:
        error = profiles.nobody()
        raise login_required(error.problem, error.advice)
    return known.named(name, pending.names)


def _refused_of(profile: Profile, context: Context, demand: Demand) -> Token | None:
    if not demand.another:
        return None
    return context.store(profile.store).read(key_of_profile(profile))


def _stored(profile: Profile, context: Context, demand: Demand, refused: Token | None) -> Token:
    """Return the stored token, or a new one if it is stale or was ``refused``."""
    skew = evolve(SKEW, needed=demand.least)
    token = context.store(profile.store).read(key_of_profile(profile)) if refused is None else None
    if token is None or freshness(token, context.clock.now().wall, skew) is Freshness.STALE:
        if profile.grant == "given":
            raise login_required(_SIGN_IN, f"run: {login_command(profile)}")
        token = _acquired(profile, profile.grant, context, skew, demand.prompts, refused)
        _check_life(profile, token, demand.least, context)
    return token


def _acquired(
    profile: Profile,
    grant: Grant,
    context: Context,
    skew: Skew,
    prompts: bool,
    refused: Token | None,
) -> Token:
    from grantflow.cli.progress.prompt import best_screen
    from grantflow.shell.sources.blocking import TokenSource
    from grantflow.shell.sources.results import GrantError

    send = context.transport()
    try:
        client = client_of_profile(profile, context)
    except ClientExpiredError as error:
        raise login_required(error.problem, f"run: {login_command(profile)}") from None
    browser = context.terminal.has_display()
    with best_screen(context, browser=browser, picture=True) as view:
        source = TokenSource(
            client,
            grant,
            store=context.store(profile.store),
            transport=send,
            clock=context.clock,
            prompt=_shown_by_the_screen,
            watch=view,
            interactive=prompts and context.terminal.asks() and not profile.only_renews,
            profile=profile.name,
            skew=skew,
            on_event=_tell_of_waiting,
        )
        try:
            return source.token() if refused is None else source.renew(refused)
        except GrantError as error:
            raise _refused(error, profile, send.asked) from None


def _shown_by_the_screen(_: DeviceAuthorization) -> None:
    """Prompt for nothing: the screen sees the code among the states."""


def _tell_of_waiting(event: SourceEvent) -> None:
    from grantflow.core.acquisition.source_events import WaitingForOther  # where a source runs

    if isinstance(event, WaitingForOther):
        tell(f"Waiting for another process that gets the token of {event.profile} ...")


def _refused(error: GrantError, profile: Profile, asked: str) -> CommandError:
    from grantflow.cli.problems import ended

    match error.problem:
        case InteractionRequired():
            return login_required(_SIGN_IN, f"run: {login_command(profile)}")
        case problem:
            return ended(problem, where=asked or profile.server or "")


def _check_life(profile: Profile, token: Token, least: timedelta, context: Context) -> None:
    now = context.clock.now().wall
    if token.expires_at is not None and token.expires_at - now < least:
        left = spoken(max(token.expires_at - now, timedelta()))
        raise CommandError(
            f"the token of {profile.name} expires in {left}, less than --min-ttl ({spoken(least)})",
            "ask for less",
            kind="short_lived",
        )
