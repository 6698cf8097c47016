"""git's credential protocol (gitcredentials(7), git-credential(1)): a token as a password.

Rules:

1. A token goes to the hosts that ``--host`` names, else to the origins that the profile remembers,
   else to that of its own server, and to no other; over https, or to this machine.
2. What is not for this helper is left to git's other ones, silently unless GIT_TRACE is set.
3. A token that a host refused is renewed once, and then not given to that host again for a while.
4. git's ``erase`` removes no sign-in: a 401 may have many reasons, and only a person restores it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, final
from urllib.parse import urlsplit

from attrs import frozen

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, ProfileError, usage
from grantflow.cli.login.flags import login_command
from grantflow.cli.output import place, warn
from grantflow.cli.token import formats, rejected_tokens
from grantflow.cli.token.acquire import (
    Demand,
    members_of,
    renewed,
    token_of_environment,
    valid_token,
)
from grantflow.core.acquisition.challenge import challenges
from grantflow.core.client.provider import endpoint_problem, origin_of
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell.profiles import profiles
from grantflow.shell.profiles.client import key_of_profile
from grantflow.shell.profiles.profile import Profile

_BY_HAND: Final = (
    "git runs it after: git config --global "
    "credential.https://HOST.helper '!grantflow token PROFILE --format git-credential'"
)


@final
@frozen
class Question:
    """What git asks about: where (``None``: nowhere safe), and what it knows of the credential.

    ``bearer``: git can send a token as it is, and the server asks for that and for no password.
    """

    origin: str | None
    username: str | None = None
    password: Secret | None = None
    bearer: bool = False


def answered(
    operation: str | None,
    name: str | None,
    hosts: Sequence[str],
    least: timedelta,
    context: Context,
    user: str | None = None,
) -> list[str]:
    """Return the lines that answer git; a question for another helper is not an error."""
    if operation is None or context.terminal.asks():
        raise usage("--format git-credential is for git", _BY_HAND)
    if operation == "capability":
        return ["version 0", "capability authtype"]
    question = read([] if sys.stdin is None else sys.stdin.read().splitlines())
    if operation not in ("get", "erase"):
        return []
    if question.origin is None:
        return _left("git names no host that is reached over https, or on this machine", context)
    case = _case(name, hosts, question.origin, context)
    if isinstance(case, str):
        return _left(case, context)
    if operation == "get":
        wish = formats.Wish(
            user=question.username or user or case.user or formats.USER, bearer=question.bearer
        )
        return formats.lines("git-credential", members_of(case.token(least)), wish)
    case.refuse(question.password)
    return []


def read(lines: Iterable[str]) -> Question:
    """Read git's question; what a newer git adds is ignored.

    >>> read(["protocol=https", "host=git.example:8443", "wwwauth[]=Basic", ""]).origin
    'https://git.example:8443'
    >>> read(["protocol=http", "host=git.example"]).origin
    """
    pairs = tuple(_pairs(lines))
    found: Mapping[str, str] = dict(pairs)
    origin = _origin(found.get("protocol", ""), found.get("host", ""))
    password = found.get("password", found.get("credential"))
    return Question(
        origin,
        found.get("username"),
        None if password is None else Secret(password),
        ("capability[]", "authtype") in pairs and _wants_a_bearer(pairs),
    )


def _wants_a_bearer(pairs: Iterable[tuple[str, str]]) -> bool:
    """Return whether a server asks for a bearer token, and does not take a password."""
    asked = [challenges(value) for name, value in pairs if name == "wwwauth[]"]
    schemes = {each.scheme.lower() for one in asked for each in one}
    return "bearer" in schemes and "basic" not in schemes


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line:  # ends the question
            return
        name, _, value = line.partition("=")
        yield name, value


def _origin(protocol: str, host: str) -> str | None:
    """Return the origin of a host, if a secret may be sent there and it is nothing but a host."""
    url = f"{protocol}://{host}"
    usable = endpoint_problem(url) is None and urlsplit(url).netloc == host
    return origin_of(url) if usable else None


def origins(hosts: Iterable[str], profile: Profile | None) -> frozenset[str]:
    """Return where a token may go: the hosts that were named, else where the profile says.

    >>> origins([], Profile(issuer="https://git.example/login/oauth"))
    frozenset({'https://git.example:443'})
    """
    named = frozenset(origin for host in hosts for origin in _named(host))
    return named if named or profile is None else profile.destinations


def _named(host: str) -> Iterator[str]:
    found = _origin("https", host)
    if found is None:
        raise usage(f"--host: HOST or HOST:PORT is needed, not {host!r}")
    yield found
    plain = _origin("http", host)
    if plain is not None:  # this machine
        yield plain


def _left(why: str, context: Context) -> list[str]:
    """Leave a question to git's other helpers; with GIT_TRACE, say why."""
    if context.environment.get("GIT_TRACE", "0").lower() not in ("", "0", "false"):
        warn(f"no token: {why}")
    return []


