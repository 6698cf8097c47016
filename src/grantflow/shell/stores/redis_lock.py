"""A lock in Redis: it is leased, and its owner renews it for as long as it lives.

Rules:

1. The lock is a random word under a key that ends by itself. Only who knows the word renews or
   releases it.
2. A daemon thread renews it three times in a lease: a slow owner keeps it, a dead one loses it when
   the lease ends.
3. It may be lost all the same: a partition, FLUSHALL, a process that was stopped. An owner that
   finds it gone takes it again, and one that finds another's word leaves it. So it keeps work from
   being done twice; what keeps tokens from being lost is written in ``redis``.
4. Who waits asks again every few hundredths of a second, not all at the same moment.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import SystemRandom
from typing import Final, Protocol

from grantflow.shell.ports import StoreError

_log: Final = logging.getLogger("grantflow")

_TAKE_OR_RENEW: Final = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_RENEWALS: Final = 3
_QUICK: Final = 0.04
_LONG_WAIT: Final = 15.0
_SLOW: Final = 0.25
_random: Final = SystemRandom()


class Ask(Protocol):
    """Sends one command to Redis and returns its answer; raises ``StoreError``."""

    def __call__(self, *command: str | bytes | int) -> object:
        """Send it."""
        ...


@contextmanager
def leased(ask: Ask, name: str, lease: timedelta, *, wait: bool) -> Iterator[bool]:
    """Hold the lock ``name``: ``True``, or ``False`` if it is taken and not waited for."""
    word = secrets.token_hex(16)
    length = round(lease / timedelta(milliseconds=1))
    started = time.monotonic()
    while not _have(ask, name, word, length):
        if not wait:
            yield False
            return
        # A long claim is a person's sign-in, after which a quarter of a second is nothing.
        most = _QUICK if time.monotonic() - started < _LONG_WAIT else _SLOW
        time.sleep(_random.uniform(most / 4, most))
    done, owner = threading.Event(), os.getpid()
    renewing = threading.Thread(
        target=_renew, args=(ask, name, word, length, done), name=f"renews {name}", daemon=True
    )
    renewing.start()
    try:
        yield True
    finally:
        done.set()
        if owner == os.getpid():  # else this is a forked child, whose parent has the lock
            # A renewal that is still under way would bring the lock back.
            renewing.join(lease.total_seconds())
            _release(ask, name, word)


def _have(ask: Ask, name: str, word: str, length: int) -> bool:
    return ask("EVAL", _TAKE_OR_RENEW, 1, name, word, length) == 1


def _release(ask: Ask, name: str, word: str) -> None:
    try:
        ask("EVAL", _RELEASE, 1, name, word)
    except StoreError as error:
        _log.debug("%s was not released and ends by itself: %s", name, error)


def _renew(ask: Ask, name: str, word: str, length: int, done: threading.Event) -> None:
    while not done.wait(length / 1000 / _RENEWALS):
        try:
            kept = _have(ask, name, word, length)
        except StoreError:
            continue  # the next time may be better
        if not kept:
            _log.warning("%s was lost to another owner: this one goes on and saves", name)
            return
