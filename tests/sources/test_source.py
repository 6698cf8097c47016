"""Both front doors, in virtual time against the scripted server."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Literal, cast, overload

import pytest
from attrs import evolve
from returns.io import IOResult
from returns.unsafe import unsafe_perform_io

from grantflow import (
    Client,
    ClientSecretBasic,
    Denied,
    DeviceAuthorization,
    Expired,
    Failed,
    Fault,
    FileStore,
    GrantError,
    InteractionRequired,
    InvalidResponse,
    MemoryStore,
    Problem,
    Refused,
    Request,
    Response,
    Secret,
    Token,
    TokenSource,
    Unreachable,
    settled,
)
from grantflow.core.acquisition.freshness import Skew
from grantflow.core.client.identity import Grant
from grantflow.core.values.response import Reply
from grantflow.shell.aio import AsyncTokenSource
from grantflow.shell.ports import Claim, Store, StoreError
from grantflow.testing import (
    AsyncVirtualClock,
    Outage,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
)
from tests.support.blocking_async import KINDS, Awaited, Kind, at_once
from tests.support.samples import seconds, unmarked

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every promise is one of both front doors."""
    Stage.kind = request.param
    return Stage.kind


class Stage:
    """A scripted server, its clock, and sources that share a store."""

    kind: Kind = "blocking"

    def __init__(self, script: Script | None = None, store: Store | None = None) -> None:
        self.clock = VirtualClock()
        server = Server(script or Script(approve_after=seconds(7)))
        self.transport = ServerTransport(server, self.clock)
        self.client = Client(provider=server.provider, client_id="app", scope="read")
        self.store: Store = MemoryStore() if store is None else store
        self.shown: list[DeviceAuthorization] = []

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.transport.server.counts)

    def script(self, **changes: object) -> None:
        server = self.transport.server
        self.transport.server = evolve(server, script=evolve(server.script, **changes))  # type: ignore[arg-type]

    def source(
        self,
        grant: Grant = "device",
        *,
        interactive: bool = True,
        client: Client | Callable[[], Client] | None = None,
        skew: Skew | None = None,
        profile: str = "",
        environment: str | None = None,
        token: str | Callable[[], str | Token] | None = None,
        transport: Callable[[Request], Reply] | None = None,
    ) -> TokenSource:
        return self.door(
            client or self.client,
            grant,
            transport=transport,
            store=self.store,
            prompt=self.shown.append,
            interactive=interactive,
            skew=skew or Skew(),
            profile=profile,
            environment=environment,
            token=token,
        )

    def door(
        self,
        client: Client | Callable[[], Client],
        grant: Grant = "device",
        transport: Callable[[Request], Reply] | None = None,
        **arguments: object,
    ) -> TokenSource:
        """A front door of the kind that is tested, with the ports of the stage."""
        send = transport or self.transport
        if self.kind == "blocking":
            return TokenSource(client, grant, transport=send, clock=self.clock, **arguments)  # type: ignore[arg-type]
        clock = AsyncVirtualClock(self.clock)
        source = AsyncTokenSource(
            client,
            grant,
            transport=at_once(send),
            clock=clock,
            **arguments,  # type: ignore[arg-type]
        )
        return cast("TokenSource", Awaited(source, self.kind))


def value(result: IOResult[Token, Problem]) -> Token | Problem:
    inner = unsafe_perform_io(result.map(lambda token: token).value_or(None))
    return inner if inner is not None else unsafe_perform_io(result.failure())


def test_a_person_signs_in_once_and_the_token_stays() -> None:
    stage = Stage()
    first = stage.source().token()
    assert [code.user_code for code in stage.shown] == [stage.shown[0].user_code]
    assert stage.source().token() == first
    source = stage.source()
    assert value(source.try_token()) == first
    assert value(source.try_token()) == first
    assert stage.counts == {"device": 1, "poll": 2}


def test_a_warm_token_costs_no_lock_and_no_store() -> None:
    stage = Stage()
    source = stage.source()
    first = source.token()
    stage.store.__class__ = _Untouchable
    assert source.token() is first
    assert value(source.try_token()) == first


