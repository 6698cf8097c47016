"""The front door that awaits, for tests that block: every call is an event loop of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import anyio
from returns.io import IOResult

from grantflow import Problem, Request, Token
from grantflow.core.values.json import Members
from grantflow.core.values.response import Reply
from grantflow.shell.aio import AsyncTokenSource, AsyncTransport
from grantflow.shell.sources.results import Given

T = TypeVar("T")
Kind = Literal["blocking", "asyncio", "trio"]
KINDS: tuple[Kind, ...] = ("blocking", "asyncio", "trio")


def at_once(transport: Callable[[Request], Reply]) -> AsyncTransport:
    """A blocking transport that never waits, for an event loop."""

    async def send(request: Request) -> Reply:
        return transport(request)

    return send


class Awaited:
    """``source``, as if it blocked; in a thread, for one that has an event loop already."""

    def __init__(self, source: AsyncTokenSource, backend: str) -> None:
        self.source = source
        self._backend = backend

    def try_token(self) -> IOResult[Token, Problem]:
        return self._run(self.source.try_token)

    def token(self) -> Token:
        return self._run(self.source.token)

    def try_renew(self, rejected: Token) -> IOResult[Token, Problem]:
        return self._run(lambda: self.source.try_renew(rejected))

    def renew(self, rejected: Token) -> Token:
        return self._run(lambda: self.source.renew(rejected))

    def logout(self, revoke: bool = True) -> None:
        return self._run(lambda: self.source.logout(revoke))

    def introspect(self) -> Members:
        return self._run(self.source.introspect)

    def try_logout(self, revoke: bool = True) -> IOResult[None, Problem]:
        return self._run(lambda: self.source.try_logout(revoke))

    def try_introspect(self) -> IOResult[Members, Problem]:
        return self._run(self.source.try_introspect)

    def adopt(self, token: Given) -> Token:
        return self._run(lambda: self.source.adopt(token))

    def __getattr__(self, name: str) -> object:
        return getattr(self.source, name)

    def _run(self, call: Callable[[], Awaitable[T]]) -> T:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(anyio.run, call, backend=self._backend).result()
