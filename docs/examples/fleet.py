"""A fleet of processes whose tokens end together: the load on the token endpoint, in virtual time.

What a process does is decided by the library: ``holding`` says when it has to think about its
token, a ``Session`` what is due then, and ``answer`` what the server says. Here are only virtual
time, the locks of two kinds of store, and when a process wants a token: once a second, at a moment
of its own, and not before its last call has come back.

What is assumed of the world are the constants below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from random import Random
from typing import Final, Literal, TypeAlias, assert_never

from virtual import Place, Process, Time

from grantflow import (
    Backoff,
    Client,
    Fault,
    Instant,
    Moment,
    Response,
    Send,
    Token,
)
from grantflow.core.errand import (
    Claim,
    Claimed,
    Forget,
    Forgotten,
    Heard,
    Kept,
    NotClaimed,
    NotKept,
    Ready,
    Save,
    SessionEvent,
    Stuck,
)
from grantflow.core.session import Session
from grantflow.core.tokens import SKEW, Skew, Window
from grantflow.shell.holding import BETWEEN_EARLY_TRIES, ages, taken
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
"""To look into a store under its lock, or to save: in Redis, four round trips."""
REDIS_REFUSED: Final = timedelta(seconds=1)
"""Until a Redis that refuses connections is given up."""
EPOCH: Final = Server().epoch
NONE: Final = Window(timedelta(), 0.0)
FIRST: Final = Token(access_token="first", issued_at=EPOCH, expires_at=EPOCH + LIFE)
"""What every process begins with."""

Outages: TypeAlias = tuple[Outage, ...]


@dataclass(frozen=True)
class Case:
    """How a fleet is run: which windows before a token's end it has, and who shares a store.

    ``ask`` and ``looks`` are as in ``Place``.
    """

    name: str
    windows: Literal["none", "library", "own"] = "library"
    sharing: int = 1
    ask: timedelta | None = timedelta()
    looks: bool = False

    def skew(self, dice: Random) -> Skew:
        """Return when a process renews: as all do, or at a moment of its own."""
        match self.windows:
            case "none":
                return Skew(soft=NONE, hard=NONE)
            case "library":
                return SKEW
            case "own":
                span = SKEW.soft.span * dice.uniform(0.5, 1)
                return Skew(soft=Window(span, SKEW.soft.fraction))
            case _:
                assert_never(self.windows)

    @property
    def begins(self) -> timedelta:
        """Return when the first process may renew."""
        return LIFE if self.windows == "none" else LIFE - SKEW.soft.span


@dataclass
class Load:
    """What came of it: token requests in each second, calls without a token, and waiting."""

    requests: Counter[int] = field(default_factory=Counter[int])
    failures: int = 0
    longest: timedelta = timedelta()
    renewed: int = 0
    asked: int = 0

    @property
    def peak(self) -> int:
        """Return the requests of the busiest second."""
        return max(self.requests.values())


class Fleet:
    """The processes of one case, and the token endpoint."""

    def __init__(self, case: Case, size: int, outages: Outages, seed: int) -> None:
        self.case = case
        self.time = Time()
        self.load = Load()
        self._dice = Random(seed)
        self._server = Server(Script(token_lifetime=LIFE, outages=outages))
        self._client = Client(provider=self._server.provider, client_id="app")
        machines = ceil(size / case.sharing)
        self.places = [
            Place(self.time, self._dice, case.ask, case.looks, FIRST) for _ in range(machines)
        ]
        for number in range(size):
            self.time.wake(self._process(self.places[number // case.sharing]), timedelta())

    def _seconds(self) -> float:
        return (EPOCH + self.time.at).timestamp()

    def _now(self) -> Moment:
        roll = 0.0 if self.case.windows == "none" else self._dice.random()
        return Moment(Instant(self.time.at), EPOCH + self.time.at, roll)

    def _process(self, place: Place) -> Process:
        """Call for a token once a second until it is renewed."""
        skew = self.case.skew(self._dice)
        own = SECOND * self._dice.random()
        held = taken(Ready(FIRST), EPOCH.timestamp(), skew)
        think = held.until
        while held.token is FIRST:
            until = timedelta(seconds=think - EPOCH.timestamp())
            yield own + SECOND * ceil((max(until, self.time.at) - own) / SECOND)
            began = self.time.at
            early = ages(held, self._seconds(), skew)
            think = self._seconds() + BETWEEN_EARLY_TRIES if early else 0.0
            end = yield from self._settled(place, skew, early=early)
            self.load.longest = max(self.load.longest, self.time.at - began)
            if isinstance(end, Ready):
                held = taken(end, self._seconds(), skew)
                think = held.until
            elif not early:
                self.load.failures += 1
        self.load.renewed += 1

    def _settled(
        self, place: Place, skew: Skew, *, early: bool
    ) -> Generator[timedelta | None, None, Ready | Stuck]:
        """Perform what is due once, then tell the session what happened."""
        session = Session(
            client=self._client,
            grant="client_credentials",
            key="k",
            early=early,
            skew=skew,
            # As a TokenSource does: who has a token that lives does not wait for a new one.
            backoff=Backoff(tries=1) if early else Backoff(),
        )
        state = session.start(self._now())
        claimed = False
        while True:
            due = session.due(state)
            event: SessionEvent
            match due:
                case Ready() | Stuck():
                    if claimed:
                        place.release()
                    return due
                case Claim():
                    if place.ask is None:
                        yield self.time.at + REDIS_REFUSED
                        event = NotClaimed("the store is down", self._now())
                    else:
                        if not claimed:
                            yield from place.claim()
                        claimed = True
                        yield self.time.at + place.ask
                        event = Claimed(place.token, None, self._now())
                case Send():
                    event = yield from self._sent(due)
                case Save(_, token):
                    if place.ask is None:
                        event = NotKept("the store is down")
                    else:
                        yield self.time.at + place.ask
                        place.token = token
                        event = Kept()
                case Forget():
                    place.token = None
                    event = Forgotten(self._now())
                case _:
                    assert_never(due)
            state = session.step(state, event)

    def _sent(self, send: Send) -> Generator[timedelta | None, None, Heard]:
        leaves = max(self.time.at, send.not_before)
        yield leaves + ROUND_TRIP / 2
        self.load.requests[self.time.at // SECOND] += 1
        self._server, reply = answer(self._server, send.request, self.time.at)
        lost = isinstance(reply, Fault) and reply.kind == "timeout"
        yield leaves + (UNANSWERED if lost else ROUND_TRIP)
        return Heard(reply, self._now())


def played(case: Case, size: int, outages: Outages = (), seed: int = 6749) -> Load:
    """Let a fleet live until every process has a new token, and return the load."""
    fleet = Fleet(case, size, outages, seed)
    fleet.time.run()
    fleet.load.asked = round(sum(place.asked for place in fleet.places))
    return fleet.load


ALL: Final = 1_000_000_000

CASES: Final = (
    Case("each alone, without windows and jitter", "none"),
    Case("each alone, as the library does"),
    Case("each alone, with a window of its own", "own"),
    Case("a `FileStore` for 50 on each machine", sharing=50, ask=FILE),
    Case("one `RedisStore`", sharing=ALL, ask=REDIS, looks=True),
    Case("one `RedisStore`, windows of their own", "own", sharing=ALL, ask=REDIS, looks=True),
    Case("one `RedisStore` that is down", sharing=ALL, ask=None),
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
