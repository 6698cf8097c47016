"""DagsHub as its client sees it: a token's user, a resource, and the requests of a sign-in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from tests.support.compat_wire import Heard, Says, Wire, wire

USER = "/api/v1/user"
RESOURCE = "/api/v1/repos/alice/cats"
MIDDLEMAN = "/login/oauth/middleman"
EXCHANGE = "/login/oauth/access_token"
ALICE = Says(200, {"id": 1, "login": "alice", "username": "alice", "full_name": "Alice"})
REFUSED = Says(401, {"message": "token is not valid"})
ISSUED = "issued-token"
END = "2099-01-02T00:00:00.123456789Z"


@final
class DagsHub:
    """A deployment on loopback: it takes the tokens in ``good``."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.good = {"good-token"}
        self.asked_to_wait = threading.Event()
        self.agreed = threading.Event()
        self.agreed.set()
        wire.script(USER, [lambda heard: ALICE if self.takes(heard) else REFUSED])
        wire.script(RESOURCE, [lambda heard: Says(200, b"cats") if self.takes(heard) else REFUSED])
        wire.script(MIDDLEMAN, [self._held_open])
        wire.script(EXCHANGE, [self._issued])

    @property
    def url(self) -> str:
        return self.wire.url

    @property
    def cats(self) -> str:
        return f"{self.url}{RESOURCE}"

    @property
    def sign_ins(self) -> int:
        return len(self.wire.at(MIDDLEMAN))

    def takes(self, heard: Heard) -> bool:
        return bearer(heard) in self.good

    def asked(self) -> list[tuple[str, str]]:
        """What was asked for, and with which token."""
        return [(each.path, bearer(each)) for each in self.wire.heard]

    def _held_open(self, heard: Heard) -> Says:
        self.asked_to_wait.set()
        self.agreed.wait(60)
        return Says(200, b'"the-code"')

    def _issued(self, heard: Heard) -> Says:
        self.good.add(ISSUED)
        return Says(200, {"access_token": ISSUED, "token_type": "bearer", "expiry": END})


def bearer(heard: Heard) -> str:
    return heard.headers.get("authorization", "").removeprefix("Bearer ")


@contextmanager
def dagshub() -> Iterator[DagsHub]:
    with wire() as made:
        yield DagsHub(made)