class _Untouchable(MemoryStore):  # pyright: ignore[reportGeneralTypeIssues]
    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"the store was touched: {name}")


def test_a_stale_token_is_renewed_and_the_rotated_one_kept() -> None:
    stage = Stage()
    first = stage.source().token()
    stage.clock.advance(HOUR)
    second = stage.source().token()
    assert second.refresh_token != first.refresh_token
    stage.clock.advance(HOUR)
    third = stage.source(interactive=False).token()
    assert third.access_token != second.access_token
    assert stage.counts == {"device": 1, "poll": 2, "refresh": 2}


def test_a_machine_signs_itself_in_again() -> None:
    stage = Stage()
    source = stage.source("client_credentials", interactive=False)
    first = source.token()
    stage.clock.advance(HOUR)
    assert source.token() != first
    assert stage.counts == {"client_credentials": 2}


def test_while_a_token_ages_it_is_renewed_once_and_early() -> None:
    stage = Stage()
    source = stage.source()
    first = source.token()
    stage.clock.advance(HOUR - seconds(200))
    second = source.token()
    assert second != first
    assert source.token() is second
    assert stage.counts["refresh"] == 1


def test_a_token_that_is_still_good_is_served_when_renewal_fails() -> None:
    stage = Stage()
    source = stage.source(interactive=False)
    with pytest.raises(GrantError):
        source.token()
    first = stage.source().token()
    assert source.token() == first
    now = stage.clock.now().mono
    stage.script(outages=(Outage(now, now + 2 * HOUR, Fault("refused", "no")),))
    stage.clock.advance(HOUR - seconds(200))
    before = stage.counts.get("outage", 0)
    assert source.token() == first
    assert source.token() == first, "the others go on"
    assert stage.counts["outage"] == before + 1, "one try, and not at every call"
    assert any("the token was not renewed: no connection" in note for note in source.notes)
    stage.clock.advance(seconds(40))
    assert source.token() == first
    assert stage.counts["outage"] == before + 2
    stage.clock.advance(seconds(140))
    assert source.token() == first, "in the hard window as well, while it lives"
    stage.clock.advance(seconds(60))
    problem = value(source.try_token())
    assert isinstance(problem, Failed)
    assert isinstance(problem.error, Unreachable)


def test_processes_whose_tokens_end_together_do_not_renew_together() -> None:
    begun = []
    for roll in (0.0, 0.5, 0.999):
        stage = Stage()
        stage.clock = VirtualClock(roll=roll)
        stage.transport = ServerTransport(stage.transport.server, stage.clock)
        source = stage.source("client_credentials")
        first = source.token()
        stage.clock.advance(HOUR - seconds(301))
        while source.token() == first:
            stage.clock.advance(seconds(1))
        end = first.expires_at
        assert end is not None
        begun.append(round((end - stage.clock.now().wall).total_seconds()))
    assert begun == [300, 232, 165], "spread over half of the time in which the token ages"


def test_a_server_that_wants_to_be_asked_later_is() -> None:
    stage = Stage()
    source = stage.source("client_credentials")
    first = source.token()
    stage.clock.advance(HOUR - seconds(290))
    now = stage.clock.now().mono
    later = Response(503, {"Retry-After": "90"}, b"")
    stage.script(outages=(Outage(now, now + seconds(85), later),))
    for _ in range(89):
        assert source.token() == first
        stage.clock.advance(seconds(1))
    assert stage.counts["outage"] == 1, "no second request while the server wants peace"
    stage.clock.advance(seconds(1))
    assert source.token() != first


def test_a_pause_that_is_longer_than_all_patience_is_kept_too() -> None:
    """The token is about to end, so its source is patient; the server wants more than that."""
    stage = Stage()
    source = stage.source("client_credentials")
    first = source.token()
    stage.clock.advance(HOUR - seconds(25))
    now = stage.clock.now().mono
    later = Response(503, {"Retry-After": "3600"}, b"")
    stage.script(outages=(Outage(now, now + HOUR, later),))
    for _ in range(25):
        assert source.token() == first
        stage.clock.advance(seconds(1))
    assert stage.counts["outage"] == 1
    with pytest.raises(GrantError) as caught:
        source.token()
    assert isinstance(caught.value.problem, Expired)
    assert caught.value.problem.fault.retry_after == HOUR  # pyright: ignore[reportOptionalMemberAccess]


