"""Where tokens wait to be used again: a ``FileStore``, so private, JSON, and locked by key.

Rules:

1. An entry ends 5 seconds before its token, however long it was meant to be kept.
2. A store that cannot be used is told to the log, and costs a request and no token.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Final, final

from grantflow import Clock, FileStore, StoreError, Token
from grantflow.compat.stanford_green.access_token import AccessToken

_EARLY: Final = timedelta(seconds=5)
_UNTIL: Final = "cached_until"
"""The member that says until when an entry may be used, in seconds since 1970."""


@final
class TokenCache:
    """The entry of one key."""

    def __init__(self, store: FileStore, key: str, clock: Clock, logger: logging.Logger) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._logger = logger

    def get(self) -> AccessToken | None:
        """Return what may still be used."""
        try:
            found = self._store.read(self._key)
        except StoreError as error:
            self._unusable(error)
            return None
        if found is None or found.expires_at is None:
            return None
        until = found.extra.get(_UNTIL)
        if not isinstance(until, float) or self._clock.now().wall.timestamp() >= until:
            return None
        return AccessToken(found.access_token, found.expires_at, clock=self._clock)

    def set(self, value: AccessToken, expires_in: int) -> None:
        """Keep a token for ``expires_in`` seconds, or to its end if that is sooner, less 5.

        One that is over by then is dropped.
        """
        now = self._clock.now().wall
        life = min(timedelta(seconds=expires_in), value.expires_at - now) - _EARLY
        try:
            if life <= timedelta():
                self._store.forget(self._key)
                return
            token = Token(
                access_token=value.token,
                expires_at=value.expires_at,
                issued_at=now,
                extra={_UNTIL: now.timestamp() + life.total_seconds()},
            )
            self._store.save(self._key, token)
        except StoreError as error:
            self._unusable(error)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep every other thread and process from asking for this token."""
        with ExitStack() as held:
            try:
                # Not the entry's own lock: ``set`` takes that.
                held.enter_context(self._store.claim(f"{self._key}-asking"))
            except StoreError as error:
                self._unusable(error)
            yield

    def _unusable(self, error: StoreError) -> None:
        self._logger.warning("the cache cannot be used: %s", error)
