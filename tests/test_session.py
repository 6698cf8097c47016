"""The session over its whole space: what it may never do, and what it must."""

from __future__ import annotations

import json
from collections import deque
from datetime import timedelta
from itertools import product

import pytest
from attrs import define, evolve, field, frozen

from grantflow import (
    Backoff,
    Cancelled,
    Expired,
    Failed,
    Fault,
    GaveUp,
    Instant,
    Moment,
    PersonNeeded,
    RefreshFlow,
    Response,
    Send,
    Token,
)
from grantflow.core.errand import (
    Busy,
    Claim,
    Claimed,
    Clearing,
    Consulting,
    Forget,
    Forgotten,
    Heard,
    Keeping,
    Kept,
    Look,
    Looked,
    Looking,
    NotClaimed,
    NotKept,
    Obtaining,
    Ready,
    Save,
    SessionEvent,
    SessionState,
    Stuck,
)
from grantflow.core.precedence import is_refused
from grantflow.core.session import Session
from grantflow.core.tokens import Grant
from grantflow.core.values import Reply
from values import ACME, CLIENT, WALL, instant, moment, seconds


def stored(name: str, left: float, *, refresh: bool) -> Token:
    end = WALL + seconds(left)
    return Token(
        access_token=name,
        issued_at=end - timedelta(hours=1),
        expires_at=end,
        refresh_token=f"rt-{name}" if refresh else None,
    )


FRESH = stored("fresh", 1800, refresh=True)
AGING = stored("aging", 200, refresh=True)
STALE = stored("stale", 20, refresh=True)
DEAD = stored("dead", -100, refresh=True)
SPENT = stored("spent", -100, refresh=False)
SIBLING = stored("sibling", 3000, refresh=True)
ROTATED = stored("rotated", -50, refresh=True)
APP = Token(access_token="app")


def answer(status: int, **body: object) -> Response:
    return Response(status, {}, json.dumps(body).encode())


NEW = answer(200, access_token="new", expires_in=3600)
CODE = answer(
    200,
    device_code="dc",
    user_code="uc",
    verification_uri="https://a.example",
    expires_in=7,
    interval=5,
)
REPLIES: tuple[Reply, ...] = (
    NEW,
    CODE,
    answer(400, error="invalid_grant"),
    answer(401, error="invalid_client"),
    Response(503, {}, b""),
    Response(500, {}, b"<html>"),
    Response(200, {}, b"<html>"),
    Fault("timeout", "maybe"),
    Fault("refused", "no"),
)
STORED = (None, FRESH, AGING, STALE, DEAD, SPENT)
LATER = (SIBLING, ROTATED, None)


@frozen
class Node:
    """A state, when it was reached, and what is remembered of the way to it."""

    state: SessionState
    now: Instant
    claimed: bool = False
    in_store: Token | None = None
    looked_after_refresh: bool = True
    refreshed: tuple[str, ...] = ()
    last_was_invalid_grant: bool = False


@define
class Seen:
    nodes: int = 0
    steps: int = 0
    dues: set[str] = field(factory=set)
    ends: set[str] = field(factory=set)
    notes: set[str] = field(factory=set)


def at(now: Instant) -> Moment:
    return Moment(now, WALL + now)


def events(node: Node, due: Look | Claim | Send | Save | Forget) -> list[SessionEvent]:
    now = node.now
    match due:
        case Look():
            return [
                *(Looked(each, app, at(now)) for each in STORED for app in (None, APP)),
                NotClaimed("no store", at(now)),
                GaveUp(now),
            ]
        case Claim():
            looks = (node.in_store, *LATER) if node.claimed else STORED
            return [
                *([] if due.wait else [Busy()]),
                *(Claimed(each, app, at(now)) for each in looks for app in (None, APP)),
                NotClaimed("no store", at(now)),
                GaveUp(now),
            ]
        case Send(not_before=not_before):
            later = Instant(max(now, not_before) + seconds(1))
            return [*(Heard(reply, at(later)) for reply in REPLIES), GaveUp(now)]
        case Save():
            return [Kept(), NotKept("disk full"), GaveUp(now)]
        case Forget():
            return [Forgotten(at(now)), Forgotten(at(now), "read-only"), GaveUp(now)]


