"""The whole state space of a flow, breadth first, with what must hold on every transition.

A node is a state and the time at which it was reached. Every symbolic event is tried with every
latency; equal nodes are visited once.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache, partial
from typing import Generic, TypeVar, cast, final

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
    DPoP,
    Expired,
    Failed,
    Fault,
    Flow,
    GaveUp,
    Instant,
    InvalidResponse,
    Moment,
    Pending,
    RefreshFlow,
    Refused,
    Rejected,
    RequestFormat,
    Run,
    Send,
    SlowDown,
    SlowDownAsked,
    Started,
    StillPending,
    Token,
    TokenIssued,
    Unanswered,
    Unreachable,
)
from grantflow.core.flows.dpop import NonceAsked, NonceSupplied, Proving
from grantflow.core.flows.edges import DEVICE, TOKEN_REQUEST, Edges, declared
from grantflow.core.flows.effects import Due
from grantflow.core.flows.events import Received, WrapperEvent
from grantflow.core.flows.flow import bound
from grantflow.core.flows.states import DeviceState, GrantState
from grantflow.core.flows.two_step import Exchanging, GrantIssued, TwoStepFlow, TwoStepState
from grantflow.core.values.json import Members
from tests.support.effort import effort
from tests.support.samples import CLIENT, instant, moment, seconds

P = TypeVar("P", DeviceState, GrantState)

TRIES = 3
NO = Fault("refused", "no")
MAYBE = Fault("timeout", "maybe")
UNREADABLE = Fault("http", "maybe", "HTTP 404")
LATER = Fault("http", "maybe", "HTTP 503", retry_after=timedelta(seconds=8))
TOKEN = Token(access_token="at")
REFUSED = Refused("invalid_client", status=401)
LATENCIES = (seconds(0), seconds(2))
LIFETIME = effort(32, 40)
"""Seconds of a code: the longer, the more polls and the more states."""


def code(at: Instant, lifetime: float, interval: float) -> DeviceAuthorization:
    return DeviceAuthorization(
        "dc", "WDJB", "https://a.example", Instant(at + seconds(lifetime)), seconds(interval)
    )


EVENTS: dict[str, Callable[[Instant], Received]] = {
    "code": lambda at: CodeIssued(at, code(at, LIFETIME, 5)),
    "code that dies before its interval": lambda at: CodeIssued(at, code(at, 4, 5)),
    "code with a tiny interval": lambda at: CodeIssued(at, code(at, 6, 1e-6)),
    "token": lambda at: TokenIssued(at, TOKEN),
    "pending": StillPending,
    "pending, retry after 9": lambda at: StillPending(at, seconds(9)),
    "slow down": SlowDownAsked,
    "slow down to 7": lambda at: SlowDownAsked(at, seconds(7), roll=0.4),
    "slow down to 20": lambda at: SlowDownAsked(at, seconds(20)),
    "slow down, retry after 12": lambda at: SlowDownAsked(at, None, seconds(12), 0.5),
    "slow down, retry after 60": lambda at: SlowDownAsked(at, None, seconds(60)),
    "expired": CodeExpired,
    "denied": lambda at: Rejected(at, Denied("no")),
    "refused": lambda at: Rejected(at, REFUSED),
    "garbled": lambda at: Rejected(at, InvalidResponse("HTML", 200)),
    "refused connection": lambda at: Unanswered(at, NO),
    "read timeout": lambda at: Unanswered(at, MAYBE, 0.5),
    "unanswered, retry after 8": lambda at: Unanswered(at, LATER),
    "unreadable": lambda at: Unanswered(at, UNREADABLE, 0.5, passing=False),
}


GRANT = {"grant": lambda at: GrantIssued(at, Members({"client_id": "c"}))}
NONCES: dict[str, Callable[[Instant], Received]] = {
    "asked for a nonce": lambda at: NonceAsked(at, "n-1", 0.5),
    "pending, with a nonce": lambda at: NonceSupplied(StillPending(at), "n-2"),
    "refused connection, with a nonce": lambda at: NonceSupplied(Unanswered(at, NO), "n-2"),
    "token, with a nonce": lambda at: NonceSupplied(TokenIssued(at, TOKEN), "n-2"),
}
"""What only a flow around another one takes."""


@frozen
class Transition(Generic[P]):
    """One step: in ``before``, at ``at``, ``event`` led to ``after``.

    ``held`` and ``holds`` are the whole states, whose phases are ``before`` and ``after``.
    """

    before: P
    at: Instant
    name: str
    event: Received
    after: P
    sent: Send | None
    held: object
    holds: object


Edge = tuple[type, type, type]


@define
class Report:
    """What an exploration saw; an edge is a state, an event, and the state after it."""

    states: int = 0
    transitions: int = 0
    edges: set[Edge] = field(factory=set[Edge])
    violations: list[str] = field(factory=list[str])

    def __str__(self) -> str:
        broken = len(self.violations)
        return f"{self.states} states, {self.transitions} transitions, {broken} violations"


Events = dict[str, Callable[[Instant], Received]]
Laws = Callable[[Transition[P]], Iterator[str]]


def explore(flow: Flow[P], laws: Laws[P], events: Events = EVENTS, cap: int = 400_000) -> Report:
    """Visit every state that can be reached, and hold every law on every transition."""
    report = Report()
    at = cache(lambda at: [(name, event(at)) for name, event in events.items()])
    start = Run[P](flow, flow.start(moment()))
    seen: set[tuple[object, Instant]] = {(start.state, instant(0))}
    queue = deque([(start, instant(0))])
    while queue:
        run, now = queue.popleft()
        for step, after in _steps(run, now, at):
            report.transitions += 1
            report.edges.add((type(step.before), type(step.event), type(step.after)))
            report.violations += [
                f"{law}: {step.held} --{step.name} at {step.at}--> {step.holds}"
                for law in laws(step)
            ]
            node = (after.state, step.at)
            if node not in seen:
                seen.add(node)
                queue.append((after, step.at))
        if len(seen) > cap:
            report.violations.append("the space does not end")
        if report.violations:
            break
    report.states = len(seen)
    return report


def undeclared(report: Report, edges: Edges) -> tuple[set[Edge], set[Edge]]:
    """Return the edges that were observed and not declared, and those declared and not observed."""
    odd = {
        edge
        for edge in report.edges
        if not issubclass(edge[1], WrapperEvent) and edge[2] not in declared(edges, *edge[:2])
    }
    written = {
        (state, event, after)
        for state, row in edges.items()
        for event, follow in row.items()
        for after in follow
    }
    return odd, written - report.edges


def _steps(
    run: Run[P], now: Instant, events: Callable[[Instant], list[tuple[str, Received]]]
) -> Iterator[tuple[Transition[P], Run[P]]]:
    due = run.due
    sent = due if isinstance(due, Send) else None
    gave_up: list[tuple[str, Received]] = [("gave up", GaveUp(now))]
    happens = list(events(now)) if sent is None else gave_up
    timed: list[tuple[Instant, str, Received]] = [(now, name, event) for name, event in happens]
    if sent is not None:
        for latency in LATENCIES:
            at = Instant(max(now, sent.not_before) + latency)
            timed += [(at, name, event) for name, event in events(at)]
    for at, name, event in timed:
        after = run.apply(event)
        yield (
            Transition(run.phase, at, name, event, after.phase, sent, run.state, after.state),
            after,
        )


def _law(holds: bool, words: str) -> Iterator[str]:
    if not holds:
        yield words


Waiting = Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]
Attempting = Pending[None] | SlowDown[None]
FIVE = seconds(5)
SECOND = seconds(1)


def device_laws(step: Transition[DeviceState], tries: int = TRIES) -> Iterator[str]:
    """Yield what a step of the device flow breaks of DESIGN's 'Machine' promises."""
    yield from _common_laws(step, DEVICE, step.before, tries)
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


