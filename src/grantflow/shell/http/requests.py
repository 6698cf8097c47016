"""``requests`` as a transport.

Rules:

1. No redirects: one would carry a secret to wherever it points (RFC 9700 section 4.11).
2. Plain http only to this machine. Every request has a connect and a read timeout.
3. A body is read as a stream and never beyond 1 MiB.
4. The certificate of a request is presented with it and with no other (RFC 8705).
5. Trouble is a ``Fault`` that says whether the server may have acted; in doubt, it may.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Final, final
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from grantflow.core.client.provider import endpoint_problem, is_loopback
from grantflow.core.values.parsing import LARGEST_BODY
from grantflow.core.values.request import Certificate, Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.shell.http.certificates import unusable

CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 30.0
_CHUNK: Final = 16 * 1024


@final
class RequestsTransport:
    """A ``Transport`` over a ``requests.Session``: its own, or the caller's with its settings.

    Proxies, ``REQUESTS_CA_BUNDLE``, ``session.verify`` and ``session.cert`` work as users of
    ``requests`` know them; only ``.netrc`` and ``session.auth`` do not, for the ``Authorization``
    header belongs to the client's authentication, and a request's own certificate outranks
    ``session.cert``. ``timeout`` is (connect, read) in seconds.
    """

    def __init__(
        self,
        session: requests.Session | None = None,
        *,
        timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
    ) -> None:
        self._session = requests.Session() if session is None else session
        self._timeout = timeout

    def __call__(self, request: Request, /) -> Reply:
        """Send ``request`` once; trouble on the network is returned, not raised."""
        problem = endpoint_problem(request.url)
        if problem is not None:
            return Fault("other", "no", f"the URL {problem}")
        if request.certificate is not None:
            locked = unusable(request.certificate)
            if locked is not None:
                return locked
        try:
            ready = request.presented()
            with self._session.request(
                request.method,
                request.target(),
                data=ready.body(),
                headers=ready.header_map(),
                auth=_as_it_is,
                allow_redirects=False,
                proxies=_direct(request.url),
                cert=_files(request.certificate),
                timeout=self._patience(request),
                # Said again, or REQUESTS_CA_BUNDLE would outrank what the caller set.
                verify=None if self._session.verify is True else self._session.verify,
                stream=True,
            ) as response:
                return _read(response)
        # requests lets an OSError through for a CA bundle that is not there, and urllib3's own
        # errors for a stream that breaks.
        except (OSError, HTTPError, UnicodeError) as error:
            return _fault(tuple(_causes(error)))

    def _patience(self, request: Request) -> tuple[float, float]:
        connect, read = self._timeout
        return connect, read if request.wait is None else max(read, request.wait.total_seconds())


def _direct(url: str) -> dict[str, str]:
    """Keep what is meant for this machine from the proxy of the environment: it goes in the clear.

    What a caller sets on the session is the caller's wish.
    """
    host = urlsplit(url).hostname or ""
    return {"no_proxy": host} if is_loopback(host) else {}


def _files(certificate: Certificate | None) -> tuple[str, str] | None:
    # Named twice where one file holds both: of a key file alone, urllib3 sees that a password locks
    # it, and says so before OpenSSL asks the terminal for it.
    return certificate and (certificate.certificate, certificate.key or certificate.certificate)


def _as_it_is(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def _read(response: requests.Response) -> Reply:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > LARGEST_BODY:
            return Fault("too_large", "maybe", "more than 1 MiB")
    return Response(response.status_code, dict(response.headers), bytes(body))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything inside it: the libraries wrap each other's."""
    yield error
    reason = getattr(error, "reason", None)
    for inner in (*error.args, reason):
        if isinstance(inner, BaseException):
            yield from _causes(inner)
    if error.__context__ is not None:
        yield from _causes(error.__context__)


def _fault(causes: tuple[BaseException, ...]) -> Fault:
    for cause in causes:
        match cause:
            case ssl.SSLCertVerificationError():
                return Fault("tls", "no", cause.verify_message)
            case ssl.SSLError():
                return Fault("tls", "maybe", (cause.reason or "").replace("_", " ").lower())
            case NameResolutionError():
                return Fault("name", "no", _host(causes))
            case ProxyError():
                return Fault("refused", "no", "the proxy did not connect")
            case NewConnectionError():  # before the class it derives from
                return Fault("refused", "no", _os_error(causes))
            case ConnectTimeoutError():
                return Fault("timeout", "no", "no connection in time")
            case ReadTimeoutError():
                return Fault("timeout", "maybe", "no answer in time")
            case ProtocolError():
                return Fault("other", "maybe", "the connection broke before the answer was whole")
            case _:
                pass
    # The words of requests may quote a header; those of the operating system do not.
    told = isinstance(causes[0], OSError) and not isinstance(causes[0], requests.RequestException)
    words = str(causes[0])[:200] if told else type(causes[0]).__name__
    return Fault("other", "no" if _never_left(causes) else "maybe", words)


def _never_left(causes: tuple[BaseException, ...]) -> bool:
    unsent = (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidHeader,
        requests.exceptions.InvalidProxyURL,
    )
    ours = not isinstance(causes[0], (requests.RequestException, HTTPError))
    return ours or isinstance(causes[0], unsent)


def _host(causes: tuple[BaseException, ...]) -> str:
    request = getattr(causes[0], "request", None)
    url = getattr(request, "url", None)
    return str(url).split("/")[2] if url else ""


def _os_error(causes: tuple[BaseException, ...]) -> str:
    errors = [each for each in causes if isinstance(each, OSError) and each.strerror]
    return (errors[-1].strerror or "").lower() if errors else "no connection"
