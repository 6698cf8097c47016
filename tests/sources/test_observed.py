"""What a source tells those who operate it: events, log records, a status, and every phase."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import NoReturn

import anyio
import pytest
from attrs import evolve

from grantflow import (
    Authorized,
    Client,
    ClientSecretBasic,
    DeviceState,
    GrantError,
    GrantFlow,
    GrantState,
    MemoryStore,
    Pending,
    PromptShown,
    RenewalFailed,
    Request,
    Response,
    Secret,
    SignedOut,
    SignInFailed,
    SourceEvent,
    Started,
    StoreError,
    StoreFailed,
    Token,
    TokenAcquired,
    TokenAdopted,
    TokenRenewed,
    TokenSource,
    TokenStored,
)
from grantflow.aio import AsyncTokenSource
from grantflow.core.values.response import Reply
from grantflow.testing import Outage, Script, serve
from tests.sources.test_source import HOUR, Stage, kind  # noqa: F401 - a fixture of every test
from tests.support.samples import seconds


class Told:
    def __init__(self) -> None:
        self.events: list[SourceEvent] = []

    def __call__(self, event: SourceEvent) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[type]:
        found = [type(each) for each in self.events]
        self.events.clear()
        return found


def watched(stage: Stage, **arguments: object) -> tuple[TokenSource, Told]:
    told = Told()
    arguments = {"store": stage.store, "prompt": stage.shown.append, **arguments}
    arguments |= {"on_event": told, "profile": "work"}
    return stage.door(stage.client, **arguments), told  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_life_is_told_event_by_event() -> None:
    stage = Stage()
    source, told = watched(stage)
    assert source.status.expires_at is None
    first = source.token()
    assert [type(each) for each in told.events] == [PromptShown, TokenAcquired, TokenStored]
    for each in told.events:
        assert (each.key, each.provider) == (source.key, "server.test")
        assert (each.client_id, each.profile) == ("app", "work")
        assert each.at.tzinfo is not None
    told.events.clear()
    source.token()
    assert told.kinds == [], "a token in memory is nothing new"
    stage.clock.advance(HOUR)
    source.token()
    assert told.kinds == [TokenRenewed, TokenStored]
    source.adopt(Token(access_token="made elsewhere", refresh_token="r", issued_at=first.issued_at))
    assert told.kinds == [TokenAdopted]
    source.logout(revoke=False)
    [out] = told.events
    assert out == SignedOut(out.at, out.about, revoked=False)
    assert source.notes == (), "it was not to be revoked, so nothing is missing"


def test_a_logout_tells_whether_the_server_knows() -> None:
    stage = Stage()
    source, told = watched(stage)
    source.token()
    told.events.clear()
    source.logout()
    [out] = told.events
    assert isinstance(out, SignedOut)
    assert out.revoked


def test_trouble_is_told_and_stays_in_the_status() -> None:
    stage = Stage()
    source, told = watched(stage)
    source.token()
    told.events.clear()
    stage.clock.advance(HOUR - seconds(100))
    stage.script(outages=(Outage(timedelta(), 10 * HOUR),))
    source.token()
    [failed] = told.events
    assert isinstance(failed, RenewalFailed)
    assert failed.then == "old_token"
    status = source.status
    assert (status.last_problem, status.last_problem_at) == (failed.problem, failed.at)
    told.events.clear()
    stage.clock.advance(HOUR)
    with pytest.raises(GrantError) as caught:
        source.token()
    [failed] = told.events
    assert isinstance(failed, RenewalFailed)
    assert failed.then == "error"
    assert failed.problem == caught.value.problem


def test_who_may_not_ask_is_told_as_a_failed_sign_in() -> None:
    source, told = watched(Stage(), interactive=False)
    with pytest.raises(GrantError) as caught:
        source.token()
    [failed] = told.events
    assert isinstance(failed, SignInFailed)
    assert failed.problem == caught.value.problem


def test_a_store_that_fails_is_told() -> None:
    class Full:
        def read(self, key: str, /) -> Token | None:
            return None

        def claim(self, key: str, /, wait: bool = True) -> NoReturn:
            raise StoreError("no space left on device")

    source, told = watched(Stage(store=Full()))
    with pytest.raises(GrantError):
        source.adopt("app token")
    source.token()
    assert StoreFailed in {type(each) for each in told.events}
    assert source.status.last_problem is not None
    assert any("no space left" in each for each in source.notes)


def test_the_status_says_when_and_whence_and_no_secret() -> None:
    stage = Stage()
    source, _ = watched(stage)
    token = source.token()
    status = source.status
    assert status.expires_at == token.expires_at
    assert token.expires_at is not None
    assert status.renews_at is not None
    assert stage.clock.now().wall < status.renews_at < token.expires_at
    assert status.obtained_from == "stored"
    assert status.last_problem is None
    assert token.access_token.reveal() not in repr(status)


def test_a_record_says_the_same(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    source, _ = watched(stage)
    with caplog.at_level(logging.INFO, "grantflow"):
        token = source.token()
        stage.clock.advance(HOUR)
        stage.script(outages=(Outage(timedelta(), 10 * HOUR),))
        with pytest.raises(GrantError):
            source.token()
    told = [each for each in caplog.records if hasattr(each, "event")]
    assert [(each.__dict__["event"], each.levelno) for each in told] == [
        ("PromptShown", logging.INFO),
        ("TokenAcquired", logging.INFO),
        ("TokenStored", logging.INFO),
        ("RenewalFailed", logging.WARNING),
    ]
    for each in told:
        said = each.__dict__
        assert (said["key"], said["client_id"], said["profile"]) == (source.key, "app", "work")
    assert token.access_token.reveal() not in caplog.text


def test_an_observer_that_raises_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: SourceEvent) -> None:
        raise LookupError(event)

    stage = Stage()
    source = stage.door(stage.client, on_event=broken, store=stage.store, prompt=stage.shown.append)
    assert source.token()
    assert "on_event raised LookupError" in caplog.text


def test_who_watches_sees_every_phase_first_and_last() -> None:
    stage, seen = Stage(), list[DeviceState | GrantState]()
    source, _ = watched(stage, watch=seen.append)
    first = source.token()
    assert isinstance(seen[0], Started)
    assert isinstance(seen[1], Pending)
    assert seen[-1] == Authorized(first)
    seen.clear()
    stage.clock.advance(HOUR)
    second = source.token()
    assert [type(each) for each in seen] == [Started, Authorized]
    assert seen[-1] == Authorized(second)


# -- any grant


FORM = {"grant_type": "urn:x:tickets", "ticket": Secret("t-1")}


def test_a_function_of_one_s_own_makes_the_flow() -> None:
    stage = Stage(Script(grant_types=("urn:x:tickets",)))

    def flow(client: Client) -> GrantFlow:
        return GrantFlow(client, FORM)

    source = stage.door(stage.client, flow, store=stage.store, interactive=False)  # type: ignore[arg-type]
    other = stage.door(
        stage.client,
        lambda client: GrantFlow(client, {**FORM, "ticket": "t-2"}),  # type: ignore[arg-type]
        store=stage.store,
    )
    assert source.key != other.key, "another ticket is another token"
    assert source.key != stage.source().key
    token = source.token()
    assert source.token() is token
    assert stage.store.read(source.key) == token
    stage.clock.advance(HOUR)
    assert source.token() != token, "it asks again, as for a machine"


def test_what_is_fetched_at_the_send_is_stored_under_an_identity_alone() -> None:
    stage = Stage(Script(grant_types=("urn:x:tickets",)))
    fetched: list[str] = []

    def ticket() -> str:
        fetched.append("t-1")
        return fetched[-1]

    def flow(client: Client) -> GrantFlow:
        return GrantFlow(client, {**FORM, "ticket": ticket})

    memory = stage.door(stage.client, flow, store=stage.store)  # type: ignore[arg-type]
    assert fetched == [], "not before it is sent"
    memory.token()
    memory.token()
    assert fetched == ["t-1"]
    assert stage.store.read(memory.key) is None
    named = stage.door(stage.client, flow, store=stage.store, identity="robot 7")  # type: ignore[arg-type]
    token = named.token()
    assert stage.store.read(named.key) == token
    again = stage.door(stage.client, flow, store=stage.store, identity="robot 7")  # type: ignore[arg-type]
    assert again.token() == token
    other = stage.door(stage.client, flow, store=stage.store, identity="robot 8")  # type: ignore[arg-type]
    assert other.key != named.key


def test_a_form_is_told_by_what_is_in_it() -> None:
    stage = Stage()
    keys = {
        stage.door(stage.client, lambda client, form=form: GrantFlow(client, form)).key  # type: ignore[arg-type,misc]
        for form in (FORM, {**FORM, "ticket": Secret("t-2")}, {**FORM, "more": "x"})
    }
    assert len(keys) == 3
    same = stage.door(stage.client, lambda client: GrantFlow(client, FORM)).key  # type: ignore[arg-type]
    assert same in keys


# -- how long a token must last, and for how long a transport does


def test_a_token_lasts_as_long_as_it_has_to() -> None:
    stage = Stage()
    long, _ = watched(stage, min_ttl=timedelta(minutes=50))
    first = long.token()
    stage.clock.advance(timedelta(minutes=9))
    assert long.token() is first
    stage.clock.advance(timedelta(minutes=2))
    second = long.token()
    assert second.expires_at is not None
    assert second.expires_at - stage.clock.now().wall >= timedelta(minutes=50)


def test_a_block_has_one_transport_and_closes_it(kind: str) -> None:  # noqa: F811
    with serve(Script(clients={"app": "secret"})) as server:
        basic = ClientSecretBasic("secret")
        client = Client(provider=server.server.provider, client_id="app", authentication=basic)
        if kind == "blocking":
            with TokenSource(client, "client_credentials", store=MemoryStore()) as source:
                assert source.renew(source.token())
        else:

            async def main() -> None:
                made = AsyncTokenSource(client, "client_credentials", store=MemoryStore())
                async with made as source:
                    assert await source.renew(await source.token())

            anyio.run(main, backend=kind)
        assert server.server.counts["client_credentials"] == 2


def test_what_was_dropped_of_an_answer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()

    def sloppy(request: Request) -> Reply:
        reply = stage.transport(request)
        if isinstance(reply, Response) and b"access_token" in reply.body:
            found = json.loads(reply.body) | {"id_token": {}, "scope": 7}
            return evolve(reply, body=json.dumps(found).encode())
        return reply

    told = Told()
    source = stage.door(
        stage.client, transport=sloppy, on_event=told, store=stage.store, prompt=stage.shown.append
    )
    with caplog.at_level(logging.INFO, "grantflow"):
        source.token()
        stage.clock.advance(HOUR)
        source.token()
    dropped = [e.dropped for e in told.events if isinstance(e, (TokenAcquired, TokenRenewed))]
    assert dropped == [("id_token", "scope")] * 2
    assert "without its id_token, scope, which could not be used" in caplog.text
    assert source.notes == ("the server's id_token, scope could not be used, and was dropped",)
