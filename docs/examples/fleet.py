"""A fleet of processes whose tokens end together: the load on the token endpoint, in virtual time.

Each process is a ``TokenSource``, and the server is the scripted one of ``grantflow.testing``. A
process wants a token once a second, at a moment of its own, and not before its last call came back.
What is assumed of the world are the constants here and in ``virtual``.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from random import Random
from typing import Final, TypeAlias

from virtual import Shared, Town

from grantflow import (
    Client,
    Fault,
    GrantError,
    Instant,
    Moment,
    Request,
    Response,
    Skew,
    Token,
    TokenSource,
    Window,
)
from grantflow.testing import Outage, Script, Server, answer

SECOND: Final = timedelta(seconds=1)
LIFE: Final = timedelta(hours=1)
"""How long a token lives; all were issued at the time zero."""
ROUND_TRIP: Final = timedelta(milliseconds=100)
"""From a token request to its answer."""
UNANSWERED: Final = timedelta(seconds=10)
"""Until a connection that nobody accepts is given up: the connect timeout of the drivers."""
FILE: Final = timedelta(milliseconds=0.1)
REDIS: Final = timedelta(milliseconds=2)
"""To look into a store under its lock, or to save: in Redis, four round trips. One to read."""

EPOCH: Final = Server().epoch
LIBRARY: Final = Skew()
NONE: Final = Skew(soft=Window(timedelta(), 0.0), hard=Window(timedelta(), 0.0))
FIRST: Final = Token(access_token="first", issued_at=EPOCH, expires_at=EPOCH + LIFE)
"""What every process begins with."""

Outages: TypeAlias = tuple[Outage, ...]


@dataclass(frozen=True)
class Case:
    """How a fleet is run: with windows before a token's end and jitter or not, and who shares.

    ``ask`` is what it takes to look into the store; ``looks`` as in ``Shared``.
    """

    name: str
    windows: bool = True
    jitter: bool = True
    sharing: int = 1
    ask: timedelta = timedelta()
    looks: bool = False
    down: bool = False

    @property
    def begins(self) -> timedelta:
        """Return when the first process may renew."""
        return LIFE - LIBRARY.soft.span if self.windows else LIFE


@dataclass
class Load:
    """What came of it: token requests in each second, calls without a token, and waiting.

    ``looked`` counts the looks at a lock in Redis.
    """

    requests: Counter[int] = field(default_factory=Counter[int])
    failures: int = 0
    longest: timedelta = timedelta()
    renewed: int = 0
    looked: int = 0

    @property
    def peak(self) -> int:
        """Return the requests of the busiest second."""
        return max(self.requests.values())


class Fleet:
    """The processes of one case, and the token endpoint; it is their transport and their clock."""

    def __init__(self, case: Case, size: int, outages: Outages, seed: int) -> None:
        self.load = Load()
        self._dice = Random(seed)
        self._jitter = case.jitter
        self._town = Town(case.begins - 2 * SECOND)
        self._server = Server(Script(token_lifetime=LIFE, outages=outages))
        self._client = Client(provider=self._server.provider, client_id="app")
        self._stores = [
            Shared(self._town, self._dice, looks=case.looks)
            for _ in range(ceil(size / case.sharing))
        ]
        for number in range(size):
            store = self._stores[number // case.sharing]
            self._start(store, LIBRARY if case.windows else NONE)
        for store in self._stores:
            store.ask, store.down = case.ask, case.down

    def live(self) -> None:
        """Let every process call until it has a new token."""
        self._town.run()
        self.load.looked = round(sum(store.looked for store in self._stores))

    def now(self) -> Moment:
        """Read the clocks, and roll the dice."""
        roll = self._dice.random() if self._jitter else 0.0
        return Moment(Instant(self._town.at), EPOCH + self._town.at, roll)

    def sleep_until(self, at: Instant, /) -> None:
        """Let the others go on."""
        self._town.sleep_until(at)

    def __call__(self, request: Request, /) -> Response | Fault:
        """Send a request: half of the time there, half of it back."""
        left = self._town.at
        self._town.sleep_until(left + ROUND_TRIP / 2)
        self.load.requests[self._town.at // SECOND] += 1
        self._server, reply = answer(self._server, request, self._town.at)
        lost = isinstance(reply, Fault) and reply.kind == "timeout"
        self._town.sleep_until(left + (UNANSWERED if lost else ROUND_TRIP))
        return reply

    def _start(self, store: Shared, skew: Skew) -> None:
        source = TokenSource(
            self._client,
            "client_credentials",
            store=store,
            transport=self,
            clock=self,
            skew=skew,
            interactive=False,
        )
        store.put(source.key, FIRST)
        source.token()
        self._call_at(source, self._town.at + SECOND * self._dice.random())

    def _call_at(self, source: TokenSource, at: timedelta) -> None:
        """Call at a time, and every second from then on."""

        def call() -> None:
            if source.warm is None:
                self._town.begin(lambda: self._call(source, at))
            else:
                self._call_at(source, at + SECOND)

        self._town.later(at, call)

    def _call(self, source: TokenSource, at: timedelta) -> None:
        try:
            token = source.token()
        except GrantError:
            token = FIRST
            self.load.failures += 1
        now = self._town.at
        self.load.longest = max(self.load.longest, now - at)
        if token == FIRST:
            self._call_at(source, at + SECOND * max(1, ceil((now - at) / SECOND)))
        else:
            self.load.renewed += 1


def played(case: Case, size: int, outages: Outages = (), seed: int = 6749) -> Load:
    """Let a fleet live until every process has a new token, and return the load."""
    log = logging.getLogger("grantflow")
    told, log.disabled = log.disabled, True  # one warning for each renewal that failed
    try:
        fleet = Fleet(case, size, outages, seed)
        fleet.live()
    finally:
        log.disabled = told
    return fleet.load


ALL: Final = 1_000_000_000

CASES: Final = (
    Case("each alone, without windows and jitter", windows=False, jitter=False),
    Case("each alone, without jitter", jitter=False),
    Case("each alone, as the library does"),
    Case("a `FileStore` for 50 on each machine", sharing=50, ask=FILE),
    Case("one `RedisStore`, without jitter", jitter=False, sharing=ALL, ask=REDIS, looks=True),
    Case("one `RedisStore`", sharing=ALL, ask=REDIS, looks=True),
    Case("one `RedisStore` that is down", sharing=ALL, down=True),
)


def refused(begins: timedelta, span: timedelta) -> Outages:
    """Return an outage in which connections are refused."""
    return (Outage(begins, begins + span, Fault("refused", "no", "down")),)


def silent(begins: timedelta, span: timedelta) -> Outages:
    """Return an outage in which nobody answers."""
    return (Outage(begins, begins + span, Fault("timeout", "no", "silent")),)


def overloaded(begins: timedelta, span: timedelta) -> Outages:
    """Return an outage that says when it will be over: 503, with ``Retry-After``."""
    return tuple(
        Outage(
            begins + SECOND * after,
            begins + SECOND * (after + 1),
            Response(503, {"Retry-After": str(ceil(span / SECOND) - after)}),
        )
        for after in range(ceil(span / SECOND))
    )
