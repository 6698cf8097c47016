"""The tokens of one file by deployment: from the environment, the file, or a sign-in."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from functools import cache, partial
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import (
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    TypeAlias,
    TypeVar,
    assert_never,
    final,
)

import requests

from grantflow import (
    Authorized,
    Clock,
    Expired,
    Failed,
    InvalidResponse,
    Prompt,
    Refused,
    Secret,
    SystemClock,
    Token,
    TokenSource,
    Transport,
    Unreachable,
    run,
)
from grantflow.compat.dagshub import config
from grantflow.compat.dagshub.authenticator import DagshubAuthenticator, translated
from grantflow.compat.dagshub.cache import TokensCache
from grantflow.compat.dagshub.errors import (
    InvalidTokenError,
    NoTokenError,
    no_token,
    unchecked,
)
from grantflow.compat.dagshub.screen import greet, show_link
from grantflow.compat.dagshub.store import HostTokens, Known
from grantflow.compat.dagshub.token_auth import (
    NEVER,
    AppDagshubToken,
    DagshubTokenABC,
    EnvVarDagshubToken,
    HTTPBearerAuth,
    KeptToken,
    OAuthDagshubToken,
)
from grantflow.compat.dagshub.user import User, UserAnswer, fetch_user
from grantflow.flows import LinkFlow
from grantflow.integrations.requests import RequestsTransport

_log: Final = logging.getLogger("grantflow")


Bearing: TypeAlias = str | Secret | DagshubTokenABC | DagshubAuthenticator | HTTPBearerAuth
"""A token, or what sends one."""

P = ParamSpec("P")
T = TypeVar("T")


@final
class _OnClassToo(Generic[P, T]):
    """A method that the class has as well, where it is that of the default file's storage."""

    def __init__(self, method: Callable[Concatenate[TokenStorage, P], T]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: TokenStorage | None, owner: type[TokenStorage]) -> Callable[P, T]:
        used = storage_at(config.cache_of()) if instance is None else instance
        return partial(self._method, used)


