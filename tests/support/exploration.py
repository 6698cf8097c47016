"""The whole state space of a flow, breadth first, with what must hold on every transition.

A node is a state and the time at which it was reached. Every symbolic event is tried with every
latency; equal nodes are visited once.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import cache
from typing import Generic, TypeVar

from attrs import define, evolve, field, frozen

from grantflow import (
    Authorized,
    Backoff,
    Cancelled,
    ClientCredentialsFlow,
    CodeExpired,
    CodeIssued,
    Denied,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Failed,
    Fault,
    Flow,
    GaveUp,
    GrantIssued,
    Instant,
    InvalidResponse,
    Moment,
    NonceAsked,
    Pending,
    RefreshFlow,
    Refused,
    Rejected,
    RequestFormat,
    Send,
    SlowDown,
    SlowDownAsked,
    Started,
    StillPending,
    Token,
    TokenIssued,
    TwoStepFlow,
    Unanswered,
    Unreachable,
)
from grantflow.core.flows.effects import Due
from grantflow.core.flows.events import Event
from grantflow.core.flows.states import DEVICE_EDGES, GRANT_EDGES, DeviceState, Edges, GrantState
from grantflow.core.values.json import Members
from tests.support.effort import effort
from tests.support.samples import CLIENT, instant, moment, seconds

S = TypeVar("S", DeviceState, GrantState)

TRIES = 3
NO = Fault("refused", "no")
MAYBE = Fault("timeout", "maybe")
TOKEN = Token(access_token="at")
REFUSED = Refused("invalid_client", status=401)
LATENCIES = (seconds(0), seconds(2))
LIFETIME = effort(28, 40)
"""Seconds of a code: the longer, the more polls and the more states."""


def code(at: Instant, lifetime: float, interval: float) -> DeviceAuthorization:
    return DeviceAuthorization(
        "dc", "WDJB", "https://a.example", Instant(at + seconds(lifetime)), seconds(interval)
    )


EVENTS: dict[str, Callable[[Instant], Event]] = {
    "code": lambda at: CodeIssued(at, code(at, LIFETIME, 5)),
    "code that dies before its interval": lambda at: CodeIssued(at, code(at, 4, 5)),
    "code with a tiny interval": lambda at: CodeIssued(at, code(at, 6, 1e-6)),
    "grant": lambda at: GrantIssued(at, Members({"client_id": "c"})),
    "token": lambda at: TokenIssued(at, TOKEN),
    "pending": StillPending,
    "pending, retry after 9": lambda at: StillPending(at, seconds(9)),
    "slow down": SlowDownAsked,
    "slow down to 7": lambda at: SlowDownAsked(at, seconds(7), roll=0.4),
    "slow down to 20": lambda at: SlowDownAsked(at, seconds(20)),
    "slow down, retry after 12": lambda at: SlowDownAsked(at, None, seconds(12), 0.5),
    "slow down, retry after 60": lambda at: SlowDownAsked(at, None, seconds(60)),
    "asked for a nonce": lambda at: NonceAsked(at, "n-1", 0.5),
    "expired": CodeExpired,
    "denied": lambda at: Rejected(at, Denied("no")),
    "refused": lambda at: Rejected(at, REFUSED),
    "garbled": lambda at: Rejected(at, InvalidResponse("HTML", 200)),
    "refused connection": lambda at: Unanswered(at, NO),
    "read timeout": lambda at: Unanswered(at, MAYBE, None, 0.5),
    "unanswered, retry after 8": lambda at: Unanswered(at, MAYBE, seconds(8)),
}


@frozen
class Transition(Generic[S]):
    """One step: in ``before``, at ``at``, ``event`` led to ``after``."""

    before: S
    at: Instant
    name: str
    event: Event
    after: S
    sent: Send | None


@define
class Report:
    """What an exploration saw."""

    states: int = 0
    transitions: int = 0
    edges: dict[type, set[type]] = field(factory=dict)
    violations: list[str] = field(factory=list)

    def __str__(self) -> str:
        broken = len(self.violations)
        return f"{self.states} states, {self.transitions} transitions, {broken} violations"


def explore(
    flow: Flow[S], laws: Callable[[Transition[S]], Iterator[str]], cap: int = 400_000
) -> Report:
    """Visit every state that can be reached, and hold every law on every transition."""
    report = Report()
    start = (flow.start(moment()), instant(0))
    seen = {start}
    queue = deque([start])
    while queue:
        state, now = queue.popleft()
        for step in _steps(flow, state, now):
            report.transitions += 1
            report.edges.setdefault(type(step.before), set()).add(type(step.after))
            report.violations += [
                f"{law}: {step.before} --{step.name} at {step.at}--> {step.after}"
                for law in laws(step)
            ]
            node = (step.after, step.at)
            if node not in seen:
                seen.add(node)
                queue.append(node)
        if len(seen) > cap:
            report.violations.append("the space does not end")
        if report.violations:
            break
    report.states = len(seen)
    return report


def _steps(flow: Flow[S], state: S, now: Instant) -> Iterable[Transition[S]]:
    due = flow.due(state)
    if not isinstance(due, Send):
        for name, event in _events(now):
            yield Transition(state, now, name, event, flow.step(state, event), None)
        return
    yield Transition(state, now, "gave up", GaveUp(now), flow.step(state, GaveUp(now)), due)
    for latency in LATENCIES:
        at = Instant(max(now, due.not_before) + latency)
        for name, event in _events(at):
            yield Transition(state, at, name, event, flow.step(state, event), due)


@cache
def _events(at: Instant) -> tuple[tuple[str, Event], ...]:
    return tuple((name, event(at)) for name, event in EVENTS.items())


def _law(holds: bool, words: str) -> Iterator[str]:
    if not holds:
        yield words


Waiting = Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]
Attempting = Pending[None] | SlowDown[None]
FIVE = seconds(5)
SECOND = seconds(1)


def device_laws(step: Transition[DeviceState]) -> Iterator[str]:
    """Yield what a step of the device flow breaks of DESIGN's 'Machine' promises."""
    yield from _common_laws(step, DEVICE_EDGES, step.before)
    before, after, at, event = step.before, step.after, step.at, step.event
    if isinstance(before, Started) and step.sent is not None:
        form = dict(step.sent.request.form)
        yield from _law("device_code" not in form, "the first request asks for a code")
    if isinstance(before, Started) and isinstance(after, Pending):
        law = max(SECOND, after.authorization.interval)
        yield from _law(
            after.not_before == at + law, "the first poll is one interval after the code"
        )
        yield from _law(after.polls == 0 and after.faults == 0, "nothing was polled yet")
    if isinstance(before, (Pending, SlowDown)):
        if step.sent is not None:
            sent = dict(step.sent.request.form).get("device_code")
            yield from _law(sent == before.authorization.device_code, "a poll names its code")
        yield from _polling_laws(before, after, at, event)


