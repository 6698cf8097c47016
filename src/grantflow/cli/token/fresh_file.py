"""A file that holds a valid token for as long as a command runs (``run --token-file``).

Rules:

1. The file is replaced atomically, so a reader finds a whole token whenever it looks.
2. A token is renewed before it expires; what another process renewed is written as well.
3. A renewal that fails is reported once, and tried again; the command goes on meanwhile.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from grantflow.cli.errors import ProfileError
from grantflow.cli.output import warn
from grantflow.core.acquisition.freshness import SKEW
from grantflow.core.values.token import Token
from grantflow.shell.ports import StoreError
from grantflow.shell.stores.private_file import PrivateFile

CHECK: Final = timedelta(seconds=30)
"""How often the store is looked at, for what another process renewed."""

Ended: TypeAlias = Callable[[timedelta], bool]
"""Waits for a span at most; true if the command ended."""

_SOON: Final = timedelta(seconds=1)
_AFTER_TROUBLE: Final = timedelta(seconds=15)
_FORWARDED: Final = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


@contextmanager
def private_file(environment: Mapping[str, str]) -> Iterator[PrivateFile]:
    """Make a file in a folder of this user's alone, and remove both at the end."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    place = runtime if os.path.isabs(runtime) and os.path.isdir(runtime) else None
    with TemporaryDirectory(prefix="grantflow-", dir=place) as folder:
        yield PrivateFile(Path(folder) / "token")


def keep_fresh(
    file: PrivateFile,
    first: Token,
    acquire: Callable[[timedelta], Token],
    ended: Ended,
    now: Callable[[], datetime],
) -> None:
    """Write every token that follows ``first``, until ``ended``, which waits for a span, says so.

    ``acquire`` returns a token that is valid for a span, or raises ``CommandError`` or
    ``StoreError``; ``now`` is the wall time.
    """
    current, trouble = first, ""
    while not ended(_pause(current, now(), trouble)):
        try:
            token = acquire(SKEW.soft.of(current))
            if token.access_token != current.access_token:
                file.write(token.access_token)
        except (ProfileError, StoreError) as error:
            if str(error) != trouble:
                warn(f"the token file is not renewed: {error}")
            trouble = str(error)
        else:
            current, trouble = token, ""


def _pause(token: Token, now: datetime, trouble: str) -> timedelta:
    if trouble:
        return _AFTER_TROUBLE
    if token.expires_at is None:
        return CHECK
    return min(max(token.expires_at - SKEW.soft.of(token) - now, _SOON), CHECK)


def run_beside(
    words: list[str], environment: Mapping[str, str], meanwhile: Callable[[Ended], None]
) -> int:
    """Run a command as a child, call ``meanwhile``, and return the child's exit code.

    Signals for this process are passed on; Ctrl-C reaches the child by the terminal. A child that a
    signal ended counts as in a shell: 128 and the signal's number. ``OSError`` if it cannot be run.
    """
    with _signals_forwarded() as forward:
        process = subprocess.Popen(words, env=environment)  # noqa: S603
        forward.append(process)
        over = threading.Event()

        def wait() -> None:
            process.wait()
            over.set()

        threading.Thread(target=wait, daemon=True).start()
        try:
            meanwhile(lambda span: over.wait(span.total_seconds()))
            over.wait()
        except BaseException:
            process.terminate()
            raise
    code = process.returncode
    return code if code >= 0 else 128 - code


@contextmanager
def _signals_forwarded() -> Iterator[list[subprocess.Popen[bytes]]]:
    found: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _: object, /) -> None:
        for process in found:
            process.send_signal(number)

    def ignore(_: int, __: object, /) -> None:
        """Leave it to the child, which gets it from the terminal."""

    # Handlers and not SIG_IGN, which the child would inherit.
    wanted = {getattr(signal, each): forward for each in _FORWARDED if hasattr(signal, each)}
    wanted[signal.SIGINT] = ignore
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
