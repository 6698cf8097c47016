"""``grantflow doctor``: what is wrong here, and what to do about it. It repairs nothing itself."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Final, final

from attrs import asdict

from grantflow.cli.context import Context
from grantflow.cli.doctor import Finding, environment, files, network, signin
from grantflow.cli.errors import FAILED, ProfileError
from grantflow.cli.login import pending
from grantflow.cli.output import answer, counted, tell
from grantflow.cli.parser import Parser
from grantflow.shell.environment import home
from grantflow.shell.ports import StoreError
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.profiles.profiles import Profiles


@final
class Options(Namespace):
    """What the command line says."""

    profile: str | None
    json: bool


_EXAMPLES: Final = ("grantflow doctor", "grantflow doctor work --json")


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "doctor",
        "Check files, locks, network, clock and settings; exit 1 if there is a problem.",
        _EXAMPLES,
    )
    made.add_profile()
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    remembered = signin.profiles_as_they_are()
    name = _name(options.profile, remembered)
    found = list(_findings(remembered, name, context))
    problems = sum(each.level == "problem" for each in found)
    if options.json:
        checks = [asdict(each) for each in found]
        answer(json.dumps({"profile": name, "well": not problems, "checks": checks}))
    else:
        for each in found:
            answer(f"{each.level:<7}  {each.check:<12}  {each.message}")
            if each.advice:
                answer(f"{'':<7}  {'':<12}  -> {each.advice}")
        tell(f"{counted(problems, 'problem')}." if problems else "No problems.")
    return FAILED if problems else 0


def _name(asked: str | None, remembered: Profiles | str) -> str | None:
    """Return the profile to check, if there is one; an unknown name is an error."""
    if isinstance(remembered, str):
        return asked
    if asked is not None:
        return remembered.name(asked, pending.names)
    return remembered.default if remembered.default in remembered.documents else None


def _findings(remembered: Profiles | str, name: str | None, context: Context) -> Iterator[Finding]:
    try:
        place = home()
    except StoreError:  # so there is no file, lock or profile either
        advice = "set HOME, or GRANTFLOW_HOME, to a directory"
        yield Finding("folder", "problem", "there is no home directory", advice)
        yield from environment.check_environment([], context)
        yield from network.check_network([], context)
        return
    yield from files.check_files(place)
    yield from files.check_locks(place)
    yield from signin.check_profiles(remembered)
    yield from environment.check_providers()
    known = Profiles() if isinstance(remembered, str) else remembered
    names = list(known.documents) if name is None else [name]
    yield from environment.check_environment(names, context)
    found = [profile for each in names if (profile := _usable(known, each)) is not None]
    yield from environment.check_keyring(used=any(each.store == "keyring" for each in found))
    for profile in found:
        yield from signin.check_profile(profile, context, default=profile.name == known.default)
    yield from network.check_network(found, context)


def _usable(known: Profiles, name: str) -> Profile | None:
    try:
        return known.named(name)
    except ProfileError:
        return None  # check_profiles reports it
