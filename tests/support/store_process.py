"""Another process at a store: it does what it is told on its standard input, a line at a time.

``python store_process.py KIND WHERE`` opens the store; every line is answered by a line.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from grantflow.core.values.token import Token
from grantflow.shell.ports import Claim
from grantflow.shell.stores.base import BaseStore


def opened(kind: str, where: str) -> BaseStore:
    """Open a folder, a keyring's service, or a Redis by URL, prefix and lease."""
    from grantflow.shell.stores import FileStore, KeyringStore, RedisStore

    if kind == "file":
        return FileStore(where)
    if kind == "keyring":
        return KeyringStore(where)
    url, prefix, lease = where.split()
    return RedisStore(url, prefix, lease=timedelta(milliseconds=int(lease)))


def shown(token: Token | None) -> str:
    return "-" if token is None else token.access_token.reveal()


def made(text: str, second: str = "0") -> Token:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=int(second))
    return Token(access_token=text, issued_at=at)


def counted(store: BaseStore, key: str, times: int) -> None:
    """Add one to the number that the token is, by reading and writing it under a claim."""
    for _ in range(times):
        with store.claim(key) as entry:
            token = entry.token
            number = 0 if token is None else int(token.access_token.reveal())
            time.sleep(0.001)
            entry.save(made(str(number + 1)))


class Held:
    """The claims of this process."""

    def __init__(self) -> None:
        self.entries: dict[str, Claim] = {}
        self.stack = ExitStack()


def answer(store: BaseStore, held: Held, words: list[str]) -> str:
    match words:
        case ["claim", key]:
            held.entries[key] = held.stack.enter_context(store.claim(key))
            return shown(held.entries[key].token)
        case ["release"]:
            held.entries.clear()
            held.stack.close()
        case ["save", key, *text] if key in held.entries:
            held.entries[key].save(made(*text))
        case ["forget", key] if key in held.entries:
            held.entries[key].forget()
        case ["read", key]:
            return shown(store.read(key))
        case ["save", key, *text]:
            store.save(key, made(*text))
        case ["forget", key]:
            store.forget(key)
        case ["count", key, times]:
            counted(store, key, int(times))
        case _:
            raise ValueError(words)
    return "done"


def main(kind: str, where: str) -> None:
    store, held = opened(kind, where), Held()
    print("ready", flush=True)
    for line in sys.stdin:
        print(answer(store, held, line.split()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