def _polling_laws(before: Waiting, after: DeviceState, at: Instant, event: Event) -> Iterator[str]:
    end = before.authorization.expires_at
    interval = _expected_interval(before.interval, event)
    if isinstance(after, (Pending, SlowDown)):
        yield from _law(after.polls == before.polls + 1, "every reply is counted")
        yield from _law(after.authorization == before.authorization, "the code stays")
        yield from _law(after.not_before >= at + interval, "polls are one interval apart")
        yield from _law(after.not_before < end, "no poll at or after expiry")
        yield from _law(after.interval == interval, "the interval grows as asked, and only then")
        pause = getattr(event, "retry_after", None) or timedelta()
        wish = max(interval, pause)
        yield from _nonce_law(before, after, event)
        asked = isinstance(event, NonceAsked)
        if not isinstance(event, (Unanswered, NonceAsked)) or (asked and before.nonce is None):
            jitter = interval * event.roll / 2 if isinstance(event, SlowDownAsked) else timedelta()
            due = max(at + interval, min(at + wish + jitter, end - SECOND))
            yield from _law(after.not_before == due, "no wait is longer than asked for")
            yield from _law(
                after.faults == (before.faults + 1 if asked else 0), "an answer ends the faults"
            )
        else:
            yield from _law(after.not_before >= min(at + wish, end - SECOND), "a pause is honoured")
    if isinstance(event, NonceAsked) and before.faults + 1 == TRIES:
        yield from _law(isinstance(after, Failed), "a server that is never content ends the run")
    if isinstance(after, SlowDown) and not isinstance(before, SlowDown):
        yield from _law(isinstance(event, SlowDownAsked), "slow down only when asked")
    if isinstance(event, SlowDownAsked) and not isinstance(after, Expired):
        yield from _law(isinstance(after, SlowDown), "slow down when asked")
    if isinstance(event, StillPending) and not isinstance(after, Expired):
        yield from _law(isinstance(after, Pending), "pending when told so")
    if isinstance(after, Expired) and not isinstance(event, CodeExpired):
        yield from _law(at + interval >= end, "a legal poll before expiry is never skipped")


