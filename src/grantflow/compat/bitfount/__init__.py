"""``bitfount.hub.authentication_flow``: a ``requests.Session`` of a person at Bitfount.

Rules:

1. Tokens and API keys go to the hub and the access manager of the session's own environment, by
   their origins, and nowhere else: a redirect to another origin gets neither.
2. A token counts as expired in the last 10 minutes of its life, but at most in its last fifth.
3. A refresh that may have arrived is not sent again, and a person is not asked while a token lives.
4. API keys in the environment outrank everything, and no sign-in happens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from grantflow import (
    Client,
    Clock,
    GrantError,
    MemoryStore,
    Prompt,
    Secret,
    Skew,
    SystemClock,
    Token,
    TokenAuth,
    TokenSession,
    TokenSource,
    Transport,
    Window,
)
from grantflow.compat.bitfount.config import (
    APIKeys,
    Services,
    api_keys_given,
    provider_at,
    storage,
    username_in,
)
from grantflow.compat.bitfount.errors import (
    AuthenticatedUserError,
    AuthenticationFailedError,
    AuthenticationRefusedError,
    AuthEnvironmentError,
    BitfountError,
    UnusableAnswerError,
    failure,
)
from grantflow.compat.bitfount.screen import Screen
from grantflow.compat.bitfount.token_file import Inputs, TokenFile
from grantflow.integrations import origin_of

__all__ = [
    "APIKeys",
    "AuthEnvironmentError",
    "AuthenticatedUserError",
    "AuthenticationFailedError",
    "AuthenticationRefusedError",
    "BitfountError",
    "BitfountSession",
    "UnusableAnswerError",
]

_DEFAULT_USER: Final = "_default"
_WINDOW: Final = Window(timedelta(minutes=10), 0.2)
_SKEW: Final = Skew(soft=_WINDOW, hard=_WINDOW)
_TIMEOUT: Final = 20.0
_Auth: TypeAlias = (
    tuple[str, str]
    | AuthBase
    | Callable[[requests.PreparedRequest], requests.PreparedRequest]
    | None
)
"""What a session's ``auth`` may be: a subclass may not say less."""
_log: Final = logging.getLogger("grantflow")