def _polling_laws(
    before: Waiting, after: DeviceState, at: Instant, event: Received
) -> Iterator[str]:
    end = min(before.authorization.expires_at, before.deadline or instant(1e6))
    interval = _expected_interval(before.interval, event)
    if isinstance(after, (Pending, SlowDown)):
        yield from _law(after.polls == before.polls + 1, "every reply is counted")
        yield from _law(after.authorization == before.authorization, "the code stays")
        yield from _law(after.not_before >= at + interval, "polls are one interval apart")
        yield from _law(after.not_before < end, "no poll at or after expiry")
        yield from _law(after.interval == interval, "the interval grows as asked, and only then")
        pause = _pause(event)
        wish = max(interval, pause)
        if not isinstance(event, Unanswered):
            jitter = interval * event.roll / 2 if isinstance(event, SlowDownAsked) else timedelta()
            due = max(at + interval, min(at + wish + jitter, end - SECOND))
            yield from _law(after.not_before == due, "no wait is longer than asked for")
            yield from _law(after.faults == 0, "an answer ends the faults")
        else:
            yield from _law(after.not_before >= min(at + wish, end - SECOND), "a pause is honoured")
    if isinstance(after, SlowDown) and not isinstance(before, SlowDown):
        yield from _law(isinstance(event, SlowDownAsked), "slow down only when asked")
    if isinstance(event, SlowDownAsked) and not isinstance(after, Expired):
        yield from _law(isinstance(after, SlowDown), "slow down when asked")
    if isinstance(event, StillPending) and not isinstance(after, Expired):
        yield from _law(isinstance(after, Pending), "pending when told so")
    if isinstance(after, Expired) and not isinstance(event, CodeExpired):
        yield from _law(at + interval >= end, "a legal poll before expiry is never skipped")


