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
    InteractionRequired,
    InvalidResponse,
    Moment,
    RefreshFlow,
    Refused,
    Response,
    Send,
    Token,
    TokenAcquired,
    TokenRenewed,
)
from grantflow.core.acquisition.machine import Acquisition
from grantflow.core.acquisition.notes import (
    Adopted,
    Dropped,
    Note,
    NotRenewed,
    NotSaved,
    SignInEnded,
    StoreUnusable,
    describe,
)
from grantflow.core.acquisition.serving import is_refused
from grantflow.core.acquisition.source_events import About, describe_event, observed
from grantflow.core.acquisition.states import (
    Acquired,
    AcquisitionEvent,
    AcquisitionState,
    Busy,
    CacheRead,
    Delete,
    Deleted,
    Deleting,
    Effect,
    Locked,
    Locking,
    Mark,
    Marking,
    NotAcquired,
    ReadCache,
    ReadingCache,
    Replied,
    Requesting,
    Save,
    Saved,
    SaveFailed,
    Saving,
    StoreFailed,
    TakeLock,
)
from grantflow.core.client.identity import Grant
from grantflow.core.values.response import Reply
from tests.support.samples import ACME, CLIENT, WALL, instant, moment, seconds, unmarked


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
MARKED = tuple(evolve(token, refresh_sent=True) for token in (AGING, DEAD))
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
DOUBTFUL = (REPLIES[5], REPLIES[7])
STORED = (None, FRESH, AGING, STALE, DEAD, SPENT, *MARKED)
LATER = (SIBLING, ROTATED, None)


@frozen
class Node:
    """A state, when it was reached, and what is remembered of the way to it."""

    state: AcquisitionState
    now: Instant
    claimed: bool = False
    in_store: Token | None = None
    looked_after_refresh: bool = True
    refreshed: tuple[str, ...] = ()
    last_was_invalid_grant: bool = False
    doubtful: bool = False
    """The last refresh may have been acted on, and its answer does not say."""
    recovered: bool = False
    """A store gives each token that it kept aside once."""


@define
class Seen:
    nodes: int = 0
    steps: int = 0
    dues: set[str] = field(factory=set)
    ends: set[str] = field(factory=set)
    notes: set[Note] = field(factory=set)


def at(now: Instant) -> Moment:
    return Moment(now, WALL + now)


def events(node: Node, due: Effect) -> list[AcquisitionEvent]:
    now = node.now
    match due:
        case ReadCache():
            return [
                *(CacheRead(each, app, at(now)) for each in STORED for app in (None, APP)),
                StoreFailed("no store", at(now)),
                GaveUp(now),
            ]
        case TakeLock():
            others = tuple(each for each in LATER if unmarked(each) != unmarked(node.in_store))
            looks = (node.in_store, *others) if node.claimed else STORED
            return [
                *([] if due.wait else [Busy()]),
                *(Locked(each, app, at(now)) for each in looks for app in (None, APP)),
                StoreFailed("no store", at(now)),
                GaveUp(now),
            ]
        case Send(not_before=not_before):
            later = Instant(max(now, not_before) + seconds(1))
            return [*(Replied(reply, at(later)) for reply in REPLIES), GaveUp(now)]
        case Mark():
            return [Saved(), StoreFailed("disk full", at(now)), GaveUp(now)]
        case Save():
            return [Saved(), SaveFailed("disk full"), GaveUp(now)]
        case Delete():
            kept_aside = () if node.recovered else (ROTATED,)
            late = (Deleted(at(now), late=each) for each in kept_aside)
            return [Deleted(at(now)), Deleted(at(now), "read-only"), *late, GaveUp(now)]


