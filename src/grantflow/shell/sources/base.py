"""What both front doors share: all that is decided between two steps into the world.

Rules:

1. A fresh token in memory costs no lock and no I/O.
2. A person is prompted once for a code, however often its state comes by.
3. What could not be saved or renewed is in ``notes`` and a warning of the logger ``grantflow``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar, final

from attrs import evolve
from returns.io import IOResult
from returns.result import Failure, Result, Success
from returns.unsafe import unsafe_perform_io

from grantflow.core.acquisition.candidates import is_refused
from grantflow.core.acquisition.freshness import Skew
from grantflow.core.acquisition.introspection import introspection
from grantflow.core.acquisition.machine import Acquisition
from grantflow.core.acquisition.revocation import revocations, revoked
from grantflow.core.acquisition.states import Acquired, AcquisitionState, NotAcquired, Requesting
from grantflow.core.acquisition.unauthorized import TokenOrigin
from grantflow.core.client.client import Client
from grantflow.core.client.dpop import DPoP
from grantflow.core.client.identity import Grant, key_of
from grantflow.core.flows.flow_for import flow_for
from grantflow.core.flows.pacing import Backoff
from grantflow.core.flows.states import DeviceState, Expired, Failed, Pending, Problem, SlowDown
from grantflow.core.messages import sentence
from grantflow.core.values.errors import InteractionRequired, InvalidResponse
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.result import either
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import Moment
from grantflow.core.values.token import DeviceAuthorization, Token
from grantflow.shell import clock as clocks
from grantflow.shell.ports import Prompt, Readable, Store, StoreError
from grantflow.shell.sources.memory_cache import MEANWHILE, CachedToken, Demand, ages, taken
from grantflow.shell.stores import FileStore
from grantflow.shell.terminal import plain_prompt

T = TypeVar("T")
E = TypeVar("E")

_log: Final = logging.getLogger("grantflow")

Given: TypeAlias = Token | Secret | str
"""A token of the caller's own."""


