"""``requests`` as a transport, by its adapters: their pools, their TLS, their proxies.

``Session.send`` is passed by: it follows redirects in thought, keeps cookies, and raises what a
server makes it raise. What a session is set to is honored: ``proxies``, ``verify``, ``cert``,
``trust_env``, mounted adapters, headers.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Final, cast, final

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.shell.http.connections import limit
from grantflow.shell.http.limits import Exchange, exchanging
from grantflow.shell.http.rules import (
    BROKEN,
    CONNECT,
    WHOLE,
    Body,
    causes_of,
    exchange_for,
    fault_in,
    headers_of,
    late,
    os_words,
    refused,
)
from grantflow.shell.http.settings import (
    bundle_in_environment,
    proxy_fault,
    proxy_for,
    proxy_url,
    trusted,
)
from grantflow.shell.http.turns import Turns

if TYPE_CHECKING:
    from urllib3.response import HTTPResponse

_CHUNK: Final = 16 * 1024


@final
class RequestsTransport:
    """A ``Transport`` over ``requests``: connections of its own, or a session's with its settings.

    Its own connections obey the variables of the environment, which are read at every request. Of
    a session, ``auth``, cookies and hooks are not used; a request's certificate outranks
    ``session.cert``. ``timeout`` is (to connect, for the whole exchange) in seconds.
    """

    def __init__(
        self,
        session: requests.Session | None = None,
        *,
        timeout: tuple[float, float] = (CONNECT, WHOLE),
    ) -> None:
        self._session = session
        self._own = _Own()
        self._connect, self._whole = timeout

    def __call__(self, request: Request, /) -> Reply:
        """Send ``request`` once; trouble on the network is returned, not raised."""
        problem = refused(request)
        if problem is not None:
            return problem
        way = self._way(request)
        if isinstance(way, Fault):
            return way
        with self._turns().one(held=request.wait is not None):
            exchange = exchange_for(request, self._whole)
            try:
                with exchanging(exchange):
                    return way.send(request, exchange, self._connect)
            except Exception as error:  # noqa: BLE001 - nothing that a library raises gets out
                return _fault(error, exchange, way.proxy)
            except BaseException as error:
                # The frames of the libraries hold the body of the request.
                error.__traceback__ = None
                raise

    def close(self) -> None:
        """Close the idle connections of its own; a session is its maker's to close."""
        self._own.adapter.close()

    def _here(self) -> _Own:
        if self._own.process != os.getpid():
            self._own = _Own()  # a child uses no connection of its parent's
        return self._own

    def _turns(self) -> Turns:
        return self._here().turns

    def _way(self, request: Request) -> _Way | Fault:
        if self._session is not None:
            return _session_way(self._session, request)
        context = trusted(certificate=request.certificate)
        if isinstance(context, Fault):
            return context
        proxy = proxy_for(request.url)
        if isinstance(proxy, Fault):
            return proxy
        return _Way(self._here().adapter, proxy, context, None)