def test_who_has_a_token_does_not_wait_for_somebody_who_renews_it() -> None:
    stage = Stage()
    source = stage.source("client_credentials")
    first = source.token()
    stage.clock.advance(HOUR - seconds(200))
    with ThreadPoolExecutor(1) as pool, stage.store.claim(source.key) as entry:
        asked = pool.submit(source.token)
        assert asked.result(5) == first
        second = evolve(first, access_token="second", expires_at=None)
        entry.save(second)
    stage.clock.advance(seconds(46))
    assert source.token() == second
    assert stage.counts == {"client_credentials": 1}


def test_a_token_that_is_stored_and_good_needs_no_lock() -> None:
    stage = Stage()
    first = stage.source().token()
    with ThreadPoolExecutor(1) as pool, stage.store.claim(stage.source().key):
        assert pool.submit(stage.source().token).result(60) == first


def test_nobody_is_asked_where_nobody_may_be() -> None:
    stage = Stage()
    source = stage.source(interactive=False)
    assert value(source.try_token()) == InteractionRequired()
    with pytest.raises(GrantError, match="sign-in required") as caught:
        source.token()
    assert caught.value.problem == InteractionRequired()
    token = Stage().source().token()
    assert value(source.try_renew(token)) == InteractionRequired("the stored token was refused")
    assert stage.shown == []
    assert stage.counts == {}


def test_a_refused_token_is_renewed_once_for_all() -> None:
    stage = Stage()
    source, sibling = stage.source(), stage.source()
    first = source.token()
    assert sibling.token() == first
    second = value(source.try_renew(first))
    assert isinstance(second, Token)
    assert second.access_token != first.access_token
    assert value(source.try_renew(first)) == second, "the current token is another one already"
    assert value(sibling.try_renew(first)) == second, "and the store has it as well"
    assert stage.counts["refresh"] == 1


def test_a_dead_grant_is_told_and_a_person_asked_again() -> None:
    stage = Stage()
    first = stage.source().token()
    stage.transport(
        stage.client.request(
            stage.transport.server.issuer + "/revoke", (("token", first.refresh_token or ""),)
        )
    )
    stage.clock.advance(HOUR)
    silent = stage.source(interactive=False)
    problem = value(silent.try_token())
    assert isinstance(problem, InteractionRequired)
    assert problem.because is not None
    assert "invalid_grant" in problem.because
    assert stage.store.keys() == []  # pyright: ignore[reportAttributeAccessIssue]
    assert stage.source().token() != first
    assert len(stage.shown) == 2


@pytest.mark.parametrize(
    "reply",
    [
        Fault("timeout", "maybe"),
        Fault("refused", "no"),
        Response(500, {}, b"<html>"),
        Response(200, {}, b"<html>"),
    ],
)
def test_trouble_during_a_refresh_deletes_nothing(reply: Fault | Response) -> None:
    stage = Stage()
    source = stage.source(interactive=False)
    first = stage.source().token()
    stage.clock.advance(HOUR)
    now = stage.clock.now().mono
    stage.script(outages=(Outage(now, now + HOUR, reply),))
    problem = value(source.try_token())
    assert isinstance(problem, Failed)
    stored = stage.store.read(source.key)
    assert unmarked(stored) == first
    assert stored is not None
    assert stored.refresh_sent == (reply != Fault("refused", "no")), "marked, where in doubt"
    stage.script(outages=())
    assert isinstance(value(source.try_token()), Token)


