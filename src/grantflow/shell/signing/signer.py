"""Client assertions (RFC 7523) and proofs of possession (RFC 9449): signed for every send.

Rules:

1. Nothing signed is sent twice: each send signs again with a random ``jti``, so a retry is no
   replay. An assertion expires after a minute.
2. A function that cannot reach its key or its token (``OSError``) is a ``Fault`` that did not reach
   the server. A key that cannot be used is the caller's mistake (``keys``).
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from hashlib import sha1, sha256
from typing import Final, final
from urllib.parse import urlsplit, urlunsplit

from attrs import evolve

from grantflow.core.client.authentication import ClientAuthentication, authenticated
from grantflow.core.client.dpop import DPoP
from grantflow.core.values.json import plain
from grantflow.core.values.request import Assertion, Proof, Request
from grantflow.core.values.response import Fault
from grantflow.core.values.secret import Secret, secret
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Readable
from grantflow.shell.signing.keys import Key, Sign, signing_key

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME: Final = 60
"""Seconds: enough for a slow network, too few to be worth stealing."""


def check(authentication: ClientAuthentication) -> None:
    """Raise now what the first send would raise: ``ValueError`` names the unusable argument.

    ``ImportError`` says that joserfc is missing. A function is not called: it may ask for a PIN.
    """
    assertion = authenticated(Request("https://localhost"), "app", authentication).assertion
    if isinstance(assertion, Assertion):
        signing_key(assertion.key, assertion.algorithm, assertion.key_id)
        if assertion.certificate is not None:
            _thumbprints(assertion.certificate)


def check_key(dpop: DPoP) -> None:
    """Raise now what the first proof would raise (``check``); a function is not called."""
    signing_key(dpop.key, dpop.alg)


def _fetched(request: Request) -> Request:
    """Return the request with the values of its fetched parameters."""
    if not request.fetched:
        return request
    form = tuple((name, secret(source())) for name, source in request.fetched)
    return evolve(request, form=(*request.form, *form), fetched=())


@final
class Signer:
    """Puts a fresh assertion and a fresh proof on a request that asks for them.

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
        """Return the request with everything signed, or itself if nothing has to be."""
        try:
            fetched = _fetched(request)
        except OSError as error:
            return Fault("other", "no", f"a parameter could not be fetched: {error}"[:200])
        try:
            return self._proven(self._asserted(fetched))
        except OSError as error:
            return Fault("other", "no", f"the key could not sign: {error}"[:200])

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
            claims["ath"] = _base64(sha256(proof.token.reveal().encode("ascii")).digest())
        return _jwt(header, claims, self._key(dpop.key, dpop.alg, None))

    def _proven(self, request: Request) -> Request:
        if request.proof is None:
            return request
        header = ("DPoP", self.prove(request.method, request.url, request.proof))
        return evolve(request, headers=(*request.headers, header), proof=None)

    def _asserted(self, request: Request) -> Request:
        assertion = request.assertion
        if assertion is None:
            return request
        if isinstance(assertion, Assertion):
            kind, token = ASSERTION_TYPE, self._assertion(assertion)
        else:
            kind, token = assertion.assertion_type, secret(assertion.source())
        form = (("client_assertion_type", kind), ("client_assertion", token))
        return evolve(request, form=(*request.form, *form), assertion=None)

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

    def _key(self, key: Secret | Sign, alg: str, kid: str | None) -> Key:
        known = self._keys.get((key, alg, kid))
        if known is None:
            if len(self._keys) >= _MOST_KEYS:
                self._keys = {}
            known = self._keys[key, alg, kid] = signing_key(key, alg, kid)
        return known

    def _now(self) -> int:
        if self._clock is None:
            self._clock = SystemClock()
        return int(self._clock.now().wall.timestamp())


_MOST_KEYS: Final = 8
"""What a signer remembers: clients whose keys rotate must not fill the memory."""


def _bare(url: str) -> str:
    """Return a URL without query and fragment, and with the path that is sent for none."""
    scheme, place, path, _, _ = urlsplit(url)
    host = place.rpartition("@")[2]  # a password in a URL is for its server alone
    return urlunsplit((scheme, host, path or "/", "", ""))


def _thumbprints(certificate: str) -> dict[str, str]:
    """Return what names a certificate (RFC 7515 sections 4.1.7 and 4.1.8)."""
    import ssl  # few clients name their key so

    try:
        der = ssl.PEM_cert_to_DER_cert(certificate.strip())
    except ValueError:
        der = b""
    if not der:
        raise ValueError("certificate: the PEM text of one certificate is needed")
    return {
        "x5t": _base64(sha1(der, usedforsecurity=False).digest()),
        "x5t#S256": _base64(sha256(der).digest()),
    }


def _jwt(header: dict[str, object], claims: dict[str, object], key: Key) -> Secret:
    """Return the compact form (RFC 7515 section 7.1). joserfc's takes no function as a key."""
    parts = ".".join(_base64(json.dumps(part).encode("ascii")) for part in (header, claims))
    return Secret(f"{parts}.{_base64(key.sign(parts.encode('ascii')))}")


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")  # RFC 7515 section 2