def follow(session: Acquisition, node: Node, event: AcquisitionEvent) -> Node:
    state, after = node.state, session.step(node.state, event)
    timed = (CacheRead, Locked, StoreFailed, Replied, Deleted)
    now = event.now.mono if isinstance(event, timed) else node.now
    claimed = node.claimed or isinstance(event, (Locked, StoreFailed))
    in_store = event.stored if isinstance(event, Locked) else node.in_store
    if isinstance(state, Marking) and isinstance(event, Saved):
        in_store = state.token
    if isinstance(event, Deleted):
        in_store = event.late
    looked, refreshed, invalid, doubtful = (
        node.looked_after_refresh,
        node.refreshed,
        node.last_was_invalid_grant,
        node.doubtful,
    )
    if isinstance(event, (Locked, StoreFailed)) and not isinstance(state, Marking):
        looked = True
    if isinstance(state, Requesting) and isinstance(event, Replied):
        flow = state.run.flow
        invalid = False
        if isinstance(flow, RefreshFlow):
            looked = False
            invalid = event.reply == REPLIES[2]
            doubtful = event.reply in DOUBTFUL
            if isinstance(event.reply, Fault) and event.reply.reached == "maybe":
                refreshed = (*refreshed, flow.refresh_token.reveal())
    recovered = node.recovered or (isinstance(event, Deleted) and event.late is not None)
    made = Node(after, now, claimed, in_store, looked, refreshed, invalid, doubtful, recovered)
    return to_its_end(made)


def to_its_end(node: Node) -> Node:
    """Forget what no law asks for any more: after the last refresh, the way to it says nothing."""
    match node.state:
        case Acquired() | NotAcquired():
            return Node(node.state, instant(0), node.claimed)
        case Requesting(run) if not isinstance(run.flow, RefreshFlow):
            return Node(node.state, node.now, node.claimed, None, node.looked_after_refresh)
        case _:
            return node


def laws(session: Acquisition, node: Node, event: AcquisitionEvent, after: Node) -> list[str]:
    before, state = node.state, after.state
    broken = []
    given = session.given or session.environment
    if (
        isinstance(before, ReadingCache)
        and isinstance(state, Acquired)
        and isinstance(event, CacheRead)
    ):
        if state.token not in (event.stored, event.app):
            broken.append("without the lock, nothing is handed out but what is stored")
        token = state.token
        if token in (STALE, DEAD) or (session.early and token == AGING):
            broken.append("what has to be renewed waits for the lock")
    if isinstance(before, ReadingCache) and not isinstance(
        state, (Acquired, ReadingCache, Locking, NotAcquired)
    ):
        lost = isinstance(event, StoreFailed)
        broken += [] if lost else ["whoever looks only looks"]
    if isinstance(event, Busy) and not isinstance(state, type(before)):
        served = isinstance(state, Acquired) and unmarked(state.token) == AGING and session.early
        broken += [] if served else ["who renews early goes on with the old token"]
    if isinstance(before, Requesting) and not node.claimed and given is None:
        broken.append("nothing is sent before the claim")
    if isinstance(state, Requesting):
        url = state.send.request.url
        if not session.may_ask and url == ACME.device_authorization_endpoint:
            broken.append("nobody is asked where nobody may be")
        if not after.looked_after_refresh and state.run != getattr(before, "run", None):
            fresh = isinstance(state.run.flow, RefreshFlow) and isinstance(before, Requesting)
            if not fresh:
                broken.append("the store is looked at after a failed refresh")
        form = dict(state.send.request.form)
        token = form.get("refresh_token")
        if token is not None and not isinstance(token, str) and token.reveal() in after.refreshed:
            stuck = after.in_store is not None and after.in_store.refresh_token == token
            if not stuck or isinstance(before, Requesting):
                broken.append("what may have arrived is not sent again")
    broken += marks(session, node, event, after)
    new = isinstance(state, Acquired) and state.token.access_token.reveal() == "new"
    if new and not isinstance(before, (Saving, Acquired)):
        broken.append("a new token is saved before anyone sees it")
    if isinstance(before, Saving) and not isinstance(state, (Saving, Acquired)):
        broken.append("a new token is never thrown away")
    if isinstance(state, Acquired) and isinstance(event, SaveFailed) and isinstance(before, Saving):
        told = NotSaved(event.reason) in state.notes
        broken += [] if told else ["what could not be saved is told"]
    if isinstance(state, Deleting) and not isinstance(before, Deleting):
        if not node.last_was_invalid_grant:
            broken.append("only invalid_grant forgets")
        if after.in_store not in (None, node.in_store):
            broken.append("what a sibling stored is not forgotten")
    if isinstance(state, Acquired) and is_refused(state.token, session.refused):
        broken.append("a refused token is not handed out")
    if isinstance(before, (Acquired, NotAcquired)) and state != before:
        broken.append("an end absorbs everything")
    return broken


