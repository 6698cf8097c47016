"""``dagshub.auth.tokens``: tokens by deployment, from the environment, the file, or a sign-in."""

from __future__ import annotations

import logging
import secrets
import sys
import webbrowser
from contextlib import suppress
from functools import cache, partial
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Final, assert_never, final

import requests

from grantflow import (
    Authorized,
    Clock,
    DeviceAuthorization,
    Expired,
    Failed,
    InvalidResponse,
    LinkFlow,
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
from grantflow.compat.dagshub import config as places
from grantflow.compat.dagshub.authenticator import DagshubAuthenticator, told
from grantflow.compat.dagshub.cache import TokensCache
from grantflow.compat.dagshub.errors import (
    InvalidTokenError,
    NoTokenError,
    UncheckedTokenError,
    no_token,
)
from grantflow.compat.dagshub.store import HostTokens, Known
from grantflow.compat.dagshub.token_auth import (
    NEVER,
    AppDagshubToken,
    DagshubTokenABC,
    EnvVarDagshubToken,
    KeptToken,
    OAuthDagshubToken,
)
from grantflow.compat.dagshub.user import Whose, whose
from grantflow.core.messages import escaped
from grantflow.shell.http.requests import RequestsTransport

_log: Final = logging.getLogger("grantflow")


def show_link(authorization: DeviceAuthorization) -> None:
    """Print the link, alone on its line, to standard error, then open it."""
    link = authorization.verification_uri
    lines = (
        "AUTHORIZATION REQUIRED",
        "",
        "Open the following link in your browser to authorize the client:",
        escaped(link),
        "",
    )
    for line in lines:
        print(line, file=sys.stderr, flush=True)
    with suppress(webbrowser.Error, OSError):  # the link is there to be copied
        webbrowser.open(link)


@final
class TokenStorage:
    """The tokens of one file, which is ``DAGSHUB_CLIENT_TOKENS_CACHE`` or DagsHub's own by default.

    ``host`` is the URL of a deployment in all methods, by default ``DAGSHUB_CLIENT_HOST`` or
    DagsHub; ``ValueError`` names one that cannot be used. Where no token is valid, a person is
    asked to sign in; with ``fail_if_no_token`` nobody is, then or later. ``NoTokenError``, a
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
    ) -> None:
        self._cache = TokensCache(places.cache_of(cache_location))
        self._transport = transport
        self._session = requests.Session()
        # A cookie that came with one token must not speak for the next one.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._clock = clock or SystemClock()
        self._prompt = prompt
        self._known = Known(self._whose)

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

        ``InvalidTokenError`` where DagsHub refuses it, ``UncheckedTokenError`` where nobody could
        be asked, ``ValueError`` where it cannot be a token.
        """
        token = Secret(token.strip()) if isinstance(token, str) else token
        where = places.host_of(host)
        made = AppDagshubToken(token) if isinstance(token, Secret) else token
        if not (made.token_text.isascii() and made.token_text.isprintable() and made.token_text):
            raise ValueError("token: one line of visible ASCII is needed")
        if any(made.token_value == each.token_value for each in self._kept(where)):
            _log.warning("the token is stored already")
            return
        if not skip_validation and not self.is_valid_token(made, where):
            raise InvalidTokenError
        self._cache.add(where, made)

    def add_oauth_token(self, host: str | None = None, referrer: str | None = None) -> None:
        """Ask a person to sign in, and store the token; ``referrer`` becomes a part of the link."""
        where = places.host_of(host)
        flow = LinkFlow(places.client_of(where, referrer), secrets.token_hex(32))
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

    def get_token(self, host: str | None = None, fail_if_no_token: bool = False) -> str:
        """Return the text of a valid token."""
        return self.get_token_object(host, fail_if_no_token).token_text

    def get_token_object(
        self, host: str | None = None, fail_if_no_token: bool = False
    ) -> DagshubTokenABC:
        """Return a valid token, with its kind and its end."""
        where = places.host_of(host)
        self._check_environment(where)
        source, _ = self._source(where, asks=not fail_if_no_token)
        with told(where, source):
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
        self, host: str | None = None, fail_if_no_token: bool = False
    ) -> DagshubAuthenticator:
        """Return what puts a valid token on requests, and another one after a 401."""
        where = places.host_of(host)
        self._check_environment(where)
        made = self.authenticator(where, asks=not fail_if_no_token)
        _ = made.token_text  # what is wrong is told now
        return made

    def authenticator(self, host: str, *, asks: bool) -> DagshubAuthenticator:
        """Return an authenticator that looks for its token when it needs one."""
        source, store = self._source(host, asks=asks)
        again = partial(_authenticator_at, self.cache_location, host, asks)
        return DagshubAuthenticator(source, host, store.doubt, again)

    def is_valid_token(
        self, token: str | Secret | DagshubTokenABC, host: str | None = None
    ) -> bool:
        """Tell whether DagsHub takes a token; ``UncheckedTokenError`` where that is not known."""
        token = Secret(token) if isinstance(token, str) else token
        where = places.host_of(host)
        made = Token(access_token=token) if isinstance(token, Secret) else token.as_token()
        match self._whose(where, made):
            case str():
                self._known.learn(where, made.access_token)
                return True
            case Refused():
                return False
            case (Unreachable() | InvalidResponse()) as problem:
                raise UncheckedTokenError(Failed(problem))
            case never:
                assert_never(never)

    def invalidate_token(self, token: DagshubTokenABC, host: str | None = None) -> None:
        """Remove a token from the file."""
        self._cache.remove(places.host_of(host), token.token_value)

    def remove_expired_tokens(self) -> None:
        """Remove from the file what has ended, of all deployments."""
        self._cache.purge(self._clock.now().wall)

    def clear(self) -> bool:
        """Remove the file; ``False`` if there was none."""
        return self._cache.clear()

    def _source(self, host: str, *, asks: bool) -> tuple[TokenSource, HostTokens]:
        client = places.client_of(host)
        store = HostTokens(self._cache, client, host, self._known, self._clock, asks=asks)
        source = TokenSource(
            client,
            store=store,
            transport=self._sender(),
            clock=self._clock,
            prompt=self._prompt,
            interactive=asks,
            environment=places.ENVIRONMENT if places.token_given(host) else None,
        )
        return source, store

    def _sender(self) -> Transport:
        if self._transport is not None:
            return self._transport
        return RequestsTransport(self._session, timeout=places.timeout())

    def _check_environment(self, host: str) -> None:
        given = places.token_given(host)
        refused = given and self._known.refuses(host, Token(access_token=given))
        if refused is not None:
            message = f"Provided DagsHub token is not valid: '{host}' refuses DAGSHUB_USER_TOKEN"
            raise NoTokenError(message, Failed(refused))

    def _kept(self, host: str) -> list[KeptToken]:
        return self._cache.tokens(host, self._clock.now().wall)

    def _whose(self, host: str, token: Token) -> Whose:
        found = whose(
            token, places.client_of(host).provider.userinfo_endpoint or "", self._sender()
        )
        if isinstance(found, str):
            _greet(found)
        return found


@cache
def storage_at(path: Path) -> TokenStorage:
    """Return the one storage of a file in this process."""
    return TokenStorage(path)


def _authenticator_at(path: str, host: str, asks: bool) -> DagshubAuthenticator:
    return storage_at(Path(path)).authenticator(host, asks=asks)


_greeted: Final[set[str]] = set()


def _greet(name: str) -> None:
    """Say once in a process who is signed in."""
    if not _greeted and not places.quiet():
        print(f"Accessing as {escaped(name)}", file=sys.stderr)
    _greeted.add(name)
