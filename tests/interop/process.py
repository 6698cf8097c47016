"""One server process, which a test can stop and start again."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

START_SECONDS = 400.0
STOP_SECONDS = 20.0


class Process:
    """One server process. It ends when its standard input does, so also with a killed test run.

    ``ready`` says whether it answers, or is the file that it writes when it does.
    """

    def __init__(self, command: Sequence[str], ready: Callable[[], bool] | Path, log: Path) -> None:
        self.command = command
        self.ready = ready
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when the server answers."""
        ready = self.ready
        if isinstance(ready, Path):
            ready.unlink(missing_ok=True)
            ready = ready.exists
        with self.log.open("ab") as log:
            process = self._process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                text = self.log.read_text("utf-8", "replace")[-4000:]
                raise RuntimeError(f"{self.command[0]} did not start:\n{text}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Return when the server is gone."""
        if (process := self._process) is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