@final
class _Own:
    """What one process has of its own."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.adapter = _Adapter()
        self.turns = Turns()


def _session_way(session: requests.Session, request: Request) -> _Way | Fault:
    cert: tuple[str, str] | str | None = session.cert
    if request.certificate is not None:
        # Looked at first: nothing of a request is sent where its certificate cannot be shown.
        context = trusted(certificate=request.certificate)
        if isinstance(context, Fault):
            return context
        key = request.certificate.key or request.certificate.certificate
        cert = (request.certificate.certificate, key)
    verify: bool | str = session.verify
    if verify is True and session.trust_env:
        verify = bundle_in_environment() or True
    try:
        adapter = session.get_adapter(request.url)
    except requests.RequestException:
        return Fault("other", "no", "the session has no adapter for the URL")
    proxy = _session_proxy(session, request.url)
    return proxy if isinstance(proxy, Fault) else _Way(adapter, proxy, verify, cert, session)


def _as_it_is(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared  # neither session.auth nor .netrc replaces the client's authentication


def _session_proxy(session: requests.Session, url: str) -> str | Fault | None:
    """Return the session's own proxy, else the environment's; the latter never for loopback."""
    found = requests.utils.select_proxy(url, dict(session.proxies))
    if found is not None:
        return proxy_url(found)
    return proxy_for(url) if session.trust_env else None


@final
class _Way:
    """How a request gets to its server."""

    def __init__(
        self,
        adapter: BaseAdapter,
        proxy: str | None,
        verify: ssl.SSLContext | str | bool,
        cert: tuple[str, str] | str | None,
        session: requests.Session | None = None,
    ) -> None:
        self.proxy = proxy
        self._adapter = adapter
        self._verify = cast("str | bool", verify)
        self._cert = cert
        self._session = session

    def send(self, request: Request, exchange: Exchange, connect: float) -> Reply:
        """Send it, and read the answer; this may raise anything."""
        asked = requests.Request(
            request.method,
            request.target(),
            headers=headers_of(request),
            data=request.presented().body(),
            auth=_as_it_is,
        )
        if self._session is None:
            ready = asked.prepare()
        else:
            ready = self._session.prepare_request(asked)
            ready.headers.pop("Cookie", None)
        proxies = {} if self.proxy is None else {"http": self.proxy, "https": self.proxy}
        if isinstance(self._adapter, HTTPAdapter):
            limit(
                self._adapter.get_connection_with_tls_context(
                    ready, self._verify, proxies, self._cert
                )
            )
        response = self._adapter.send(
            ready,
            stream=True,
            timeout=(exchange.left(connect), exchange.left()),
            verify=self._verify,
            cert=self._cert,
            proxies=proxies,
        )
        with response:
            return _read(response, exchange)


def _read(response: requests.Response, exchange: Exchange) -> Reply:
    body = Body(response.status_code, response.headers)
    if body.wanted:
        for chunk in _chunks(response.raw):
            if body.full_with(chunk):
                break
            if exchange.over:
                return late(exchange)
    return body.reply()


def _chunks(raw: HTTPResponse | IO[bytes]) -> Iterator[bytes]:
    """Give the bytes as they came; an adapter of a test may bring any file."""
    if hasattr(raw, "stream"):
        return raw.stream(_CHUNK, decode_content=False)  # pyright: ignore[reportAttributeAccessIssue]
    return iter(lambda: raw.read(_CHUNK), b"")


@final
class _Adapter(HTTPAdapter):
    """Takes a ready TLS context as ``verify``; no pool and no connection reads a bundle again."""

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: object,
        cert: object = None,  # noqa: ARG002 - the context has it
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Return what a pool is looked up by, the context included."""
        place, _ = super().build_connection_pool_key_attributes(request, True, None)
        return place, {"ssl_context": verify} if place["scheme"] == "https" else {}

    def proxy_manager_for(self, proxy: str, **settings: object) -> object:
        """Return the pools behind a proxy, one of https included."""
        context = trusted()
        if proxy.lower().startswith("https") and isinstance(context, ssl.SSLContext):
            settings["proxy_ssl_context"] = context
        return super().proxy_manager_for(proxy, **settings)

    def cert_verify(self, conn: object, url: str, verify: object, cert: object) -> None:
        """Do nothing: the context knows."""


def _fault(error: Exception, exchange: Exchange, proxy: str | None) -> Fault:
    causes = causes_of(error)
    known = fault_in(causes, exchange)
    if known is not None and proxy is not None and known.kind == "name":
        return proxy_fault(proxy, why="its name could not be resolved")
    if known is not None and known.kind != "timeout":
        return known
    if (tunnel := _tunnel(causes)) is not None:
        return proxy_fault(proxy, tunnel)
    for cause in causes:
        match cause:
            case ProxyError():
                return proxy_fault(proxy, why=os_words(causes))
            case NewConnectionError():  # before the class that it derives from
                if proxy is not None:
                    return proxy_fault(proxy, why=os_words(causes))
                return Fault("refused", "no", os_words(causes) or "no connection")
            case ConnectTimeoutError():
                return Fault("timeout", "no", "no connection in time")
            case ReadTimeoutError() | TimeoutError():
                return late(exchange)
            case ProtocolError():
                return BROKEN
            case _:
                pass
    return known or _other(causes)


def _tunnel(causes: tuple[BaseException, ...]) -> int | None:
    """Return the status of a proxy that was asked for a tunnel: http.client tells it in words."""
    for cause in causes:
        words = str(cause) if isinstance(cause, OSError) else ""
        _, found, status = words.partition("Tunnel connection failed: ")
        if found and status[:3].isdecimal():
            return int(status[:3])
    return None


def _other(causes: tuple[BaseException, ...]) -> Fault:
    first = causes[0]
    if isinstance(first, requests.exceptions.InvalidSchema) and "SOCKS" in str(first):
        return Fault("other", "no", "a SOCKS proxy needs PySocks: pip install 'requests[socks]'")
    if type(first) is OSError:  # requests cannot find a file; all else has a class of its own
        return Fault("other", "no", str(first)[:200])
    # The words of requests may quote a header.
    unsent = (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)
    return Fault("other", "no" if isinstance(first, unsent) else "maybe", type(first).__name__)
