"""A client that registers itself where it has to, and is remembered until its end.

Rules:

1. One registration for any number of threads and processes: the store's claim is held over it.
2. It is done anew a day before its end, so that no sign-in begins with a client that dies.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import timedelta
from typing import Final, final

from grantflow.core.acquisition.freshness import Skew, Window, fresh_until
from grantflow.core.client.client import Client
from grantflow.core.flows.registration import RegistrationFlow, registered_client
from grantflow.core.flows.states import Authorized, Expired, Failed
from grantflow.core.values.token import Token
from grantflow.shell.blocking import run
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Clock, Store, StoreError, Transport
from grantflow.shell.sources.results import GrantError
from grantflow.shell.stores import FileStore

_log: Final = logging.getLogger("grantflow")
_BEFORE: Final = Skew(soft=Window(timedelta(days=1), 0.1), hard=Window(timedelta(days=1), 0.1))


@final
class Registration:
    """A function that gives a registered client: for ``TokenSource(Registration(...))``.

    ``client`` is what the client shall be but for its id, ``flow`` how it is registered. Calling it
    registers where nothing good is stored, and raises ``GrantError`` where that fails.
    """

    def __init__(
        self,
        client: Client,
        flow: RegistrationFlow,
        *,
        store: Store | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._flow = flow
        self._store = FileStore() if store is None else store
        self._transport = transport
        self._clock = clock or SystemClock()
        self._known: Token | None = None

    def __call__(self) -> Client:
        """Return the client, after registering it if that is due."""
        if self._known is None or not self._good(self._known):
            self._known = self._found()
        return registered_client(self._client, self._known)

    def _found(self) -> Token:
        with ExitStack() as held:
            try:
                entry = held.enter_context(self._store.claim(self._flow.key))
            except StoreError as error:
                _log.warning("the store cannot be used: %s", error)
                return self._made()
            if entry.token is not None and self._good(entry.token):
                return entry.token
            token = self._made()
            try:
                entry.save(token)
            except StoreError as error:  # a client that exists is not thrown away
                _log.warning("the client could not be saved: %s", error)
            return token

    def _made(self) -> Token:
        match run(self._flow, self._transport, self._clock):
            case Authorized(token):
                return token
            case Expired() | Failed() as problem:
                raise GrantError(problem)

    def _good(self, token: Token) -> bool:
        end = fresh_until(token, _BEFORE)
        return end is None or self._clock.now().wall < end