def _pause(event: Received) -> timedelta:
    told = event.fault if isinstance(event, Unanswered) else event
    return getattr(told, "retry_after", None) or timedelta()


def _expected_interval(interval: timedelta, event: Received) -> timedelta:
    if isinstance(event, SlowDownAsked):
        return max(interval + FIVE, event.interval or timedelta())
    return interval


def grant_laws(
    *, repeatable: bool, budget: timedelta, tries: int = TRIES
) -> Callable[[Transition[GrantState]], Iterator[str]]:
    """Return the laws of client credentials (``repeatable``) or of a refresh."""

    def laws(step: Transition[GrantState]) -> Iterator[str]:
        yield from _common_laws(step, TOKEN_REQUEST, step.before, tries)
        before, after, at, event = step.before, step.after, step.at, step.event
        if not isinstance(before, (Started, Pending, SlowDown)):
            return
        if isinstance(event, Unanswered) and event.fault.reached == "maybe" and not repeatable:
            yield from _law(isinstance(after, Failed), "what may have arrived is never sent again")
        attempt = before.faults + 1
        if isinstance(event, SlowDownAsked) and attempt == tries:
            yield from _law(isinstance(after, Failed), "a 429 counts as an attempt")
        if isinstance(after, (Pending, SlowDown)):
            old = SECOND if isinstance(before, Started) else before.interval
            interval = _expected_interval(old, event)
            pause = _pause(event)
            yield from _law(
                after.interval == interval, "the interval grows as asked, and only then"
            )
            law = max(interval, pause)
            yield from _law(after.not_before >= at + law, "a pause is law here")
            yield from _law(after.not_before < instant(0) + budget, "nothing after the budget")
            yield from _law(after.authorization is None, "nobody is waited for")
            yield from _law(after.faults == after.polls == attempt, "every attempt is counted")
            asked = isinstance(event, SlowDownAsked)
            yield from _law(isinstance(after, SlowDown) == asked, "slow down exactly when asked")

    return laws