def follow(session: Session, node: Node, event: SessionEvent) -> Node:
    state, after = node.state, session.step(node.state, event)
    timed = (Looked, Claimed, NotClaimed, Heard, Forgotten)
    now = event.now.mono if isinstance(event, timed) else node.now
    claimed = node.claimed or isinstance(event, (Claimed, NotClaimed))
    in_store = event.stored if isinstance(event, Claimed) else node.in_store
    looked, refreshed, invalid = (
        node.looked_after_refresh,
        node.refreshed,
        node.last_was_invalid_grant,
    )
    if isinstance(event, (Claimed, NotClaimed)):
        looked = True
    if isinstance(state, Obtaining) and isinstance(event, Heard):
        flow = state.run.flow
        invalid = False
        if isinstance(flow, RefreshFlow):
            looked = False
            invalid = event.reply == REPLIES[2]
            if isinstance(event.reply, Fault) and event.reply.reached == "maybe":
                refreshed = (*refreshed, flow.refresh_token.reveal())
    return Node(after, now, claimed, in_store, looked, refreshed, invalid)


def laws(session: Session, node: Node, event: SessionEvent, after: Node) -> list[str]:
    before, state = node.state, after.state
    broken = []
    given = session.given or session.environment
    if isinstance(before, Looking) and isinstance(state, Ready) and isinstance(event, Looked):
        if state.token not in (event.stored, event.app):
            broken.append("without the lock, nothing is handed out but what is stored")
        if state.token in (STALE, DEAD) or (session.early and state.token == AGING):
            broken.append("what has to be renewed waits for the lock")
    if isinstance(before, Looking) and not isinstance(state, (Ready, Looking, Consulting, Stuck)):
        lost = isinstance(event, NotClaimed)
        broken += [] if lost else ["whoever looks only looks"]
    if isinstance(event, Busy) and not isinstance(state, type(before)):
        served = isinstance(state, Ready) and state.token == AGING and session.early
        broken += [] if served else ["who renews early goes on with the old token"]
    if isinstance(before, Obtaining) and not node.claimed and given is None:
        broken.append("nothing is sent before the claim")
    if isinstance(state, Obtaining):
        url = state.send.request.url
        if not session.may_ask and url == ACME.device_authorization_endpoint:
            broken.append("nobody is asked where nobody may be")
        if not after.looked_after_refresh and state.run != getattr(before, "run", None):
            fresh = isinstance(state.run.flow, RefreshFlow) and isinstance(before, Obtaining)
            if not fresh:
                broken.append("the store is looked at after a failed refresh")
        form = dict(state.send.request.form)
        token = form.get("refresh_token")
        if token is not None and not isinstance(token, str) and token.reveal() in after.refreshed:
            stuck = after.in_store is not None and after.in_store.refresh_token == token
            if not stuck or isinstance(before, Obtaining):
                broken.append("what may have arrived is not sent again")
    new = isinstance(state, Ready) and state.token.access_token.reveal() == "new"
    if new and not isinstance(before, (Keeping, Ready)):
        broken.append("a new token is saved before anyone sees it")
    if isinstance(before, Keeping) and not isinstance(state, (Keeping, Ready)):
        broken.append("a new token is never thrown away")
    if isinstance(state, Ready) and isinstance(event, NotKept) and isinstance(before, Keeping):
        told = event.problem in state.notes
        broken += [] if told else ["what could not be saved is told"]
    if isinstance(state, Clearing) and not isinstance(before, Clearing):
        if not node.last_was_invalid_grant:
            broken.append("only invalid_grant forgets")
        if after.in_store not in (None, node.in_store):
            broken.append("what a sibling stored is not forgotten")
    if isinstance(state, Ready) and is_refused(state.token, session.refused):
        broken.append("a refused token is not handed out")
    if isinstance(before, (Ready, Stuck)) and state != before:
        broken.append("an end absorbs everything")
    return broken


def explore(session: Session) -> tuple[Seen, list[str]]:
    seen, broken = Seen(), []
    start = Node(session.start(moment()), instant(0))
    nodes = {start}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        due = session.due(node.state)
        seen.dues.add(type(due).__name__)
        if isinstance(due, (Ready, Stuck)):
            seen.ends.add(type(due.problem).__name__ if isinstance(due, Stuck) else due.origin)
            seen.notes |= set(due.notes)
            possible: list[SessionEvent] = [Kept(), GaveUp(node.now), Heard(NEW, at(node.now))]
        else:
            possible = events(node, due)
        for event in possible:
            after = follow(session, node, event)
            seen.steps += 1
            broken += [
                f"{law}: {node.state} -- {event} --> {after.state}"
                for law in laws(session, node, event, after)
            ]
            if after not in nodes:
                nodes.add(after)
                queue.append(after)
        if broken or len(nodes) > 100_000:
            break
    seen.nodes = len(nodes)
    return seen, broken


