"""The front door: a token for whoever asks.

Rules:

1. A fresh token in memory costs no lock and no I/O.
2. While a token ages, one caller renews it and the others go on with it; renewing that failed is
   not tried again for a while.
3. Callers that arrive while a session is under way share its end, the failure too.
4. What could not be saved or renewed is in ``notes`` and a warning of the logger ``grantflow``.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from typing import Final, final

from attrs import evolve, frozen
from returns.io import IOResult
from returns.result import Failure, Result, Success

from grantflow.core.aftercare import introspected, introspection, revocations, revoked
from grantflow.core.client import Client
from grantflow.core.display import sentence
from grantflow.core.dpop import DPoP
from grantflow.core.errand import Obtaining, Ready, SessionState, Stuck
from grantflow.core.errors import Garbled
from grantflow.core.pacing import Backoff
from grantflow.core.precedence import Origin
from grantflow.core.problems import Problem
from grantflow.core.secret import Secret
from grantflow.core.session import Session
from grantflow.core.sign_in import sign_in_flow
from grantflow.core.states import DeviceState, Failed, Pending, SlowDown
from grantflow.core.tokens import SKEW, Grant, Skew, fresh_until, key_of
from grantflow.core.values import DeviceAuthorization, Members, Token
from grantflow.core.wire import either
from grantflow.shell import clock as clocks
from grantflow.shell.blocking import default_transport
from grantflow.shell.errands import Ports, settle
from grantflow.shell.flights import Flights
from grantflow.shell.ports import Clock, Prompt, Store, StoreError, Transport
from grantflow.shell.signing import signed
from grantflow.shell.stores import FileStore
from grantflow.shell.terminal import plain_prompt

_log: Final = logging.getLogger("grantflow")

_BETWEEN_EARLY_TRIES: Final = 30.0
"""Seconds until a token that ages is tried to be renewed again after that failed."""

_BETWEEN_LATE_TRIES: Final = 5.0
"""The same for a token that is about to end."""

Given = Token | Secret | str


@final
class GrantError(Exception):
    """No token; ``problem`` holds the value that says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(sentence(problem))
        self.problem = problem


@final
@frozen
class _Held:
    """The token in memory, and until when (seconds since 1970) nobody has to think about it."""

    token: Token
    origin: Origin
    until: float
    found: Result[Token, Problem]


