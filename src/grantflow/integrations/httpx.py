"""A token on the requests of ``httpx`` (RFC 6750 section 2.1), renewed once after a 401.

Rules:

1. A token goes to its own origins only (RFC 9110 section 4.3.1), redirects included. A request to
   anywhere else is left as it is.
2. The client follows redirects inside of its auth flow, so the flow judges the last request: that
   one is sent again, not the first, which may have done something.
3. The event loop never waits. An ``AsyncTokenSource`` is awaited. What a ``TokenSource`` may lock,
   store or ask runs in a worker thread; a cancelled task leaves that thread to end by itself, and
   to keep the token that it gets.
4. What could not be renewed or sent again leaves the caller with the 401 itself.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Generator,
    ItemsView,
    Iterable,
    KeysView,
    Mapping,
    ValuesView,
)
from typing import final

import httpx
from anyio import to_thread
from returns.io import IOResult

from grantflow.core.acquisition.unauthorized import RenewAndReplay
from grantflow.core.flows.states import Problem
from grantflow.core.values.token import Token
from grantflow.shell.aio import AsyncTokenSource
from grantflow.shell.auth.after_401 import Answer, Call, Exchange
from grantflow.shell.auth.dpop_header import HEADER, NONCE, Proofs
from grantflow.shell.auth.header import Origins, Spelling
from grantflow.shell.sources.blocking import TokenSource

__all__ = ["TokenAuth"]


@final
class TokenAuth(httpx.Auth):
    """Puts a token on every request to the origins that it is meant for.

    A ``TokenSource`` is for both clients, an ``AsyncTokenSource`` for ``httpx.AsyncClient``.
    ``origins`` are URLs; without them it is the origin of the first request, and no other.
    ``header`` and ``scheme`` spell it: ``scheme="token"`` makes ``Authorization: token ...``, and
    ``header="x-api-key", scheme=""`` the bare token. Safe to share by threads and tasks.
    ``GrantError`` is raised where there is no token to send.
    """

    def __init__(
        self,
        source: TokenSource | AsyncTokenSource,
        origins: Iterable[str] | None = None,
        *,
        header: str = "Authorization",
        scheme: str | None = None,
    ) -> None:
        self._source = source
        self._origins = Origins(origins)
        self._spelling = Spelling(header, source.scheme if scheme is None else scheme)
        self._proofs = Proofs(source)
        if header in httpx.Headers(_Unforwarded(httpx.Headers(), {header: ""})):
            raise RuntimeError(f"httpx {httpx.__version__} would forward {header} to any origin")

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request, and its replay after a 401."""
        if not self._origins.admit(str(request.url)):
            yield request
            return
        source = self._source
        if isinstance(source, AsyncTokenSource):
            raise TypeError("source: an AsyncTokenSource needs httpx.AsyncClient, not httpx.Client")
        call = Call(source, source.token())
        token: Token | None = call.token
        while token is not None:
            self._put(request, token)
            response = yield request
            token = call.obey(call.verdict(self._answer(request, response, call)))
            request = _next(response)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send a request, and its replay after a 401."""
        if not self._origins.admit(str(request.url)):
            yield request
            return
        # Where the token is warm, a worker thread would cost more than the rest of the call.
        first = self._source.warm
        if first is None:
            first = await _obtained(self._source)
        call = Exchange(self._source, first)
        token: Token | None = first
        while token is not None:
            if self._proofs.slow:
                await to_thread.run_sync(self._put, request, token)
            else:
                self._put(request, token)
            response = yield request
            verdict = call.verdict(self._answer(request, response, call))
            if isinstance(verdict, RenewAndReplay):
                token = call.renewed(await _renewed(self._source, call.token))
            else:
                token = call.again(verdict)
            request = _next(response)

    def _put(self, request: httpx.Request, token: Token) -> None:
        header, text = self._spelling.header, self._spelling.text(token)
        proof = self._proofs.header(request.method, str(request.url), token)
        if proof is not None:
            # A proof is for one URL, so a redirect must lose it, and the token with it.
            request.headers = _Unforwarded(request.headers, {header: text, HEADER: proof})
        elif _stripped_by_httpx(header, request.url):
            request.headers[header] = text
        else:
            request.headers = _Unforwarded(request.headers, {header: text})

    def _answer(self, sent: httpx.Request, response: httpx.Response, call: Exchange) -> Answer:
        last, header = response.request, self._spelling.header
        nonce = response.headers.get(NONCE)
        if str(last.url) in self._origins:
            self._proofs.heard(str(last.url), nonce)
        way = (*response.history, response)
        return Answer(
            status=response.status_code,
            method=last.method,
            challenge=response.headers.get("WWW-Authenticate"),
            replayable=isinstance(last.stream, httpx.ByteStream),
            carried=last.headers.get(header) == self._spelling.text(call.token),
            nonce=nonce,
            lost=last is not sent and header not in last.headers,
            strayed=any(str(each.request.url) not in self._origins for each in way),
        )


async def _obtained(source: TokenSource | AsyncTokenSource) -> Token:
    if isinstance(source, AsyncTokenSource):
        return await source.token()
    return await to_thread.run_sync(source.token, abandon_on_cancel=True)


async def _renewed(
    source: TokenSource | AsyncTokenSource, rejected: Token
) -> IOResult[Token, Problem]:
    if isinstance(source, AsyncTokenSource):
        return await source.renew(rejected)
    return await to_thread.run_sync(source.renew, rejected, abandon_on_cancel=True)


def _next(response: httpx.Response) -> httpx.Request:
    """Return the request to send again, with the cookies that came with its answer."""
    request = response.request
    if response.cookies:
        httpx.Cookies(response.cookies).set_cookie_header(request)
    return request


def _stripped_by_httpx(header: str, url: httpx.URL) -> bool:
    """Tell whether httpx itself keeps a header from other origins.

    It does so with ``Authorization`` alone, and not on the way from http to https.
    """
    upgradable = url.scheme == "http" and url.port in (None, 80)
    return header.lower() == "authorization" and not upgradable


@final
class _Unforwarded(httpx.Headers):
    """Headers whose copies lack some of them: a redirected request begins with such a copy.

    Nothing else that httpx calls on the way knows where a redirect leads. Within the origins the
    token comes back by rule 2 of ``call``.
    """

    def __init__(self, headers: httpx.Headers, own: Mapping[str, str]) -> None:
        super().__init__(headers)
        self._own: list[tuple[bytes, bytes]] = []
        for name in own:
            self.pop(name, None)
        self._own = [(name.encode("ascii"), value.encode("ascii")) for name, value in own.items()]

    def _whole(self) -> httpx.Headers:
        return httpx.Headers(self.raw)

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """Return what is sent."""
        return [*super().raw, *self._own]

    def keys(self) -> KeysView[str]:
        return self._whole().keys()

    def values(self) -> ValuesView[str]:
        return self._whole().values()

    def items(self) -> ItemsView[str, str]:
        return self._whole().items()

    def multi_items(self) -> list[tuple[str, str]]:
        return self._whole().multi_items()

    def get_list(self, key: str, split_commas: bool = False) -> list[str]:
        return self._whole().get_list(key, split_commas)

    def __getitem__(self, key: str) -> str:
        return self._whole()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._whole()

    def __len__(self) -> int:
        return len(self._whole())

    def __eq__(self, other: object) -> bool:
        return self._whole() == other

    def __setitem__(self, key: str, value: str) -> None:
        self._drop(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        if not self._drop(key):
            super().__delitem__(key)

    def _drop(self, key: str) -> bool:
        kept = [own for own in self._own if own[0].lower() != key.lower().encode()]
        dropped, self._own = len(kept) < len(self._own), kept
        return dropped
