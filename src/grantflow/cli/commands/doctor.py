"""``grantflow doctor``: what is wrong here, and what to do about it. It repairs nothing itself."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import asdict

from grantflow.cli import context as outside
from grantflow.cli.doctor import files, locks, network, signin, surroundings
from grantflow.cli.doctor.finding import Finding
from grantflow.cli.errors import FAILED, CommandError
from grantflow.cli.output import answer, tell
from grantflow.cli.parser import Parser
from grantflow.cli.profiles.profiles import Profile, Profiles
from grantflow.cli.profiles.status import Standing
from grantflow.shell.environment import home


class Options(Namespace):
    """What the command line says."""

    profile: str | None
    json: bool


_EXAMPLES: Final = ("grantflow doctor", "grantflow doctor work --json")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "doctor",
        "Look for what is wrong: files, locks, network, clock, settings; exit with 1 if anything "
        "is.",
        _EXAMPLES,
    )
    made.add_profile()
    made.add_argument("--json", action="store_true", help="one JSON object")
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    remembered = signin.remembered()
    name = _name(options.profile, remembered)
    found = list(_findings(remembered, name))
    problems = sum(each.level == "problem" for each in found)
    if options.json:
        checks = [asdict(each) for each in found]
        answer(json.dumps({"profile": name, "well": not problems, "checks": checks}))
    else:
        for each in found:
            answer(f"{each.level:<7}  {each.check:<12}  {each.said}")
            if each.advice:
                answer(f"{'':<7}  {'':<12}  -> {each.advice}")
        plural = "" if problems == 1 else "s"
        tell(f"{problems} problem{plural}." if problems else "All is well.")
    return FAILED if problems else 0


def _name(asked: str | None, remembered: Profiles | str) -> str | None:
    """Return the profile to look at, if there is one; an unknown name is an error."""
    if isinstance(remembered, str):
        return asked
    if asked is not None:
        return remembered.chosen(asked)
    return remembered.default if remembered.default in remembered.documents else None


def _findings(remembered: Profiles | str, name: str | None) -> Iterator[Finding]:
    yield from files.findings(home())
    yield from locks.findings(home())
    yield from signin.profiles_judged(remembered)
    yield from surroundings.providers_judged()
    known = Profiles() if isinstance(remembered, str) else remembered
    names = list(known.documents) if name is None else [name]
    yield from surroundings.findings(names)
    found = [profile for each in names if (profile := _usable(known, each)) is not None]
    for profile in found:
        yield from _of(profile, default=profile.name == known.default)
    yield from network.findings(found)


def _usable(known: Profiles, name: str) -> Profile | None:
    try:
        return known.named(name)
    except CommandError:
        return None  # it is among the findings


def _of(profile: Profile, *, default: bool) -> Iterator[Finding]:
    try:
        token = signin.stored(home(), profile)
    except CommandError:
        return
    standing = Standing(profile, token, outside.clock().now().wall, default)
    yield signin.standing_judged(standing)
    secret = signin.secret_judged(
        profile,
        signin.unreadable(signin.proof_file(profile)),
        in_environment=bool(os.environ.get("GRANTFLOW_CLIENT_SECRET")),
    )
    if secret is not None:
        yield secret
    key = signin.key_judged(profile)
    if key is not None:
        yield key