GRANTS: tuple[Grant, ...] = ("device", "client_credentials")
SESSIONS = {
    f"{grant}, {'interactive' if ask else 'silent'}, {'early' if early else 'in time'},"
    f" refused {refused.access_token.reveal() if refused else 'nothing'}": Session(
        client=CLIENT,
        grant=grant,
        key="key",
        may_ask=ask,
        early=early,
        refused=refused,
        backoff=Backoff(tries=2),
    )
    for grant, ask, early, refused in product(GRANTS, (True, False), (True, False), (None, STALE))
    if not (early and refused)  # nobody renews early what was refused
}


@pytest.mark.parametrize("name", SESSIONS)
def test_every_law_holds_on_every_step(name: str) -> None:
    seen, broken = explore(SESSIONS[name])
    print(seen.nodes, seen.steps)
    assert broken == []
    assert seen.nodes > 100
    assert {"Look", "Claim", "Send", "Save", "Ready", "Stuck"} <= seen.dues
    assert (
        "the token was not renewed: the server's answer is not usable: HTTP 200: HTML"
        in (seen.notes | ({""} if SESSIONS[name].refused else set()))
        or SESSIONS[name].refused
    )
    silent = SESSIONS[name].grant == "device" and not SESSIONS[name].may_ask
    assert ("PersonNeeded" in seen.ends) == silent


def test_what_was_given_needs_no_store() -> None:
    for name in ("given", "environment"):
        empty = Session(client=CLIENT, grant="device", key="k")
        session = evolve(empty, **{name: APP})
        assert session.due(session.start(moment())) == Ready(APP, name)
        refused = evolve(session, refused=APP)
        end = refused.due(refused.start(moment()))
        assert isinstance(end, Stuck)
        assert isinstance(end.problem, PersonNeeded)
        assert end.problem.because is not None
        assert name in end.problem.because


def play(session: Session, *events: SessionEvent) -> SessionState:
    """Return the state after the events; who looks before a claim sees the same."""
    state = session.start(moment())
    if events and isinstance(first := events[0], Claimed):
        state = session.step(state, Looked(first.stored, first.app, first.now))
    for event in events:
        state = session.step(state, event)
    return state


DEVICE = Session(client=CLIENT, grant="device", key="k", may_ask=False)
NOW = moment()
INVALID = Heard(REPLIES[2], NOW)


def test_a_sibling_s_token_is_adopted_after_invalid_grant() -> None:
    state = play(DEVICE, Claimed(DEAD, None, NOW), INVALID, Claimed(SIBLING, None, NOW))
    assert state == Ready(SIBLING, "stored", ("somebody else renewed the token meanwhile",))


def test_a_sibling_s_refresh_token_is_used_where_its_token_is_old_already() -> None:
    state = play(DEVICE, Claimed(DEAD, None, NOW), INVALID, Claimed(ROTATED, None, NOW))
    assert isinstance(state, Obtaining)
    assert state.old == ROTATED


def test_a_dead_grant_is_forgotten_and_told() -> None:
    state = play(DEVICE, Claimed(DEAD, None, NOW), INVALID, Claimed(DEAD, None, NOW))
    assert DEVICE.due(state) == Forget("k")
    end = DEVICE.step(state, Forgotten(NOW))
    gone = "the stored sign-in is no longer valid: the server refused: invalid_grant"
    assert end == Stuck(PersonNeeded(gone), (gone,))


def test_a_dead_grant_s_token_that_still_lives_is_used_to_its_end() -> None:
    state = play(DEVICE, Claimed(STALE, None, NOW), INVALID, Claimed(STALE, None, NOW))
    assert isinstance(state, Ready)
    assert state.token == STALE


@pytest.mark.parametrize("reply", REPLIES[4:])
def test_trouble_forgets_nothing(reply: Reply) -> None:
    state = play(DEVICE, Claimed(DEAD, None, NOW))
    while isinstance(state, Obtaining):
        later = Instant(state.send.not_before)
        state = DEVICE.step(state, Heard(reply, at(later)))
    assert isinstance(state, Consulting)
    end = DEVICE.step(state, Claimed(DEAD, None, NOW))
    assert isinstance(end, Stuck)
    assert isinstance(end.problem, (Failed, Expired))


EARLY = Session(
    client=CLIENT, grant="device", key="k", early=True, may_ask=False, backoff=Backoff(tries=1)
)