@pytest.mark.parametrize(
    "lost",
    [Fault("timeout", "maybe"), Response(500, {}, b""), Response(502, {}, b"<html>"), SystemExit],
)
def test_a_refresh_with_a_lost_answer_waits_for_the_old_token_s_end(
    lost: Reply | type[BaseException], tmp_path: Path
) -> None:
    """Any source that finds the mark obeys it, also after one that died with its request."""
    stage = Stage(store=FileStore(tmp_path))
    stage.source().token()
    stage.clock.advance(timedelta(minutes=56))
    sent: list[Request] = []

    def losing(request: Request) -> Reply:
        sent.append(request)
        if isinstance(lost, type):
            raise lost
        return lost

    for minute in range(8):
        source = stage.source(interactive=False, transport=losing, skew=Skew(needed=HOUR / 6))
        try:
            assert isinstance(value(source.try_token()), Token) == (minute < 4)
        except SystemExit:
            assert minute in (0, 4, 5, 6, 7)
        stage.clock.advance(timedelta(minutes=1))
        assert len(sent) == 1 + max(0, minute - 3), "again only when the old token ended"


def test_a_refresh_that_was_not_acted_on_is_sent_again(tmp_path: Path) -> None:
    stage = Stage(store=FileStore(tmp_path))
    stage.source().token()
    stage.clock.advance(timedelta(minutes=56))
    answers = [
        Response(503, {"Retry-After": "900"}, b""),
        Response(429, {"Retry-After": "900"}, b""),
    ]
    sources = [
        stage.source(transport=lambda _, each=each: each, skew=Skew(needed=HOUR / 6))  # type: ignore[misc]
        for each in (*answers, Fault("refused", "no"))
    ]
    for source in sources:
        assert isinstance(value(source.try_token()), Token), "the old one serves"
        stored = stage.store.read(source.key)
        assert stored is not None
        assert not stored.refresh_sent
    stage.source(skew=Skew(needed=HOUR / 6)).token()
    assert stage.counts["refresh"] == 1


def test_after_an_uncertain_refresh_the_store_is_looked_at_first() -> None:
    """The answer to our refresh is lost; a sibling on another host has renewed meanwhile."""
    stage = Stage()
    first = stage.source().token()
    stage.clock.advance(HOUR)
    newer = evolve(first, access_token="newer", expires_at=stage.clock.now().wall + HOUR)
    sent: list[object] = []

    def losing(request: object) -> Fault:
        sent.append(request)
        assert isinstance(stage.store, MemoryStore)
        stage.store._tokens[source.key] = newer  # it has not our lock  # noqa: SLF001
        return Fault("timeout", "maybe")

    source = stage.source(interactive=False, transport=losing)
    assert value(source.try_token()) == newer
    assert len(sent) == 1


def test_two_asks_never_see_each_other_s_tokens() -> None:
    stage = Stage()
    clients = [
        stage.client,
        evolve(stage.client, client_id="other"),
        evolve(stage.client, scope="write"),
        evolve(stage.client, audience="api"),
    ]
    tokens = [stage.source(client=client).token() for client in clients]
    tokens.append(stage.source(profile="work").token())
    assert len({token.access_token for token in tokens}) == 5
    assert len(stage.store.keys()) == 5  # pyright: ignore[reportAttributeAccessIssue]


