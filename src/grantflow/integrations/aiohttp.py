"""A token on the requests of aiohttp (RFC 6750 section 2.1), renewed once after a refusal.

Rules:

1. A token goes to its own origins only (RFC 9110 section 4.3.1). aiohttp asks a middleware for each
   request of a redirect anew, so each is judged by where it goes; one that another origin sent on
   gets no token, as with the other adapters.
2. The event loop never waits: what a source that blocks may lock, store or ask runs in a thread.
3. What could not be renewed or sent again leaves the caller with the refusal itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import Final, cast, final

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse
from aiohttp.payload import BytesPayload
from yarl import URL

from grantflow.core.acquisition.unauthorized import RenewAndReplay, Surrender
from grantflow.core.values.token import Token
from grantflow.shell.auth.after_401 import Answer, Exchange, OnChallenge, renewed
from grantflow.shell.auth.dpop_header import HEADER, NONCE, Proofs
from grantflow.shell.auth.header import Origins, Spelling
from grantflow.shell.auth.provider import AsyncTokenProvider, Known, TokenProvider
from grantflow.shell.http.aiohttp import AiohttpTransport
from grantflow.shell.sources.results import GrantError

__all__ = ["AiohttpTransport", "token_middleware"]

_STRAYED: Final[ContextVar[URL | None]] = ContextVar("grantflow-strayed", default=None)
"""Where another origin sends this task's request on: it gets no token there."""


def token_middleware(
    source: TokenProvider | AsyncTokenProvider,
    origins: Iterable[str] | None = None,
    *,
    header: str = "Authorization",
    scheme: str | None = None,
    on_challenge: OnChallenge | None = None,
) -> ClientMiddlewareType:
    """Return a middleware for ``ClientSession(middlewares=[...])`` that puts a token on requests.

    The arguments are those of ``TokenAuth`` for httpx. ``GrantError`` is raised where there is no
    token to send.
    """
    return _Middleware(source, origins, header, scheme, on_challenge)


@final
class _Middleware:
    def __init__(
        self,
        source: object,
        origins: Iterable[str] | None,
        header: str,
        scheme: str | None,
        on_challenge: OnChallenge | None,
    ) -> None:
        self._source = cast("TokenProvider", source)
        self._awaits = iscoroutinefunction(self._source.token)
        self._known = Known(source)
        self._origins = Origins(Known(source).origins if origins is None else origins)
        self._spelling = Spelling(header, self._known.scheme if scheme is None else scheme)
        self._proofs = Proofs(self._known)
        self._on_challenge = on_challenge

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        expected = _STRAYED.get()
        _STRAYED.set(None)
        if expected == request.url.with_fragment(None) or not self._origins.admit(str(request.url)):
            response = await handler(request)
            _STRAYED.set(_target(response))
            return response
        first = self._known.warm
        if first is None:
            first = await self._obtained()
        call = Exchange(self._known, first)
        token = first
        while True:
            await self._put(request, token)
            response = await handler(request)
            try:
                found = await self._next_token(call, self._answer(request, response, call))
            except BaseException:
                response.close()  # the caller gets the exception, and nothing to close
                raise
            if found is None:
                return response
            token = found
            response.release()  # the body of a refusal is not needed, its connection is

    async def _next_token(self, call: Exchange, answer: Answer) -> Token | None:
        verdict = call.verdict(answer)
        if isinstance(verdict, RenewAndReplay):
            return call.renewed(await self._renewed(call.token))
        if isinstance(verdict, Surrender) and verdict.challenge is not None:
            if self._on_challenge is None:
                return None
            answered = await asyncio.to_thread(self._on_challenge, verdict.challenge)
            return call.stepped_up(answered)
        return call.again(verdict)

    async def _obtained(self) -> Token:
        if self._awaits:
            return await cast("AsyncTokenProvider", self._source).token()
        return await asyncio.to_thread(self._source.token)

    async def _renewed(self, rejected: Token) -> Token | None:
        if not self._awaits:
            return await asyncio.to_thread(renewed, self._source.renew, rejected)
        try:
            return await cast("AsyncTokenProvider", self._source).renew(rejected)
        except GrantError:
            return None

    async def _put(self, request: ClientRequest, token: Token) -> None:
        request.headers[self._spelling.header] = self._spelling.text(token)
        request.headers.pop(HEADER, None)
        if not self._proofs.signs:
            return
        asked = (request.method, str(request.url), token)
        slow = self._proofs.slow
        proof = await asyncio.to_thread(self._proofs.header, *asked) if slow else None
        proof = proof if slow else self._proofs.header(*asked)
        if proof is not None:
            request.headers[HEADER] = proof

    def _answer(self, request: ClientRequest, response: ClientResponse, call: Exchange) -> Answer:
        nonce = response.headers.get(NONCE)
        self._proofs.heard(str(request.url), nonce)
        sent = request.headers.get(self._spelling.header)
        told = ", ".join(response.headers.getall("WWW-Authenticate", []))
        return Answer(
            status=response.status,
            method=request.method,
            challenge=told or None,
            replayable=request.body == b"" or isinstance(request.body, BytesPayload),
            carried=sent == self._spelling.text(call.token),
            nonce=nonce,
        )


def _target(response: ClientResponse) -> URL | None:
    """Return where an answer of another origin sends the request on."""
    if not 300 <= response.status < 400:
        return None
    try:
        return response.url.join(URL(response.headers.get("Location", ""))).with_fragment(None)
    except ValueError:
        return None
