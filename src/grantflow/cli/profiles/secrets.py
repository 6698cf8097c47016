"""Secrets from outside the profile: standard input, and tokens that were made elsewhere."""

from __future__ import annotations

import sys
from typing import Final

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, usage
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import sendable
from grantflow.core.values.result import either
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell.profiles import secrets as stored
from grantflow.shell.profiles.profile import Profile

STDIN: Final = "-"


def client_secret(profile: Profile, context: Context) -> Secret | None:
    """Return the client's secret: from standard input, else as at every use of the profile."""
    if profile.client_secret_command is not None or profile.client_secret_file != STDIN:
        return stored.client_secret(profile)
    where, flag = "standard input", "--client-secret-file"
    try:
        text = standard_input("Client secret", context)
    except OSError as error:
        raise usage(f"cannot read {where}: {error.strerror or error}", f"check {flag}") from None
    except UnicodeDecodeError:
        raise usage(f"{where} is not UTF-8 text", f"check {flag}") from None
    return stored.one_line(text, where, flag)


def standard_input(what: str, context: Context) -> str:
    """Return all of standard input; on a terminal, ask for ``what`` without showing it."""
    if context.terminal.asks():
        return context.terminal.read_secret(what)
    if sys.stdin is None:
        raise OSError("it is closed")
    return stored.whole(sys.stdin)


def external_token(text: str, where: str) -> Token:
    """Return ``text`` as a token that expires at an unknown time.

    A header is taken as well: ``Bearer at-1`` is the token ``at-1``.
    """
    bare = text.strip()
    scheme, _, rest = bare.partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        bare = rest.strip()
    match either(sendable(Members({"access_token": bare}), "access_token")):
        case Secret() as found if not any(each.isspace() for each in bare):
            return Token(access_token=found)
        case _:
            problem = "holds characters that no token has" if bare else "is empty"
            raise _no_token(where, problem)


def _no_token(where: str, problem: str) -> CommandError:
    return usage(f"{where} {problem}", "a token alone is needed there")
