"""``stanford.green.oauth2``, over this library.

Rules:

1. Transient failures (network errors, 408, 425, 429, 5xx) are retried as often and as far apart as
   ``exp_backoff`` says; ``Retry-After`` is honored. A refusal is final.
2. Each call resets ``exp_backoff``.
3. Tokens are cached by URL, client and scopes, in a per-user file. One caller requests a token,
   while other threads and processes wait for it.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from attrs import evolve

from grantflow import (
    Client,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretPost,
    Clock,
    FileStore,
    Provider,
    RequestFormat,
    Secret,
    SystemClock,
    Token,
    TokenSource,
    providers,
)
from grantflow.compat.arguments import checked_url, wrapped
from grantflow.compat.stanford_green.access_token import AccessToken, from_zulu
from grantflow.compat.stanford_green.attempts import Waits, request_token
from grantflow.compat.stanford_green.cache import TokenCache
from grantflow.compat.stanford_green.errors import TokenRequestError, UnusableAnswerError

__all__ = [
    "AccessToken",
    "ApiAccessTokenEndpoint",
    "TokenRequestError",
    "UnusableAnswerError",
    "Waits",
]


Timeout: TypeAlias = float | tuple[float | None, float | None] | None
"""Seconds, or seconds to connect and to wait for an answer, as in ``requests``."""

_DEFAULT_TIMEOUT: Final = 15.0


class ApiAccessTokenEndpoint:
    """An endpoint that gives access tokens to machines: ``oauth2``, or Stanford's ``acs_api``.

    Threads may share an endpoint, and two endpoints no ``exp_backoff``. ``timeout`` is in seconds,
    for each attempt. ``grant_type``, ``scopes`` and ``use_basic_auth`` are for ``oauth2``; without
    the last, id and secret travel in the body. ``cache_dir`` is by default where this user's tokens
    are. ``ValueError`` names the argument that is unusable.
    """

    def __init__(
        self,
        endpoint_type: str,
        url: str,
        client_id: str,
        client_secret: str | Secret,
        exp_backoff: Waits,
        timeout: Timeout = 15.0,
        use_cache: bool = True,
        verbose: bool = False,
        grant_type: str = "client_credentials",
        scopes: Iterable[str] | None = (),
        *,
        use_basic_auth: bool = True,
        cache_dir: str | Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        # Immediately: error reporters may send the arguments in a traceback.
        client_secret = wrapped(client_secret)
        if endpoint_type not in ("acs_api", "oauth2"):
            raise ValueError(f"endpoint_type: acs_api or oauth2 is needed, not {endpoint_type!r}")
        _limits(timeout)
        self.endpoint_type = endpoint_type
        self.url: str = checked_url("url", url)
        self.client_id = client_id
        self.client_secret: Secret = client_secret
        self.exp_backoff = exp_backoff
        self.timeout: Timeout = timeout
        self.use_cache = use_cache
        self.verbose = verbose
        self.grant_type = grant_type
        self.scopes: list[str] = scopes.split() if isinstance(scopes, str) else list(scopes or ())
        self.use_basic_auth = use_basic_auth
        self.logger: logging.Logger = logging.getLogger(__name__)
        self._store = FileStore(None if cache_dir is None else Path(cache_dir).expanduser())
        self._clock = clock or SystemClock()
        self._turn = threading.Lock()
        self._client()  # raises for unusable arguments now

    def get_token(self, expires_at_override: datetime | None = None) -> AccessToken:
        """Return a token from the cache, or a new one that is then cached.

        ``expires_at_override`` is when a new one shall expire, whatever the server says. Raises
        ``TokenRequestError``, an ``HTTPError`` of ``requests``, or ``UnusableAnswerError``.
        """
        if expires_at_override is not None and expires_at_override.tzinfo is None:
            raise ValueError("expires_at_override must be offset aware")
        if not self.use_cache:
            self.progress("the cache is not used")
            return self._new(expires_at_override)
        cached = self.cache_get()
        if cached is not None:
            self.progress("cache HIT")
            return cached
        with self._cache().claimed():
            cached = self.cache_get()  # another caller may have requested one meanwhile
            if cached is not None:
                self.progress("cache HIT, after waiting")
                return cached
            self.progress("cache MISS")
            made = self._new(expires_at_override)
            self.cache_set(made, made.expires_in())
            return made

    def cache_get(self) -> AccessToken | None:
        """Return the cached token, if there is one that may still be used."""
        return self._cache().get() if self.use_cache else None

    def cache_set(self, value: AccessToken, expires_in: int) -> None:
        """Cache a token for ``expires_in`` seconds, but not beyond its end, less 5.

        Where none are left, forget it.
        """
        if self.use_cache:
            self._cache().set(value, expires_in)

    def is_acs_api(self) -> bool:
        """Tell whether ``endpoint_type`` is ``acs_api``."""
        return self.endpoint_type == "acs_api"

    def is_oauth2(self) -> bool:
        """Tell whether ``endpoint_type`` is ``oauth2``."""
        return self.endpoint_type == "oauth2"

    def progress(self, msg: str) -> None:
        """Tell the log, and standard output if ``verbose``, how it goes."""
        self.logger.debug("%s", msg)
        if self.verbose:
            print(f"[progress] {self._clock.now().wall} {msg}", flush=True)

    def _get_token(self) -> AccessToken:
        """Return a new token, past the cache."""
        return self._get_token_acs_api() if self.is_acs_api() else self._get_token_oauth2()

    def _get_token_oauth2(self) -> AccessToken:
        """Return a new token of an OAuth 2.0 token endpoint."""
        token = self._requested(self._oauth2())
        if token.expires_at is None:
            raise UnusableAnswerError("the answer has no expires_in of a second or more")
        return AccessToken(token.access_token, token.expires_at, clock=self._clock)

    def _get_token_acs_api(self) -> AccessToken:
        """Return a new token of an ACS endpoint, which reports its expiry in Zulu time."""
        token = self._requested(self._acs_api())
        expires_at = from_zulu(token.extra.get("expires_at"))
        if expires_at is None:
            raise UnusableAnswerError("the answer has no expires_at in Zulu time")
        return AccessToken(token.access_token, expires_at, clock=self._clock)

    def _new(self, expires_at: datetime | None) -> AccessToken:
        made = self._get_token()
        if expires_at is not None:
            made.expires_at = expires_at
        return made

    def _requested(self, client: Client) -> Token:
        with self._turn:  # the state of exp_backoff belongs to one call at a time
            try:
                return request_token(
                    client,
                    self.exp_backoff,
                    timeout=_limits(self.timeout),
                    clock=self._clock,
                    progress=self.progress,
                )
            except (TokenRequestError, UnusableAnswerError) as error:
                self.logger.error("%s", error)
                raise

    def _client(self) -> Client:
        return self._acs_api() if self.is_acs_api() else self._oauth2()

    def _oauth2(self) -> Client:
        asking = RequestFormat(fixed={"grant_type": self.grant_type})
        return Client(
            provider=Provider(name="stanford", token_endpoint=self.url, token=asking),
            client_id=self.client_id,
            authentication=ClientSecretBasic(self.client_secret, encoding="raw")
            if self.use_basic_auth
            else ClientSecretPost(self.client_secret),
            scope=self.scopes,
        )

    def _acs_api(self) -> Client:
        known = providers.find("stanford-acs", host="unasked.invalid", path="")
        return Client(
            provider=evolve(known, token_endpoint=self.url),
            client_id=self.client_id,
            authentication=ClientSecretHeaders(self.client_secret),
        )

    def _cache(self) -> TokenCache:
        source = TokenSource(
            self._client(),
            "client_credentials",
            store=self._store,
            # Another kind of endpoint or grant at the same URL has an entry of its own.
            profile=f"{self.endpoint_type} {self.grant_type}",
        )
        return TokenCache(self._store, source.key, self._clock, self.logger)


def _limits(timeout: Timeout) -> tuple[float, float]:
    """Return the seconds to connect and to wait for an answer; ``None`` is the default of 15."""
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    connect, read = (_DEFAULT_TIMEOUT if each is None else each for each in pair)
    if not (_positive(connect) and _positive(read)):
        raise ValueError(f"timeout: a positive number of seconds is needed, not {timeout!r}")
    return connect, read


def _positive(seconds: object) -> bool:
    return isinstance(seconds, (int, float)) and 0 < seconds < math.inf
