"""``grantflow token``: a token that works now, on standard output and nothing else."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, assert_never

from attrs import evolve

from grantflow.cli import outside, profiles
from grantflow.cli.client import key_of_profile, login_command, proven_client_of
from grantflow.cli.failure import PERSON_NEEDED, CommandError, ended
from grantflow.cli.given import handed_over
from grantflow.cli.output import answer, is_terminal, tell
from grantflow.cli.parser import Parser, span
from grantflow.cli.profiles import Profile
from grantflow.cli.words import spoken
from grantflow.core.problems import PersonNeeded
from grantflow.core.states import Expired, Failed
from grantflow.core.tokens import SKEW, Freshness, Grant, Skew, freshness
from grantflow.core.values import DeviceAuthorization, Token
from grantflow.shell.environment import token_given
from grantflow.shell.ports import Store

if TYPE_CHECKING:
    from grantflow.shell.source import GrantError

Format = Literal["text", "json", "header"]


class Options(Namespace):
    """What the command line says."""

    profile: str | None
    min_ttl: timedelta
    no_input: bool
    format: Format


_EXAMPLES: Final = (
    "grantflow token",
    "grantflow token work --min-ttl 300 --no-input",
    'curl -H "$(grantflow token --format header)" https://api.example.com/me',
)


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("token", "Print a token that works now; it is renewed where needed.", _EXAMPLES)
    made.add_argument(
        "profile", metavar="PROFILE", nargs="?", help="by default the last one signed in"
    )
    made.add_argument(
        "--min-ttl",
        metavar="S",
        type=span,
        default=timedelta(),
        help="renew a token that ends within S seconds",
    )
    made.add_argument(
        "--no-input", action="store_true", help="ask nobody; exit with 3 where a person is needed"
    )
    made.add_argument(
        "--format",
        choices=("text", "json", "header"),
        default="text",
        help="the token alone (text, the default), JSON, or an Authorization header",
    )
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    given = token_given(options.profile or profiles.default_name())
    if given is not None:
        token = handed_over(given.reveal(), "the environment's GRANTFLOW_TOKEN")
    else:
        token = _stored(options)
    answer(_spelt(token, options.format))
    return 0


def _spelt(token: Token, style: Format) -> str:
    match style:
        case "text":
            return token.access_token.reveal()
        case "header":
            return f"Authorization: {token.authorization.reveal()}"
        case "json":
            ends = token.expires_at
            return json.dumps(
                {
                    "access_token": token.access_token.reveal(),
                    "token_type": token.token_type,
                    "expires_at": None if ends is None else ends.isoformat(),
                    "scope": " ".join(token.scope),
                }
            )
        case _:
            assert_never(style)


def _stored(options: Options) -> Token:
    known = profiles.load()
    if options.profile is None and not known.documents:
        raise profiles.nobody(PERSON_NEEDED)
    profile = known.named(options.profile)
    store = outside.store()
    skew = evolve(SKEW, needed=options.min_ttl)
    token = store.read(key_of_profile(profile))
    if token is None or freshness(token, outside.clock().now().wall, skew) is Freshness.STALE:
        if profile.grant == "given":
            raise _person_needed(profile)
        token = _obtained(profile, profile.grant, store, skew, may_ask=not options.no_input)
        _note_short_life(token, outside.clock().now().wall, options.min_ttl)
    return token


def _obtained(profile: Profile, grant: Grant, store: Store, skew: Skew, *, may_ask: bool) -> Token:
    # Loaded here: a token that is fresh needs none of this.
    from grantflow.cli.invite import Invite, browser_wanted
    from grantflow.cli.screen import screen
    from grantflow.shell.source import GrantError, TokenSource

    clock = outside.clock()
    with screen(Invite(browser_wanted(), picture=True), clock) as view:
        source = TokenSource(
            proven_client_of(profile),
            grant,
            store=store,
            transport=outside.transport(),
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
            raise _refused(error, profile) from None


def _shown_by_the_screen(_: DeviceAuthorization) -> None:
    """Prompt for nothing: the screen sees the code among the states."""


def _refused(error: GrantError, profile: Profile) -> CommandError:
    match error.problem:
        case PersonNeeded():
            return _person_needed(profile)
        case Expired() | Failed() as problem:
            return ended(problem, where=profile.server or "")


def _person_needed(profile: Profile) -> CommandError:
    return CommandError(
        f"a person has to sign in; run: {login_command(profile)}",
        PERSON_NEEDED,
        word="login_required",
    )


def _note_short_life(token: Token, now: datetime, least: timedelta) -> None:
    if token.expires_at is not None and token.expires_at - now < least:
        left = spoken(max(token.expires_at - now, timedelta()))
        tell(f"grantflow: --min-ttl: the token lives only for another {left}")
