"""``grantflow run``: a command with the token in its environment, or in a file that stays fresh.

Rules:

1. The command takes this process's place: its signals, its streams and its exit code are its own.
   With ``--token-file`` it runs beside this process, which renews the token until it ends.
2. The token is in the variables that were named and nowhere else. ``GRANTFLOW_TOKEN`` is not the
   default one, for it would outrank every other profile inside the command.
3. Where the command cannot be run, the exit code is that of a shell: 127 not found, 126 no program.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, quoted, usage
from grantflow.cli.parser import Parser
from grantflow.cli.token.acquire import Demand, valid_token, without_proof
from grantflow.core.values.token import Token
from grantflow.shell.ports import StoreError

NOT_A_PROGRAM: Final = 126
NOT_FOUND: Final = 127

_VARIABLE: Final = "ACCESS_TOKEN"


class Options(Namespace):
    """What the command line says."""

    profile: str | None
    env: list[str]
    token_file: list[str]
    min_ttl: timedelta
    no_input: bool


_EXAMPLES: Final = (
    "grantflow run -- ./deploy.sh",
    "grantflow run work --env GH_TOKEN --env GITHUB_TOKEN -- gh repo list",
    "grantflow run aws --token-file AWS_WEB_IDENTITY_TOKEN_FILE -- python3 nightly.py",
    "grantflow run --min-ttl 600 -- python3 nightly.py   # reads os.environ['ACCESS_TOKEN']",
)


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("run", "Run a command with a valid token in its environment.", _EXAMPLES)
    made.usage = (
        "grantflow run [-h] [--verbose] [--env NAME]... [--min-ttl S] [--no-input] [PROFILE]\n"
        "                     -- COMMAND..."
    )
    made.add_profile()
    made.add_argument(
        "--env",
        metavar="NAME",
        type=variable,
        action="append",
        default=[],
        help=f"the variable that holds the token; may be repeated (default: {_VARIABLE})",
    )
    made.add_argument(
        "--token-file",
        metavar="NAME",
        type=variable,
        action="append",
        default=[],
        help="instead, the variable that holds the path of a file with the token, which is renewed "
        "while the command runs; may be repeated",
    )
    made.add_demands(
        "refresh a token that expires within S seconds: in a variable it is not refreshed while "
        "the command runs"
    )
    return made


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command; if it replaces this process, this does not return."""
    words = list(argv)
    place = words.index("--") if "--" in words else len(words)
    command = words[place + 1 :]
    if not command:
        parser().read([each for each in words[:place] if each in ("-h", "--help")], Options())
        raise usage("the command comes after --", "for example: grantflow run -- ./deploy.sh")
    options = parser().read(words[:place], Options())
    if options.env and options.token_file:
        raise usage(
            "--env and --token-file exclude each other", "a file is renewed, a variable not"
        )
    program = _program(command[0])  # before a token is asked for
    demand = Demand(least=options.min_ttl, prompts=not options.no_input)
    token = without_proof(valid_token(options.profile, context, demand))
    secret = token.access_token.reveal()
    # The client secret is grantflow's own: it does not reach the command.
    rest = {n: text for n, text in context.environment.items() if n != "GRANTFLOW_CLIENT_SECRET"}
    if options.token_file:
        return _with_file(program, command, rest, options, token, context)
    return _become(program, command, rest | dict.fromkeys(options.env or [_VARIABLE], secret))


def _with_file(
    program: str,
    command: list[str],
    environment: Mapping[str, str],
    options: Options,
    token: Token,
    context: Context,
) -> int:
    from grantflow.cli.token.fresh_file import Ended, keep_fresh, private_file, run_beside

    def acquire(least: timedelta) -> Token:
        return valid_token(
            options.profile, context, Demand(least=max(least, options.min_ttl), prompts=False)
        )

    with private_file(context.environment) as file:
        file.write(token.access_token)

        def meanwhile(ended: Ended) -> None:
            keep_fresh(file, token, acquire, ended, lambda: context.clock.now().wall)

        paths = dict.fromkeys(options.token_file, str(file.path))
        with _problems_of(command[0]):
            return run_beside([program, *command[1:]], {**environment, **paths}, meanwhile)


def variable(text: str) -> str:
    """Read the name of a variable, as POSIX shells take it."""
    if not (text.isascii() and text.isidentifier()):
        raise ArgumentTypeError(f"the name of a variable is needed, not {quoted(text)}")
    return text


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is not None:
        return found
    path = Path(name)
    if path.name != name and path.exists():
        what = "is a directory" if path.is_dir() else "is not executable"
        raise CommandError(f"cannot run {name}: it {what}", code=NOT_A_PROGRAM)
    raise CommandError(f"cannot run {name!r}: command not found", code=NOT_FOUND)


def _become(program: str, command: list[str], environment: Mapping[str, str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with _problems_of(command[0]):
        return _replaced(program, command, environment)


@contextmanager
def _problems_of(name: str) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        problem = error.strerror or error
        raise CommandError(f"cannot run {name}: {problem}", code=NOT_A_PROGRAM) from None


if sys.platform == "win32":

    def _replaced(program: str, command: list[str], environment: Mapping[str, str]) -> int:
        # Windows knows no other way than to run it beside this process.
        import subprocess

        with subprocess.Popen([program, *command[1:]], env=environment) as process:  # noqa: S603
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:  # it had the Ctrl-C as well, and decides
                    continue
else:

    def _replaced(program: str, command: list[str], environment: Mapping[str, str]) -> NoReturn:
        # Python ignores it, and a program that takes its place would go on with that.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execve(program, command, environment)  # noqa: S606
