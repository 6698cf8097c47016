"""Secrets from outside: standard input, a file, a command or the environment.

A secret is read at each use; a profile remembers the file or the command only. The blanks and the
line break around it are dropped at each of these doors: RFC 6749 appendix A.2 has no line breaks.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final, TextIO

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, quoted, usage
from grantflow.cli.profiles.profile import Profile
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import sendable
from grantflow.core.values.result import either
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell.environment import client_secret_given

STDIN: Final = "-"
_LARGEST: Final = 64 * 1024


def client_secret(profile: Profile, context: Context) -> Secret | None:
    """Return the client's secret: from the profile's file or command, else the environment."""
    if profile.client_secret_command is not None:
        return from_command(profile.client_secret_command, "--client-secret-command")
    if profile.client_secret_file is None:
        return client_secret_given()
    return from_file(profile.client_secret_file, "--client-secret-file", context)


def from_command(command: str, flag: str) -> Secret:
    """Return what a command prints as its first line."""
    from grantflow.shell.secret_sources import SecretError
    from grantflow.shell.secret_sources import from_command as source

    try:
        return source(shlex.split(command))()
    except (SecretError, ValueError) as error:
        raise usage(str(error), f"check {flag}") from None


def from_file(file: str, flag: str, context: Context) -> Secret:
    """Return what a file holds; ``-`` is standard input."""
    where = "standard input" if file == STDIN else f"the file {_named(file)}"
    try:
        text = standard_input("Client secret", context) if file == STDIN else read(Path(file))
    except OSError as error:
        raise usage(f"cannot read {where}: {error.strerror or error}", f"check {flag}") from None
    except UnicodeDecodeError:
        raise usage(f"{where} is not UTF-8 text", f"check {flag}") from None
    secret = text.strip()
    if not secret:
        raise usage(f"{where} is empty", f"it should hold the secret; check {flag}")
    if len(secret.splitlines()) > 1:
        raise usage(f"{where} holds several lines", f"a secret is one line; check {flag}")
    return Secret(secret)


def _named(file: str) -> str:
    """Return a path as a message names it: one that does not exist may be the secret itself."""
    folder = os.path.dirname(file)
    known = os.path.exists(file) or (folder and os.path.isdir(folder))
    return file if known else quoted(file)


def standard_input(what: str, context: Context) -> str:
    """Return all of standard input; on a terminal, ask for ``what`` without showing it."""
    if context.terminal.asks():
        return context.terminal.read_secret(what)
    if sys.stdin is None:
        raise OSError("it is closed")
    return _whole(sys.stdin)


def read(path: Path) -> str:
    """Return the text of a file; ``OSError`` if it is too large for a secret."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return _whole(file)


def _whole(file: TextIO) -> str:
    # Half a secret would be refused by the server, without a reason.
    text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise OSError(f"it holds more than {_LARGEST} characters")
    return text


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
