"""The front door that awaits: a token for whoever asks, from any task.

Callers that arrive while a session is under way share its end, the failure too. ``flights`` and
``errands`` say what cancellation does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self, TypeVar, final

from attrs import define, field
from returns.io import IOResult
from returns.result import Failure, Result, Success

from grantflow.core.acquisition.cached_token import CachedToken, Demand
from grantflow.core.acquisition.introspection import introspected
from grantflow.core.acquisition.revocation import revocations
from grantflow.core.acquisition.states import Acquired, NotAcquired
from grantflow.core.flows.states import Failed, Problem
from grantflow.core.values.json import Members
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.result import either
from grantflow.core.values.token import Token
from grantflow.shell.aio.acquire import AsyncPorts, InStore, claimed, settle
from grantflow.shell.aio.driver import (
    AsyncClock,
    AsyncSystemClock,
    AsyncTransport,
    default_transport,
    signed,
)
from grantflow.shell.aio.loops import Loop, running_loop
from grantflow.shell.aio.single_flight import InFlight, SingleFlight
from grantflow.shell.aio.threads import run_here, run_in_store_thread, run_in_thread
from grantflow.shell.ports import StoreError
from grantflow.shell.sources.acquire import StoredEntry
from grantflow.shell.sources.base import BaseTokenSource
from grantflow.shell.sources.results import Given, as_token, not_revoked, question, raised, unusable

T = TypeVar("T")


@final
class AsyncTokenSource(BaseTokenSource[AsyncTransport, AsyncClock]):
    """Gives a token as ``TokenSource`` does, with ``await``, on asyncio and trio.

    The arguments are the same, but ``transport`` and ``clock`` are those of the async driver; they
    see no thread but the event loop's. So do ``prompt`` and ``watch``, which must not block.
    ``client`` and ``token`` may be functions that block: the constructor calls ``client`` once, all
    else happens in a thread. One source may serve several event loops.

    What cancellation does is told by ``flights`` and ``errands``: a caller that is not the only one
    leaves at once. The only one takes the lock with it, after a refresh or a poll that is under way
    was answered and its token saved.
    """

    def _usual_clock(self) -> AsyncClock:
        return AsyncSystemClock()

    def _ready(self) -> None:
        self._flights: SingleFlight[Acquired | NotAcquired | CachedToken] = SingleFlight()
        self._own: _Own | None = None
        blocking = getattr(self._store, "blocking", True)
        self._in_thread: InStore = run_in_store_thread if blocking else run_here

    async def __aenter__(self) -> Self:
        """Send over one transport of its own until the block ends, which closes it."""
        self._own = _Own(running_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        own, self._own = self._own, None
        if own is not None:
            await own.stack.aclose()

    async def try_token(self) -> IOResult[Token, Problem]:
        """Return a token that may be used now, or the problem."""
        held = self._held
        if held is not None and self._seconds() < held.until:
            return IOResult.from_result(held.found)
        return IOResult.from_result(await self._slowly())

    async def token(self) -> Token:
        """Return a token that may be used now; raises ``GrantError``."""
        held = self._held  # not by ``warm``: this is the path that costs what it costs
        if held is not None and self._seconds() < held.until:
            return held.token
        return raised(await self._slowly())

    async def renew(self, rejected: Token) -> Token:
        """Return another token than the one that a server just refused; raises ``GrantError``."""
        return raised(await self._slowly(rejected))

    async def try_renew(self, rejected: Token) -> IOResult[Token, Problem]:
        """Return another token than the one that a server just refused, or the problem."""
        return IOResult.from_result(await self._slowly(rejected))

    async def logout(self, revoke: bool = True) -> None:
        """Remove the token here and in the store, after revoking it (RFC 7009).

        Where the server cannot be told, the token is kept and ``GrantError`` raised: try again, or
        remove it locally with ``revoke=False``. Where it has no such endpoint, ``notes`` says so.
        A caller that is cancelled after the first revocation was sent still removes the token.
        """
        raised(await self._logged_out(revoke=revoke))

    async def try_logout(self, revoke: bool = True) -> IOResult[None, Problem]:
        """Do the same as ``logout``, and return the problem where there is one."""
        return IOResult.from_result(await self._logged_out(revoke=revoke))

    async def introspect(self) -> Members:
        """Ask the server about the current token (RFC 7662): ``active`` and what it tells.

        Raises ``GrantError``.
        """
        return raised(await self._asked_about())

    async def try_introspect(self) -> IOResult[Members, Problem]:
        """Do the same as ``introspect``, and return the problem where there is one."""
        return IOResult.from_result(await self._asked_about())

    async def adopt(self, token: Given) -> Token:
        """Store a token that was made elsewhere, and return it; raises ``GrantError``.

        One with a refresh token, of another library for example, is used and renewed like that of
        a sign-in. One without is an app token: it outranks those of sign-ins until it ends.
        """
        return raised(await self._adopted(as_token(token)))

    async def try_adopt(self, token: Given) -> IOResult[Token, Problem]:
        """Do the same as ``adopt``, and return the problem where there is one."""
        return IOResult.from_result(await self._adopted(as_token(token)))

    async def _logged_out(self, *, revoke: bool) -> Result[None, Problem]:
        flights: SingleFlight[Result[None, Problem]] = SingleFlight()
        return await flights.share(lambda flight: self._forgotten(flight, revoke=revoke))

    async def _asked_about(self) -> Result[Members, Problem]:
        match either(await self._slowly()):
            case Token() as token:
                return await self._introspected(token)
            case problem:
                return Failure(problem)

    async def _adopted(self, token: Token) -> Result[Token, Problem]:
        flights: SingleFlight[Result[Token, Problem]] = SingleFlight()
        return await flights.share(lambda flight: self._kept(flight, token))

    async def _slowly(self, refused: Token | None = None) -> Result[Token, Problem]:
        wish = self._wished(refused)
        if isinstance(wish, CachedToken):
            return wish.found
        join = self._flights.share if wish.meanwhile is None else self._flights.alone
        while True:
            found = wish.met(await join(lambda flight: self._flown(flight, wish)))
            if found is not None:
                return found

    async def _flown(
        self, flight: InFlight[Acquired | NotAcquired | CachedToken], wish: Demand
    ) -> Acquired | NotAcquired | CachedToken:
        if self._looks_first(wish):
            found = await self._in_thread(self._in_store)
            if found is not None:
                return found
        session = await flight.patiently(lambda: self._fetched(lambda: self._session(wish)))
        if isinstance(session, NotAcquired):
            return self._landed(session)
        async with AsyncExitStack() as stack, self._entry(self.key) as entry:
            flight.let_go = entry.close
            end = await settle(
                session,
                AsyncPorts(
                    entry,
                    self._in_thread,
                    self._sender(stack),
                    self._clock,
                    self._tells().show(),
                    flight.patiently,
                    self._waits,
                ),
            )
        return self._landed(end)

    @asynccontextmanager
    async def _entry(self, key: str) -> AsyncIterator[StoredEntry]:
        entry = StoredEntry(self._store, key, self.app_key)
        try:
            yield entry
        except GeneratorExit:  # the event loop was dropped, and nothing can be awaited
            entry.close()
            raise
        except BaseException:
            await self._in_thread(entry.close)
            raise
        await self._in_thread(entry.close)

    async def _forgotten(
        self, flight: InFlight[Result[None, Problem]], *, revoke: bool
    ) -> Result[None, Problem]:
        try:
            async with AsyncExitStack() as stack, self._entry(self.key) as entry:
                claim = await claimed(entry, self._in_thread, flight.patiently)
                live = self._live(claim.token) if revoke else None
                revoked = False
                if live is not None:
                    told = await self._revoked(live, self._sender(stack))
                    if isinstance(told, Failed):
                        return Failure(told)
                    revoked = told
                await self._in_thread(claim.forget)
                if await self._in_thread(lambda: self._store.read(self.app_key)) is not None:
                    async with self._entry(self.app_key) as app:
                        kept = await claimed(app, self._in_thread, flight.patiently)
                        await self._in_thread(kept.forget)
        except StoreError as error:
            return Failure(unusable(error))
        self._signed_out(revoked=revoked, asked=live is not None)
        return Success(None)

    async def _revoked(self, live: Token, transport: AsyncTransport) -> bool | Failed:
        client = await self._fetched(self._client)
        requests = revocations(client, live)
        for request in requests:
            reply = await transport(request)
            problem = not_revoked(request, client, reply, self._clock.now())
            if problem is not None:
                return problem
        return bool(requests)

    async def _introspected(self, token: Token) -> Result[Members, Problem]:
        client = await self._fetched(self._client)
        match either(question(client, token)):
            case Request() as request:
                async with AsyncExitStack() as stack:
                    reply = await self._sender(stack)(request)
                    return introspected(request, client.provider, reply, self._clock.now())
            case problem:
                return Failure(problem)

    async def _kept(
        self, flight: InFlight[Result[Token, Problem]], token: Token
    ) -> Result[Token, Problem]:
        try:
            async with self._entry(self._place_of(token)) as entry:
                claim = await claimed(entry, self._in_thread, flight.patiently)
                await self._in_thread(lambda: claim.save(token))
        except StoreError as error:
            return Failure(unusable(error))
        self._adopted_token()
        return Success(token)

    async def _fetched(self, make: Callable[[], T]) -> T:
        """Make what may need the caller's own functions, which may block."""
        return await run_in_thread(make) if self._fetches else make()

    def _sender(self, stack: AsyncExitStack) -> AsyncTransport:
        """Return what sends; a transport of grantflow's own is opened when it is needed."""
        own = self._transport

        async def send(request: Request) -> Reply:
            nonlocal own
            if own is None:
                own = await self._opened(stack)
            return await own(request)

        return signed(send, self._clock)

    async def _opened(self, stack: AsyncExitStack) -> AsyncTransport:
        if self._own is None or self._own.loop != running_loop():
            return await stack.enter_async_context(default_transport())
        if self._own.transport is None:
            entered = await self._own.stack.enter_async_context(default_transport())
            self._own.transport = entered
        return self._own.transport


@final
@define
class _Own:
    """The transport of a source between ``async with`` and its end, on the event loop of both."""

    loop: Loop
    stack: AsyncExitStack = field(factory=AsyncExitStack)
    transport: AsyncTransport | None = None
