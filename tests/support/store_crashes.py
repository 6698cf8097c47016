"""Kill a process that saves, again and again, and look at what it left.

``python store_crashes.py FOLDER KILLS``: prints what went wrong, a line each, and nothing else. The
writer is forked, not started: this many starts of Python would take minutes.
"""

from __future__ import annotations

import logging
import mmap
import os
import random
import signal
import struct
import sys
import time
from collections.abc import Iterator

from grantflow.core.values.token import Token
from grantflow.shell.stores.file import FileStore

KEYS = ("small", "medium", "large")
SIZES = (10, 4_000, 60_000)
SAVED = struct.Struct(f"{len(KEYS)}q")


def numbered(number: int, size: int) -> Token:
    return Token(access_token=f"{number}-{'x' * size}", refresh_token=f"{number}")


def write(store: FileStore, acknowledged: mmap.mmap, start: list[int]) -> None:
    """Save ever higher numbers, and note each one that was saved."""
    numbers = list(start)
    while True:
        for place, (key, size) in enumerate(zip(KEYS, SIZES, strict=True)):
            store.save(key, numbered(numbers[place] + 1, size))
            numbers[place] += 1
            acknowledged[:] = SAVED.pack(*numbers)


def problems(store: FileStore, saved: list[int]) -> Iterator[str]:
    """Each entry is whole, and is the last one saved or the one that was being saved."""
    for key, size, least in zip(KEYS, SIZES, saved, strict=True):
        token = store.read(key)
        if token is None:
            yield f"{key}: lost"
            continue
        number = int(token.access_token.reveal().partition("-")[0])
        if token != numbered(number, size) or number not in (least, least + 1):
            yield f"{key}: {number} instead of {least}"


def alive(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def main(folder: str, kills: int) -> None:
    logging.basicConfig(stream=sys.stdout)
    store = FileStore(folder)
    acknowledged = mmap.mmap(-1, SAVED.size)
    for key, size in zip(KEYS, SIZES, strict=True):
        store.save(key, numbered(0, size))
    dice = random.Random(1)
    for _ in range(kills):
        found = [store.read(key) for key in KEYS]
        start = [int(t.access_token.reveal().partition("-")[0]) if t else 0 for t in found]
        acknowledged[:] = SAVED.pack(*start)
        child = os.fork()
        if child == 0:
            write(store, acknowledged, start)
        wanted = sum(start) + dice.randint(0, 4)
        while sum(SAVED.unpack(acknowledged[:])) < wanted and alive(child):
            time.sleep(0.0005)
        time.sleep(dice.uniform(0, 0.005))  # somewhere in the next one
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for problem in problems(store, list(SAVED.unpack(acknowledged[:]))):
            print(problem)
    print(f"saved {sum(SAVED.unpack(acknowledged[:]))}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
