"""The client secret of a profile: from its file, its command or the environment.

It is read at each use; a profile remembers the file or the command only. The blanks and the line
break around it are dropped at each of these doors: RFC 6749 appendix A.2 has no line breaks.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final, TextIO

from grantflow.core.values.secret import Secret
from grantflow.shell.environment import client_secret_given
from grantflow.shell.profiles.errors import quoted, usage
from grantflow.shell.profiles.profile import Profile

_LARGEST: Final = 64 * 1024


def client_secret(profile: Profile) -> Secret | None:
    """Return the client's secret: from the profile's file or command, else the environment."""
    if profile.client_secret_command is not None:
        return _from_command(profile.client_secret_command, "--client-secret-command")
    if profile.client_secret_file is None:
        return client_secret_given()
    return _from_file(profile.client_secret_file, "--client-secret-file")


def _from_command(command: str, flag: str) -> Secret:
    from grantflow.shell.secret_sources import SecretError, from_command

    try:
        return from_command(shlex.split(command))()
    except (SecretError, ValueError) as error:
        raise usage(str(error), f"check {flag}") from None


def _from_file(file: str, flag: str) -> Secret:
    where = f"the file {_named(file)}"
    try:
        text = read(Path(file))
    except OSError as error:
        raise usage(f"cannot read {where}: {error.strerror or error}", f"check {flag}") from None
    except UnicodeDecodeError:
        raise usage(f"{where} is not UTF-8 text", f"check {flag}") from None
    return one_line(text, where, flag)


def one_line(text: str, where: str, flag: str) -> Secret:
    """Return the secret in a text, which is one line."""
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


def read(path: Path) -> str:
    """Return the text of a file; ``OSError`` if it is too large for a secret."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return whole(file)


def whole(file: TextIO) -> str:
    """Return all of an open file; ``OSError`` if it is too large for a secret."""
    # Half a secret would be refused by the server, without a reason.
    text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise OSError(f"it holds more than {_LARGEST} characters")
    return text
