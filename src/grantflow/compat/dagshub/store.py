"""One deployment's tokens as a ``Store`` of this library: the file, and what DagsHub says of it.

Rules:

1. Of several tokens the first that DagsHub knows is used. One that it refuses (401) is removed
   from the file; trouble in asking removes nothing, and the token is used.
2. A token that a request was refused with is asked about, and comes after all others from then on.
3. Whoever may ask a person waits for whoever asks one already, and then looks again. Whoever finds
   a token, or may not ask, waits for nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, final

from attrs import frozen

from grantflow import Client, Refused, Secret, Token
from grantflow.compat.dagshub.cache import TokensCache
from grantflow.compat.dagshub.token_auth import (
    NEVER,
    AppDagshubToken,
    KeptToken,
    OAuthDagshubToken,
)
from grantflow.compat.dagshub.user import Whose
from grantflow.core.tokens import key_of
from grantflow.shell.ports import Clock, StoreError

_log: Final = logging.getLogger("grantflow")


@final
@frozen
class Known:
    """What was learnt in this process: tokens that DagsHub took, and how to ask about others."""

    ask: Callable[[str, Token], Whose]
    good: set[tuple[str, Secret]]

    def whose(self, host: str, token: Token) -> Whose | None:
        """Ask about a token, once as long as it is good: ``None`` if it was found good before."""
        if (host, token.access_token) in self.good:
            return None
        found = self.ask(host, token)
        if isinstance(found, str):
            self.good.add((host, token.access_token))
        return found


@final
class HostTokens:
    """The ``Store`` of one ``TokenSource`` at ``host``; ``asks`` says whether it asks a person."""

    def __init__(
        self,
        cache: TokensCache,
        client: Client,
        host: str,
        known: Known,
        clock: Clock,
        *,
        asks: bool,
    ) -> None:
        self._cache = cache
        self._keys = {
            key_of(client, "device"): OAuthDagshubToken,
            key_of(client, "app_token"): AppDagshubToken,
        }
        self._host = host
        self._known = known
        self._clock = clock
        self._asks = asks
        self._doubted: set[Secret] = set()
        self._refused: set[Secret] = set()

    def doubt(self, text: Secret) -> None:
        """Remember that a request with this token was refused."""
        self._known.good.discard((self._host, text))
        self._doubted.add(text)

    @contextmanager
    def claim(self, key: str, /) -> Iterator[Token | None]:
        """Give what DagsHub takes; hold the lock only where nothing does and somebody is asked."""
        self._purge()
        if self._sifted() or not self._asks:
            yield self.read(key)
            return
        with self._cache.signing_in(self._host):
            self._sifted()
            yield self.read(key)

    def read(self, key: str, /) -> Token | None:
        """Return the first token of the key's kind."""
        kind = self._keys[key]
        return next((each.as_token() for each in self._kept() if isinstance(each, kind)), None)

    def save(self, key: str, token: Token, /) -> None:
        """Append a token to the file; what was just issued needs no question."""
        text = token.access_token
        if self._keys[key] is AppDagshubToken:
            self._cache.add(self._host, AppDagshubToken(text))
        else:
            self._cache.add(self._host, OAuthDagshubToken(text, token.expires_at or NEVER))
        self._known.good.add((self._host, text))

    def forget(self, key: str, /) -> None:
        """Remove the host's tokens of the key's kind."""
        for each in self._kept():
            if isinstance(each, self._keys[key]):
                self._cache.remove(self._host, each.token_value)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored."""
        return sorted(key for key in self._keys if self.read(key) is not None)

    def clear(self) -> None:
        """Remove the host's tokens."""
        for key in self._keys:
            self.forget(key)

    def _kept(self) -> list[KeptToken]:
        """Return what may be used: what was doubted only if there is nothing else."""
        now = self._clock.now().wall
        found = [
            each
            for each in self._cache.tokens(self._host, now)
            if each.token_value not in self._refused
        ]
        return [each for each in found if each.token_value not in self._doubted] or found

    def _sifted(self) -> bool:
        """Remove what DagsHub refuses until something is left that it does not refuse."""
        now = self._clock.now().wall
        for each in self._cache.tokens(self._host, now):
            if each.token_value in self._doubted:
                self._stands(each)
        return any(self._stands(each) for each in self._kept())

    def _stands(self, each: KeptToken) -> bool:
        if not isinstance(self._known.whose(self._host, each.as_token()), Refused):
            return True
        self._refused.add(each.token_value)
        try:
            self._cache.remove(self._host, each.token_value)
        except StoreError as error:
            _log.warning("a token that %s refuses could not be removed: %s", self._host, error)
        return False

    def _purge(self) -> None:
        try:
            self._cache.purge(self._clock.now().wall)
        except StoreError as error:
            _log.warning("tokens that have ended could not be removed: %s", error)