@final
class GrantError(Exception):
    """No token; ``problem`` holds the value that says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(sentence(problem))
        self.problem = problem

    def __reduce__(self) -> tuple[type[GrantError], tuple[Problem]]:
        # Made again from what it was made of: its ``args`` hold the sentence alone.
        return GrantError, (self.problem,)


class BaseTokenSource:
    """A token source, but for how it waits: ``TokenSource`` blocks, ``AsyncTokenSource`` awaits.

    ``key`` is where its token is stored, ``app_key`` where one is that was kept by hand.
    """

    def __init__(
        self,
        client: Client | Callable[[], Client],
        grant: Grant,
        *,
        store: Store | None,
        clock: Readable | None,
        prompt: Prompt | None,
        watch: Callable[[DeviceState], None] | None,
        interactive: bool,
        profile: str,
        token: Given | Callable[[], Given] | None,
        environment: str | None,
        skew: Skew,
    ) -> None:
        self._client = client if callable(client) else lambda: client
        made = self._client()
        if grant not in ("device", "client_credentials"):
            raise ValueError(f"grant: device or client_credentials is needed, not {grant!r}")
        if grant == "device" and interactive and token is None:
            flow_for(made, entropy=_entropy())  # what a provider lacks is told now
        if made.dpop is not None:
            from grantflow.shell.signing.signer import check_key  # few clients have a key

            check_key(made.dpop)
        self.grant: Grant = grant
        self.scheme: str | None = made.provider.authorization_scheme
        self.interactive = interactive
        self.clock: Readable | None = clock
        self._profile = profile
        self._placed(made)
        self.notes: list[str] = []
        self._store = FileStore() if store is None else store
        self._now = (clock or clocks.SystemClock()).now
        self._seconds = clocks.seconds if clock is None else lambda: clock.now().wall.timestamp()
        self._prompt = prompt or plain_prompt
        self._watch = watch
        self._given = Secret(token) if isinstance(token, str) else token
        self._fetches = callable(client) or callable(token)
        self._environment = environment
        self._skew = skew
        self._held: CachedToken | None = None

    def _placed(self, client: Client) -> None:
        """Say where the tokens of this client are, and to which key they are bound.

        A function may give another client than before: one that had to register anew, for example.
        """
        self.dpop: DPoP | None = client.dpop
        self.key: str = key_of(client, self.grant, self._profile)
        self.app_key: str = key_of(client, "app_token", self._profile)

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
    def origin(self) -> TokenOrigin:
        """Return where the token in memory came from; ``fetched`` by a function can be again."""
        origin = "stored" if self._held is None else self._held.origin
        return "fetched" if origin == "given" and callable(self._given) else origin

    def _wished(self, refused: Token | None = None) -> CachedToken | Demand:
        """Return what is there for a caller, or what it wants a session for."""
        held, now = self._held, self._seconds()
        if held is None or is_refused(held.token, refused):
            return Demand(refused)
        if now < held.until:
            return held
        if not ages(held, now, self._skew):
            return Demand()
        # The others go on at once: the time to think again is set before the thinking.
        self._held = evolve(held, until=now + MEANWHILE)
        return Demand(meanwhile=held)

    def _session(self, wish: Demand) -> Acquisition | NotAcquired:
        """Return the session for a wish; this calls the caller's own functions."""
        try:
            return self._begun(wish)
        except GrantError as error:
            return NotAcquired(error.problem)
        except OSError as error:  # a secret, a command or a store that cannot be reached
            return NotAcquired(
                Failed(InvalidResponse(f"there is no client or token to begin with: {error}"))
            )

    def _begun(self, wish: Demand) -> Acquisition:
        early = wish.meanwhile is not None
        client = self._client()
        self._placed(client)
        return Acquisition(
            client=client,
            grant=self.grant,
            key=self.key,
            given=self._token_given(),
            environment=self._token_in_environment(),
            refused=wish.refused,
            may_ask=self.interactive and not early,
            early=early,
            skew=self._skew,
            # Who goes on with the old token anyway does not wait for a server in trouble.
            backoff=Backoff(tries=1) if early else Backoff(),
            entropy=_entropy(),
        )

    def _landed(self, end: Acquired | NotAcquired) -> Acquired | NotAcquired:
        """Keep in memory what a session brought."""
        for note in end.notes:
            self._note(note)
        if isinstance(end, Acquired):
            self._held = taken(end, self._now(), self._skew)
        return end

    def _shown(self) -> Callable[[AcquisitionState], None]:
        """Return what looks at the states of one session, and prompts."""
        codes: list[DeviceAuthorization] = []

        def watch(session: AcquisitionState) -> None:
            if not isinstance(session, Requesting) or self.grant != "device":
                return
            state = session.run.phase
            if isinstance(state, (Pending, SlowDown)) and state.authorization is not None:
                if self._watch is not None:
                    self._watch(state)
                if state.authorization not in codes:
                    codes.append(state.authorization)
                    self._prompt(state.authorization)

        return watch

    def _live(self, stored: Token | None) -> Token | None:
        """Return the token that a server is told to forget."""
        # What could not be saved is only here, and works all the same.
        return stored or (self.current if self.origin == "stored" else None)

    def _revocations(self, client: Client, live: Token) -> tuple[Request, ...]:
        requests = revocations(client, live)
        if not requests:
            self._note("the provider has no revocation endpoint, so the server was not told")
        return requests

    def _place_of(self, token: Token) -> str:
        """Return the key under which a token that was made elsewhere is stored."""
        return self.app_key if token.refresh_token is None else self.key

    def _note(self, note: str) -> None:
        self.notes.append(note)
        _log.warning("%s", note)

    def _token_given(self) -> Token | None:
        given = self._given
        if given is None:
            return None
        return as_token(given() if callable(given) else given)

    def _token_in_environment(self) -> Token | None:
        text = os.environ.get(self._environment, "") if self._environment else ""
        return as_token(text.strip()) if text.strip() else None


def _entropy() -> Secret:
    return Secret(os.urandom(32).hex())


def not_revoked(request: Request, client: Client, reply: Reply, now: Moment) -> Failed | None:
    """Return why a server could not be told to forget a token."""
    told = either(revoked(request, client.provider, reply, now))
    return told if isinstance(told, Failed) else None


def question(client: Client, token: Token) -> Result[Request, Problem]:
    """Return the question whether a token is active, or why it cannot be asked."""
    request = introspection(client, token)
    if request is None:
        return Failure(Failed(InvalidResponse("the provider has no introspection endpoint")))
    return Success(request)


def unusable(error: StoreError) -> Problem:
    """Return the problem of a store that cannot be used."""
    return Failed(InvalidResponse(f"the store cannot be used: {error}"))


def as_token(given: Given) -> Token:
    """Return a caller's own token as one."""
    return given if isinstance(given, Token) else Token(access_token=given)


def raised(result: Result[T, Problem]) -> T:
    """Return the value; raises ``GrantError``."""
    found = either(result)
    if isinstance(found, (Expired, Failed, InteractionRequired)):
        raise GrantError(found)
    return found


def settled(result: IOResult[T, E]) -> T | E:
    """Leave an ``IOResult`` with its types: what a ``try_`` method returned, or the problem.

    >>> from returns.io import IOSuccess
    >>> settled(IOSuccess(1))
    1
    """
    value = unsafe_perform_io(result.value_or(_NOTHING))
    return unsafe_perform_io(result.failure()) if isinstance(value, _Nothing) else value


@final
class _Nothing: ...


_NOTHING: Final = _Nothing()