@final
class TokenStorage:
    """The tokens of one file, which is ``DAGSHUB_CLIENT_TOKENS_CACHE`` or DagsHub's own by default.

    ``host`` is the URL of a deployment in all methods, by default ``DAGSHUB_CLIENT_HOST`` or
    DagsHub; ``ValueError`` names one that cannot be used. Where no token is valid, a person is
    asked to sign in; with ``fail_if_no_token`` never, then or later. ``NoTokenError``, a
    ``RuntimeError``, says why there is no token, and ``StoreError``, an ``OSError``, why the file
    cannot be used. Safe to share by threads.
    """

    def __init__(
        self,
        cache_location: str | Path | None = None,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
        prompt: Prompt = show_link,
        **unknown: object,
    ) -> None:
        unused(unknown)
        self._cache = TokensCache(config.cache_of(cache_location))
        self._transport = transport
        self._session = requests.Session()
        # A cookie that came with one token must not speak for the next one.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._clock = clock or SystemClock()
        self._prompt = prompt
        self._known = Known(self._fetch_user)

    @property
    def cache_location(self) -> str:
        """The file."""
        return str(self._cache.path)

    def add_token(
        self,
        token: str | Secret | KeptToken,
        host: str | None = None,
        skip_validation: bool = False,
    ) -> None:
        """Store a token that DagsHub takes; one that is stored already is left as it is.

        ``InvalidTokenError`` if DagsHub refuses it, ``UncheckedTokenError`` if it cannot be
        reached, ``ValueError`` if it is not a valid token.
        """
        token = Secret(token.strip()) if isinstance(token, str) else token
        where = config.host_of(host)
        made = AppDagshubToken(token) if isinstance(token, Secret) else token
        if not (made.token_text.isascii() and made.token_text.isprintable() and made.token_text):
            raise ValueError("token: one line of visible ASCII is needed")
        if any(made.secret == each.secret for each in self._kept(where)):
            _log.warning("the token is stored already")
            return
        if not skip_validation and not self.is_valid_token(made.secret, where):
            raise InvalidTokenError
        self._cache.add(where, made)

    def add_oauth_token(self, host: str | None = None, referrer: str | None = None) -> None:
        """Ask a person to sign in, and store the token; ``referrer`` becomes a part of the link."""
        where = config.host_of(host)
        flow = LinkFlow(config.client_of(where, referrer), secrets.token_hex(32))
        send = self._sender()
        self._prompt(flow.start(self._clock.now()).authorization)
        match run(flow, send, self._clock):
            case Authorized(token):
                self._cache.add(
                    where, OAuthDagshubToken(token.access_token, token.expires_at or NEVER)
                )
                self._known.learn(where, token.access_token)
            case (Expired() | Failed()) as problem:
                raise no_token(where, problem)
            case never:
                assert_never(never)

    def get_token(
        self, host: str | None = None, fail_if_no_token: bool = False, **unknown: object
    ) -> str:
        """Return the text of a valid token."""
        return self.get_token_object(host, fail_if_no_token, **unknown).token_text

    def get_token_object(
        self, host: str | None = None, fail_if_no_token: bool = False, **unknown: object
    ) -> DagshubTokenABC:
        """Return a valid token, with its kind and its end."""
        unused(unknown)
        where = config.host_of(host)
        self._check_environment(where)
        source, _ = self._source(where, asks=not fail_if_no_token)
        with translated(where, source):
            token = source.token()
        match source.origin:
            case "environment":
                return EnvVarDagshubToken(token.access_token, where)
            case "app":
                return AppDagshubToken(token.access_token)
            case "stored" | "given" | "fetched":
                return OAuthDagshubToken(token.access_token, token.expires_at or NEVER)
            case never:
                assert_never(never)

    def get_authenticator(
        self, host: str | None = None, fail_if_no_token: bool = False, **unknown: object
    ) -> DagshubAuthenticator:
        """Return what puts a valid token on requests, and another one after a 401."""
        unused(unknown)
        where = config.host_of(host)
        self._check_environment(where)
        made = self.authenticator(where, asks=not fail_if_no_token)
        _ = made.token_text  # raises now
        return made

    def authenticator(self, host: str, *, asks: bool) -> DagshubAuthenticator:
        """Return an authenticator that looks for its token when it needs one."""
        source, store = self._source(host, asks=asks)
        again = partial(_authenticator_at, self.cache_location, host, asks)
        return DagshubAuthenticator(source, host, store.doubt, again)

    @_OnClassToo
    def is_valid_token(self, token: Bearing, host: str | None = None) -> bool:
        """Return whether DagsHub accepts a token; ``UncheckedTokenError`` if that is not known."""
        token = _secret_of(token)
        return self._user(token, host) is not None

    @_OnClassToo
    def get_username_of_token(
        self, token: Bearing, host: str | None = None
    ) -> dict[str, object] | None:
        """Return DagsHub's description of a token's user, ``None`` for a token that is refused.

        ``UncheckedTokenError`` if that is not known.
        """
        token = _secret_of(token)
        found = self._user(token, host)
        return None if found is None else found.members()

    def invalidate_token(self, token: DagshubTokenABC, host: str | None = None) -> None:
        """Remove a token from the file."""
        self._cache.remove(config.host_of(host), token.secret)

    def remove_expired_tokens(self) -> None:
        """Remove from the file what has ended, of all deployments."""
        self._cache.purge(self._clock.now().wall)

    def clear(self) -> bool:
        """Remove the file; ``False`` if there was none."""
        return self._cache.clear()

    def _source(self, host: str, *, asks: bool) -> tuple[TokenSource, HostTokens]:
        client = config.client_of(host)
        store = HostTokens(self._cache, client, host, self._known, self._clock, asks=asks)
        source = TokenSource(
            client,
            store=store,
            transport=self._sender(),
            clock=self._clock,
            prompt=self._prompt,
            interactive=asks,
            environment=config.ENVIRONMENT if config.token_given(host) else None,
        )
        return source, store

    def _sender(self) -> Transport:
        if self._transport is not None:
            return self._transport
        return RequestsTransport(self._session, timeout=config.timeout())

    def _check_environment(self, host: str) -> None:
        given = config.token_given(host)
        refused = given and self._known.refuses(host, Token(access_token=given))
        if refused is not None:
            message = f"Provided DagsHub token is not valid: '{host}' refuses DAGSHUB_USER_TOKEN"
            raise NoTokenError(message, Failed(refused))

    def _kept(self, host: str) -> list[KeptToken]:
        return self._cache.tokens(host, self._clock.now().wall)

    def _user(self, token: Secret, host: str | None) -> User | None:
        where = config.host_of(host)
        made = Token(access_token=token)
        match self._fetch_user(where, made):
            case Refused():
                return None
            case (Unreachable() | InvalidResponse()) as problem:
                raise unchecked(Failed(problem))
            case user:
                self._known.learn(where, made.access_token)
                return user

    def _fetch_user(self, host: str, token: Token) -> UserAnswer:
        found = fetch_user(
            token, config.client_of(host).provider.userinfo_endpoint or "", self._sender()
        )
        if isinstance(found, User):
            greet(found.username)
        return found


@cache
def storage_at(path: Path) -> TokenStorage:
    """Return the one storage of a file in this process."""
    return TokenStorage(path)


def _authenticator_at(path: str, host: str, asks: bool) -> DagshubAuthenticator:
    return storage_at(Path(path)).authenticator(host, asks=asks)


def _secret_of(token: Bearing) -> Secret:
    match token:
        case str():
            return Secret(token.strip())
        case Secret():
            return token
        case DagshubAuthenticator():
            return Secret(token.token_text)
        case _:
            return token.secret


def unused(keywords: dict[str, object]) -> None:
    """Log keywords that the original takes and ignores as well."""
    if keywords:
        _log.warning("these keywords are not known, and ignored: %s", ", ".join(sorted(keywords)))