def test_a_token_is_returned_though_it_cannot_be_saved(caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        """A store that reads and locks, and has no room."""

        @overload
        def claim(
            self, key: str, /, wait: Literal[True] = ...
        ) -> AbstractContextManager[Claim]: ...

        @overload
        def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

        def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
            return nullcontext(self)

        token = None

        def read(self, key: str, /) -> Token | None:
            return None

        def save(self, token: Token, /) -> None:
            raise StoreError("cannot write: no space left on device")

        def forget(self) -> None:
            raise StoreError("cannot write: no space left on device")

    stage = Stage(store=Full())
    source = stage.source()
    with caplog.at_level(logging.WARNING, logger="grantflow"):
        token = source.token()
    assert source.token() is token
    note = "the token could not be saved: cannot write: no space left on device"
    assert source.notes == (note,)
    assert note in caplog.text


def test_a_store_that_cannot_be_used_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    stage = Stage(store=FileStore(tmp_path / "file" / "tokens"))
    source = stage.source("client_credentials")
    assert isinstance(value(source.try_token()), Token)
    assert source.notes[0].startswith("the store cannot be used: cannot ")


def test_a_damaged_file_costs_one_sign_in(tmp_path: Path) -> None:
    stage = Stage(store=FileStore(tmp_path))
    stage.source(profile="other").token()
    source = stage.source()
    source.token()
    (tmp_path / f"{source.key}.json").write_text("{damaged")
    assert isinstance(stage.source().token(), Token)
    stage.source(profile="other", interactive=False).token()
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_an_app_token_outranks_those_of_sign_ins() -> None:
    stage = Stage()
    source = stage.source()
    signed_in = source.token()
    assert source.adopt("app-token").access_token == Secret("app-token")
    assert source.token().access_token == Secret("app-token")
    assert source.origin == "app"
    fallback = value(stage.source().try_renew(source.token()))
    assert fallback == signed_in, "a refused app token gives way to the sign-in's"


def test_the_environment_outranks_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.source().token()
    source = stage.source(environment="ACME_TOKEN")
    monkeypatch.setenv("ACME_TOKEN", "  from-environment \n")
    token = source.token()
    assert (token.access_token, source.origin) == (Secret("from-environment"), "environment")
    assert value(source.try_renew(token)) == InteractionRequired(
        "the token from the environment was refused"
    )
    monkeypatch.delenv("ACME_TOKEN")
    assert stage.source(environment="ACME_TOKEN").origin == "stored"


def test_a_function_may_give_the_token() -> None:
    stage = Stage()
    made: list[Token] = []

    def fetch() -> Token:
        made.append(
            Token(
                access_token=f"given-{len(made)}",
                issued_at=stage.clock.now().wall,
                expires_at=stage.clock.now().wall + HOUR,
            )
        )
        return made[-1]

    source = stage.source(token=fetch)
    assert source.token() == source.token() == made[0]
    stage.clock.advance(HOUR)
    assert source.token() == made[1]
    assert stage.source(token="plain").token().access_token == Secret("plain")


def test_a_function_may_make_the_client() -> None:
    stage = Stage(Script(clients={"app": "second"}))
    secrets = iter(["first", "first", "second"])

    def client() -> Client:
        return evolve(stage.client, authentication=ClientSecretBasic(next(secrets)))

    source = stage.source("client_credentials", client=client)
    problem = value(source.try_token())
    assert isinstance(problem, Failed)
    assert isinstance(problem.error, Refused)
    assert isinstance(value(source.try_token()), Token)


def test_a_token_that_must_live_longer_is_renewed() -> None:
    stage = Stage()
    first = stage.source().token()
    needing = stage.source(skew=Skew(needed=seconds(3590)))
    stage.clock.advance(seconds(20))
    assert needing.token() != first


def test_forget_revokes_and_removes() -> None:
    stage = Stage()
    source = stage.source()
    token = source.token()
    told = source.try_introspect()
    assert unsafe_perform_io(told.map(lambda found: found["active"]).value_or(None)) is True
    assert unsafe_perform_io(source.try_logout().map(lambda _: "gone").value_or("kept")) == "gone"
    assert stage.store.keys() == []  # pyright: ignore[reportAttributeAccessIssue]
    assert stage.counts["revoke"] == 2
    assert source.current is None
    again = stage.source(token=lambda: token)
    told = again.try_introspect()
    assert unsafe_perform_io(told.map(lambda found: found["active"]).value_or(None)) is False


def test_forget_keeps_what_the_server_could_not_be_told_of() -> None:
    stage = Stage()
    source = stage.source()
    source.token()
    now = stage.clock.now().mono
    stage.script(outages=(Outage(now, now + HOUR, Fault("refused", "no")),))
    problem = unsafe_perform_io(source.try_logout().failure())
    assert problem == Failed(Unreachable(Fault("refused", "no"), 1))
    assert stage.store.keys() == [source.key]  # pyright: ignore[reportAttributeAccessIssue]
    assert (
        unsafe_perform_io(source.try_logout(revoke=False).map(lambda _: "gone").value_or("kept"))
        == "gone"
    )
    assert stage.store.keys() == []  # pyright: ignore[reportAttributeAccessIssue]


def test_forget_where_there_is_no_revocation_says_so() -> None:
    stage = Stage()
    provider = evolve(stage.client.provider, revocation_endpoint=None, introspection_endpoint=None)
    source = stage.source(client=evolve(stage.client, provider=provider))
    source.token()
    problem = unsafe_perform_io(source.try_introspect().failure())
    assert "introspection" in repr(problem)
    assert unsafe_perform_io(source.try_logout().map(lambda _: "gone").value_or("kept")) == "gone"
    assert "no revocation endpoint" in source.notes[0]


def test_the_default_prompt_is_plain_lines_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path / "home"))
    stage = Stage()
    stage.door(stage.client).token()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[1].startswith("  https://server.test/activate?user_code=")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["tokens"]


