"""What the command says about itself."""

from __future__ import annotations

from typing import Final

COMMANDS: Final = {
    "demo": "see all of it in ten seconds, against a server of its own",
    "login": "sign in, and remember how",
    "token": "print a token that works now; it is renewed where needed",
    "run": "run a command with the token in its environment",
    "status": "say who is signed in, and for how long",
    "list": "list every profile",
    "default": "choose the profile that is meant where none is named",
    "logout": "remove a token and its profile",
    "providers": "list the providers that have a name, or tell all of one",
    "doctor": "look for what is wrong, and say what to do",
    "serve": "run a scripted authorization server on this machine",
    "completion": "print a script that completes this command in a shell",
}

_MOST_USED: Final = ("demo", "login", "token", "status", "logout")

_WHAT: Final = (
    "grantflow signs in with OAuth 2.0 where there is no browser: a person approves a code on any",
    "device, or a machine uses its own secret. It keeps the token safe and renews it.",
)

_EXAMPLE: Final = (
    "  grantflow login github --client-id my-app --scope repo",
    "  grantflow token --format header | curl -H @- https://api.example.com/me",
)

_ENVIRONMENT: Final = (
    (
        "GRANTFLOW_TOKEN",
        "a token that outranks every stored one; GRANTFLOW_TOKEN_<PROFILE> as well",
    ),
    ("GRANTFLOW_CLIENT_SECRET", "the client's secret, where no file was named"),
    ("GRANTFLOW_HOME", "the folder of all files"),
    ("REQUESTS_CA_BUNDLE", "the certificates to trust, for a company's own authority"),
)

_EXIT_CODES: Final = (
    ("0", "done"),
    ("1", "no sign-in, no token that lives as long as asked, or doctor found a problem"),
    ("2", "the command line is wrong"),
    ("3", "a person has to sign in, and nobody may be asked"),
    ("126, 127", "run: the command is no program, or was not found"),
    ("130", "interrupted"),
)


def version() -> tuple[str, ...]:
    """Return what ``--version`` prints."""
    from importlib.metadata import version

    return (f"grantflow {version('grantflow')}",)


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
        "Everything: grantflow --help. One command: grantflow login --help.",
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
