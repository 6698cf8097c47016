"""From the first word of the command line to its command, and what the command says about itself.

``--help`` and ``--version`` load this file and nothing behind it.
"""

from __future__ import annotations

from grantflow import __version__
from grantflow.cli.errors import nearest, quoted, usage
from grantflow.cli.output import answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from grantflow.cli.context import Context

COMMANDS = {
    "demo": "see a complete sign-in in ten seconds, against a bundled local server",
    "login": "sign in and remember how",
    "token": "print a valid token, refreshing it if necessary",
    "run": "run a command with the token in its environment",
    "status": "show who is signed in, and until when",
    "list": "list every profile",
    "default": "show or set the default profile",
    "logout": "revoke a token and remove it with its profile",
    "providers": "list the known providers, or show one as TOML",
    "doctor": "check files, locks, network and settings",
    "serve": "run a scripted authorization server on this machine",
    "setup": "print or write the configuration of git or kubectl",
    "completion": "print a completion script for a shell",
}

_MOST_USED = ("demo", "login", "token", "status", "logout")

_WHAT = (
    "grantflow signs in with OAuth 2.0 without a local browser: a person approves a code on any",
    "device, or a machine uses its own secret. It stores the token and refreshes it.",
)

_EXAMPLE = (
    "  grantflow login github --client-id my-app --scope repo",
    "  grantflow token --format header | curl -H @- https://api.example.com/me",
)

_ENVIRONMENT = (
    ("GRANTFLOW_TOKEN", "a token that overrides every stored one (GRANTFLOW_TOKEN_<PROFILE> too)"),
    ("GRANTFLOW_CLIENT_SECRET", "the client secret, for profiles without a secret file"),
    ("GRANTFLOW_HOME", "the data directory"),
    ("GRANTFLOW_DEBUG", "1 is --verbose for every command"),
    ("REQUESTS_CA_BUNDLE", "the certificates to trust, for a private certificate authority"),
)

_EXIT_CODES = (
    ("0", "done"),
    ("1", "failed: no sign-in, no token that is valid for long enough, or doctor found a problem"),
    ("2", "the command line is wrong"),
    ("3", "a person has to sign in, and prompting is disabled"),
    ("126, 127", "run: the command is not executable, or was not found"),
    ("130, 143, 129", "interrupted, terminated, hung up"),
)

_HELP = ("--help", "-h", "help")


def dispatch(argv: Sequence[str], context: Context | None = None) -> int:
    """Run the command that ``argv`` names, and return its exit code."""
    if not argv:
        return _print(short())
    first, *rest = argv
    if first in COMMANDS:
        return _run(first, rest, context)
    if first in _HELP:
        topics = [each for each in rest if each not in _HELP]
        return dispatch([topics[0], "--help"], context) if topics else _print(whole())
    if first in ("--version", "-V"):
        return _print(version())
    if first.startswith("-"):
        flag = first.partition("=")[0]
        raise usage(f"unknown flag {quoted(flag)}", "flags come after a command")
    raise usage(
        f"unknown command {quoted(first)}", nearest(first, COMMANDS, "see grantflow --help")
    )


def _run(name: str, argv: list[str], context: Context | None) -> int:
    from importlib import import_module

    main: Callable[[list[str], Context], int]
    main = import_module(f"grantflow.cli.commands.{name}").main
    from grantflow.cli.context import prepared
    from grantflow.cli.interrupts import as_interrupts

    own = argv[: argv.index("--")] if "--" in argv else argv
    try:
        with as_interrupts():
            return main(argv, prepared(context, verbose="--verbose" in own))
    except SystemExit:
        return 0  # argparse ends like this after --help, and after nothing else here


def _print(lines: tuple[str, ...]) -> int:
    for line in lines:
        answer(line)
    return 0


def version() -> tuple[str, ...]:
    """Return what ``--version`` prints."""
    return (f"grantflow {__version__}",)


def short() -> tuple[str, ...]:
    """Return what ``grantflow`` alone prints."""
    return (
        *_WHAT,
        "",
        *_table([(f"grantflow {name}", COMMANDS[name]) for name in _MOST_USED]),
        "",
        "Example:",
        *_EXAMPLE,
        "",
        "All commands: grantflow --help. One command: grantflow login --help.",
    )


def whole() -> tuple[str, ...]:
    """Return what ``--help`` prints."""
    return (
        "usage: grantflow COMMAND [FLAGS]",
        "",
        *_WHAT,
        "",
        "Commands (each has --help with examples):",
        *_table(list(COMMANDS.items())),
        "",
        "Example:",
        *_EXAMPLE,
        "",
        "Environment:",
        *_table(list(_ENVIRONMENT)),
        "",
        "Exit codes:",
        *_table(list(_EXIT_CODES)),
    )


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {text}" for name, text in rows]