class BitfountSession(TokenSession):
    """A ``requests.Session`` that puts the person's access token on requests to Bitfount.

    ``auth_domain`` is a host, or the URL of a server on this machine. ``hub_urls`` and ``am_urls``
    name the hub and the access manager where they are not Bitfount's. ``prompt`` shows a person
    what to do; then nothing is printed and no browser opened. ``ValueError`` names what is
    unusable. Nobody is asked before ``authenticate()`` or the first request to Bitfount; both raise
    ``AuthenticationFailedError``, a ``ConnectionError``, where there is no token.
    """

    def __init__(
        self,
        auth_domain: str = "auth.bitfount.com",
        client_id: str = "8iCJ33Kp6hc9ofrXTzr5GLxMRHWrlzZO",
        username: str = _DEFAULT_USER,
        scopes: str = "profile openid offline_access",
        audience: str = "https://hub.bitfount.com/api",
        *,
        hub_urls: Iterable[str] | None = None,
        am_urls: Iterable[str] | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        prompt: Prompt | None = None,
    ) -> None:
        client = Client(
            provider=provider_at(auth_domain), client_id=client_id, scope=scopes, audience=audience
        )
        self.user_storage_path: Path = storage(username)
        self._username = username
        self._clock = clock or SystemClock()
        self._services = Services.of(auth_domain, audience, hub_urls, am_urls)
        self._file = TokenFile(
            self.user_storage_path,
            Inputs(auth_domain, client_id, scopes, audience),
            TokenSource(client, store=MemoryStore()).key,
            self._foreign,
        )
        self._screen = Screen(self._clock, self._file, prompt)
        self._source = TokenSource(
            client,
            store=self._file,
            transport=transport,
            clock=clock,
            prompt=self._screen.prompt,
            watch=self._screen.watch,
            skew=_SKEW,
        )
        super().__init__(self._source, self._services.all)
        self._bearer = TokenAuth(self._source, self._services.all)
        self.auth: _Auth = self._authorize
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Patient())

    @cached_property
    def api_keys(self) -> APIKeys | None:
        """The keys of ``BITFOUNT_API_KEY_ID`` and ``BITFOUNT_API_KEY``, read once."""
        return api_keys_given()

    @property
    def username(self) -> str:
        """Who the session is for, or whom the id_token names; ``AuthenticatedUserError``."""
        if self._username != _DEFAULT_USER:
            return self._username
        name = None if self.id_token is None else username_in(self.id_token)
        if name is None:
            raise AuthenticatedUserError("no name is known: call authenticate() to sign in")
        return name

    @property
    def access_token(self) -> str | None:
        """The access token, refreshed or signed in for where that is needed."""
        if self.api_keys is not None:
            return None
        return _plain(self._obtained().access_token)

    @property
    def authenticated(self) -> bool:
        """Whether there are API keys, or a token that has not expired."""
        return self.api_keys is not None or (self._source.current is not None and not self.expired)

    @property
    def expired(self) -> bool:
        """Whether the token has expired, or is about to (rule 2)."""
        token = self._source.current
        if token is None or token.expires_at is None:
            return False
        return self._clock.now().wall >= token.expires_at - _WINDOW.of(token)

    @property
    def access_token_expires_at(self) -> datetime | None:
        """When the access token ends; ``None`` also where the server did not say."""
        return None if self._source.current is None else self._source.current.expires_at

    @property
    def refresh_token(self) -> str | None:
        """The refresh token."""
        return None if self._source.current is None else _plain(self._source.current.refresh_token)

    @property
    def id_token(self) -> str | None:
        """The id_token."""
        return None if self._source.current is None else _plain(self._source.current.id_token)

    @property
    def token_file(self) -> Path:
        """The file that keeps the tokens."""
        return self._file.path

    @property
    def device_code(self) -> str | None:
        """The last device code."""
        code = self._screen.code
        return None if code is None else _plain(code.authorization.device_code)

    @property
    def device_code_arrival_time(self) -> datetime | None:
        """When the device code arrived."""
        code = self._screen.code
        return None if code is None else code.arrived

    @property
    def device_code_expires_in(self) -> int | None:
        """How many seconds it lived then."""
        code = self._screen.code
        return None if code is None else round(code.lifetime.total_seconds())

    @property
    def device_code_expires_at(self) -> datetime | None:
        """When the device code ends."""
        code = self._screen.code
        return None if code is None else code.arrived + code.lifetime

    @property
    def token_request_interval(self) -> int | None:
        """How many seconds lie between two polls, as the server wants it by now."""
        code = self._screen.code
        return None if code is None else round(code.interval.total_seconds())

    def authenticate(self) -> None:
        """Have a token, from the file, by a refresh, or by asking the person to sign in.

        Raises ``AuthenticationFailedError`` (a ``ConnectionError``) where there is none, and
        ``AuthenticatedUserError`` (an ``AssertionError``) if another user signed in.
        """
        if self.api_keys is None:
            self._obtained()
            _log.info("signed in at Bitfount")

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Decide what a redirected request bears: API keys only within their origin."""
        super().rebuild_auth(prepared_request, response)
        if origin_of(prepared_request.url or "") != origin_of(response.url):
            for name in ("x-api-key-id", "x-api-key"):
                prepared_request.headers.pop(name, None)

    def __getstate__(self) -> NoReturn:
        raise TypeError("a BitfountSession is not pickled: it holds tokens")

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        where = origin_of(request.url or "")
        if where not in self._services.all:
            return request
        if self.api_keys is not None:
            request.headers.update(self.api_keys.headers(hub=where in self._services.hub))
            return request
        self._screen.expected()
        try:
            return self._bearer(request)
        except GrantError as error:
            raise failure(error.problem) from error

    def _obtained(self) -> Token:
        self._screen.expected()
        try:
            return self._source.token()
        except GrantError as error:
            raise failure(error.problem) from error

    def _foreign(self, token: Token) -> str | None:
        """Return the user of a token, if it is not the session's."""
        id_token = _plain(token.id_token)
        who = None if id_token is None else username_in(id_token)
        return None if self._username in (_DEFAULT_USER, who) else who


class _Patient(HTTPAdapter):
    """Waits for an answer, but not for ever where the caller did not say how long."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        return super().send(request, stream, timeout or _TIMEOUT, verify, cert, proxies)


def _plain(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
