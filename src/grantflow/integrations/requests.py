"""A token on the requests of ``requests`` (RFC 6750 section 2.1), renewed once after a refusal.

Rules:

1. A token goes to its own origins only (RFC 9110 section 4.3.1), redirects included. A request to
   anywhere else is left as it is.
2. The replay is the same request on the same connection, with the same settings; the refused
   answer is in its ``history``.
3. What could not be renewed or sent again leaves the caller with the refusal itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, TypedDict, Unpack, final
from urllib.parse import urljoin

import requests
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar, get_cookie_header
from requests.exceptions import UnrewindableBodyError
from requests.sessions import SessionRedirectMixin
from requests.utils import requote_uri, rewind_body

from grantflow.core.values.token import Token
from grantflow.shell.auth.header import Origins, Spelling
from grantflow.shell.auth.provider import Known, TokenProvider
from grantflow.shell.http.requests import RequestsTransport

if TYPE_CHECKING:
    from grantflow.shell.auth.after_401 import Answer, Call, OnChallenge
    from grantflow.shell.auth.dpop_header import Proofs

__all__ = ["RequestsTransport", "TokenAuth", "TokenSession"]

_Auth: TypeAlias = (
    tuple[str, str]
    | AuthBase
    | Callable[[requests.PreparedRequest], requests.PreparedRequest]
    | None
)
"""What a session's ``auth`` may be: a subclass may not say less."""


class _Settings(TypedDict, total=False):
    """How a request is sent: what ``requests`` tells a hook, and an adapter takes."""

    stream: bool
    timeout: float | tuple[float | None, float | None] | None
    verify: bool | str
    cert: str | tuple[str, str] | None
    proxies: dict[str, str] | None


@final
class TokenAuth(AuthBase):
    """Puts a token on every request to the origins that it is meant for.

    ``source`` is a ``TokenSource``, or any ``TokenProvider``. ``origins`` are URLs, of https or of
    this machine; without them it is the origin of the first request, and no other. ``header`` and
    ``scheme`` spell it: ``scheme="token"`` makes ``Authorization: token ...``, and
    ``header="x-api-key", scheme=""`` the bare token. ``on_challenge`` gets what a renewal cannot
    answer, such as ``insufficient_scope``, and may return another token for the request. Safe to
    share by threads. ``GrantError`` is raised where there is no token to send.
    """

    def __init__(
        self,
        source: TokenProvider,
        origins: Iterable[str] | None = None,
        *,
        header: str = "Authorization",
        scheme: str | None = None,
        on_challenge: OnChallenge | None = None,
    ) -> None:
        self._source = source
        self._token = self._source.token
        self._origins = Origins(Known(source).origins if origins is None else origins)
        known = Known(source)
        spelling = Spelling(header, known.scheme if scheme is None else scheme)
        self._header = header
        self._bearing = _Bearing(spelling, known)
        self._on_challenge = on_challenge

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token on a prepared request, and watch its answers."""
        if r.url is None or not self._origins.admit(r.url):
            return r
        token = self._token()
        self._bearing.put(r, token)
        hooks = r.hooks["response"]
        # Whoever prepares the same request again gets one watch, not one for each time.
        if hooks and any(type(each) is _Watch for each in hooks):
            hooks = [each for each in hooks if type(each) is not _Watch]
        # A list of its own: another request may share the one that was there.
        r.hooks["response"] = [_Watch(self, token), *hooks]
        return r

    def follow(self, token: Token) -> _Following:
        """Return what watches the answers of one request; most requests get one, and a 200."""
        from grantflow.shell.auth.after_401 import Call

        call = Call(self._source, token, self._on_challenge)
        return _Following(call, self._origins, self._bearing)


class TokenSession(requests.Session):
    """A ``requests.Session`` with a ``TokenAuth``.

    It keeps the token on a redirect from one of several origins to another, where a plain session
    drops it, and lets no ``.netrc`` replace it.
    """

    def __init__(
        self,
        source: TokenProvider,
        origins: Iterable[str] | None = None,
        *,
        header: str = "Authorization",
        scheme: str | None = None,
        on_challenge: OnChallenge | None = None,
    ) -> None:
        super().__init__()
        self.auth: _Auth = TokenAuth(
            source, origins, header=header, scheme=scheme, on_challenge=on_challenge
        )

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Decide what a redirected request bears."""
        super().rebuild_auth(prepared_request, response)
        for hook in prepared_request.hooks.get("response", []):
            if isinstance(hook, _Watch):
                hook.following().redirected(prepared_request)