def _nonce_law(
    before: DeviceState | GrantState, after: Waiting | Attempting, event: Event
) -> Iterator[str]:
    known = before.nonce if isinstance(before, (Pending, SlowDown)) else None
    told = getattr(event, "nonce", None)
    yield from _law(after.nonce == (told or known), "the newest nonce is the next proof's")


def _expected_interval(interval: timedelta, event: Event) -> timedelta:
    if isinstance(event, SlowDownAsked):
        return max(interval + FIVE, event.interval or timedelta())
    return interval


def grant_laws(
    *, twice: bool, budget: timedelta
) -> Callable[[Transition[GrantState]], Iterator[str]]:
    """Return the laws of client credentials (``twice``) or of a refresh."""

    def laws(step: Transition[GrantState]) -> Iterator[str]:
        yield from _common_laws(step, GRANT_EDGES, step.before)
        before, after, at, event = step.before, step.after, step.at, step.event
        if not isinstance(before, (Started, Pending, SlowDown)):
            return
        if isinstance(event, Unanswered) and event.fault.reached == "maybe" and not twice:
            yield from _law(isinstance(after, Failed), "what may have arrived is never sent again")
        attempt = before.faults + 1
        known = before.nonce if isinstance(before, (Pending, SlowDown)) else None
        free = isinstance(event, NonceAsked) and known is None
        if isinstance(event, (SlowDownAsked, NonceAsked)) and attempt == TRIES and not free:
            yield from _law(isinstance(after, Failed), "a 429 counts as an attempt")
        if isinstance(after, (Pending, SlowDown)):
            old = SECOND if isinstance(before, Started) else before.interval
            interval = _expected_interval(old, event)
            pause = getattr(event, "retry_after", None) or timedelta()
            yield from _law(
                after.interval == interval, "the interval grows as asked, and only then"
            )
            yield from _nonce_law(before, after, event)
            first = isinstance(before, Started) or before.nonce is None
            if isinstance(event, NonceAsked) and first:
                yield from _law(after.not_before == at, "a first nonce is given at once")
            else:
                law = max(interval, pause)
                yield from _law(after.not_before >= at + law, "a pause is law here")
            yield from _law(after.not_before < instant(0) + budget, "nothing after the budget")
            yield from _law(after.authorization is None, "nobody is waited for")
            counted = 0 if free else attempt
            yield from _law(after.faults == after.polls == counted, "every attempt is counted")
            asked = isinstance(event, SlowDownAsked)
            yield from _law(isinstance(after, SlowDown) == asked, "slow down exactly when asked")

    return laws


