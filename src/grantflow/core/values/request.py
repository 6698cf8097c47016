"""A request as a value, and what the shell has to sign or fetch before it can leave.

Rules:

1. A request that is not ready gives neither its body nor its headers: without its signature or
   its certificate it proves nothing.
2. The same request gives the same bytes, whatever its encoding; only what is signed differs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Final, Literal, TypeAlias, final
from urllib.parse import quote, urlencode

from attrs import evolve, field, frozen

from grantflow.core.client.dpop import DPoP
from grantflow.core.values.pairs import Pairs, as_pairs
from grantflow.core.values.secret import Secret

Encoding: TypeAlias = Literal["form", "json", "query", "multipart"]


Fetch: TypeAlias = Callable[[], Secret | str]
"""Returns the value of a parameter; it is called at each send."""


@final
@frozen(kw_only=True)
class Assertion:
    """What a client assertion has to say (RFC 7523 section 3); the shell signs it at each send.

    ``audience`` is the authorization server's issuer, else the endpoint; ``key`` is a PEM or JWK
    text, or a shared secret, or a function that signs the bytes that it is given (an HSM).
    ``certificate`` is a PEM text whose thumbprint names the key (RFC 7515 section 4.1.7).
    """

    client_id: str
    audience: str
    key: Secret | Callable[[bytes], bytes]
    algorithm: str
    key_id: str | None = None
    certificate: str | None = None


@final
@frozen
class IssuedAssertion:
    """A client assertion that somebody else signs (workload identity): fetched at each send."""

    source: Callable[[], Secret | str]
    assertion_type: str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@final
@frozen
class Certificate:
    """The files of a client's certificate and its key (RFC 8705)."""

    certificate: str
    key: str | None = None


@final
@frozen
class Proof:
    """A proof of possession that is due (RFC 9449 section 4.2); the shell signs it at each send.

    ``nonce`` is the one that the server gave last, ``token`` the access token that it goes with.
    """

    key: DPoP
    nonce: str | None = None
    token: Secret | None = None


