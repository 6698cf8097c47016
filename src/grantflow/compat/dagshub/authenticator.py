"""``DagshubAuthenticator``: a token on requests to DagsHub, of ``httpx`` and of ``requests``.

Rules:

1. The token is sent to its deployment and nowhere else, redirects included.
2. After a 401 the next token is tried, once: another one of the file, then that of a sign-in. The
   token of the environment is not replaced, and a non-interactive one does not prompt.
3. A pickled authenticator says where its token is, and holds none.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from typing import final

import httpx
import requests

from grantflow import GrantError, Secret, TokenSource
from grantflow.compat.dagshub.errors import no_token
from grantflow.integrations.httpx import TokenAuth as OverHttpx
from grantflow.integrations.requests import TokenAuth as OverRequests


@final
class DagshubAuthenticator(httpx.Auth):
    """Pass it as ``auth=`` to either library. ``NoTokenError`` says why there is no token.

    ``doubt`` is called with each token that was refused; ``again`` makes the same authenticator in
    another process.
    """

    def __init__(
        self,
        source: TokenSource,
        host: str,
        doubt: Callable[[Secret], None],
        again: Callable[[], DagshubAuthenticator],
    ) -> None:
        self._source = source
        self._host = host
        self._doubt = doubt
        self._again = again
        self._over_httpx = OverHttpx(source, [host], scheme="Bearer")
        self._over_requests = OverRequests(source, [host], scheme="Bearer")

    @property
    def token_text(self) -> str:
        """The token that the next request will bear."""
        with translated(self._host, self._source):
            return self._source.token().access_token.reveal()

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token on a request of ``requests``, and watch its answers."""
        with translated(self._host, self._source):
            r = self._over_requests(r)
        hooks = r.hooks.get("response", [])
        r.hooks["response"] = [self._answered, *(each for each in hooks if each != self._answered)]
        return r

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request of ``httpx``, and its replay after a 401."""
        with closing(self._over_httpx.sync_auth_flow(request)) as flow:
            with translated(self._host, self._source):
                outgoing = next(flow)
            while True:
                response = yield outgoing
                self._heard(response.status_code, _borne(response.request.headers))
                try:
                    outgoing = flow.send(response)
                except StopIteration:
                    return

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send a request of ``httpx``, and its replay after a 401."""
        async with aclosing(self._over_httpx.async_auth_flow(request)) as flow:
            with translated(self._host, self._source):
                outgoing = await anext(flow)
            while True:
                response = yield outgoing
                self._heard(response.status_code, _borne(response.request.headers))
                try:
                    outgoing = await flow.asend(response)
                except StopAsyncIteration:
                    return

    def __reduce__(self) -> tuple[Callable[[], DagshubAuthenticator], tuple[()]]:
        return self._again, ()

    def _answered(self, response: requests.Response, **_: object) -> None:
        self._heard(response.status_code, _borne(response.request.headers))

    def _heard(self, status: int, borne: Secret | None) -> None:
        if status == 401 and borne is not None:
            self._doubt(borne)


def _borne(headers: Mapping[str, str | bytes]) -> Secret | None:
    text = headers.get("Authorization")
    if not isinstance(text, str) or not text.startswith("Bearer "):
        return None
    return Secret(text.removeprefix("Bearer "))


@contextmanager
def translated(host: str, source: TokenSource) -> Iterator[None]:
    """Say that there is no token in the words of this module."""
    try:
        yield
    except GrantError as error:
        raise no_token(host, error.problem, source.notes) from error
