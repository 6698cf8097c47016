"""One deployment's tokens as a ``Store`` of this library: the file, and what DagsHub says of it.

Rules:

1. Of several tokens the first that DagsHub knows is used. One that it refuses (401) is removed
   from the file; trouble in asking removes nothing, and the token is used.
2. A token that a request was refused with is asked about, and comes after all others from then on.
3. A caller that may prompt waits for another prompt, and then looks again. One that finds a token
   that no request was refused with, or may not prompt, does not wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Literal, final, overload

from grantflow import (
    Client,
    Clock,
    MemoryStore,
    Refused,
    Secret,
    StoreError,
    Token,
    TokenSource,
)
from grantflow.compat.dagshub.cache import TokensCache
from grantflow.compat.dagshub.token_auth import (
    NEVER,
    AppDagshubToken,
    KeptToken,
    OAuthDagshubToken,
)
from grantflow.compat.dagshub.user import User, UserAnswer
from grantflow.stores import Claim

_log: Final = logging.getLogger("grantflow")


@final
class Known:
    """What was learnt in this process: which tokens DagsHub took, by deployment."""

    def __init__(self, ask: Callable[[str, Token], UserAnswer]) -> None:
        self._ask = ask
        self._good: dict[str, set[Secret]] = {}

    def refuses(self, host: str, token: Token) -> Refused | None:
        """Ask about a token, unless it was found good; return the refusal, if it is one."""
        if token.access_token in self._good.get(host, ()):
            return None
        found = self._ask(host, token)
        if isinstance(found, User):
            self.learn(host, token.access_token)
        return found if isinstance(found, Refused) else None

    def learn(self, host: str, text: Secret) -> None:
        """Remember that a token is good."""
        self._good.setdefault(host, set()).add(text)

    def forget(self, host: str) -> None:
        """Check all tokens of a host again: what was learnt is out of date."""
        self._good.pop(host, None)


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
        named = TokenSource(client, store=MemoryStore())
        self._keys = {named.key: OAuthDagshubToken, named.app_key: AppDagshubToken}
        self._host = host
        self._known = known
        self._clock = clock
        self._asks = asks
        self._doubted: set[Secret] = set()
        self._refused: set[Secret] = set()
        self._asked: set[Secret] = set()
        """What was asked about without a refusal: once is enough, also if no answer came."""

    def doubt(self, text: Secret) -> None:
        """Remember that a request with this token was refused."""
        self._known.forget(self._host)
        self._asked.clear()
        self._doubted.add(text)

    @overload
    def claim(self, key: str, /, wait: Literal[True] = ...) -> AbstractContextManager[Claim]: ...

    @overload
    def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

    def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
        """Give what DagsHub takes; hold the lock where somebody may be asked for another one."""
        return self._claimed(key, wait=wait)

    @contextmanager
    def _claimed(self, key: str, *, wait: bool) -> Iterator[_Entry | None]:
        self._purge()
        if self._sifted() or not self._asks:
            yield _Entry(self, key)
            return
        with self._cache.signing_in(self._host, wait=wait) as mine:
            if not mine:
                yield None
                return
            self._sifted()
            yield _Entry(self, key)

    def read(self, key: str, /) -> Token | None:
        """Return the first token of the key's kind that DagsHub takes."""
        self._purge()
        self._sifted()
        return self.first(key)

    def first(self, key: str) -> Token | None:
        """Return the first token of the key's kind."""
        kind = self._keys[key]
        return next((each.as_token() for each in self._kept() if isinstance(each, kind)), None)

    def append(self, key: str, token: Token) -> None:
        """Append a token to the file; what was just issued needs no question."""
        text = token.access_token
        if self._keys[key] is AppDagshubToken:
            self._cache.add(self._host, AppDagshubToken(text))
        else:
            self._cache.add(self._host, OAuthDagshubToken(text, token.expires_at or NEVER))
        self._known.learn(self._host, text)

    def remove(self, key: str) -> None:
        """Remove the host's tokens of the key's kind."""
        for each in self._kept():
            if isinstance(each, self._keys[key]):
                self._cache.remove(self._host, each.secret)

    def _kept(self) -> list[KeptToken]:
        """Return what may be used: what was doubted only if there is nothing else."""
        now = self._clock.now().wall
        found = [
            each for each in self._cache.tokens(self._host, now) if each.secret not in self._refused
        ]
        return [each for each in found if each.secret not in self._doubted] or found

    def _sifted(self) -> bool:
        """Remove what DagsHub refuses; return whether a token is left that no request doubts."""
        now = self._clock.now().wall
        for each in self._cache.tokens(self._host, now):
            if each.secret in self._doubted:
                self._stands(each)
        fresh = (each for each in self._kept() if each.secret not in self._doubted)
        return any(self._stands(each) for each in fresh)

    def _stands(self, each: KeptToken) -> bool:
        if each.secret in self._asked:
            return True
        if self._known.refuses(self._host, each.as_token()) is None:
            self._asked.add(each.secret)
            return True
        self._refused.add(each.secret)
        try:
            self._cache.remove(self._host, each.secret)
        except StoreError as error:
            _log.warning("a token that %s refuses could not be removed: %s", self._host, error)
        return False

    def _purge(self) -> None:
        try:
            self._cache.purge(self._clock.now().wall)
        except StoreError as error:
            _log.warning("tokens that have ended could not be removed: %s", error)


@final
class _Entry:
    """The tokens of one key, while nobody else asks a person for one."""

    def __init__(self, tokens: HostTokens, key: str) -> None:
        self._tokens = tokens
        self._key = key

    @property
    def token(self) -> Token | None:
        return self._tokens.first(self._key)

    def save(self, token: Token, /) -> None:
        self._tokens.append(self._key, token)

    def forget(self) -> None:
        self._tokens.remove(self._key)