def marks(session: Acquisition, node: Node, event: AcquisitionEvent, after: Node) -> list[str]:
    """Say what is broken of the rules about what is stored beside a refresh (Machine 11)."""
    before, state = node.state, after.state
    broken = []
    refreshes = isinstance(state, Requesting) and isinstance(state.run.flow, RefreshFlow)
    begins = refreshes and not isinstance(before, Requesting)
    if refreshes and not (after.in_store is not None and after.in_store.refresh_sent):
        broken.append("a token is marked before its refresh token is sent")
    if begins and isinstance(event, Locked) and (found := event.stored) is not None:
        serves = found.expires_at is not None and WALL + after.now < found.expires_at
        if serves and not is_refused(found, session.refused):
            broken.append("a marked token is not sent while the one beside it serves")
    if isinstance(before, Requesting) and isinstance(before.run.flow, RefreshFlow):
        unmarks = isinstance(state, Marking)
        if unmarks and after.doubtful:
            broken.append("the mark stays while the outcome is not known")
        unreached = isinstance(event, Replied) and event.reply in (REPLIES[4], REPLIES[8])
        found_marked = before.old is not None and before.old.refresh_sent
        if unreached and isinstance(state, Locking) and not found_marked:
            broken.append("the mark goes where the server did not act")
    then = before.then if isinstance(before, Marking) else None
    if isinstance(then, Requesting) and isinstance(event, StoreFailed) and refreshes:
        broken.append("what cannot be marked is not sent")
    return broken