@final
@frozen
class _Case:
    """A question for this helper: where to, and whose token (a profile's, or the environment's)."""

    origin: str
    owner: Profile | Token
    context: Context

    def token(self, least: timedelta) -> Token:
        """Return the token, unless it was refused there recently."""
        token = self.owner
        if isinstance(token, Profile):
            token = valid_token(token.name, self.context, Demand(least=least, prompts=False))
        if self._recent().has(token):
            raise self._error()
        return token

    @property
    def user(self) -> str | None:
        """Return the user name that the provider's git server wants."""
        return self.owner.git_user if isinstance(self.owner, Profile) else None

    def refuse(self, password: Secret | None) -> None:
        """Remember that the token was refused, and renew it if that was not just tried."""
        token = self.owner
        if isinstance(token, Profile):
            stored = self.context.store(token.store).read(key_of_profile(token))
            if stored is None:
                return
            token = stored
        if password is not None and password != token.access_token:
            return  # another one has replaced it already
        before = self._recent()
        now = self.context.clock.now().wall
        rejected_tokens.remember(before.profile, self.origin, token, now)
        again = None
        if isinstance(self.owner, Profile) and not before.tokens:
            again = renewed(self.owner, token, self.context)
        warn(str(self._error(renewed=again is not None)))

    def _recent(self) -> rejected_tokens.Rejections:
        name = self.owner.name if isinstance(self.owner, Profile) else "$GRANTFLOW_TOKEN"
        return rejected_tokens.recent(name, self.origin, self.context.clock.now().wall)

    def _error(self, *, renewed: bool = False) -> CommandError:
        profile = self.owner if isinstance(self.owner, Profile) else None
        owner = "GRANTFLOW_TOKEN" if profile is None else f"profile {profile.name}"
        if renewed:
            advice = "it was renewed, try again"
        elif profile is None:
            advice = "set another one"
        else:
            advice = f"check its permissions there, or sign in again: {login_command(profile)}"
        return CommandError(f"{place(self.origin)} refused the token of {owner}", advice)


def _profile(name: str | None, hosts: Sequence[str], origin: str) -> Profile:
    """Return the profile that was named, else the one for the origin, else the default one."""
    known = profiles.load()
    if name is None and not hosts:
        try:
            return known.for_url(origin)
        except ProfileError as error:
            if error.kind != profiles.UNKNOWN_ORIGIN:
                raise
    return known.named(name)


def _case(name: str | None, hosts: Sequence[str], origin: str, context: Context) -> _Case | str:
    given = token_of_environment(name)
    try:
        profile = _profile(name, hosts, origin)
    except ProfileError:
        if given is None:
            raise
        profile = None
    allowed = origins(hosts, profile)
    if not allowed:
        raise usage("no host is known that this token may go to", "name it with --host HOST")
    owner = profile if given is None else given
    if owner is not None and origin in allowed:
        return _Case(origin, owner, context)
    named = "GRANTFLOW_TOKEN" if profile is None else f"profile {profile.name}"
    there = " and ".join(sorted(place(each) for each in allowed))
    return (
        f"the token of {named} goes to {there}, and git asks for {place(origin)}; "
        "--host names others"
    )