def _common_laws(
    step: Transition[DeviceState] | Transition[GrantState],
    edges: Edges,
    before: DeviceState | GrantState,
    tries: int = TRIES,
) -> Iterator[str]:
    after, at, event = step.after, step.at, step.event
    if not isinstance(event, WrapperEvent):
        follow = declared(edges, type(before), type(event))
        yield from _law(type(after) in follow, "no edge outside the declared ones")
    if isinstance(before, (Authorized, Expired, Failed)):
        yield from _law(after == before, "final states absorb everything")
        return
    if isinstance(after, (Started, Pending, SlowDown)):
        yield from _law(after.not_before >= at, "never due in the past")
    if isinstance(after, (Pending, SlowDown)):
        yield from _law(after.interval >= SECOND, "never under a second")
    if isinstance(event, Unanswered):
        if isinstance(after, Failed):
            problem = Unreachable(event.fault, before.faults + 1)
            yield from _law(after.error == problem, "Failed says what could not be reached")
        if isinstance(after, Expired):
            problem = Expired(event.fault)
            yield from _law(after == problem, "Expired says what used up the time")
        if isinstance(after, (Started, Pending, SlowDown)):
            yield from _law(after.faults == before.faults + 1, "a fault is counted")
        ends = before.faults + 1 >= tries
        if edges is DEVICE and isinstance(before, (Pending, SlowDown)):
            ends = not event.passing and before.unreadable + 1 >= tries
        yield from _law(not ends or isinstance(after, Failed), "what does not pass ends the run")
        early = isinstance(after, Failed) and event.fault is NO and not ends
        yield from _law(not early, "a dead server is asked as often as configured")
        waited = edges is DEVICE and isinstance(before, (Pending, SlowDown)) and event.passing
        yield from _law(
            not (waited and isinstance(after, Failed)), "what may pass is waited out by a poll"
        )
    match event:
        case Rejected(_, error):
            yield from _law(after == Failed(error), "Failed says why")
        case GaveUp():
            yield from _law(after == Failed(Cancelled()), "giving up cancels")
        case TokenIssued(_, token) if not (isinstance(before, Started) and edges is DEVICE):
            yield from _law(after == Authorized(token), "a token authorizes")
        case _:
            pass


@final
@frozen
class Exchange:
    """The second step of a sign-in, as a flow that begins there."""

    flow: TwoStepFlow

    def start(self, now: Moment, /) -> TwoStepState:
        waiting = Pending(code(now.mono, 40, 5), SECOND, now.mono, 3)
        return Exchanging(waiting, Members({"client_id": "c"}))

    def due(self, state: TwoStepState, /) -> Due:
        return self.flow.due(state)

    def step(self, state: TwoStepState, event: Received, /) -> TwoStepState:
        return self.flow.step(state, event)


def exchange_laws(step: Transition[DeviceState]) -> Iterator[str]:
    """Yield what an exchange breaks: it is a request that must not be sent twice."""
    yield from _common_laws(step, TOKEN_REQUEST, step.before)
    before, after, event = step.before, step.after, step.event
    if not isinstance(before, (Pending, SlowDown)):
        return
    if isinstance(event, Unanswered) and event.fault.reached == "maybe":
        yield from _law(isinstance(after, Failed), "what may have arrived is never sent again")
    if isinstance(after, (Pending, SlowDown)):
        end = before.authorization.expires_at
        stay = after.authorization == before.authorization
        yield from _law(stay and _grant(step.holds) == _grant(step.held), "the code and grant stay")
        yield from _law(after.not_before < end, "nothing at or after expiry")
        yield from _law(after.polls == before.polls + 1, "every reply is counted")


def _grant(state: object) -> Members | None:
    return state.grant if isinstance(state, Exchanging) else None


def nonce_laws(inner: Laws[P]) -> Laws[P]:
    """Return what a flow around another one has to hold, beside the laws of the inner one."""

    def laws(step: Transition[P]) -> Iterator[str]:
        event, before, after = step.event, step.before, step.after
        told = event.nonce if isinstance(event, (NonceAsked, NonceSupplied)) else None
        if isinstance(after, (Started, Pending, SlowDown)):
            newest = told or _nonce(step.held)
            yield from _law(_nonce(step.holds) == newest, "the newest nonce is the next proof's")
        else:
            yield from _law(not isinstance(step.holds, Proving), "an end holds no nonce")
        if isinstance(before, (Started, Pending, SlowDown)) and step.sent is not None:
            proof = step.sent.request.proof
            if proof is not None:
                yield from _law(proof.nonce == _nonce(step.held), "a proof holds the nonce")
        if isinstance(event, NonceSupplied):
            yield from inner(evolve(step, event=event.event))
        elif not isinstance(event, NonceAsked):
            yield from inner(step)
        elif isinstance(before, (Authorized, Expired, Failed)):
            yield from _law(step.held == step.holds, "final states absorb everything")
        elif isinstance(after, (Started, Pending, SlowDown)):
            yield from _law(after.not_before >= step.at, "never due in the past")
            yield from _law(evolve(before, not_before=after.not_before) == after, "nothing else")
            if isinstance(after, (Pending, SlowDown)) and after.authorization is not None:
                gap = after.not_before == step.at + after.interval
                yield from _law(gap, "a poll waits its interval")
            elif _nonce(step.held) is None:
                yield from _law(after.not_before == step.at, "a first nonce is used at once")
            else:
                yield from _law(after.not_before >= step.at + SECOND, "others are spaced out")

    return laws