def test_a_good_token_needs_no_lock() -> None:
    for session, token in ((DEVICE, FRESH), (DEVICE, AGING), (EARLY, FRESH)):
        assert play(session, Looked(token, None, NOW)) == Ready(token)
    assert DEVICE.due(play(DEVICE, Looked(STALE, None, NOW))) == Claim("k")


def test_who_renews_early_waits_for_nobody() -> None:
    state = play(EARLY, Looked(AGING, None, NOW))
    assert EARLY.due(state) == Claim("k", wait=False)
    assert EARLY.step(state, Busy()) == Ready(AGING)
    waits = play(EARLY, Looked(None, None, NOW))
    assert EARLY.due(waits) == Claim("k")
    assert EARLY.step(waits, Busy()) == waits


def test_what_cannot_be_locked_serves_to_its_end_and_is_not_refreshed() -> None:
    lost = NotClaimed("read-only", NOW)
    for session, token in ((DEVICE, STALE), (EARLY, AGING)):
        state = play(session, Looked(token, None, NOW), lost)
        assert state == Ready(token, "stored", ("read-only",))
    refused = evolve(DEVICE, refused=STALE)
    for session, token in ((DEVICE, DEAD), (refused, STALE)):
        state = play(session, Looked(token, None, NOW), lost)
        assert isinstance(state, Stuck)
        assert isinstance(state.problem, PersonNeeded)
    machine = evolve(DEVICE, grant="client_credentials")
    assert isinstance(play(machine, Looked(STALE, None, NOW), lost), Obtaining)


def test_what_a_server_asks_for_is_told_with_the_old_token() -> None:
    later = Heard(Response(503, {"Retry-After": "90"}, b""), NOW)
    state = play(EARLY, Claimed(AGING, None, NOW), later, Claimed(AGING, None, NOW))
    assert isinstance(state, Ready)
    assert (state.token, state.pause) == (AGING, seconds(90))
    machine = evolve(EARLY, grant="client_credentials")
    spent = evolve(AGING, refresh_token=None)
    state = play(machine, Claimed(spent, None, NOW), later)
    assert isinstance(state, Ready)
    assert (state.token, state.pause) == (spent, seconds(90))
    state = play(machine, Claimed(spent, None, NOW), Heard(Fault("refused", "no"), NOW))
    assert isinstance(state, Ready)
    assert state.pause is None


def test_giving_up_cancels_but_keeps_a_token_that_is_there() -> None:
    assert play(DEVICE, GaveUp(instant(0))) == Stuck(Failed(Cancelled()))
    state = play(DEVICE, Claimed(DEAD, None, NOW), Heard(NEW, NOW))
    assert isinstance(state, Keeping)
    assert DEVICE.step(state, GaveUp(instant(0))) == state
    end = DEVICE.step(state, Kept())
    assert isinstance(end, Ready)
    assert end.token.refresh_token == DEAD.refresh_token, "merged with what the answer left out"


def test_a_store_that_cannot_be_used_is_done_without() -> None:
    asking = Session(client=CLIENT, grant="client_credentials", key="k")
    state = play(asking, NotClaimed("no store", NOW), Heard(NEW, NOW), NotKept("disk full"))
    assert isinstance(state, Ready)
    assert state.notes == ("no store", "disk full")


def test_a_store_that_never_says_the_same_twice_is_not_followed_for_ever() -> None:
    state = play(DEVICE, Claimed(DEAD, None, NOW))
    for number in range(20):
        assert isinstance(state, (Obtaining, Consulting, Clearing, Stuck))
        if isinstance(state, Obtaining):
            state = DEVICE.step(state, INVALID)
        elif isinstance(state, Consulting):
            state = DEVICE.step(
                state, Claimed(stored(f"other {number}", -10, refresh=True), None, NOW)
            )
    assert isinstance(state, Clearing)


def test_an_event_that_answers_nothing_changes_nothing() -> None:
    obtaining = play(DEVICE, Claimed(DEAD, None, NOW))
    clearing = play(DEVICE, Claimed(DEAD, None, NOW), INVALID, Claimed(DEAD, None, NOW))
    for state in (Looking(), Consulting(), obtaining, clearing):
        assert DEVICE.step(state, Kept()) == state
    keeping = DEVICE.step(obtaining, Heard(NEW, NOW))
    assert isinstance(keeping, Keeping)
    assert DEVICE.step(keeping, Heard(NEW, NOW)) == keeping
