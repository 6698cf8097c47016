"""Run a command until standard input ends, so that a killed test run leaves no server behind.

``python until_parent_ends.py SAY COMMAND...`` gives SAY to the command's own standard input.
"""

from __future__ import annotations

import subprocess
import sys
import threading

STOP_SECONDS = 5.0


def main(say: str, *command: str) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(say.encode())
        process.stdin.close()
        threading.Thread(target=stop_at_the_end, args=(process,), daemon=True).start()
        process.wait()


def stop_at_the_end(process: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