def test_a_server_that_gives_the_refused_token_again_is_not_asked_for_ever() -> None:
    stage = Stage()
    asked: list[Request] = []

    def same(request: Request) -> Response:
        asked.append(request)
        assert len(asked) < 10
        return Response(200, {}, b'{"access_token": "same", "expires_in": 3600}')

    stage.transport = same  # type: ignore[assignment]
    source = stage.source("client_credentials")
    problem = value(source.try_renew(source.token()))
    assert problem == Failed(InvalidResponse("the server gave the refused token again"))
    assert len(asked) == 2


def test_arguments_are_checked_where_they_are_given() -> None:
    stage = Stage()
    with pytest.raises(ValueError, match="^grant: device or client_credentials is needed"):
        stage.source("devcie")  # type: ignore[arg-type]
    provider = evolve(stage.client.provider, device_authorization_endpoint=None)
    with pytest.raises(ValueError, match="^client: provider 'server.test' has no device"):
        stage.source(client=evolve(stage.client, provider=provider))


def test_a_given_token_is_wrapped_at_once() -> None:
    assert "hunter2" not in repr(vars(Stage().source(token="hunter2")))


def test_what_could_not_be_saved_is_revoked_all_the_same() -> None:
    stage = Stage()
    source = stage.source("client_credentials")
    source.token()
    stage.store.clear()  # pyright: ignore[reportAttributeAccessIssue]
    assert unsafe_perform_io(source.try_logout().map(lambda _: "gone").value_or("kept")) == "gone"
    assert stage.counts["revoke"] == 1


@pytest.mark.parametrize(
    "problem",
    [
        Expired(),
        InteractionRequired("the token was revoked"),
        Failed(Refused("invalid_grant", "gone", status=400)),
        Failed(Denied(None)),
        Failed(InvalidResponse("HTTP 200: no token", 200)),
        Failed(Unreachable(Fault("timeout", "maybe", "no answer"), 5)),
    ],
    ids=lambda problem: type(getattr(problem, "error", problem)).__name__,
)
def test_an_error_survives_a_pickle(problem: Problem) -> None:
    """A pool of processes waits for ever for an error that cannot be read."""
    error = GrantError(problem)
    for again in (pickle.loads(pickle.dumps(error)), copy(error)):
        assert type(again) is GrantError
        assert (str(again), again.problem) == (str(error), problem)


def test_the_plain_names_raise_and_the_others_return() -> None:
    """No failed logout can pass for one that worked."""
    stage = Stage()
    source = stage.source()
    token = source.token()
    down = stage.source(transport=lambda request: Fault("refused", "no"))
    assert down.token() == token
    for call in (down.logout, down.introspect):
        with pytest.raises(GrantError, match="no connection to the server"):
            call()
    assert isinstance(settled(down.try_logout()), Failed)
    assert stage.store.read(source.key) == token, "it is kept"
    down.logout(revoke=False)
    assert stage.store.read(source.key) is None


def test_a_refresh_token_of_another_library_is_adopted_and_renewed_at_first_use() -> None:
    stage = Stage()
    mine = stage.source().token()
    assert mine.refresh_token is not None
    stage.source().logout(revoke=False)
    long_ago = stage.clock.now().wall - HOUR
    theirs = Token(access_token="?", refresh_token=mine.refresh_token, expires_at=long_ago)
    source = stage.source(interactive=False)
    assert source.adopt(theirs) == theirs
    assert source.token().access_token not in (theirs.access_token, mine.access_token)
    assert stage.counts["refresh"] == 1
    assert stage.store.read(source.key) == source.token()
