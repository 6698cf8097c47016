"""Client assertions and proofs of possession: signed at the edge, at every send.

Rules:

1. Nothing signed is sent twice: each send signs anew with a random ``jti``, so a retry is no
   replay. An assertion lives for a minute.
2. A request without either passes through untouched, and loads nothing.
3. A function that cannot reach its key or its token (``OSError``) is a ``Fault`` that did not reach
   the server. A key that cannot be used is the caller's mistake (``keys``).
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from hashlib import sha1, sha256
from typing import Final, Protocol, final
from urllib.parse import urlsplit, urlunsplit

from attrs import evolve

from grantflow.core.client.authentication import ClientAuthentication, authenticated
from grantflow.core.client.dpop import DPoP
from grantflow.core.values.json import plain
from grantflow.core.values.request import Assertion, Proof, Request
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.secret import Secret, secret
from grantflow.core.values.time import Moment
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Transport
from grantflow.shell.signing.keys import Key, Sign, dpop_key, readable

__all__ = ["Readable", "Signer", "check", "check_key", "dpop_key", "signed"]


class Readable(Protocol):
    """A clock of either kind, as far as it is only read."""

    def now(self) -> Moment:
        """Read the clock."""
        ...


ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME: Final = 60
"""Seconds: enough for a slow network, too few to be worth stealing."""


def signed(transport: Transport, clock: Readable | None = None) -> Transport:
    """Return a transport that signs what each request wants to have signed.

    The drivers do this around any transport, so it is for those who write their own. Wrapping twice
    changes nothing.
    """
    return transport if isinstance(transport, _Signed) else _Signed(transport, clock)


def check(authentication: ClientAuthentication) -> None:
    """Raise now what the first send would raise: ``ValueError`` names the unusable argument.

    ``ImportError`` says that joserfc is missing. A function is not called: it may ask for a PIN.
    """
    assertion = authenticated(Request("https://localhost"), "app", authentication).assertion
    if isinstance(assertion, Assertion):
        readable(assertion.key, assertion.algorithm, assertion.key_id)
        if assertion.certificate is not None:
            _thumbprints(assertion.certificate)


def check_key(dpop: DPoP) -> None:
    """Raise now what the first proof would raise (``check``); a function is not called."""
    readable(dpop.key, dpop.alg)


@final
class Signer:
    """Puts a fresh assertion and a fresh proof on a request that wants them.

    For drivers whose transport is no plain function: the reply is either the ``Fault`` that comes
    from here, or the transport's to the request that does.
    """

    __slots__ = ("_clock", "_keys")

    def __init__(self, clock: Readable | None = None) -> None:
        self._clock = clock
        # Reading an RSA key takes longer than signing with it. Each is set at once, so threads may
        # race. Few keys: a source has one, and perhaps a second for its proofs.
        self._keys: dict[tuple[Secret | Sign, str, str | None], Key] = {}

    def __call__(self, request: Request) -> Request | Fault:
        """Return the request with everything signed; where nothing is due, the request itself."""
        try:
            return self._proven(self._asserted(request))
        except OSError as error:
            return Fault("other", "no", f"the key could not sign: {error}"[:200])

    def _asserted(self, request: Request) -> Request:
        assertion = request.assertion
        if assertion is None:
            return request
        if isinstance(assertion, Assertion):
            kind, token = ASSERTION_TYPE, self._assertion(assertion)
        else:
            kind, token = assertion.assertion_type, secret(assertion.source())
        proof = (("client_assertion_type", kind), ("client_assertion", token))
        return evolve(request, form=(*request.form, *proof), assertion=None)

    def _proven(self, request: Request) -> Request:
        if request.proof is None:
            return request
        shown = ("DPoP", self.prove(request.method, request.url, request.proof))
        return evolve(request, headers=(*request.headers, shown), proof=None)

    def _assertion(self, assertion: Assertion) -> Secret:
        """Return a JWT with the claims that RFC 7523 section 3 asks for."""
        key = self._key(assertion.key, assertion.algorithm, assertion.key_id)
        header: dict[str, object] = {"alg": assertion.algorithm, "typ": "JWT"}
        if key.kid is not None:
            header["kid"] = key.kid
        if assertion.certificate is not None:
            header |= _thumbprints(assertion.certificate)
        now = self._now()
        claims: dict[str, object] = {
            "iss": assertion.client_id,
            "sub": assertion.client_id,
            # One text: a server among several audiences could use the assertion at the others.
            "aud": assertion.audience,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": os.urandom(16).hex(),
        }
        return _jwt(header, claims, key)

    def prove(self, method: str, url: str, proof: Proof) -> Secret:
        """Return a proof with the claims of RFC 9449 section 4.2; may raise ``OSError``."""
        dpop = proof.key
        header: dict[str, object] = {"alg": dpop.alg, "typ": "dpop+jwt", "jwk": plain(dpop.public)}
        claims: dict[str, object] = {
            "htm": method,
            "htu": _bare(url),
            "iat": self._now(),
            "jti": os.urandom(16).hex(),
        }
        if proof.nonce is not None:
            claims["nonce"] = proof.nonce
        if proof.token is not None:
            digest = sha256(proof.token.reveal().encode("ascii")).digest()
            claims["ath"] = _base64(digest).decode("ascii")
        return _jwt(header, claims, self._key(dpop.key, dpop.alg, None))

    def _key(self, key: Secret | Sign, alg: str, kid: str | None) -> Key:
        known = self._keys.get((key, alg, kid))
        if known is None:
            if len(self._keys) >= _MOST_KEYS:
                self._keys = {}
            known = self._keys[key, alg, kid] = readable(key, alg, kid)
        return known

    def _now(self) -> int:
        if self._clock is None:
            self._clock = SystemClock()
        return int(self._clock.now().wall.timestamp())


_MOST_KEYS: Final = 8
"""What a signer remembers: clients whose keys rotate must not fill the memory."""


@final
class _Signed:
    __slots__ = ("_signer", "_transport")

    def __init__(self, transport: Transport, clock: Readable | None) -> None:
        self._transport = transport
        self._signer = Signer(clock)

    def __call__(self, request: Request, /) -> Reply:
        ready = self._signer(request)
        return ready if isinstance(ready, Fault) else self._transport(ready)


def _bare(url: str) -> str:
    """Return a URL without query and fragment, and with the path that is sent for none."""
    scheme, place, path, _, _ = urlsplit(url)
    host = place.rpartition("@")[2]  # a password in a URL is for its server alone
    return urlunsplit((scheme, host, path or "/", "", ""))


def _thumbprints(certificate: str) -> dict[str, str]:
    """Return what names a certificate (RFC 7515 sections 4.1.7 and 4.1.8)."""
    import ssl  # where it is used: few name their key so

    try:
        der = ssl.PEM_cert_to_DER_cert(certificate.strip())
    except ValueError:
        der = b""
    if not der:
        raise ValueError("certificate: the PEM text of one certificate is needed")
    return {
        "x5t": _base64(sha1(der, usedforsecurity=False).digest()).decode("ascii"),
        "x5t#S256": _base64(sha256(der).digest()).decode("ascii"),
    }


def _jwt(header: dict[str, object], claims: dict[str, object], key: Key) -> Secret:
    told = _base64(_json(header)) + b"." + _base64(_json(claims))
    return Secret((told + b"." + _base64(key.sign(told))).decode("ascii"))


def _json(members: dict[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")  # RFC 7515 section 2
