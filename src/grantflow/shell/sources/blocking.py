"""The front door that blocks: a token for whoever asks, from any thread.

Callers that arrive while a session is under way share its end, the failure too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar, final

from returns.result import Failure, Result, Success

from grantflow.core.acquisition.cached_token import CachedToken, Demand
from grantflow.core.values.token import Token
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Claim, Clock, StoreError, Transport
from grantflow.shell.single_flight import SingleFlight
from grantflow.shell.sources.base import BaseTokenSource
from grantflow.shell.sources.results import Given, as_token, not_revoked, question, raised, unusable

if TYPE_CHECKING:
    from returns.io import IOResult

    from grantflow.core.acquisition.states import Acquired, NotAcquired
    from grantflow.core.flows.states import Problem
    from grantflow.core.values.json import Members
    from grantflow.core.values.request import Request
    from grantflow.core.values.response import Reply
    from grantflow.shell.http.requests import RequestsTransport
    from grantflow.shell.sources.acquire import Ports

T = TypeVar("T")


@final
class TokenSource(BaseTokenSource[Transport, Clock]):
    """Gives a token: from memory, from the store, by a refresh, or by a sign-in.

    ``client`` may be a function that makes one, for secrets that rotate. ``token`` is a token of
    the caller's own, or a function that fetches one; ``environment`` names a variable that may hold
    one. ``store`` is a ``FileStore`` by default, so a token survives the process. ``prompt`` shows
    a person what to do, ``watch`` sees the states of a sign-in; ``interactive=False`` never asks
    anybody. ``profile`` keeps the tokens of several people apart.
    """

    def _usual_clock(self) -> Clock:
        return SystemClock()

    def _ready(self) -> None:
        self._signed: Transport | None = None
        self._flights: SingleFlight[Acquired | NotAcquired | CachedToken] = SingleFlight()
        self._own: RequestsTransport | None = None

    def __enter__(self) -> Self:
        """Send over connections of its own until the block ends, which closes them."""
        if self._transport is None:
            from grantflow.shell.http.requests import RequestsTransport

            self._own, self._signed = RequestsTransport(), None
        return self

    def __exit__(self, *_: object) -> None:
        own, self._own = self._own, None
        if own is not None:
            self._signed = None
            own.close()

    def try_token(self) -> IOResult[Token, Problem]:
        """Return a token that may be used now, or the problem."""
        held = self._held
        if held is not None and self._seconds() < held.until:
            return _io(held.found)
        return _io(self._slowly())

    def token(self) -> Token:
        """Return a token that may be used now; raises ``GrantError``."""
        held = self._held  # not by ``warm``: this is the path that costs what it costs
        if held is not None and self._seconds() < held.until:
            return held.token
        return raised(self._slowly())

    def renew(self, rejected: Token) -> Token:
        """Return another token than the one that a server just refused; raises ``GrantError``."""
        return raised(self._slowly(rejected))

    def try_renew(self, rejected: Token) -> IOResult[Token, Problem]:
        """Return another token than the one that a server just refused, or the problem."""
        return _io(self._slowly(rejected))

    def logout(self, revoke: bool = True) -> None:
        """Remove the token here and in the store, after revoking it (RFC 7009).

        Where the server cannot be told, the token is kept and ``GrantError`` raised: try again, or
        remove it locally with ``revoke=False``. Where it has no such endpoint, ``notes`` says so.
        """
        raised(self._forgotten(revoke=revoke))

    def try_logout(self, revoke: bool = True) -> IOResult[None, Problem]:
        """Do the same as ``logout``, and return the problem where there is one."""
        return _io(self._forgotten(revoke=revoke))

    def introspect(self) -> Members:
        """Ask the server about the current token (RFC 7662): ``active`` and what it tells.

        Raises ``GrantError``.
        """
        return raised(self._slowly().bind(self._introspected))

    def try_introspect(self) -> IOResult[Members, Problem]:
        """Do the same as ``introspect``, and return the problem where there is one."""
        return _io(self._slowly().bind(self._introspected))

    def adopt(self, token: Given) -> Token:
        """Store a token that was made elsewhere, and return it; raises ``GrantError``.

        One with a refresh token, of another library for example, is used and renewed like that of
        a sign-in. One without is an app token: it outranks those of sign-ins until it ends.
        """
        return raised(self._adopted(as_token(token)))

    def try_adopt(self, token: Given) -> IOResult[Token, Problem]:
        """Do the same as ``adopt``, and return the problem where there is one."""
        return _io(self._adopted(as_token(token)))

    def _slowly(self, refused: Token | None = None) -> Result[Token, Problem]:
        wish = self._wished(refused)
        if isinstance(wish, CachedToken):
            return wish.found
        join = self._flights.share if wish.meanwhile is None else self._flights.alone
        while True:
            found = wish.met(join(lambda: self._flown(wish)))
            if found is not None:
                return found

    def _flown(self, wish: Demand) -> Acquired | NotAcquired | CachedToken:
        found = self._in_store() if self._looks_first(wish) else None
        if found is not None:
            return found
        from grantflow.core.acquisition.states import NotAcquired
        from grantflow.shell.sources.acquire import acquire

        session = self._session(wish)
        if isinstance(session, NotAcquired):
            return self._landed(session)
        return self._landed(acquire(session, self._ports()))

    def _forgotten(self, *, revoke: bool) -> Result[None, Problem]:
        try:
            with self._store.claim(self.key) as entry:
                live = self._live(entry.token) if revoke else None
                told = Success(False) if live is None else self._revoked(live)
                return told.map(
                    lambda revoked: self._drop(entry, revoked=revoked, asked=live is not None)
                )
        except StoreError as error:
            return Failure(unusable(error))

    def _adopted(self, token: Token) -> Result[Token, Problem]:
        try:
            with self._store.claim(self._place_of(token)) as entry:
                entry.save(token)
        except StoreError as error:
            return Failure(unusable(error))
        self._adopted_token()
        return Success(token)

    def _drop(self, entry: Claim, *, revoked: bool, asked: bool) -> None:
        entry.forget()
        if self._store.read(self.app_key) is not None:
            with self._store.claim(self.app_key) as app:
                app.forget()
        self._signed_out(revoked=revoked, asked=asked)

    def _revoked(self, live: Token) -> Result[bool, Problem]:
        from grantflow.core.acquisition.revocation import revocations

        client = self._client()
        requests = revocations(client, live)
        for request in requests:
            reply = self._sender()(request)
            problem = not_revoked(request, client, reply, self._clock.now())
            if problem is not None:
                return Failure(problem)
        return Success(bool(requests))

    def _introspected(self, token: Token) -> Result[Members, Problem]:
        from grantflow.core.acquisition.introspection import introspected

        client = self._client()

        def asked(request: Request) -> Result[Members, Problem]:
            reply = self._sender()(request)
            return introspected(request, client.provider, reply, self._clock.now())

        return question(client, token).bind(asked)

    def _sender(self) -> Transport:
        if self._signed is None:
            from grantflow.shell.blocking import default_transport
            from grantflow.shell.signing.signed import signed

            send = self._own or self._transport or default_transport()
            self._signed = signed(send, self._clock)
        return self._signed

    def _ports(self) -> Ports:
        from grantflow.shell.sources.acquire import Ports

        # No transport is made before something is sent.
        show = self._tells().show()
        return Ports(self._store, self.app_key, self._send, self._clock, show, self._waits)

    def _send(self, request: Request) -> Reply:
        return self._sender()(request)


def _io(result: Result[T, Problem]) -> IOResult[T, Problem]:
    from returns.io import IOResult  # who wants plain values does not load it

    return IOResult.from_result(result)