@final
class _Bearing:
    """How a prepared request bears a token: in its header, with a proof where that is due."""

    __slots__ = ("_known", "_proofs", "header", "text")

    def __init__(self, spelling: Spelling, known: Known) -> None:
        self.header: str = spelling.header
        self.text: Callable[[Token], str] = spelling.text
        self._known = known
        self._proofs: Proofs | None = None

    def put(self, request: requests.PreparedRequest, token: Token) -> None:
        """Put the token on a request, and a fresh proof."""
        request.headers[self.header] = self.text(token)
        if self._known.dpop is not None:
            self._prove(request, token)

    def _prove(self, request: requests.PreparedRequest, token: Token) -> None:
        request.headers.pop("DPoP", None)  # an old proof
        proof = self._prover().header(request.method or "GET", request.url or "", token)
        if proof is not None:
            request.headers["DPoP"] = proof

    def _prover(self) -> Proofs:
        if self._proofs is None:
            from grantflow.shell.auth.dpop_header import Proofs

            self._proofs = Proofs(self._known)
        return self._proofs

    def take(self, request: requests.PreparedRequest) -> None:
        """Take both away."""
        request.headers.pop(self.header, None)
        if self._known.dpop is not None:
            request.headers.pop("DPoP", None)

    def nonce(self, response: requests.Response) -> str | None:
        """Return the nonce that an answer brought, and remember it."""
        nonce = response.headers.get("DPoP-Nonce")
        if self._known.dpop is not None:
            self._prover().heard(response.url, nonce)
        return nonce


@final
class _Watch:
    """The response hook of one prepared request; the requests of its redirects share it."""

    __slots__ = ("_auth", "_following", "_token")

    def __init__(self, auth: TokenAuth, token: Token) -> None:
        self._auth = auth
        self._token = token
        self._following: _Following | None = None

    def following(self) -> _Following:
        """Return what it remembers between the answers."""
        if self._following is None:
            self._following = self._auth.follow(self._token)
        return self._following

    def __call__(
        self, response: requests.Response, **settings: Unpack[_Settings]
    ) -> requests.Response:
        """Return the answer, or that of the request sent again."""
        return self.following()(response, **settings)


