"""``grantflow setup``: the configuration with which git and kubectl ask for tokens here.

Without ``--write`` it prints the commands that make it; with it, it runs them.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, usage
from grantflow.cli.login import pending
from grantflow.cli.output import answer, place, tell
from grantflow.cli.parser import Parser, one_of, origin
from grantflow.cli.token.formats import VERSIONS
from grantflow.shell.profiles import profiles
from grantflow.shell.profiles.client import key_of_profile
from grantflow.shell.profiles.profile import Profile

_GIT: Final = ("git", "config", "--global", "--replace-all")
_TOOLS: Final = ("git", "kubectl")


class Options(Namespace):
    """What the command line says."""

    tool: str | None
    profile: str | None
    origin: list[str]
    user: str | None
    write: bool


_EXAMPLES: Final = (
    "grantflow setup git work",
    "grantflow setup git work --origin https://git.example.com --write",
    "grantflow setup kubectl work --user me --write",
)


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("setup", "Print the configuration of git or kubectl, or make it.", _EXAMPLES)
    made.add_argument("tool", metavar="TOOL", nargs="?", type=one_of(_TOOLS), help="git or kubectl")
    made.add_profile()
    made.add_argument(
        "--origin",
        metavar="URL",
        type=origin,
        action="append",
        default=[],
        help="git: the server that the token is for; may be repeated (default: the origins of the "
        "profile)",
    )
    made.add_argument(
        "--user",
        metavar="NAME",
        help="kubectl: the name of the user in the kubeconfig (default: the profile's name)",
    )
    made.add_argument("--write", action="store_true", help="run the commands instead")
    return made


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    if options.tool is None:
        raise usage("TOOL is missing", f"it is one of {', '.join(_TOOLS)}")
    if options.origin and options.tool != "git":
        raise usage("--origin is for git")
    if options.user is not None and options.tool != "kubectl":
        raise usage("--user is for kubectl")
    profile = profiles.load().named(options.profile, pending.names)
    commands = (
        _for_git(profile, options.origin)
        if options.tool == "git"
        else _for_kubectl(profile, options.user or profile.name, context)
    )
    for command in commands:
        if options.write:
            _run(command)
            tell(f"Done: {shlex.join(command)}")
        else:
            answer(shlex.join(command))
    return 0


def _for_git(profile: Profile, origins: Sequence[str]) -> list[list[str]]:
    """Return the commands that make this the helper of each server, and leave other helpers."""
    there = list(origins) or sorted(place(each) for each in profile.destinations)
    if not there:
        raise usage(f"profile {profile.name} has no origin", "name the server with --origin URL")
    hosts = [word for each in origins for word in ("--host", each.partition("://")[2])]
    helper = shlex.join(("grantflow", "token", profile.name, *hosts, "--format", "git-credential"))
    # The pattern replaces the line of an earlier setup, and no other helper's.
    return [[*_GIT, f"credential.{each}.helper", f"!{helper}", "^!grantflow "] for each in there]


def _for_kubectl(profile: Profile, user: str, context: Context) -> list[list[str]]:
    token = context.store(profile.store).read(key_of_profile(profile))
    # A cluster that trusts the provider takes the ID token; without one there is no choice.
    more = ("--id-token",) if token is not None and token.id_token is not None else ()
    words = ("token", profile.name, "--format", "kubernetes", *more)
    return [
        ["kubectl", "config", "set-credentials", user, "--exec-command=grantflow"]
        + [f"--exec-api-version={VERSIONS[0]}", "--exec-interactive-mode=IfAvailable"]
        + [f"--exec-arg={each}" for each in words]
    ]


def _run(command: list[str]) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise CommandError(
            f"{command[0]} is not installed", "leave out --write to see the commands"
        )
    ran = subprocess.run(  # noqa: S603
        [program, *command[1:]], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        said = ran.stderr.strip().splitlines()
        problem = said[-1] if said else f"exit code {ran.returncode}"
        raise CommandError(f"{shlex.join(command[:3])}: {problem}")
