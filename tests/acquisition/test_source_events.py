"""What an acquisition's steps mean to those who look on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from grantflow import (
    Authorized,
    Client,
    DeviceAuthorization,
    Failed,
    GrantFlow,
    InvalidResponse,
    JwtBearerFlow,
    PromptShown,
    RenewalFailed,
    Response,
    Secret,
    SignedOut,
    SignInFailed,
    SourceEvent,
    Started,
    StoreFailed,
    Token,
    TokenAcquired,
    TokenAdopted,
    TokenRenewed,
    TokenStored,
    WaitingForOther,
)
from grantflow.core.acquisition.machine import Acquisition
from grantflow.core.acquisition.notes import (
    Adopted,
    Note,
    NotRemoved,
    NotRenewed,
    NotRevoked,
    NotSaved,
    SignInEnded,
    StoreUnusable,
    describe,
)
from grantflow.core.acquisition.source_events import About, describe_event, observed, phase_of
from grantflow.core.acquisition.states import (
    Acquired,
    AcquisitionEvent,
    AcquisitionState,
    CacheRead,
    Deleted,
    Locked,
    NotAcquired,
    Replied,
    Saved,
    SaveFailed,
)
from grantflow.core.acquisition.states import (
    StoreFailed as Unreadable,
)
from grantflow.core.flows.grant import identity_of
from grantflow.core.flows.states import AnyState
from tests.support.samples import ACME, CLIENT, WALL, instant, moment

ABOUT = About("key", "acme", "app", "work")
NOW = moment(0)
DEVICE = Acquisition(client=CLIENT, grant="device", key="key", may_ask=False)
MACHINE = evolve(DEVICE, grant="client_credentials")
OLD = Token(access_token="old", expires_at=WALL - timedelta(hours=1), refresh_token="r")
AGING = evolve(OLD, issued_at=WALL - timedelta(hours=1), expires_at=WALL + timedelta(minutes=4))
NEW = Response(200, {}, b'{"access_token": "new", "token_type": "Bearer", "expires_in": 60}')
DEAD = Response(400, {}, b'{"error": "invalid_grant"}')
UNREAD = Response(200, {}, b"<html>")
EMPTY, FULL = CacheRead(None, None, NOW), Unreadable("disk full", NOW)


def told(
    session: Acquisition, *events: AcquisitionEvent
) -> tuple[list[SourceEvent], list[AnyState], AcquisitionState]:
    found: list[SourceEvent] = []
    phases: list[AnyState] = []
    state = session.start(NOW)
    for event in events:
        after = session.step(state, event)
        found += observed(state, after, ABOUT, WALL)
        phase = phase_of(state, after)
        phases += [] if phase is None else [phase]
        state = after
    return found, phases, state


def kinds(found: list[SourceEvent]) -> list[type]:
    return [type(each) for each in found]


def test_a_machine_s_first_token() -> None:
    found, phases, state = told(MACHINE, EMPTY, Locked(None, None, NOW), Replied(NEW, NOW), Saved())
    assert isinstance(state, Acquired)
    assert found == [
        TokenAcquired(WALL, ABOUT, state.token.expires_at),
        TokenStored(WALL, ABOUT),
    ]
    assert [type(each) for each in phases] == [Started, Authorized]
    assert (found[0].key, found[0].provider) == ("key", "acme")
    assert (found[0].client_id, found[0].profile) == ("app", "work")


def test_a_renewal() -> None:
    seen = CacheRead(OLD, None, NOW)
    found, phases, state = told(
        DEVICE, seen, Locked(OLD, None, NOW), Saved(), Replied(NEW, NOW), Saved()
    )
    assert kinds(found) == [TokenRenewed, TokenStored]
    assert isinstance(state, Acquired)
    assert phases[-1] == Authorized(state.token)


def test_a_token_that_could_not_be_saved() -> None:
    found, _, _ = told(
        MACHINE, EMPTY, Locked(None, None, NOW), Replied(NEW, NOW), SaveFailed("full")
    )
    assert kinds(found) == [TokenAcquired, StoreFailed]
    assert isinstance(found[1], StoreFailed)
    assert found[1].reason == "the token could not be saved: full"


def test_a_sign_in_that_ended() -> None:
    seen, locked = CacheRead(OLD, None, NOW), Locked(OLD, None, NOW)
    found, phases, _ = told(
        DEVICE, seen, locked, Saved(), Replied(DEAD, NOW), locked, Deleted(NOW, "read-only")
    )
    assert kinds(found) == [RenewalFailed, StoreFailed, SignInFailed]
    assert isinstance(found[0], RenewalFailed)
    assert found[0].then == "sign_in"
    assert isinstance(phases[-1], Failed)


def test_a_renewal_that_failed_while_the_old_token_serves() -> None:
    seen, locked = CacheRead(AGING, None, NOW), Locked(AGING, None, NOW)
    early = evolve(DEVICE, early=True)
    found, _, state = told(early, seen, locked, Saved(), Replied(UNREAD, NOW), locked)
    assert isinstance(state, Acquired)
    [failed] = found
    assert isinstance(failed, RenewalFailed)
    assert failed.then == "old_token"


def test_a_renewal_that_failed_for_good() -> None:
    seen, locked = CacheRead(OLD, None, NOW), Locked(OLD, None, NOW)
    found, phases, state = told(DEVICE, seen, locked, Saved(), Replied(UNREAD, NOW), locked)
    assert isinstance(state, NotAcquired)
    [failed] = found
    assert isinstance(failed, RenewalFailed)
    assert (failed.then, failed.problem) == ("error", state.problem)
    assert isinstance(phases[-1], Failed)


def test_a_sibling_s_token() -> None:
    seen, locked = CacheRead(OLD, None, NOW), Locked(OLD, None, NOW)
    fresh = Locked(Token(access_token="sibling"), None, NOW)
    found, _, _ = told(DEVICE, seen, locked, Saved(), Replied(DEAD, NOW), fresh)
    assert found == [TokenAdopted(WALL, ABOUT)]


def test_a_store_that_cannot_be_used_and_nobody_to_ask() -> None:
    found, _, _ = told(DEVICE, FULL)
    assert kinds(found) == [StoreFailed, SignInFailed]


def test_a_good_token_is_no_news() -> None:
    assert told(DEVICE, CacheRead(Token(access_token="a"), None, NOW))[0] == []


PROBLEM = Failed(InvalidResponse("HTML"))
CODE = DeviceAuthorization("dc-1", "UC", "https://a.example", instant(9))
NOTES: dict[Note, str] = {
    Adopted(): "another process renewed the token meanwhile",
    NotRenewed(PROBLEM): "the token was not renewed: invalid response from the server: HTML",
    SignInEnded(PROBLEM): "the stored sign-in could not be renewed: invalid response",
    SignInEnded(PROBLEM, removed=True): "the stored sign-in is no longer valid: invalid response",
    StoreUnusable("no room"): "the store cannot be used: no room",
    NotSaved("no room"): "the token could not be saved: no room",
    NotRemoved("no room"): "the token could not be removed: no room",
    NotRevoked(): "the provider has no revocation endpoint, so the server was not told",
}
EVENTS: list[tuple[SourceEvent, str]] = [
    (TokenAcquired(WALL, ABOUT, None), "a token was acquired"),
    (TokenRenewed(WALL, ABOUT, None), "the token was renewed"),
    (TokenAdopted(WALL, ABOUT), "made elsewhere"),
    (RenewalFailed(WALL, ABOUT, PROBLEM, "old_token"), "the token was not renewed: invalid"),
    (RenewalFailed(WALL, ABOUT, PROBLEM, "error"), "the sign-in could not be renewed: invalid"),
    (SignInFailed(WALL, ABOUT, PROBLEM), "no token: invalid response"),
    (TokenStored(WALL, ABOUT), "the token was stored"),
    (StoreFailed(WALL, ABOUT, "no room"), "no room"),
    (PromptShown(WALL, ABOUT, CODE), "a person is asked to sign in"),
    (WaitingForOther(WALL, ABOUT), "waiting for another process"),
    (SignedOut(WALL, ABOUT, revoked=True), "signed out"),
    (SignedOut(WALL, ABOUT, revoked=False), "signed out; the server was not told"),
]


@pytest.mark.parametrize(("note", "sentence"), NOTES.items())
def test_a_note_is_a_sentence(note: Note, sentence: str) -> None:
    assert describe(note).startswith(sentence)


@pytest.mark.parametrize(("event", "sentence"), EVENTS)
def test_an_event_is_a_sentence_and_shows_no_secret(event: SourceEvent, sentence: str) -> None:
    assert sentence in describe_event(event)
    assert "dc-1" not in repr(event)


def test_every_note_of_a_logout_is_told_by_its_event_alone() -> None:
    before, after = NotAcquired(PROBLEM), NotAcquired(PROBLEM, (NotRevoked(),))
    assert list(observed(before, after, ABOUT, WALL)) == []


# -- any grant


def test_a_function_s_flow_is_run_as_a_machine_s() -> None:
    form: dict[str, str | Secret] = {"grant_type": "urn:x", "ticket": Secret("t")}
    session = evolve(DEVICE, grant=lambda client: GrantFlow(client, tuple(form.items())))
    found, _, state = told(session, EMPTY, Locked(None, None, NOW), Replied(NEW, NOW), Saved())
    assert kinds(found) == [TokenAcquired, TokenStored]
    assert isinstance(state, Acquired)


def test_what_tells_one_flow_s_tokens_from_another_s() -> None:
    client = Client(provider=ACME, client_id="app")
    one = identity_of(JwtBearerFlow(client, assertion="a"))
    assert one is not None
    assert one == identity_of(JwtBearerFlow(client, assertion="a"))
    assert one != identity_of(JwtBearerFlow(client, assertion="b"))
    assert identity_of(object()) is None
    assert identity_of(GrantFlow(client, {"grant_type": "x", "y": lambda: "z"})) is None