@final
class _Following:
    """One call and its answers, from the first to the last of its redirects."""

    def __init__(self, call: Call, origins: Origins, spelling: _Bearing) -> None:
        self._call = call
        self._origins = origins
        self._spelling = spelling
        self._redirects = False
        self._bore = True
        self._strayed = False
        self._bared: requests.PreparedRequest | None = None

    def __call__(
        self, response: requests.Response, **settings: Unpack[_Settings]
    ) -> requests.Response:
        """Return the answer, or that of the request sent again."""
        self._restore()
        while True:
            try:
                token = self._call.obey(self._call.verdict(self._answer(response)))
            except BaseException:
                response.close()  # the caller gets the exception, and nothing to close
                raise
            if token is None or not _rewound(response.request):
                break
            response = _again(response, self._spelling, token, settings)
        self._redirects = response.is_redirect
        self._bore = self._borne(response.request)
        if self._redirects:
            self._guard(response)
        else:  # the call is over; the same prepared request may be sent again
            self._strayed = False
            self._call.over()
        return response

    def redirected(self, request: requests.PreparedRequest) -> None:
        """Put the token on a redirected request, or take it away."""
        if self._strayed or request.url is None or request.url not in self._origins:
            if self._borne(request):
                self._spelling.take(request)
        elif self._bore:
            self._spelling.put(request, self._call.token)

    def _answer(self, response: requests.Response) -> Answer:
        from grantflow.shell.auth.after_401 import Answer

        request = response.request
        nonce = self._spelling.nonce(response) if response.url in self._origins else None
        self._strayed = self._strayed or response.url not in self._origins
        return Answer(
            status=response.status_code,
            method=request.method or "GET",
            challenge=response.headers.get("WWW-Authenticate"),
            replayable=_replayable(request),
            carried=self._borne(request),
            nonce=nonce,
            lost=self._redirects and self._spelling.header not in request.headers,
            strayed=self._strayed,
        )

    def _borne(self, request: requests.PreparedRequest) -> bool:
        text = self._spelling.text(self._call.token)
        return request.headers.get(self._spelling.header) == text

    def _guard(self, response: requests.Response) -> None:
        """Take the token from a redirect to elsewhere: its request begins as a copy of this one.

        A session strips ``Authorization`` alone, and not on the way from http to https.
        """
        request = response.request
        inside = not self._strayed and _target(response) in self._origins
        # A proof is for one URL: a redirect loses it and the token, and both come back anew.
        if (not inside or "DPoP" in request.headers) and self._borne(request):
            self._spelling.take(request)
            self._bared = request

    def _restore(self) -> None:
        """Give the token back to the request that lost it, now that its redirect was copied."""
        if self._bared is not None:
            self._spelling.put(self._bared, self._call.token)
            self._bared = None


def _target(response: requests.Response) -> str:
    """Return where a redirect leads, found the way that ``requests`` finds it."""
    try:
        location = SessionRedirectMixin().get_redirect_target(response) or ""
        return requote_uri(urljoin(response.url, location))
    except (ValueError, requests.RequestException):
        return ""  # no URL is in no origin


def _replayable(request: requests.PreparedRequest) -> bool:
    """Tell whether a body can be sent again: it is in memory, or in a file that can be rewound."""
    body = request.body
    if body is None or isinstance(body, (bytes, str)):
        return True
    seekable = getattr(body, "seekable", None)
    # Where the file stood when it was prepared; ``requests`` rewinds it for redirects, too.
    recorded = isinstance(request._body_position, int)  # noqa: SLF001
    return recorded and hasattr(body, "seek") and (seekable is None or bool(seekable()))


def _rewound(request: requests.PreparedRequest) -> bool:
    if request.body is None or isinstance(request.body, (bytes, str)):
        return True
    try:
        rewind_body(request)
    except (UnrewindableBodyError, ValueError):  # ValueError: somebody closed the file
        return False
    return True


def _again(
    refused: requests.Response, spelling: _Bearing, token: Token, settings: _Settings
) -> requests.Response:
    """Send a refused request again, with another token, on the same connection."""
    request = refused.request
    # A redirect begins as a copy of the request itself, so that one gets the new token. The
    # history keeps what was sent.
    refused.request = request.copy()
    spelling.put(request, token)
    with suppress(requests.RequestException):  # half an answer is enough
        _ = refused.content
    refused.close()
    _take_cookies(request, refused)
    response = refused.connection.send(request, **settings)
    response.request = request
    response.history = [*refused.history, refused]
    return response


def _take_cookies(request: requests.PreparedRequest, response: requests.Response) -> None:
    jar = request._cookies  # noqa: SLF001 - as the library's own digest authentication does
    if jar is None:
        return
    own = request.headers.pop("Cookie", None)
    before = get_cookie_header(jar, request)
    extract_cookies_to_jar(jar, response.request, response.raw)
    if own is None or own == before:
        request.prepare_cookies(jar)
    else:  # the caller wrote it by hand
        request.headers["Cookie"] = own