def _nonce(state: object) -> str | None:
    return state.nonce if isinstance(state, Proving) else None


TWO_STEP = evolve(
    CLIENT, provider=evolve(CLIENT.provider, exchange=RequestFormat(echo="client_id"))
)
BOUND = evolve(
    CLIENT,
    dpop=DPoP(key=lambda data: data, public={"kty": "EC"}, alg="ES256", thumbprint="t"),
)
BACKOFF = Backoff(base=seconds(2), ceiling=seconds(8), tries=TRIES)
BUDGET = seconds(effort(25, 45))


def merged(*reports: Report) -> Report:
    """Return several explorations of one flow, differently configured, as one."""
    return Report(
        sum(each.states for each in reports),
        sum(each.transitions for each in reports),
        {edge for each in reports for edge in each.edges},
        [violation for each in reports for violation in each.violations],
    )


CONFIGURED = (
    (TRIES, BUDGET),
    (1, BUDGET),
    (TRIES, seconds(8)),
    (TRIES, seconds(4)),
    (TRIES, SECOND),
)


def _token_request(
    flow: type[ClientCredentialsFlow] | Callable[..., RefreshFlow], *, repeatable: bool
) -> Report:
    return merged(
        *(
            explore(
                flow(CLIENT, backoff=evolve(BACKOFF, tries=tries), budget=budget),
                grant_laws(repeatable=repeatable, budget=budget, tries=tries),
            )
            for tries, budget in CONFIGURED
        )
    )


def _credentials() -> Report:
    return _token_request(ClientCredentialsFlow, repeatable=True)


def _refresh() -> Report:
    return _token_request(partial(RefreshFlow, refresh_token="rt"), repeatable=False)


def _exchange() -> Report:
    flow = cast("Flow[DeviceState]", Exchange(TwoStepFlow(TWO_STEP, backoff=BACKOFF)))
    return explore(flow, exchange_laws)


def _device() -> Report:
    limited = DeviceFlow(CLIENT, backoff=BACKOFF, budget=seconds(8))
    hasty = DeviceFlow(CLIENT, backoff=evolve(BACKOFF, tries=1), budget=seconds(20))
    return merged(
        explore(DeviceFlow(CLIENT, backoff=BACKOFF), device_laws),
        explore(limited, device_laws),
        explore(hasty, partial(device_laws, tries=1)),
    )


def _proved_refresh() -> Report:
    flow = bound(RefreshFlow(BOUND, "rt", backoff=BACKOFF, budget=BUDGET))
    laws = nonce_laws(grant_laws(repeatable=False, budget=BUDGET))
    return explore(flow, laws, EVENTS | NONCES)


def _proved_device() -> Report:
    few = ("pending", "slow down", "read timeout", "token", "denied")
    events = {name: EVENTS[name] for name in few} | NONCES
    events["code"] = lambda at: CodeIssued(at, code(at, 20, 5))
    flow = bound(DeviceFlow(BOUND, backoff=BACKOFF))
    return explore(flow, nonce_laws(device_laws), events)


@frozen
class Exploration:
    """What to explore, the edges that are declared for it, and whether it reaches them all."""

    explored: Callable[[], Report]
    edges: Edges
    whole: bool = True


EXPLORATIONS: dict[str, Exploration] = {
    "client_credentials": Exploration(_credentials, TOKEN_REQUEST),
    "refresh": Exploration(_refresh, TOKEN_REQUEST),
    "exchange": Exploration(_exchange, TOKEN_REQUEST, whole=False),  # it has no Started
    "device": Exploration(_device, DEVICE),
    "refresh with nonces": Exploration(_proved_refresh, TOKEN_REQUEST, whole=False),
    "device with nonces": Exploration(_proved_device, DEVICE, whole=False),
}


if __name__ == "__main__":
    for name, each in EXPLORATIONS.items():
        report = each.explored()
        print(f"{name}: {report}")
        if report.violations:
            sys.exit(report.violations[0])
