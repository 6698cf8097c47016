"""A crowd of device sign-ins at one server, in virtual time.

Every client is the library's machine. The server comes in two kinds:

- ``Counted`` tells the machine what happened (``DeviceFlow.step``) and counts. No bytes are made or
  read, so a million flows fit into minutes. This is the kind whose numbers are on the page.
- ``Played`` is the scripted server of ``grantflow.testing``: requests and answers are bytes. It is
  ten times slower, and a test holds that both count the same polls in the same seconds.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final, Literal, Protocol, TypeAlias, TypeVar, assert_never

from grantflow import (
    Authorized,
    Backoff,
    Client,
    CodeIssued,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Failed,
    Fault,
    Instant,
    Moment,
    Pending,
    Response,
    Run,
    Send,
    SlowDown,
    SlowDownAsked,
    Started,
    StillPending,
    Token,
    TokenIssued,
    Unanswered,
    begin,
)
from grantflow.testing import Script, Server, answer, decided

EPOCH: Final = Server().epoch
SECOND: Final = timedelta(seconds=1)
BACKOFF: Final = Backoff()
INTERVAL: Final = timedelta(seconds=5)
LIFETIME: Final = timedelta(minutes=10)
QUICKEST, SLOWEST = 10.0, 60.0
"""Seconds after which a person has approved: any time between these."""
FASTEST, LAGGIEST = 0.02, 0.18
"""Seconds from a poll to its answer: any time between these."""

REFUSED: Final = Fault("refused", "no", "the server is down")
SLOW_DOWN: Final = Response(400, {}, b'{"error": "slow_down"}')

Waiting: TypeAlias = Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]
Ended: TypeAlias = Authorized | Expired | Failed
DeviceRun: TypeAlias = Run[Started | Waiting | Ended]


Said: TypeAlias = Literal["nothing", "slow_down", "authorization_pending", "token"]
"""What the server says to a poll."""


@dataclass(frozen=True)
class Case:
    """What happens to the crowd.

    ``spread`` is the time over which it begins, at a random moment each. From ``down`` on the
    server refuses connections for ``outage``. Of more than ``capacity`` polls in one second, it
    answers the rest with ``slow_down``. ``backoff`` is what the clients do meanwhile.
    """

    name: str
    spread: timedelta = timedelta()
    down: timedelta = timedelta()
    outage: timedelta = timedelta()
    capacity: int | None = None
    backoff: Backoff = BACKOFF


@dataclass
class Load:
    """What came of it: polls in each second, ends by their kind, and how late tokens were."""

    polls: Counter[int] = field(default_factory=Counter[int])
    ends: Counter[str] = field(default_factory=Counter[str])
    late: timedelta = timedelta()

    @property
    def total(self) -> int:
        """Return the number of all polls."""
        return self.polls.total()

    def peak(self, after: int = 0) -> int:
        """Return the polls of the busiest second, from a second on."""
        return max((number for second, number in self.polls.items() if second >= after), default=0)

    @property
    def lateness(self) -> timedelta:
        """Return how long after the approval the token came, on average."""
        return self.late / max(1, self.ends["Authorized"])


W = TypeVar("W")


class Kind(Protocol[W]):
    """A server, and how a client of it is kept while it waits."""

    def first(self, at: timedelta) -> W:
        """Return a client that just got its code."""
        ...

    def due(self, waiting: W) -> timedelta:
        """Return when its next poll leaves."""
        ...

    def poll(self, waiting: W, said: Said, heard: Instant, roll: float) -> W | Ended:
        """Return the client after a poll, whose answer came at ``heard``."""
        ...


class Counted:
    """The cheap kind: a client is its state."""

    def __init__(self, backoff: Backoff = BACKOFF) -> None:
        client = Client(provider=Server().provider, client_id="app")
        self._flow = DeviceFlow(client, backoff=backoff)
        self._token = Token(access_token="at")
        self._issued = 0

    def first(self, at: timedelta) -> Waiting:
        """Return the state after the code was issued."""
        self._issued += 1
        code = DeviceAuthorization(
            f"dc-{self._issued:040x}",
            f"{self._issued:08X}",
            "https://server.test/activate",
            Instant(at + LIFETIME),
            INTERVAL,
        )
        started = Started(Instant(at))
        return _waiting(self._flow.step(started, CodeIssued(Instant(at), code)))

    def due(self, waiting: Waiting) -> timedelta:
        """Return when the next poll leaves."""
        return waiting.not_before

    def poll(self, waiting: Waiting, said: Said, heard: Instant, roll: float) -> Waiting | Ended:
        """Step over what the server said."""
        match said:
            case "nothing":
                return _on(self._flow.step(waiting, Unanswered(heard, REFUSED, roll)))
            case "slow_down":
                return _on(self._flow.step(waiting, SlowDownAsked(heard, roll=roll)))
            case "authorization_pending":
                return _on(self._flow.step(waiting, StillPending(heard)))
            case "token":
                return _on(self._flow.step(waiting, TokenIssued(heard, self._token)))
            case _:
                assert_never(said)


class Played:
    """The true kind: a client is a run, and the server answers its requests."""

    def __init__(self, backoff: Backoff = BACKOFF) -> None:
        self._server = Server(Script(interval=INTERVAL, lifetime=LIFETIME))
        client = Client(provider=self._server.provider, client_id="app")
        self._flow = DeviceFlow(client, backoff=backoff)

    def first(self, at: timedelta) -> DeviceRun:
        """Ask for a code and return the run that waits."""
        now = moment(at)
        run = begin(self._flow, now)
        send = _send(run)
        self._server, reply = answer(self._server, send.request, at)
        return run.receive(send, reply, now)

    def due(self, waiting: DeviceRun) -> timedelta:
        """Return when the next poll leaves."""
        return _send(waiting).not_before

    def poll(
        self, waiting: DeviceRun, said: Said, heard: Instant, roll: float
    ) -> DeviceRun | Ended:
        """Ask the server, unless it does not listen, and read what it says."""
        send = _send(waiting)
        reply: Response | Fault
        match said:
            case "nothing":
                reply = REFUSED
            case "slow_down":
                reply = SLOW_DOWN
            case "authorization_pending" | "token":
                if said == "token":
                    code = _waiting(waiting.phase).authorization
                    self._server = decided(self._server, code.user_code, "approved")
                self._server, reply = answer(self._server, send.request, send.not_before)
            case _:
                assert_never(said)
        after = waiting.receive(send, reply, moment(heard, roll))
        state = _on(after.phase)
        return after if isinstance(state, (Pending, SlowDown)) else state


def moment(at: timedelta, roll: float = 0.0) -> Moment:
    """Return a moment of virtual time."""
    return Moment(Instant(at), EPOCH + at, roll)


def _send(run: DeviceRun) -> Send:
    due = run.due
    if not isinstance(due, Send):
        raise TypeError(f"a run that waits has a request due, not {due}")
    return due


def _on(state: Started | Waiting | Ended) -> Waiting | Ended:
    if isinstance(state, Started):
        raise TypeError("a code is never given back")
    return state


def _waiting(state: Started | Waiting | Ended) -> Waiting:
    if not isinstance(state, (Pending, SlowDown)):
        raise TypeError(f"a crowd that got codes waits: {state}")
    return state


def played(case: Case, flows: int, kind: Kind[W], seed: int = 8628) -> Load:
    """Let a crowd of ``flows`` sign in, and return the load on the server.

    No client polls twice within a second, so the clients are kept by the second in which their
    next poll leaves, and no queue has to be sorted.
    """
    dice = Random(seed)
    load = Load()
    by_second: defaultdict[int, list[tuple[W, timedelta]]] = defaultdict(list)
    for _ in range(flows):
        at = case.spread * dice.random()
        waiting = kind.first(at)
        approved = at + timedelta(seconds=dice.uniform(QUICKEST, SLOWEST))
        by_second[kind.due(waiting) // SECOND].append((waiting, approved))
    up, capacity = case.down + case.outage, case.capacity or flows
    while by_second:
        second = min(by_second)
        arrived = by_second.pop(second)
        load.polls[second] = len(arrived)
        for number, (waiting, approved) in enumerate(arrived):
            at = kind.due(waiting)
            said: Said
            if case.down <= at < up:
                said = "nothing"
            elif number >= capacity:
                said = "slow_down"
            else:
                said = "token" if at >= approved else "authorization_pending"
            answered = Instant(at + timedelta(seconds=dice.uniform(FASTEST, LAGGIEST)))
            after = kind.poll(waiting, said, answered, dice.random())
            if isinstance(after, (Authorized, Expired, Failed)):
                load.ends[type(after).__name__] += 1
                if isinstance(after, Authorized):
                    load.late += answered - approved
            else:
                by_second[kind.due(after) // SECOND].append((after, approved))
    return load


def cases(flows: int) -> tuple[Case, ...]:
    """Return what the page tells of."""
    minute, down = timedelta(minutes=1), timedelta(seconds=40)
    return (
        Case("all begin in one instant"),
        Case("they begin over a minute", minute),
        Case(
            "in one instant; beyond a tenth of them in a second, the server says `slow_down`",
            capacity=max(1, flows // 10),
        ),
        Case("over a minute; the server is down for a minute", minute, down, minute),
        Case("the same, with `Backoff(tries=20)`", minute, down, minute, backoff=Backoff(tries=20)),
    )


def bytes_each(flows: int = 10_000) -> int:
    """Return the memory that a waiting client takes, by Python's own account."""
    kind = Counted()
    tracemalloc.start()
    waiting = [kind.first(SECOND) for _ in range(flows)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken // len(waiting)
