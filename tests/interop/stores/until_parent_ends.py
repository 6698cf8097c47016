"""Run a command until standard input ends, so that a killed test run leaves no server behind.

The command has a process group of its own, and what it started ends with it.

``python until_parent_ends.py SAY COMMAND...`` gives SAY to the command's own standard input.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

STOP_SECONDS = 5.0


def main(say: str, *command: str) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # standard input says when it is over
        assert process.stdin is not None
        process.stdin.write(say.encode())
        process.stdin.close()
        threading.Thread(target=stop_at_the_end, args=(process,), daemon=True).start()
        process.wait()
        tell(process, signal.SIGKILL)


def stop_at_the_end(process: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()
    tell(process, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        tell(process, signal.SIGKILL)


def tell(process: subprocess.Popen[bytes], what: signal.Signals) -> None:
    """Send a signal to the command and to what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, what)


if __name__ == "__main__":
    main(*sys.argv[1:])
