"""A token or a client's secret from a command or a file, fetched anew each time it is asked for.

Rules:

1. No shell: the words of a command are given one by one.
2. The secret is the first line, without the spaces around it.
3. An error names the command or the file, and never quotes what it said. It is made where that
   is out of sight, for tracebacks may show what a frame holds.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

from grantflow.core.values.secret import Secret


@final
class SecretError(OSError):
    """A command or a file gave no secret; the message says which, and why."""


def from_command(argv: Sequence[str], *, timeout: float = 30.0) -> Callable[[], Secret]:
    """Return a function that runs a command and takes the secret from its standard output.

    The command reads nothing; its standard error is this process's. After ``timeout`` seconds it
    is killed. The function raises ``SecretError``.

    >>> from_command(["echo", "hunter2"])()
    Secret('***')
    """
    words = tuple(argv)
    if isinstance(argv, str) or not words:
        raise ValueError('argv: the words of a command are needed, as in ["vault", "read"]')
    if timeout <= 0:
        raise ValueError(f"timeout: more than 0 seconds are needed, not {timeout}")
    return lambda: _had(f"the command {words[0]!r}", _asked(words, timeout))


def from_file(path: str | Path) -> Callable[[], Secret]:
    """Return a function that reads the secret from a file, as container platforms mount them.

    The function raises ``SecretError``.
    """
    place = Path(path)
    return lambda: _had(f"the file {str(place)!r}", _read(place))


def _had(what: str, found: Secret | str) -> Secret:
    if isinstance(found, Secret):
        return found
    raise SecretError(f"{what} {found}")


def _asked(words: tuple[str, ...], timeout: float) -> Secret | str:
    """Return what a command says, or why it is of no use."""
    try:
        ran = subprocess.run(  # noqa: S603 - the caller's own command
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return f"took more than {timeout:g} seconds"
    except OSError as error:
        return f"cannot be run: {error.strerror or error}"
    return _first_line(ran.stdout) if ran.returncode == 0 else f"ended with {_end(ran.returncode)}"


def _end(code: int) -> str:
    return f"status {code}" if code > 0 else f"signal {-code}"


def _read(path: Path) -> Secret | str:
    try:
        return _first_line(path.read_bytes())
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _first_line(data: bytes) -> Secret | str:
    try:
        line = data.decode("utf-8-sig").partition("\n")[0].strip()
    except UnicodeDecodeError:
        return "gave no UTF-8 text"
    return Secret(line) if line else "gave an empty first line"
