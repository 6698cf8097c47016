"""The front door: a token for whoever asks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, final

from returns.io import IOResult
from returns.result import Failure, Result, Success

from grantflow.core.client import Client
from grantflow.core.client_credentials import ClientCredentialsFlow
from grantflow.core.device import DeviceFlow
from grantflow.core.display import sentence
from grantflow.core.errors import Refused
from grantflow.core.problems import PersonNeeded, Problem
from grantflow.core.refresh import RefreshFlow
from grantflow.core.states import Authorized, DeviceState, Expired, Failed, Pending, SlowDown
from grantflow.core.tokens import Freshness, Grant, freshness, key_of, renewed
from grantflow.core.values import DeviceAuthorization, Token
from grantflow.core.wire import either
from grantflow.shell.blocking import run
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Clock, Prompt, Store, StoreError, Transport
from grantflow.shell.stores import FileStore
from grantflow.shell.terminal import plain_prompt

_log: Final = logging.getLogger("grantflow")


@final
class GrantError(Exception):
    """No token; ``problem`` holds the value that says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(sentence(problem))
        self.problem = problem


@final
class TokenSource:
    """Gives a token: from memory, from the store, by a refresh, or by a sign-in.

    ``store`` is a ``FileStore`` by default, so a token survives the process. ``prompt`` shows a
    person what to do; ``watch`` sees the states of a sign-in. ``interactive=False`` never asks
    anybody. ``profile`` keeps the tokens of several people apart.
    """

    def __init__(
        self,
        client: Client,
        grant: Grant = "device",
        *,
        store: Store | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        prompt: Prompt | None = None,
        watch: Callable[[DeviceState], None] | None = None,
        interactive: bool = True,
        profile: str = "",
    ) -> None:
        self.client = client
        self.grant: Grant = grant
        self.interactive = interactive
        self.key = key_of(client, grant, profile)
        self.notes: list[str] = []
        self._store = FileStore() if store is None else store
        self._transport = transport
        self._clock = clock or SystemClock()
        self._prompt = prompt or plain_prompt
        self._watch = watch
        self._token: Token | None = None
        self._lock = threading.Lock()

    def obtain(self) -> IOResult[Token, Problem]:
        """Return a token that may be used now, or the problem."""
        return IOResult.from_result(self._get())

    def token(self) -> Token:
        """Return a token that may be used now; raises ``GrantError``."""
        match either(self._get()):
            case Token() as token:
                return token
            case problem:
                raise GrantError(problem)

    def forget(self) -> None:
        """Drop the token here and in the store."""
        with self._lock:
            self._token = None
            self._store.forget(self.key)

    def _get(self) -> Result[Token, Problem]:
        if self._token is not None and self._usable(self._token):
            return Success(self._token)
        with self._lock, self._store.claim(self.key) as stored:
            if stored is None:
                return self._signed_in()
            if not self._usable(stored):
                return self._renewed(stored)
            self._token = stored
            return Success(stored)

    def _renewed(self, stored: Token) -> Result[Token, Problem]:
        if stored.refresh_token is None:
            return self._signed_in()
        flow = RefreshFlow(self.client, stored.refresh_token, scope=stored.scope)
        match run(flow, self._transport, self._clock):
            case Authorized(token):
                return self._kept(renewed(stored, token))
            case Failed(Refused(code="invalid_grant")):
                self._store.forget(self.key)
                return self._signed_in()
            case (Failed() | Expired()) as problem:
                return Failure(problem)

    def _signed_in(self) -> Result[Token, Problem]:
        match self._asked():
            case Authorized(token):
                return self._kept(token)
            case problem:
                return Failure(problem)

    def _asked(self) -> Authorized | Problem:
        if self.grant == "client_credentials":
            return run(ClientCredentialsFlow(self.client), self._transport, self._clock)
        if not self.interactive:
            return PersonNeeded()
        return run(DeviceFlow(self.client), self._transport, self._clock, self._shown())

    def _kept(self, token: Token) -> Result[Token, Problem]:
        self._token = token
        try:
            self._store.save(self.key, token)
        except StoreError as error:
            self.notes.append(f"the token could not be saved: {error}")
            _log.warning(self.notes[-1])
        return Success(token)

    def _usable(self, token: Token) -> bool:
        return freshness(token, self._clock.now().wall) is not Freshness.STALE

    def _shown(self) -> Callable[[DeviceState], None]:
        """Return a watch that prompts once for each code, however often its state comes by."""
        codes: list[DeviceAuthorization] = []

        def watch(state: DeviceState) -> None:
            if self._watch is not None:
                self._watch(state)
            if isinstance(state, (Pending, SlowDown)) and state.authorization not in codes:
                codes.append(state.authorization)
                self._prompt(state.authorization)

        return watch
