"""The front door that awaits, where it is not like the one that blocks."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal, overload

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from attrs import evolve

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    DeviceAuthorization,
    FileStore,
    GrantError,
    MemoryStore,
    PrivateKeyJwt,
    Request,
    Token,
)
from grantflow.core.client.identity import Grant
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Moment
from grantflow.shell import aio
from grantflow.shell.aio import AsyncTokenSource
from grantflow.shell.ports import Claim, StoreError
from grantflow.testing import (
    AsyncServerTransport,
    AsyncVirtualClock,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
    serve,
)
from tests.support.samples import instant, seconds

# What is cancelled here may be waited for: if that never ends, only ending the process helps.
pytestmark = pytest.mark.timeout(60, method="thread")
loops = pytest.mark.parametrize("loop", ["asyncio", "trio"])


def run(loop: str, main: Callable[[], Awaitable[None]]) -> None:
    async def soon() -> None:
        with anyio.fail_after(20):
            await main()

    anyio.run(soon, backend=loop)


class Gates:
    """A store, and functions, that block their thread at one place until ``opened``."""

    def __init__(self, closed: str = "") -> None:
        self.tokens = MemoryStore()
        self.closed = closed
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.claiming = threading.Event()
        self.idents: set[int] = set()

    def pass_(self, place: str) -> None:
        self.idents.add(threading.get_ident())
        if place == self.closed:
            self.reached.set()
            assert self.opened.wait(60), f"the event loop stood still: {place}"

    async def open_soon(self) -> None:
        while not self.reached.is_set():
            await anyio.sleep(0.001)
        self.opened.set()

    @overload
    def claim(self, key: str, /, wait: Literal[True] = ...) -> AbstractContextManager[Claim]: ...

    @overload
    def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

    def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
        return self._claimed(key, wait=wait)

    @contextmanager
    def _claimed(self, key: str, *, wait: bool) -> Iterator[Entry | None]:
        self.pass_("claim")
        self.claiming.set()
        with self.tokens.claim(key, wait) as entry:
            if entry is None:
                yield None
                return
            yield Entry(self, entry)
            self.pass_("leave")

    def read(self, key: str, /) -> Token | None:
        self.pass_("read")
        return self.tokens.read(key)


class Entry:
    def __init__(self, gates: Gates, entry: Claim) -> None:
        self._gates = gates
        self._entry = entry

    @property
    def token(self) -> Token | None:
        return self._entry.token

    def save(self, token: Token, /) -> None:
        self._gates.pass_("save")
        self._entry.save(token)

    def forget(self) -> None:
        self._gates.pass_("forget")
        self._entry.forget()


class Stage:
    """A server in virtual time, a store, and sources."""

    def __init__(self, closed: str = "") -> None:
        self.clock = VirtualClock()
        self.server = ServerTransport(Server(Script(approve_after=seconds(7))), self.clock)
        self.client = Client(provider=self.server.server.provider, client_id="app", scope="read")
        self.store = Gates(closed)
        self.shown: list[DeviceAuthorization] = []

    def source(self, grant: Grant = "device", **changes: object) -> AsyncTokenSource:
        arguments = {
            "client": self.client,
            "store": self.store,
            "transport": AsyncServerTransport(self.server),
            "clock": AsyncVirtualClock(self.clock),
            "prompt": self.shown.append,
            **changes,
        }
        return AsyncTokenSource(grant=grant, **arguments)  # type: ignore[arg-type]

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.server.server.counts)

    def lock_is_free(self) -> bool:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: self.store.tokens.claim(self.source().key).__enter__()).result(60)
        return True


def test_a_warm_token_costs_no_turn_of_the_event_loop() -> None:
    stage = Stage()
    source = stage.source()
    anyio.run(source.token)
    for call in (source.token, source.try_token):
        with pytest.raises(StopIteration):
            call().send(None)
    assert source.warm is source.current is not None
    assert source.origin == "stored"


# The event loop goes on


@loops
@pytest.mark.parametrize("place", ["claim", "read", "save", "leave", "client", "token", "sign"])
def test_the_event_loop_goes_on_while_something_blocks(loop: str, place: str) -> None:
    stage = Stage(place)
    gates = stage.store

    def client() -> Client:
        gates.pass_("client")
        return stage.client

    def signature(data: bytes) -> bytes:
        gates.pass_("sign")
        return b"signed by a key elsewhere"

    changes: dict[str, object] = {}
    if place == "client":
        gates.opened.set()  # the constructor calls it, too
        changes["client"] = client
    if place == "token":
        changes["token"] = lambda: [gates.pass_("token"), Token(access_token="given")][1]
    if place == "sign":
        key = PrivateKeyJwt(signature, alg="EdDSA")
        changes["client"] = evolve(stage.client, authentication=key)
    source = stage.source("client_credentials", **changes)
    gates.opened.clear()
    gates.reached.clear()
    gates.idents.clear()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gates.open_soon)
            await source.token()

    run(loop, main)
    assert gates.reached.is_set()
    assert threading.get_ident() not in gates.idents


@loops
@pytest.mark.parametrize("place", ["claim", "save", "forget", "leave"])
def test_so_it_does_while_a_token_is_kept_or_forgotten(loop: str, place: str) -> None:
    stage = Stage(place)
    source = stage.source()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.store.open_soon)
            await source.adopt("by hand")
            assert await source.token() == Token(access_token="by hand")
            await source.try_logout()

    run(loop, main)
    assert stage.store.tokens.keys() == []
    assert stage.store.reached.is_set()
    assert threading.get_ident() not in stage.store.idents


def test_a_flow_is_signed_for_in_a_thread_as_well() -> None:
    gates = Gates("sign")
    stage = Stage()

    def signature(data: bytes) -> bytes:
        gates.pass_("sign")
        return b"signed"

    key = PrivateKeyJwt(signature, alg="EdDSA")
    flow = ClientCredentialsFlow(evolve(stage.client, authentication=key))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gates.open_soon)
            clock = AsyncVirtualClock(stage.clock)
            final = await aio.run(flow, AsyncServerTransport(stage.server), clock)
            assert isinstance(final, Authorized)

    run("asyncio", main)


@loops
@pytest.mark.parametrize(("kind", "most"), [("memory", 0), ("file", 20)])
def test_two_hundred_callers_need_few_threads(
    loop: str, kind: str, most: int, tmp_path: Path
) -> None:
    """None for a store that never blocks, and no more for one than for two hundred."""
    stage = Stage()
    store = MemoryStore() if kind == "memory" else FileStore(tmp_path)
    before, seen = threading.active_count(), [0]

    async def main() -> None:
        async def get(number: int) -> None:
            source = stage.source("client_credentials", store=store, profile=str(number))
            await source.token()
            seen[0] = max(seen[0], threading.active_count() - before)

        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(get, number)

    run(loop, main)
    assert stage.counts == {"client_credentials": 200}
    assert seen[0] <= most


@loops
def test_the_workers_of_the_event_loop_may_all_wait_for_a_token(loop: str) -> None:
    stage = Stage()

    def blocking(request: Request) -> Reply:
        return stage.server(request)

    source = stage.source(client=lambda: stage.client, transport=aio.in_thread(blocking))
    tokens: list[Token] = []

    async def main() -> None:
        def work() -> None:
            everybody.wait(60)
            tokens.append(anyio.from_thread.run(source.token))

        workers = int(anyio.to_thread.current_default_thread_limiter().total_tokens)
        everybody = threading.Barrier(workers)
        async with anyio.create_task_group() as tasks:
            for _ in range(workers):
                tasks.start_soon(anyio.to_thread.run_sync, work)

    run(loop, main)
    assert len(tokens) == 40
    assert stage.counts == {"device": 1, "poll": 2}


# Leaving


class Hanging:
    """A transport or a clock where one thing never ends."""

    def __init__(self, stage: Stage, hangs: str) -> None:
        self._stage = stage
        self._hangs = hangs
        self.reached = anyio.Event()

    def now(self) -> Moment:
        return self._stage.clock.now()

    async def sleep_until(self, at: object, /) -> None:
        if self._hangs == "sleep" and at != instant(0):
            await self._for_ever()

    async def __call__(self, request: Request) -> Reply:
        if request.url.endswith(self._hangs):
            await self._for_ever()
        return self._stage.server(request)

    async def _for_ever(self) -> None:
        self.reached.set()
        await anyio.sleep_forever()


@loops
@pytest.mark.parametrize(
    ("grant", "hangs"),
    [("device", "sleep"), ("device", "/device"), ("client_credentials", "/token")],
)
def test_who_loses_nothing_leaves_at_once(loop: str, grant: Grant, hangs: str) -> None:
    stage = Stage()

    async def main() -> None:
        port = Hanging(stage, hangs)
        source = stage.source(grant, transport=port, clock=port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(source.token)
            await port.reached.wait()
            tasks.cancel_scope.cancel()

    run(loop, main)
    assert stage.lock_is_free()


@loops
def test_who_is_not_the_only_one_leaves_at_once(loop: str) -> None:
    stage = Stage()
    anyio.run(stage.source().token)
    stage.clock.advance(timedelta(hours=2))
    ends: list[str] = []

    async def main() -> None:
        answers = anyio.Event()
        sent = anyio.Event()

        async def slow(request: Request) -> Reply:
            reply = stage.server(request)
            sent.set()
            await answers.wait()
            return reply

        source = stage.source(transport=slow)
        scopes = [anyio.CancelScope() for _ in range(3)]

        async def call(number: int) -> None:
            with scopes[number]:
                await source.token()
            ends.append(f"{number} left" if scopes[number].cancelled_caught else f"{number} got it")

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(call, number)
            await sent.wait()
            for number in (0, 1):
                scopes[number].cancel()
                while len(ends) == number:
                    await anyio.sleep(0.001)
            answers.set()

    run(loop, main)
    assert ends == ["0 left", "1 left", "2 got it"]
    assert stage.counts["refresh"] == 1


@loops
def test_a_poll_that_the_server_holds_for_a_person_is_left_at_once(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()

    async def main() -> None:
        port = Hanging(stage, "/token")
        source = stage.source(transport=port, clock=port)
        request = Client.request
        monkeypatch.setattr(
            Client,
            "request",
            lambda self, *given: evolve(request(self, *given), wait=timedelta(minutes=5)),
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(source.token)
            await port.reached.wait()
            tasks.cancel_scope.cancel()

    run(loop, main)
    assert stage.lock_is_free()


@loops
def test_a_lock_that_is_waited_for_takes_no_thread_and_is_left_at_once(loop: str) -> None:
    stage = Stage()
    source = stage.source()

    async def come_and_go() -> None:
        for _ in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(source.token)
                while not stage.store.claiming.is_set():
                    await anyio.sleep(0.001)
                await anyio.sleep(0.03)
                tasks.cancel_scope.cancel()
            stage.store.claiming.clear()

    with stage.store.tokens.claim(source.key):
        run(loop, come_and_go)
    assert stage.lock_is_free()
    assert stage.counts == {}

    async def gets_it() -> None:
        await source.token()

    run(loop, gets_it)
    assert stage.counts == {"device": 1, "poll": 2}


@loops
def test_what_was_stored_meanwhile_is_found_by_those_who_waited(loop: str) -> None:
    stage = Stage()
    source = stage.source(clock=None)
    token = Token(access_token="from another process")

    async def main() -> None:
        async with anyio.create_task_group() as tasks:

            async def gets_it() -> None:
                assert await source.token() == token

            tasks.start_soon(gets_it)
            while not stage.store.claiming.is_set():
                await anyio.sleep(0.001)
            entry.save(token)
            held.__exit__(None, None, None)

    held = stage.store.tokens.claim(source.key)
    entry = held.__enter__()
    run(loop, main)
    assert stage.counts == {}


# What crashes


@loops
def test_a_prompt_that_fails_fails_who_began_and_the_next_one_begins(loop: str) -> None:
    stage = Stage()
    shown: list[DeviceAuthorization] = []

    def prompt(code: DeviceAuthorization) -> None:
        shown.append(code)
        if len(shown) == 1:
            raise ZeroDivisionError("no screen")

    source = stage.source(prompt=prompt)
    ends: list[object] = []

    async def call() -> None:
        try:
            ends.append(await source.token())
        except ZeroDivisionError as error:
            ends.append(error)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)

    run(loop, main)
    assert sorted(type(end).__name__ for end in ends) == ["Token", "Token", "ZeroDivisionError"]
    assert len(shown) == 2
    assert stage.lock_is_free()


@loops
@pytest.mark.parametrize("place", ["client", "claim", "save", "leave"])
def test_whatever_is_raised_is_raised_to_the_caller(loop: str, place: str) -> None:
    stage = Stage()

    def fails(at: str) -> None:
        if at == place:
            raise ZeroDivisionError(at)

    def client() -> Client:
        stage.store.pass_("client")
        return stage.client

    source = stage.source(client=client)
    stage.store.pass_ = fails  # type: ignore[method-assign]

    async def main() -> None:
        with pytest.raises(ZeroDivisionError, match=place):
            await source.token()

    run(loop, main)
    assert stage.lock_is_free()


@loops
def test_a_token_that_cannot_be_kept_by_hand_is_an_error(loop: str) -> None:
    stage = Stage()

    def fails(at: str) -> None:
        raise StoreError("cannot write: no space left")

    stage.store.pass_ = fails  # type: ignore[method-assign]
    source = stage.source()

    async def main() -> None:
        with pytest.raises(GrantError, match="the store cannot be used: cannot write: no space"):
            await source.adopt("by hand")
        problem = await source.try_logout()
        assert "the store cannot be used: cannot write" in repr(problem)

    run(loop, main)


# Event loops that end


def test_what_asyncio_cancels_in_the_end_is_saved_first() -> None:
    """``asyncio.run`` cancels every task that is left, and waits for them."""
    stage = Stage()
    anyio.run(stage.source().token)
    old = stage.store.tokens.read(stage.source().key)
    stage.clock.advance(timedelta(hours=2))
    sent = threading.Event()

    async def slow(request: Request) -> Reply:
        reply = stage.server(request)
        sent.set()
        await asyncio.sleep(0.05)
        return reply

    source = stage.source(transport=slow)
    left: list[asyncio.Task[Token]] = []

    async def main() -> None:
        left.append(asyncio.create_task(source.token()))
        while not sent.is_set():
            await asyncio.sleep(0.001)

    asyncio.run(main())
    assert left[0].cancelled()
    assert stage.counts["refresh"] == 1
    assert stage.store.tokens.read(source.key) not in (old, None)
    assert stage.lock_is_free()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_event_loop_that_was_closed_holds_up_no_later_one() -> None:
    stage = Stage()

    async def send(request: Request) -> Reply:
        if stuck:
            reached.set()
            await asyncio.sleep(3600)
        return stage.server(request)

    stuck = True
    reached = threading.Event()
    source = stage.source(transport=send)
    loop = asyncio.new_event_loop()
    task = loop.create_task(source.token())
    while not reached.is_set():
        loop.run_until_complete(asyncio.sleep(0.001))
    loop.close()
    assert not task.done()
    stuck = False
    assert anyio.run(source.token) == stage.store.tokens.read(source.key)
    assert stage.lock_is_free()


# Ports of its own


@loops
@pytest.mark.parametrize("httpx", [True, False])
def test_it_brings_its_own_transport_clock_and_store(
    loop: str, httpx: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))
    if not httpx:
        monkeypatch.setitem(sys.modules, "grantflow.shell.http.httpx", None)
    with serve(Script()) as server:
        client = Client(provider=server.provider, client_id="app")
        source = AsyncTokenSource(client, "client_credentials")

        async def main() -> None:
            token = await source.token()
            assert FileStore().read(source.key) == token
            told = await source.try_introspect()
            assert "active" in repr(told)
            await source.try_logout()
            assert FileStore().keys() == []

        run(loop, main)
        assert server.server.counts == {"client_credentials": 1, "introspect": 1, "revoke": 1}


def test_one_source_serves_several_event_loops_at_once() -> None:
    stage = Stage()
    source = stage.source(clock=None, transport=AsyncServerTransport(stage.server))
    everybody = threading.Barrier(8)
    stage.server.server = evolve(
        stage.server.server, script=evolve(stage.server.server.script, token_lifetime=None)
    )

    def live(loop: str) -> list[Token]:
        tokens: list[Token] = []

        async def call() -> None:
            tokens.append(await source.token())

        async def main() -> None:
            everybody.wait(60)
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(call)

        anyio.run(main, backend=loop)
        return tokens

    source = stage.source("client_credentials", clock=None)
    with ThreadPoolExecutor(8) as pool:
        tokens = [token for each in pool.map(live, ["asyncio", "trio"] * 4) for token in each]
    assert len(tokens) == 160
    assert len({token.access_token for token in tokens}) == 1
    assert stage.counts == {"client_credentials": 1}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 has eager tasks")
def test_a_task_that_begins_at_once_finds_who_waits_for_it() -> None:
    stage = Stage()
    source = stage.source()

    async def main() -> None:
        factory = getattr(asyncio, "eager_task_factory")  # noqa: B009 - Python 3.11 has none
        asyncio.get_running_loop().set_task_factory(factory)
        await source.token()

    asyncio.run(main())
    assert stage.counts == {"device": 1, "poll": 2}