def _common_laws(
    step: Transition[DeviceState] | Transition[GrantState],
    edges: Edges,
    before: DeviceState | GrantState,
) -> Iterator[str]:
    after, at, event = step.after, step.at, step.event
    kind: type = type(before)  # of any kind of authorization
    yield from _law(type(after) in edges[kind], "no edge outside the declared ones")
    if isinstance(before, (Authorized, Expired, Failed)):
        yield from _law(after == before, "final states absorb everything")
        return
    if isinstance(after, (Started, Pending, SlowDown)):
        yield from _law(after.not_before >= at, "never due in the past")
    if isinstance(after, (Pending, SlowDown)):
        yield from _law(after.interval >= SECOND, "never under a second")
    if isinstance(event, Unanswered):
        if isinstance(after, Failed):
            problem = Unreachable(event.fault, before.faults + 1, event.retry_after)
            yield from _law(after.error == problem, "Failed says what could not be reached")
        if isinstance(after, Expired):
            problem = Expired(event.fault, retry_after=event.retry_after)
            yield from _law(after == problem, "Expired says what used up the time")
        if isinstance(after, (Started, Pending, SlowDown)):
            yield from _law(after.faults == before.faults + 1, "a fault is counted")
        ends = before.faults + 1 >= TRIES
        yield from _law(not ends or isinstance(after, Failed), "a dead server is not asked again")
        early = isinstance(after, Failed) and event.fault is NO and not ends
        yield from _law(not early, "a dead server is asked as often as configured")
    match event:
        case Rejected(_, error):
            yield from _law(after == Failed(error), "Failed says why")
        case GaveUp():
            yield from _law(after == Failed(Cancelled()), "giving up cancels")
        case TokenIssued(_, token) if not (isinstance(before, Started) and edges is DEVICE_EDGES):
            yield from _law(after == Authorized(token), "a token authorizes")
        case _:
            pass


@frozen
class Exchanging:
    """The second step of a sign-in, as a flow that begins there."""

    flow: TwoStepFlow

    def start(self, now: Moment, /) -> DeviceState:
        grant = Members({"client_id": "c"})
        return Pending(code(now.mono, 40, 5), SECOND, now.mono, 3, grant=grant)

    def due(self, state: DeviceState, /) -> Due:
        return self.flow.due(state)

    def step(self, state: DeviceState, event: Event, /) -> DeviceState:
        return self.flow.step(state, event)


def exchange_laws(step: Transition[DeviceState]) -> Iterator[str]:
    """Yield what an exchange breaks: it is a request that must not be sent twice."""
    yield from _common_laws(step, DEVICE_EDGES, step.before)
    before, after, event = step.before, step.after, step.event
    if not isinstance(before, (Pending, SlowDown)):
        return
    if isinstance(event, Unanswered) and event.fault.reached == "maybe":
        yield from _law(isinstance(after, Failed), "what may have arrived is never sent again")
    if isinstance(event, (CodeIssued, GrantIssued, StillPending, CodeExpired)):
        yield from _law(isinstance(after, Failed), "nobody is waited for any more")
    if isinstance(after, (Pending, SlowDown)):
        end = before.authorization.expires_at
        stay = (after.authorization, after.grant) == (before.authorization, before.grant)
        yield from _law(stay, "the code and the grant stay")
        yield from _law(after.not_before < end, "nothing at or after expiry")
        yield from _law(after.polls == before.polls + 1, "every reply is counted")
        yield from _nonce_law(before, after, event)


TWO_STEP = evolve(
    CLIENT, provider=evolve(CLIENT.provider, exchange=RequestFormat(echo="client_id"))
)
BACKOFF = Backoff(base=seconds(2), ceiling=seconds(8), tries=TRIES)
BUDGET = seconds(effort(25, 45))


def _credentials() -> Report:
    flow = ClientCredentialsFlow(CLIENT, backoff=BACKOFF, budget=BUDGET)
    return explore(flow, grant_laws(twice=True, budget=BUDGET))


def _refresh() -> Report:
    flow = RefreshFlow(CLIENT, "rt", backoff=BACKOFF, budget=BUDGET)
    return explore(flow, grant_laws(twice=False, budget=BUDGET))


def _exchange() -> Report:
    return explore(Exchanging(TwoStepFlow(TWO_STEP, backoff=BACKOFF)), exchange_laws)


def _device() -> Report:
    return explore(DeviceFlow(CLIENT, backoff=BACKOFF), device_laws)


EXPLORATIONS: dict[str, tuple[Callable[[], Report], Edges]] = {
    "client_credentials": (_credentials, GRANT_EDGES),
    "refresh": (_refresh, GRANT_EDGES),
    "exchange": (_exchange, DEVICE_EDGES),
    "device": (_device, DEVICE_EDGES),
}


if __name__ == "__main__":
    for name, (explored, _) in EXPLORATIONS.items():
        report = explored()
        print(f"{name}: {report}")
        if report.violations:
            sys.exit(report.violations[0])
