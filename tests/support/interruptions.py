"""Interruptions at every point of a session: wherever it meets a store, a clock or a server.

A ``Points`` counts the points as they come by, on the event loop and on threads, and strikes at
those that it was told. Nothing moves on before the strike has been felt.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import Literal, TypeVar, overload

import anyio
from anyio.lowlevel import checkpoint

from grantflow import Client, ClientSecretBasic, Instant, MemoryStore, Request, Token, TokenSource
from grantflow.core.client.identity import Grant
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Moment
from grantflow.shell.aio import AsyncTokenSource
from grantflow.shell.aio.loops import Loop, running_loop
from grantflow.shell.ports import Claim
from grantflow.testing import Script, Server, ServerTransport, VirtualClock

T = TypeVar("T")
Way = Literal["asyncio", "trio", "Task.cancel"]
WAYS: tuple[Way, ...] = ("asyncio", "trio", "Task.cancel")
"""A cancel scope on both loops, and what asyncio's own timeouts do, which no shield keeps off."""

TURNS = 4
"""Of the event loop, until an interruption has been felt."""


class Points:
    """Strikes at the points with these numbers, the first being 1."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers
        self.names: list[str] = []
        self.strike: Callable[[], None] = lambda: None
        self.loop: Loop | None = None

    async def here(self, name: str) -> None:
        """On the event loop."""
        if self._struck(name):
            self.strike()
        for _ in range(TURNS):
            await checkpoint()

    def there(self, name: str) -> None:
        """On a thread."""
        if self._struck(name):
            assert self.loop is not None
            self.loop.post(self.strike)
            for _ in range(TURNS):
                felt = threading.Event()
                self.loop.post(felt.set)
                assert felt.wait(60), "the event loop stood still"

    def _struck(self, name: str) -> bool:
        if self.loop is None:
            return False
        self.names.append(name)
        return len(self.names) in self.numbers


class WatchedStore:
    """A ``MemoryStore`` with points around all that it does."""

    def __init__(self, store: MemoryStore, points: Points) -> None:
        self._store = store
        self._points = points

    @overload
    def claim(self, key: str, /, wait: Literal[True] = ...) -> AbstractContextManager[Claim]: ...

    @overload
    def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

    def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
        return self._claimed(key, wait=wait)

    @contextmanager
    def _claimed(self, key: str, *, wait: bool) -> Iterator[WatchedEntry | None]:
        self._points.there("to claim")
        with self._store.claim(key, wait) as entry:
            self._points.there("claimed" if entry else "refused")
            yield None if entry is None else WatchedEntry(entry, self._points)
            self._points.there("to leave")
        self._points.there("left")

    def read(self, key: str, /) -> Token | None:
        self._points.there("to read")
        return self._store.read(key)


class WatchedEntry:
    def __init__(self, entry: Claim, points: Points) -> None:
        self._entry = entry
        self._points = points

    @property
    def token(self) -> Token | None:
        return self._entry.token

    def save(self, token: Token, /) -> None:
        self._points.there("to save")
        self._entry.save(token)
        self._points.there("saved")

    def forget(self) -> None:
        self._points.there("to forget")
        self._entry.forget()
        self._points.there("forgotten")


class Stage:
    """A server with rotation, a store, and a source of tokens with points all around it."""

    def __init__(self, points: Points, grant: Grant = "device") -> None:
        self.points = points
        self.grant: Grant = grant
        self.clock = VirtualClock()
        script = Script(
            approve_after=timedelta(seconds=7), clients={"app": "s3cret", "public": None}
        )
        self.transport = ServerTransport(Server(script), self.clock)
        client = Client(provider=self.transport.server.provider, client_id="public", scope="read")
        confidential = Client(
            provider=client.provider, client_id="app", authentication=ClientSecretBasic("s3cret")
        )
        self.client = client if grant == "device" else confidential
        self.store = MemoryStore()
        self.shown: list[object] = []
        self.source = self.another()

    def another(self) -> AsyncTokenSource:
        def client() -> Client:
            self.points.there("to make a client")
            return self.client

        return AsyncTokenSource(
            client,
            self.grant,
            store=WatchedStore(self.store, self.points),
            transport=self._send,
            clock=self,
            prompt=self.shown.append,
        )

    def blocking(self, *, interactive: bool = False) -> TokenSource:
        """A source without points."""
        return TokenSource(
            self.client,
            self.grant,
            store=self.store,
            transport=self.transport,
            clock=self.clock,
            prompt=self.shown.append,
            interactive=interactive,
        )

    def signed_in(self, age: timedelta = timedelta(hours=2)) -> Token:
        """Sign in, and let the token grow old."""
        token = self.blocking(interactive=True).token()
        self.shown.clear()
        self.clock.advance(age)
        return token

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.transport.server.counts)

    def now(self) -> Moment:
        return self.clock.now()

    async def sleep_until(self, at: Instant, /) -> None:
        await self.points.here("to sleep")
        self.clock.sleep_until(at)
        await self.points.here("slept")

    async def _send(self, request: Request) -> Reply:
        await self.points.here("to send")
        reply = self.transport(request)
        await self.points.here("answered")
        return reply


def played(
    way: Way,
    points: Points,
    *calls: Callable[[], Awaitable[T]],
    all_of_them: bool = False,
    late: Callable[[], Awaitable[T]] | None = None,
) -> list[T | None]:
    """Run calls as tasks of one event loop, and strike the first, or all; ``None``: cancelled.

    ``late`` is called at the moment of the first strike; its end is the last.
    """
    ends: list[T | None] = [None] * (len(calls) + (late is not None))
    strikes: dict[int, Callable[[], object]] = {}
    hurt = range(len(calls)) if all_of_them else range(1)

    async def scoped(number: int, call: Callable[[], Awaitable[T]]) -> None:
        with anyio.CancelScope() as scope:
            strikes[number] = scope.cancel
            ends[number] = await call()

    async def native(number: int, call: Callable[[], Awaitable[T]]) -> None:
        task = asyncio.ensure_future(call())
        strikes[number] = task.cancel
        with suppress(asyncio.CancelledError):
            ends[number] = await task

    async def main() -> None:
        loop, ended, outside = running_loop(), anyio.Event(), copy_context()
        start = native if way == "Task.cancel" else scoped
        coming = [] if late is None else [late]

        async def come(call: Callable[[], Awaitable[T]]) -> None:
            ends[-1] = await call()
            ended.set()

        def strike() -> None:
            for number in hurt:
                strikes[number]()
            while coming:  # in the same turn of the event loop
                # Not in the context of the callback that is struck: it would be one of its own.
                outside.run(loop.spawn, partial(come, coming.pop()))

        points.loop, points.strike = loop, strike
        async with anyio.create_task_group() as tasks:
            for number, call in enumerate(calls):
                tasks.start_soon(start, number, call)
        if late is not None and not coming:
            await ended.wait()
        points.loop = None

    anyio.run(main, backend="trio" if way == "trio" else "asyncio")
    return ends


def nothing_is_left(stage: Stage) -> None:
    """No lock is held."""
    free = threading.Event()

    def claim() -> None:
        with stage.store.claim(stage.source.key), stage.store.claim(stage.source.app_key):
            free.set()

    threading.Thread(target=claim, daemon=True).start()
    assert free.wait(60), "a lock is held"


def each_point(play: Callable[[Points], None], *, twice: bool = False) -> list[str]:
    """Play with an interruption at every point, for as long as there is one more of them.

    ``twice`` strikes at every later point as well. Returns the names of the points of a play that
    nothing interrupts.
    """
    number = 1
    while True:
        points = Points(number)
        play(points)
        if len(points.names) < number:
            return points.names
        if twice:
            play(Points(*range(number, number + 50)))
        number += 1
