"""The front door that awaits: a token for whoever asks, from any task.

Callers that arrive while a session is under way share its end, the failure too. ``flights`` and
``errands`` say what cancellation does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar, final

from returns.io import IOResult
from returns.result import Failure, Result, Success

from grantflow.core.acquisition.freshness import SKEW, Skew
from grantflow.core.acquisition.introspection import introspected
from grantflow.core.acquisition.states import Acquired, NotAcquired
from grantflow.core.client.client import Client
from grantflow.core.client.identity import Grant
from grantflow.core.flows.states import DeviceState, Failed, Problem
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
from grantflow.shell.aio.single_flight import InFlight, SingleFlight
from grantflow.shell.aio.threads import run_here, run_in_store_thread, run_in_thread
from grantflow.shell.ports import Prompt, Store, StoreError
from grantflow.shell.sources.acquire import StoredEntry
from grantflow.shell.sources.base import (
    BaseTokenSource,
    Given,
    as_token,
    not_revoked,
    question,
    raised,
    unusable,
)
from grantflow.shell.sources.memory_cache import CachedToken, Demand

T = TypeVar("T")


@final
class AsyncTokenSource(BaseTokenSource):
    """Gives a token as ``TokenSource`` does, with ``await``, on asyncio and trio.

    The arguments are the same, but ``transport`` and ``clock`` are those of the async driver; they
    see no thread but the event loop's. So do ``prompt`` and ``watch``, which must not block.
    ``client`` and ``token`` may be functions that block: the constructor calls ``client`` once, all
    else happens in a thread. One source may serve several event loops.

    What cancellation does is told by ``flights`` and ``errands``: a caller that is not the only one
    leaves at once. The only one takes the lock with it, after a refresh or a poll that is under way
    was answered and its token saved.
    """

    def __init__(
        self,
        client: Client | Callable[[], Client],
        grant: Grant = "device",
        *,
        store: Store | None = None,
        transport: AsyncTransport | None = None,
        clock: AsyncClock | None = None,
        prompt: Prompt | None = None,
        watch: Callable[[DeviceState], None] | None = None,
        interactive: bool = True,
        profile: str = "",
        token: Given | Callable[[], Given] | None = None,
        environment: str | None = None,
        skew: Skew = SKEW,
    ) -> None:
        super().__init__(
            client,
            grant,
            store=store,
            clock=clock,
            prompt=prompt,
            watch=watch,
            interactive=interactive,
            profile=profile,
            token=token,
            environment=environment,
            skew=skew,
        )
        self._clock = clock or AsyncSystemClock()
        self._transport = transport
        self._flights: SingleFlight[Acquired | NotAcquired] = SingleFlight()
        blocking = getattr(self._store, "blocking", True)
        self._in_store: InStore = run_in_store_thread if blocking else run_here

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
        self, flight: InFlight[Acquired | NotAcquired], wish: Demand
    ) -> Acquired | NotAcquired:
        session = await flight.patiently(lambda: self._fetched(lambda: self._session(wish)))
        if isinstance(session, NotAcquired):
            return self._landed(session)
        async with AsyncExitStack() as stack, self._entry(self.key) as entry:
            flight.let_go = entry.close
            end = await settle(
                session,
                AsyncPorts(
                    entry,
                    self._in_store,
                    self._sender(stack),
                    self._clock,
                    self._shown(),
                    flight.patiently,
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
            await self._in_store(entry.close)
            raise
        await self._in_store(entry.close)

    async def _forgotten(
        self, flight: InFlight[Result[None, Problem]], *, revoke: bool
    ) -> Result[None, Problem]:
        try:
            async with AsyncExitStack() as stack, self._entry(self.key) as entry:
                claim = await claimed(entry, self._in_store, flight.patiently)
                live = self._live(claim.token) if revoke else None
                if live is not None:
                    failure = await self._not_revoked(live, self._sender(stack))
                    if failure is not None:
                        return Failure(failure)
                await self._in_store(claim.forget)
                if await self._in_store(lambda: self._store.read(self.app_key)) is not None:
                    async with self._entry(self.app_key) as app:
                        kept = await claimed(app, self._in_store, flight.patiently)
                        await self._in_store(kept.forget)
        except StoreError as error:
            return Failure(unusable(error))
        self._held = None
        return Success(None)

    async def _not_revoked(self, live: Token, transport: AsyncTransport) -> Failed | None:
        client = await self._fetched(self._client)
        for request in self._revocations(client, live):
            reply = await transport(request)
            problem = not_revoked(request, client, reply, self._clock.now())
            if problem is not None:
                return problem
        return None

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
                claim = await claimed(entry, self._in_store, flight.patiently)
                await self._in_store(lambda: claim.save(token))
        except StoreError as error:
            return Failure(unusable(error))
        self._held = None
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
                own = await stack.enter_async_context(default_transport())
            return await own(request)

        return signed(send, self._clock)
