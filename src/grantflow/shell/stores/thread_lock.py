"""Taking turns: one lock for each name among the threads of this process.

A thread may take a turn again while it has it, and a lock is forgotten when nobody wants it any
more, so that many names cost nothing.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Final, final


@final
class _Turn:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0
        self.users = 0


@final
class _Turns:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._mutex = threading.Lock()
        self._turns: dict[Hashable, _Turn] = {}

    def join(self, name: Hashable) -> _Turn:
        with self._mutex:
            turn = self._turns.setdefault(name, _Turn())
            turn.users += 1
            return turn

    def leave(self, name: Hashable, turn: _Turn) -> None:
        with self._mutex:
            turn.users -= 1
            if turn.users == 0 and self._turns.get(name) is turn:
                del self._turns[name]


_turns: Final = _Turns()

# The threads that had a turn do not exist in a forked child.
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_turns.reset)


@contextmanager
def turn(name: Hashable, *, wait: bool = True) -> Iterator[int]:
    """Take a turn, and give how often this thread now has it: 0 if it is taken and not waited for.

    >>> with turn("a") as outer, turn("a") as inner:
    ...     outer, inner
    (1, 2)
    """
    mine = _turns.join(name)
    try:
        if not mine.lock.acquire(blocking=wait):
            yield 0
            return
        mine.depth += 1
        try:
            yield mine.depth
        finally:
            mine.depth -= 1
            mine.lock.release()
    finally:
        _turns.leave(name, mine)