@final
@frozen
class Request:
    """A request as a value: send ``method``, ``target()``, ``header_map()`` and ``body()``.

    A transport must not follow redirects. ``assertion`` and ``proof`` are signed anew for every
    send (``grantflow.signing.signed`` does it around any transport); what presents ``certificate``
    sends ``presented()``.
    ``wait`` is how long the server may think where that is unusually long (a blocking request);
    ``timeout`` is the most that the exchange may take in all, connecting included, and
    ``new_connection`` asks for a connection opened for it: it must not be sent twice, and an idle
    connection may have been forgotten on the way.
    ``fetched`` are parameters whose values are fetched for every send.
    ``segments`` are parts of the path behind ``url``, where a server wants a code there.
    ``hidden`` is not sent as it is, but a server may know it and repeat it.

    >>> request = Request("https://as.example/token", form={"scope": "a b", "code": "x"})
    >>> request
    Request(method='POST', url='https://as.example/token', form=scope, code)
    >>> request.body()
    b'scope=a+b&code=x'
    """

    url: str
    form: Pairs = field(default=(), converter=as_pairs)
    headers: Pairs = field(default=(), converter=as_pairs)
    encoding: Encoding = "form"
    method: Literal["GET", "POST"] = "POST"
    assertion: Assertion | IssuedAssertion | None = None
    certificate: Certificate | None = None
    proof: Proof | None = field(default=None, kw_only=True)
    wait: timedelta | None = field(default=None, kw_only=True)
    timeout: timedelta | None = field(default=None, kw_only=True)
    new_connection: bool = field(default=False, kw_only=True)
    segments: tuple[str | Secret, ...] = field(default=(), kw_only=True)
    hidden: tuple[Secret, ...] = field(default=(), kw_only=True)
    fetched: tuple[tuple[str, Fetch], ...] = field(default=(), kw_only=True, repr=False)

    def target(self) -> str:
        """Return the URL to send to: with the parameters, where they travel in the query."""
        url = self.url
        if self.segments:
            more = (each.reveal() if isinstance(each, Secret) else each for each in self.segments)
            base, mark, query = url.partition("?")
            path = "/".join((base.rstrip("/"), *(quote(each, safe="") for each in more)))
            url = f"{path}{mark}{query}"
        if self.encoding != "query" or not self.form:
            return url
        glue = "&" if "?" in url else "?"
        return f"{url}{glue}{urlencode(_revealed(self.form))}"

    def body(self) -> bytes:
        """Return the bytes to send: form-encoded (RFC 6749 appendix B), JSON, or multipart.

        ``ValueError`` while it is not ready: unsigned, or its certificate not ``presented``.
        """
        self._refuse_unready()
        if self._carries_nothing():
            return b""
        named = _revealed(self.form)
        match self.encoding:
            case "json":
                return json.dumps(_grouped(named)).encode("ascii")
            case "multipart":
                return _parts(named, self._boundary())
            case _:
                return urlencode(named).encode("ascii")

    def header_map(self) -> dict[str, str]:
        """Return the headers to send; ``Accept: application/json`` is always among them.

        ``ValueError`` while it is not ready: unsigned, or its certificate not ``presented``.
        """
        self._refuse_unready()
        headers = {"Accept": "application/json"}
        if not self._carries_nothing():
            headers["Content-Type"] = self._content_type()
        return headers | dict(_revealed(self.headers))

    def secrets(self) -> Iterator[Secret]:
        """Yield what must not be repeated in a message about this request."""
        yield from self.hidden
        yield from (each for each in self.segments if isinstance(each, Secret))
        yield from (value for _, value in self.form + self.headers if isinstance(value, Secret))
        for name, value in self.headers:
            if isinstance(value, Secret) and name.lower() == "authorization":
                yield Secret(value.reveal().partition(" ")[2])  # without its scheme

    def presented(self) -> Request:
        """Return the request for a connection that presents its certificate (RFC 8705).

        A transport calls it once the connection does, or where a proxy in front of it does so.
        """
        return self if self.certificate is None else evolve(self, certificate=None)

    def _refuse_unready(self) -> None:
        if self.fetched:
            name = self.fetched[0][0]
            raise ValueError(f"{name}: fetch it first, with grantflow.signing.signed")
        if self.assertion is not None or self.proof is not None:
            name = "proof" if self.assertion is None else "assertion"
            raise ValueError(f"{name}: sign it first, with grantflow.signing.signed")
        if self.certificate is not None:
            raise ValueError("certificate: present it to the server, then send what presented() is")

    def _carries_nothing(self) -> bool:
        return self.method == "GET" or self.encoding == "query"

    def _content_type(self) -> str:
        kind = _CONTENT_TYPE[self.encoding]
        return f"{kind}; boundary={self._boundary()}" if self.encoding == "multipart" else kind

    def _boundary(self) -> str:
        # No text can hold the hash of all of them, so nothing random is needed.
        told = json.dumps(_revealed(self.form))
        return sha256(told.encode("ascii")).hexdigest()[:48]

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.form)
        return f"Request(method={self.method!r}, url={self.url!r}, form={names})"


_CONTENT_TYPE: Final[dict[Encoding, str]] = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    "multipart": "multipart/form-data",
}


def _revealed(pairs: Pairs) -> list[tuple[str, str]]:
    return [(name, value.reveal() if isinstance(value, Secret) else value) for name, value in pairs]


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, object]:
    """Write a JSON object; the end of a name says what is not plain text.

    A name that ends in "[]" is a list however many values it has, and what a name that ends in ":"
    says is JSON itself, a number for example (``name:=30`` is how HTTPie writes it).
    """
    names = dict.fromkeys(name for name, _ in pairs)
    said = {name: [_said(name, text) for key, text in pairs if key == name] for name in names}
    return {
        name.removesuffix("[]").removesuffix(":"): values
        if len(values) > 1 or name.endswith("[]")
        else values[0]
        for name, values in said.items()
    }


def _said(name: str, text: str) -> object:
    if not name.endswith(":"):
        return text
    try:
        found: object = json.loads(text)
    except ValueError:  # a secret that nobody could look at before
        return text
    return found


def _parts(pairs: list[tuple[str, str]], boundary: str) -> bytes:
    """Write form data as RFC 7578 has it."""
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{text}\r\n'
        for name, text in pairs
    )
    return f"{''.join(parts)}--{boundary}--\r\n".encode()


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