def explore(session: Acquisition) -> tuple[Seen, list[str]]:
    seen, broken = Seen(), []
    start = Node(session.start(moment()), instant(0))
    nodes = {start}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        due = session.due(node.state)
        seen.dues.add(type(due).__name__)
        if isinstance(due, (Acquired, NotAcquired)):
            seen.ends.add(
                type(due.problem).__name__ if isinstance(due, NotAcquired) else due.origin
            )
            seen.notes |= set(due.notes)
            possible: list[AcquisitionEvent] = [
                Saved(),
                GaveUp(node.now),
                Replied(NEW, at(node.now)),
            ]
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
    f" refused {refused.access_token.reveal() if refused else 'nothing'}": Acquisition(
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
    assert {"ReadCache", "TakeLock", "Send", "Save", "Acquired", "NotAcquired"} <= seen.dues
    unread = NotRenewed(Failed(InvalidResponse("HTTP 200: HTML", 200)))
    assert SESSIONS[name].refused or unread in seen.notes
    silent = SESSIONS[name].grant == "device" and not SESSIONS[name].may_ask
    assert ("InteractionRequired" in seen.ends) == silent


def test_what_was_given_needs_no_store() -> None:
    for name in ("given", "environment"):
        empty = Acquisition(client=CLIENT, grant="device", key="k")
        session = evolve(empty, **{name: APP})
        assert session.due(session.start(moment())) == Acquired(APP, name)
        refused = evolve(session, refused=APP)
        end = refused.due(refused.start(moment()))
        assert isinstance(end, NotAcquired)
        assert isinstance(end.problem, InteractionRequired)
        assert end.problem.because is not None
        assert name in end.problem.because


def play(session: Acquisition, *events: AcquisitionEvent) -> AcquisitionState:
    """Return the state after the events; who looks before a claim sees the same.

    Marks are stored as they come.
    """
    state = session.start(moment())
    if events and isinstance(first := events[0], Locked):
        state = session.step(state, CacheRead(first.stored, first.app, first.now))
    for event in events:
        state = marked(session, session.step(state, event))
    return state


def marked(session: Acquisition, state: AcquisitionState) -> AcquisitionState:
    return session.step(state, Saved()) if isinstance(state, Marking) else state


DEVICE = Acquisition(client=CLIENT, grant="device", key="k", may_ask=False)
NOW = moment()
INVALID = Replied(REPLIES[2], NOW)


def test_a_sibling_s_token_is_adopted_after_invalid_grant() -> None:
    state = play(DEVICE, Locked(DEAD, None, NOW), INVALID, Locked(SIBLING, None, NOW))
    assert state == Acquired(SIBLING, "stored", (Adopted(),))


def test_a_sibling_s_refresh_token_is_used_where_its_token_is_old_already() -> None:
    state = play(DEVICE, Locked(DEAD, None, NOW), INVALID, Locked(ROTATED, None, NOW))
    assert isinstance(state, Requesting)
    assert state.old == ROTATED


def test_a_dead_grant_is_forgotten_and_told() -> None:
    state = play(DEVICE, Locked(DEAD, None, NOW), INVALID, Locked(DEAD, None, NOW))
    assert DEVICE.due(state) == Delete("k")
    end = DEVICE.step(state, Deleted(NOW))
    assert isinstance(end, NotAcquired)
    [ended] = end.notes
    assert isinstance(ended, SignInEnded)
    assert ended.removed
    gone = "the stored sign-in is no longer valid: the server refused: invalid_grant"
    assert describe(ended) == gone
    assert end.problem == InteractionRequired(gone)


@pytest.mark.parametrize("code", ["interaction_required", "mfa_required", "access_denied", "x"])
def test_a_refresh_that_is_refused_by_any_name_needs_a_person(code: str) -> None:
    refused = Replied(answer(400, error=code, error_description="do this"), NOW)
    asking = evolve(DEVICE, may_ask=True)
    state = play(asking, Locked(DEAD, None, NOW), refused, Locked(DEAD, None, NOW))
    assert isinstance(state, Requesting), "the person is asked"
    assert "device" in state.send.request.url
    assert isinstance(state.notes[-1], SignInEnded)
    end = play(DEVICE, Locked(DEAD, None, NOW), refused, Locked(DEAD, None, NOW))
    assert isinstance(end, NotAcquired)
    assert isinstance(end.problem, InteractionRequired)
    assert end.problem.because is not None
    assert "do this" in end.problem.because


def test_a_client_that_is_unknown_is_told_and_nobody_is_asked() -> None:
    refused = Replied(answer(401, error="invalid_client"), NOW)
    end = play(DEVICE, Locked(DEAD, None, NOW), refused, Locked(DEAD, None, NOW))
    assert isinstance(end, NotAcquired)
    assert isinstance(end.problem, Failed)
    assert isinstance(end.problem.error, Refused)
    assert end.problem.error.code == "invalid_client"


def test_a_dead_grant_s_token_that_still_lives_is_used_to_its_end() -> None:
    state = play(DEVICE, Locked(STALE, None, NOW), INVALID, Locked(STALE, None, NOW))
    assert isinstance(state, Acquired)
    assert state.token == STALE


@pytest.mark.parametrize("reply", REPLIES[4:])
def test_trouble_forgets_nothing(reply: Reply) -> None:
    state = play(DEVICE, Locked(DEAD, None, NOW))
    while isinstance(state, Requesting):
        later = Instant(state.send.not_before)
        state = marked(DEVICE, DEVICE.step(state, Replied(reply, at(later))))
    assert isinstance(state, Locking)
    end = DEVICE.step(state, Locked(DEAD, None, NOW))
    assert isinstance(end, NotAcquired)
    assert isinstance(end.problem, (Failed, Expired))


EARLY = Acquisition(
    client=CLIENT, grant="device", key="k", early=True, may_ask=False, backoff=Backoff(tries=1)
)


def test_a_good_token_needs_no_lock() -> None:
    for session, token in ((DEVICE, FRESH), (DEVICE, AGING), (EARLY, FRESH)):
        assert play(session, CacheRead(token, None, NOW)) == Acquired(token)
    assert DEVICE.due(play(DEVICE, CacheRead(STALE, None, NOW))) == TakeLock("k")


def test_who_renews_early_waits_for_nobody() -> None:
    state = play(EARLY, CacheRead(AGING, None, NOW))
    assert EARLY.due(state) == TakeLock("k", wait=False)
    assert EARLY.step(state, Busy()) == Acquired(AGING)
    waits = play(EARLY, CacheRead(None, None, NOW))
    assert EARLY.due(waits) == TakeLock("k")
    assert EARLY.step(waits, Busy()) == waits


def test_what_cannot_be_locked_serves_to_its_end_and_is_not_refreshed() -> None:
    lost = StoreFailed("read-only", NOW)
    for session, token in ((DEVICE, STALE), (EARLY, AGING)):
        state = play(session, CacheRead(token, None, NOW), lost)
        assert state == Acquired(token, "stored", (StoreUnusable("read-only"),))
    refused = evolve(DEVICE, refused=STALE)
    for session, token in ((DEVICE, DEAD), (refused, STALE)):
        state = play(session, CacheRead(token, None, NOW), lost)
        assert isinstance(state, NotAcquired)
        assert isinstance(state.problem, InteractionRequired)
    machine = evolve(DEVICE, grant="client_credentials")
    assert isinstance(play(machine, CacheRead(STALE, None, NOW), lost), Requesting)


def test_what_a_server_asks_for_is_told_with_the_old_token() -> None:
    later = Replied(Response(503, {"Retry-After": "90"}, b""), NOW)
    state = play(EARLY, Locked(AGING, None, NOW), later, Locked(AGING, None, NOW))
    assert isinstance(state, Acquired)
    assert (state.token, state.pause) == (AGING, seconds(90))
    machine = evolve(EARLY, grant="client_credentials")
    spent = evolve(AGING, refresh_token=None)
    state = play(machine, Locked(spent, None, NOW), later)
    assert isinstance(state, Acquired)
    assert (state.token, state.pause) == (spent, seconds(90))
    state = play(machine, Locked(spent, None, NOW), Replied(Fault("refused", "no"), NOW))
    assert isinstance(state, Acquired)
    assert state.pause is None


def test_giving_up_cancels_but_keeps_a_token_that_is_there() -> None:
    assert play(DEVICE, GaveUp(instant(0))) == NotAcquired(Failed(Cancelled()))
    state = play(DEVICE, Locked(DEAD, None, NOW), Replied(NEW, NOW))
    assert isinstance(state, Saving)
    assert DEVICE.step(state, GaveUp(instant(0))) == state
    end = DEVICE.step(state, Saved())
    assert isinstance(end, Acquired)
    assert end.token.refresh_token == DEAD.refresh_token, "merged with what the answer left out"


def test_a_server_that_repeats_the_refused_token_is_told() -> None:
    fetched = play(DEVICE, Locked(DEAD, None, NOW), Replied(NEW, NOW), Saved())
    assert isinstance(fetched, Acquired)
    refused = evolve(DEVICE, refused=fetched.token)
    state = play(refused, Locked(DEAD, None, NOW), Replied(NEW, NOW), Saved())
    assert state == NotAcquired(
        Failed(InvalidResponse("the server gave the refused token again")), ()
    )


def test_a_store_that_cannot_be_used_is_done_without() -> None:
    asking = Acquisition(client=CLIENT, grant="client_credentials", key="k")
    state = play(asking, StoreFailed("no store", NOW), Replied(NEW, NOW), SaveFailed("disk full"))
    assert isinstance(state, Acquired)
    assert state.notes == (StoreUnusable("no store"), NotSaved("disk full"))


def test_a_store_that_never_says_the_same_twice_is_not_followed_for_ever() -> None:
    state = play(DEVICE, Locked(DEAD, None, NOW))
    for number in range(20):
        assert isinstance(state, (Requesting, Locking, Deleting, NotAcquired))
        if isinstance(state, Requesting):
            state = DEVICE.step(state, INVALID)
        elif isinstance(state, Locking):
            other = Locked(stored(f"other {number}", -10, refresh=True), None, NOW)
            state = marked(DEVICE, DEVICE.step(state, other))
    assert isinstance(state, Deleting)


def test_an_event_that_answers_nothing_changes_nothing() -> None:
    obtaining = play(DEVICE, Locked(DEAD, None, NOW))
    clearing = play(DEVICE, Locked(DEAD, None, NOW), INVALID, Locked(DEAD, None, NOW))
    for state in (ReadingCache(), Locking(), obtaining, clearing):
        assert DEVICE.step(state, Saved()) == state
    marking = DEVICE.step(Locking(), Locked(DEAD, None, NOW))
    assert isinstance(marking, Marking)
    assert DEVICE.step(marking, Replied(NEW, NOW)) == marking
    keeping = DEVICE.step(obtaining, Replied(NEW, NOW))
    assert isinstance(keeping, Saving)
    assert DEVICE.step(keeping, Replied(NEW, NOW)) == keeping


SENT = evolve(DEAD, refresh_sent=True)
TROUBLE = (REPLIES[4], REPLIES[5], Fault("timeout", "maybe"), Fault("refused", "no"))


def test_a_token_is_marked_before_its_refresh_token_is_sent() -> None:
    state = DEVICE.step(Locking(), Locked(DEAD, None, NOW))
    assert DEVICE.due(state) == Mark("k", SENT)
    assert isinstance(DEVICE.step(state, Saved()), Requesting)
    assert DEVICE.step(state, GaveUp(instant(0))) == NotAcquired(Failed(Cancelled()))
    found = DEVICE.step(Locking(), Locked(SENT, None, NOW))
    assert isinstance(found, Requesting), "it is marked already"


@pytest.mark.parametrize("reply", TROUBLE)
def test_the_mark_goes_only_where_the_server_did_not_act(reply: Reply) -> None:
    def answered(token: Token) -> AcquisitionState:
        sent = play(EARLY, CacheRead(token, None, NOW), Locked(token, None, NOW))
        assert isinstance(sent, Requesting)
        return EARLY.step(sent, Replied(reply, NOW))

    after = answered(AGING)
    assert isinstance(after, Marking) == (reply in (TROUBLE[0], TROUBLE[3]))
    if isinstance(after, Marking):
        assert EARLY.due(after) == Mark("k", AGING)
        lost = EARLY.step(after, StoreFailed("disk full", NOW))
        assert lost == evolve(after.then, notes=(StoreUnusable("disk full"),))
    assert isinstance(answered(SENT), Locking), "marked by another run: it stays in doubt"


def test_a_marked_token_serves_to_its_end_and_is_sent_again_after_it() -> None:
    asking = evolve(DEVICE, may_ask=True)
    for session, token in ((EARLY, AGING), (asking, STALE)):
        sent = evolve(token, refresh_sent=True)
        state = play(session, CacheRead(sent, None, NOW), Locked(sent, None, NOW))
        assert state == Acquired(sent), "nobody is asked while it serves"
    refused = evolve(DEVICE, refused=AGING)
    for session, token in ((DEVICE, DEAD), (refused, AGING)):
        sent = evolve(token, refresh_sent=True)
        assert isinstance(play(session, Locked(sent, None, NOW)), Requesting)
    machine = evolve(DEVICE, grant="client_credentials")
    state = play(machine, Locked(evolve(STALE, refresh_sent=True), None, NOW))
    assert isinstance(state, Requesting)
    assert not isinstance(state.run.flow, RefreshFlow), "the client's own secret spends nothing"


def test_what_cannot_be_marked_is_not_sent() -> None:
    full = StoreFailed("disk full", NOW)
    for session, token in ((DEVICE, STALE), (EARLY, AGING)):
        state = session.step(Locking(), Locked(token, None, NOW))
        assert session.step(state, full) == Acquired(token, "stored", (StoreUnusable("disk full"),))
    end = DEVICE.step(DEVICE.step(Locking(), Locked(DEAD, None, NOW)), full)
    assert isinstance(end, NotAcquired)
    assert isinstance(end.problem, InteractionRequired)
    assert end.notes == (StoreUnusable("disk full"),)


def test_a_sibling_s_mark_is_no_newer_token() -> None:
    state = play(DEVICE, Locked(DEAD, None, NOW), INVALID, Locked(SENT, None, NOW))
    assert DEVICE.due(state) == Delete("k")


def test_a_late_token_that_was_kept_aside_takes_the_place_of_a_dead_one() -> None:
    state = play(DEVICE, Locked(DEAD, None, NOW), INVALID, Locked(DEAD, None, NOW))
    assert DEVICE.due(state) == Delete("k")
    assert DEVICE.step(state, Deleted(NOW, late=SIBLING)) == Acquired(
        SIBLING, "stored", (Adopted(),)
    )
    old = DEVICE.step(state, Deleted(NOW, late=ROTATED))
    assert DEVICE.due(old) == Mark("k", evolve(ROTATED, refresh_sent=True)), "it is renewed"


def test_what_was_dropped_of_an_answer_is_told() -> None:
    sloppy = answer(200, access_token="new", expires_in=3600, id_token={})
    for before, told in ((DEAD, TokenRenewed), (None, TokenAcquired)):
        session = DEVICE if before else evolve(DEVICE, grant="client_credentials")
        asking = play(session, Locked(before, None, NOW))
        saving = session.step(asking, Replied(sloppy, NOW))
        assert isinstance(saving, Saving)
        assert saving.notes == (Dropped(("id_token",)),)
        assert "id_token could not be used" in describe(saving.notes[0])
        [event] = observed(asking, saving, About("k", "acme", "app", ""), NOW.wall)
        assert isinstance(event, told)
        assert event.dropped == ("id_token",)
        assert describe_event(event).endswith(", without its id_token, which could not be used")
