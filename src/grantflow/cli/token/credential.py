"""What git's questions lead to: a token, a renewal, or nothing (the rules are in ``git``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import final

from attrs import frozen

from grantflow.cli import context as outside
from grantflow.cli.errors import CommandError, usage
from grantflow.cli.format import place
from grantflow.cli.output import is_terminal, tell
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.client import key_of_profile
from grantflow.cli.profiles.login_command import login_command
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.token import formats
from grantflow.cli.token import rejected_tokens as refusals
from grantflow.cli.token.acquire import given_to, members_of, renewed, usable
from grantflow.cli.token.git import asked, origins
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token

_BY_HAND = (
    "--format git-credential is for git, which asks by itself after: git config --global "
    "credential.https://HOST.helper '!grantflow token PROFILE --format git-credential'"
)


def answered(
    operation: str | None, name: str | None, hosts: Sequence[str], least: timedelta
) -> list[str]:
    """Return the lines that answer git; what it says that is not for us is no error."""
    if operation is None or is_terminal(sys.stdin):
        raise usage(_BY_HAND)
    question = asked([] if sys.stdin is None else sys.stdin.read().splitlines())
    if operation not in ("get", "erase"):
        return []
    if question.origin is None:
        return _left("git names no host that is reached over https, or on this machine")
    case = _case(name, hosts, question.origin)
    if isinstance(case, str):
        return _left(case)
    if operation == "get":
        wish = formats.Wish(user=question.username or formats.USER)
        return formats.lines("git-credential", members_of(case.token(least)), wish)
    case.refused(question.password)
    return []


def _left(why: str) -> list[str]:
    """Leave a question to git's other helpers; a person who traces git is told why."""
    if os.environ.get("GIT_TRACE", "0").lower() not in ("", "0", "false"):
        tell(f"grantflow: no token from here: {why}")
    return []


@final
@frozen
class _Case:
    """A question that is ours: where to, and whose token (a profile's, or the environment's)."""

    origin: str
    whose: Profile | Token

    def token(self, least: timedelta) -> Token:
        """Return the token, unless it was refused there a moment ago."""
        token = self.whose
        if isinstance(token, Profile):
            token = usable(token.name, least, may_ask=False)
        if self._recent().has(token):
            raise CommandError(self._told())
        return token

    def refused(self, password: Secret | None) -> None:
        """Remember that the token was refused, and renew it if that was not tried just now."""
        token = self.whose
        if isinstance(token, Profile):
            stored = outside.store().read(key_of_profile(token))
            if stored is None:
                return
            token = stored
        if password is not None and password != token.access_token:
            return  # another one has taken its place already
        before = self._recent()
        refusals.remember(before.profile, self.origin, token, outside.clock().now().wall)
        again = isinstance(self.whose, Profile) and not before.tokens and renewed(self.whose, token)
        tell(f"grantflow: {self._told(renewed=bool(again))}")

    def _recent(self) -> refusals.Refusals:
        name = self.whose.name if isinstance(self.whose, Profile) else ""
        return refusals.recent(name, self.origin, outside.clock().now().wall)

    def _told(self, *, renewed: bool = False) -> str:
        profile = self.whose if isinstance(self.whose, Profile) else None
        whose = "GRANTFLOW_TOKEN" if profile is None else f"profile {profile.name}"
        if renewed:
            advice = "it was renewed, try again"
        elif profile is None:
            advice = "set another one"
        else:
            advice = f"check what it may do there, or sign in again: {login_command(profile)}"
        return f"{place(self.origin)} refused the token of {whose}; {advice}"


def _case(name: str | None, hosts: Sequence[str], origin: str) -> _Case | str:
    given = given_to(name)
    try:
        profile = profiles.load().named(name)
    except CommandError:
        if given is None:
            raise
        profile = None
    allowed = origins(hosts, None if profile is None else profile.server)
    if not allowed:
        raise usage("no host is known that this token may go to; name it with --host HOST")
    whose = profile if given is None else given
    if whose is not None and origin in allowed:
        return _Case(origin, whose)
    named = "GRANTFLOW_TOKEN" if profile is None else f"profile {profile.name}"
    there = " and ".join(sorted(place(each) for each in allowed))
    return (
        f"the token of {named} goes to {there}, and git asks for {place(origin)}; "
        "--host names others"
    )
