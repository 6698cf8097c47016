"""A token on the requests of httpx (RFC 6750 section 2.1), renewed once after a refusal.

Rules:

1. A token goes to its own origins only (RFC 9110 section 4.3.1), redirects included. A request to
   anywhere else is left as it is.
2. The client follows redirects inside of its auth flow, so the flow judges the last request: that
   one is sent again, not the first, which may have done something.
3. The event loop never waits. An ``AsyncTokenSource`` is awaited. What a ``TokenSource`` may lock,
   store or ask runs in a worker thread; a cancelled task leaves that thread to end by itself, and
   to keep the token that it gets.
4. What could not be renewed or sent again leaves the caller with the refusal itself.
5. One class serves both generations, httpx2 and httpx.
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
from contextlib import suppress
from functools import cache
from importlib import import_module
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast, final

from anyio import to_thread

from grantflow.core.acquisition.unauthorized import RenewAndReplay, Surrender
from grantflow.core.values.token import Token
from grantflow.shell.auth.after_401 import Answer, Call, Exchange, OnChallenge, renewed
from grantflow.shell.auth.dpop_header import HEADER, NONCE, Proofs
from grantflow.shell.auth.header import Origins, Spelling
from grantflow.shell.auth.provider import AsyncTokenProvider, Known, TokenProvider
from grantflow.shell.http.httpx import AsyncHttpxTransport, HttpxTransport
from grantflow.shell.sources.results import GrantError

if TYPE_CHECKING:
    import httpx
    import httpx2

    _Request: TypeAlias = httpx.Request
    _Flow: TypeAlias = Generator[httpx.Request, httpx.Response, None]
    _AsyncFlow: TypeAlias = AsyncGenerator[httpx.Request, httpx.Response]

__all__ = ["AsyncHttpxTransport", "HttpxTransport", "TokenAuth"]


class _Generation(Protocol):
    """What is used of either generation."""

    __name__: str
    __version__: str
    Auth: type[object]
    Headers: type[httpx.Headers]


@cache
def _generations() -> tuple[_Generation, ...]:
    found: list[_Generation] = []
    for name in ("httpx2", "httpx"):
        with suppress(ImportError):
            found.append(cast("_Generation", import_module(name)))
    if not found:
        raise ImportError("httpx2 or httpx is needed: pip install 'grantflow[async]'", name="httpx")
    return tuple(found)


if TYPE_CHECKING:

    class _Auth(httpx.Auth, httpx2.Auth):  # type: ignore[misc]  # their requests differ
        pass
else:
    _Auth = type("Auth", tuple(each.Auth for each in _generations()), {})


@final
class TokenAuth(_Auth):
    """Puts a token on every request to the origins that it is meant for, for httpx and httpx2.

    ``source`` is a ``TokenSource`` or any ``TokenProvider``, for both clients; an
    ``AsyncTokenSource`` or any ``AsyncTokenProvider`` is for ``AsyncClient``. ``origins`` are URLs,
    of https or of this machine; without them it is the origin of the first request, and no other.
    ``header`` and ``scheme`` spell it: ``scheme="token"`` makes ``Authorization: token ...``, and
    ``header="x-api-key", scheme=""`` the bare token. ``on_challenge`` gets what a renewal cannot
    answer, such as ``insufficient_scope``, and may return another token for the request; async
    clients call it in a thread. Safe to share by threads and tasks. ``GrantError`` is raised where
    there is no token to send.
    """

    def __init__(
        self,
        source: TokenProvider | AsyncTokenProvider,
        origins: Iterable[str] | None = None,
        *,
        header: str = "Authorization",
        scheme: str | None = None,
        on_challenge: OnChallenge | None = None,
    ) -> None:
        self._source = cast("TokenProvider", source)
        self._awaits = iscoroutinefunction(source.token)
        self._known = Known(source)
        self._origins = Origins(Known(source).origins if origins is None else origins)
        self._spelling = Spelling(header, self._known.scheme if scheme is None else scheme)
        self._proofs = Proofs(self._known)
        self._on_challenge = on_challenge
        _check_copies(header)

    def sync_auth_flow(self, request: _Request) -> _Flow:  # type: ignore[override]
        """Send a request, and its replay after a refusal."""
        if not self._origins.admit(str(request.url)):
            yield request
            return
        if self._awaits:
            raise TypeError("source: an AsyncTokenSource needs httpx.AsyncClient, not httpx.Client")
        call = Call(self._source, self._source.token(), self._on_challenge)
        token: Token | None = call.token
        while token is not None:
            self._put(request, token)
            response = yield request
            token = call.obey(call.verdict(self._answer(request, response, call)))
            request = _next(response)

    async def async_auth_flow(self, request: _Request) -> _AsyncFlow:  # type: ignore[override]
        """Send a request, and its replay after a refusal."""
        if not self._origins.admit(str(request.url)):
            yield request
            return
        # Where the token is warm, a worker thread would cost more than the rest of the call.
        first = self._known.warm
        if first is None:
            first = await self._obtained()
        call = Exchange(self._known, first)
        token: Token | None = first
        while token is not None:
            if self._proofs.slow:
                await to_thread.run_sync(self._put, request, token)
            else:
                self._put(request, token)
            response = yield request
            token = await self._next_token(call, self._answer(request, response, call))
            request = _next(response)

    async def _next_token(self, call: Exchange, answer: Answer) -> Token | None:
        verdict = call.verdict(answer)
        if isinstance(verdict, RenewAndReplay):
            return call.renewed(await self._renewed(call.token))
        if isinstance(verdict, Surrender) and verdict.challenge is not None:
            if self._on_challenge is None:
                return None
            answered = await to_thread.run_sync(self._on_challenge, verdict.challenge)
            return call.stepped_up(answered)
        return call.again(verdict)

    async def _obtained(self) -> Token:
        if self._awaits:
            return await cast("AsyncTokenProvider", self._source).token()
        return await to_thread.run_sync(self._source.token, abandon_on_cancel=True)

    async def _renewed(self, rejected: Token) -> Token | None:
        if not self._awaits:
            renew = self._source.renew
            return await to_thread.run_sync(renewed, renew, rejected, abandon_on_cancel=True)
        try:
            return await cast("AsyncTokenProvider", self._source).renew(rejected)
        except GrantError:
            return None

    def _put(self, request: httpx.Request, token: Token) -> None:
        header, text = self._spelling.header, self._spelling.text(token)
        proof = self._proofs.header(request.method, str(request.url), token)
        if proof is not None:
            # A proof is for one URL, so a redirect must lose it, and the token with it.
            request.headers = _unforwarded(request.headers, {header: text, HEADER: proof})
        elif _stripped_by_httpx(header, request.url):
            request.headers[header] = text
        else:
            request.headers = _unforwarded(request.headers, {header: text})

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
            replayable=type(last.stream).__name__ == "ByteStream",
            carried=last.headers.get(header) == self._spelling.text(call.token),
            nonce=nonce,
            lost=last is not sent and header not in last.headers,
            strayed=any(str(each.request.url) not in self._origins for each in way),
        )


def _next(response: httpx.Response) -> httpx.Request:
    """Return the request to send again, with the cookies that came with its answer."""
    request = response.request
    if response.cookies:
        type(response.cookies)(response.cookies).set_cookie_header(request)
    return request


def _stripped_by_httpx(header: str, url: httpx.URL) -> bool:
    """Tell whether httpx itself keeps a header from other origins.

    It does so with ``Authorization`` alone, and not on the way from http to https.
    """
    upgradable = url.scheme == "http" and url.port in (None, 80)
    return header.lower() == "authorization" and not upgradable


if TYPE_CHECKING:
    _Headers = httpx.Headers
else:
    _Headers = object


class _Unforwarded(_Headers):
    """Headers whose copies lack some of them: a redirected request begins with such a copy.

    Nothing else that httpx calls on the way knows where a redirect leads. Within the origins the
    token comes back by rule 2 of ``after_401``.
    """

    plain: type[httpx.Headers]

    def __init__(self, headers: httpx.Headers, own: Mapping[str, str]) -> None:
        super().__init__(headers)
        self._own: list[tuple[bytes, bytes]] = []
        for name in own:
            self.pop(name, None)
        self._own = [(name.encode("ascii"), value.encode("ascii")) for name, value in own.items()]

    def _whole(self) -> httpx.Headers:
        return self.plain(self.raw)

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


@cache
def _unforwarding(plain: type[httpx.Headers]) -> type[_Unforwarded]:
    """Return the class for one generation of httpx."""
    return type("Unforwarded", (_Unforwarded, plain), {"plain": plain})


def _unforwarded(headers: httpx.Headers, own: Mapping[str, str]) -> httpx.Headers:
    plain = headers.plain if isinstance(headers, _Unforwarded) else type(headers)
    return _unforwarding(plain)(headers, own)


def _check_copies(header: str) -> None:
    """Raise ``RuntimeError`` where an httpx copies headers otherwise, and would forward this."""
    for library in _generations():
        plain = library.Headers
        if header in plain(_unforwarded(plain(), {header: ""})):
            told = f"{library.__name__} {library.__version__}"
            raise RuntimeError(f"{told} would forward {header} to any origin")