@final
class TokenSource:
    """Gives a token: from memory, from the store, by a refresh, or by a sign-in.

    ``client`` may be a function that makes one, for secrets that rotate. ``token`` is a token of
    the caller's own, or a function that fetches one; ``environment`` names a variable that may hold
    one. ``store`` is a ``FileStore`` by default, so a token survives the process. ``prompt`` shows
    a person what to do, ``watch`` sees the states of a sign-in; ``interactive=False`` never asks
    anybody. ``profile`` keeps the tokens of several people apart.
    """

    def __init__(
        self,
        client: Client | Callable[[], Client],
        grant: Grant = "device",
        *,
        store: Store | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        prompt: Prompt | None = None,
        watch: Callable[[DeviceState], None] | None = None,
        interactive: bool = True,
        profile: str = "",
        token: Given | Callable[[], Given] | None = None,
        environment: str | None = None,
        skew: Skew = SKEW,
    ) -> None:
        self._client = client if callable(client) else lambda: client
        made = self._client()
        if grant not in ("device", "client_credentials"):
            raise ValueError(f"grant: device or client_credentials is needed, not {grant!r}")
        if grant == "device" and interactive and token is None:
            sign_in_flow(made, entropy=_entropy())  # what a provider lacks is told now
        self.grant: Grant = grant
        self.scheme: str | None = made.provider.authorization_scheme
        self.dpop: DPoP | None = made.dpop
        self.interactive = interactive
        self.key: str = key_of(made, grant, profile)
        self.app_key: str = key_of(made, "app_token", profile)
        self.notes: list[str] = []
        self._store = FileStore() if store is None else store
        self._clock = clock or clocks.SystemClock()
        self._transport = None if transport is None else signed(transport, self._clock)
        self._seconds = clocks.seconds if clock is None else lambda: clock.now().wall.timestamp()
        self._prompt = prompt or plain_prompt
        self._watch = watch
        self._given = Secret(token) if isinstance(token, str) else token
        self._environment = environment
        self._skew = skew
        self._hard = evolve(skew, soft=skew.hard)
        self._held: _Held | None = None
        self._flights: Flights[Ready | Stuck] = Flights()

    @property
    def current(self) -> Token | None:
        """Return the token in memory, however old."""
        held = self._held
        return None if held is None else held.token

    @property
    def warm(self) -> Token | None:
        """Return the token in memory if nobody has to think about it; no lock, no I/O."""
        held = self._held
        return held.token if held is not None and self._seconds() < held.until else None

    @property
    def origin(self) -> Origin:
        """Return where the token in memory came from."""
        held = self._held
        return "stored" if held is None else held.origin

    def obtain(self) -> IOResult[Token, Problem]:
        """Return a token that may be used now, or the problem."""
        held = self._held
        if held is not None and self._seconds() < held.until:
            return IOResult.from_result(held.found)
        return IOResult.from_result(self._slowly())

    def token(self) -> Token:
        """Return a token that may be used now; raises ``GrantError``."""
        held = self._held  # not by ``warm``: this is the path that costs what it costs
        if held is not None and self._seconds() < held.until:
            return held.token
        return _raised(self._slowly())

    def renew(self, rejected: Token) -> IOResult[Token, Problem]:
        """Return another token than the one that a server just refused, or the problem."""
        return IOResult.from_result(self._renewed(rejected))

    def forget(self, revoke: bool = True) -> IOResult[None, Problem]:
        """Drop the token here and in the store, after revoking it (RFC 7009).

        Where the server cannot be told, the token is kept and the problem returned: try again, or
        forget it locally with ``revoke=False``. Where it has no such endpoint, ``notes`` says so.
        """
        return IOResult.from_result(self._forgotten(revoke=revoke))

    def introspect(self) -> IOResult[Members, Problem]:
        """Ask the server about the current token (RFC 7662): ``active`` and what it tells."""
        return IOResult.from_result(self._slowly().bind(self._introspected))

    def keep(self, token: Given) -> Token:
        """Store a long-lived token that somebody made by hand; it outranks those of sign-ins.

        Raises ``StoreError`` where it cannot be stored.
        """
        made = _as_token(token)
        self._store.save(self.app_key, made)
        self._held = None
        return made

    def _slowly(self) -> Result[Token, Problem]:
        held = self._held
        if held is not None and self._ages(held):
            return self._early(held)
        return self._settled(None)

    def _ages(self, held: _Held) -> bool:
        end = fresh_until(held.token, self._hard)
        return end is None or self._seconds() < end.timestamp()

    def _early(self, held: _Held) -> Result[Token, Problem]:
        # The others go on at once: the time to think again is set before the thinking.
        self._held = evolve(held, until=self._seconds() + _BETWEEN_EARLY_TRIES)
        end = self._flights.alone(lambda: self._flown(None, early=True))
        return held.found if end is None or isinstance(end, Stuck) else Success(end.token)

    def _renewed(self, rejected: Token) -> Result[Token, Problem]:
        held = self._held
        if held is not None and held.token.access_token != rejected.access_token:
            return self._slowly() if self._seconds() >= held.until else held.found
        return self._settled(rejected)

    def _settled(self, rejected: Token | None) -> Result[Token, Problem]:
        while True:
            match self._flights.share(lambda: self._flown(rejected, early=False)):
                case Ready(token) if rejected and token.access_token == rejected.access_token:
                    continue  # a flight that began before the refusal brought the refused token
                case Ready(token):
                    return Success(token)
                case Stuck(problem):
                    return Failure(problem)

    def _flown(self, rejected: Token | None, *, early: bool) -> Ready | Stuck:
        session = Session(
            client=self._client(),
            grant=self.grant,
            key=self.key,
            given=self._token_given(),
            environment=self._token_in_environment(),
            refused=rejected,
            may_ask=self.interactive and not early,
            early=early,
            skew=self._skew,
            # Who goes on with the old token anyway does not wait for a server in trouble.
            backoff=Backoff(tries=1) if early else Backoff(),
            entropy=_entropy(),
        )
        end = settle(session, self._ports())
        for note in end.notes:
            self._note(note)
        if isinstance(end, Ready):
            self._hold(end.token, end.origin)
        return end

    def _hold(self, token: Token, origin: Origin) -> None:
        until = self._until(token, self._seconds())
        self._held = _Held(token, origin, until, Success(token))

    def _until(self, token: Token, now: float) -> float:
        """Return when to think about a token again; what could not be renewed, not at once."""
        if token.expires_at is None:
            return math.inf
        for skew, pause in ((self._skew, math.inf), (self._hard, _BETWEEN_EARLY_TRIES)):
            end = fresh_until(token, skew)
            if end is not None and now < end.timestamp():
                return min(end.timestamp(), now + pause)
        return min(token.expires_at.timestamp(), now + _BETWEEN_LATE_TRIES)

    def _forgotten(self, *, revoke: bool) -> Result[None, Problem]:
        try:
            with self._store.claim(self.key) as stored:
                # What could not be saved is only here, and works all the same.
                live = stored or (self.current if self.origin == "stored" else None)
                told = self._revoked(live) if revoke and live is not None else Success(None)
                return told.map(lambda _: self._drop())
        except StoreError as error:
            return Failure(Failed(Garbled(f"the store cannot be used: {error}")))

    def _drop(self) -> None:
        self._store.forget(self.key)
        self._store.forget(self.app_key)
        self._held = None

    def _revoked(self, stored: Token) -> Result[None, Problem]:
        client = self._client()
        requests = revocations(client, stored)
        if not requests:
            self._note("the provider has no revocation endpoint, so the server was not told")
        for request in requests:
            reply = self._sender()(request)
            told = revoked(request, client.provider, reply, self._clock.now())
            if isinstance(problem := either(told), Failed):
                return Failure(problem)
        return Success(None)

    def _introspected(self, token: Token) -> Result[Members, Problem]:
        client = self._client()
        request = introspection(client, token)
        if request is None:
            return Failure(Failed(Garbled("the provider has no introspection endpoint")))
        reply = self._sender()(request)
        return introspected(request, client.provider, reply, self._clock.now())

    def _token_given(self) -> Token | None:
        given = self._given
        if given is None:
            return None
        return _as_token(given() if callable(given) else given)

    def _token_in_environment(self) -> Token | None:
        text = os.environ.get(self._environment, "") if self._environment else ""
        return _as_token(text.strip()) if text.strip() else None

    def _sender(self) -> Transport:
        if self._transport is None:
            self._transport = signed(default_transport(), self._clock)
        return self._transport

    def _ports(self) -> Ports:
        return Ports(self._store, self.app_key, self._sender(), self._clock, self._shown())

    def _note(self, note: str) -> None:
        self.notes.append(note)
        _log.warning("%s", note)

    def _shown(self) -> Callable[[SessionState], None]:
        """Return a watch that prompts once for each code, however often its state comes by."""
        codes: list[DeviceAuthorization] = []

        def watch(session: SessionState) -> None:
            if not isinstance(session, Obtaining) or self.grant != "device":
                return
            state = session.run.state
            if isinstance(state, (Pending, SlowDown)) and state.authorization is not None:
                if self._watch is not None:
                    self._watch(state)
                if state.authorization not in codes:
                    codes.append(state.authorization)
                    self._prompt(state.authorization)

        return watch


def _entropy() -> Secret:
    return Secret(os.urandom(32).hex())


def _as_token(given: Given) -> Token:
    return given if isinstance(given, Token) else Token(access_token=given)


def _raised(result: Result[Token, Problem]) -> Token:
    match either(result):
        case Token() as token:
            return token
        case problem:
            raise GrantError(problem)
