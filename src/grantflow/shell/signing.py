"""Client assertions: signed at the edge, at every send (RFC 7523).

Rules:

1. An assertion is never sent twice: each send signs a new one with a random ``jti``, so a retry is
   no replay. It lives for a minute.
2. A request without an assertion passes through untouched, and loads nothing.
3. The one place that imports ``joserfc``, and only for a private key's text: a shared secret is
   HMAC, which Python has, and a function signs by itself.
4. A key that cannot be used is the caller's mistake: ``ValueError`` names the argument and what is
   needed, never what was given. A function that cannot reach its key (``OSError``) is a ``Fault``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, final

from attrs import evolve, frozen

from grantflow.core.client_auth import ClientAuthentication, authenticated
from grantflow.core.secret import Secret
from grantflow.core.values import Assertion, Fault, Moment, Reply, Request
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Transport


class Readable(Protocol):
    """A clock of either kind, as far as it is only read."""

    def now(self) -> Moment:
        """Read the clock."""
        ...


ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME: Final = 60
"""Seconds: enough for a slow network, too few to be worth stealing."""

_Sign: TypeAlias = Callable[[bytes], bytes]

_HASHES: Final = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
# What joserfc calls the type of the key, and what people call the key (RFC 7518, RFC 8037).
_KEYS: Final = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    **{f"{kind}{size}": ("RSA", "RSA") for kind in ("RS", "PS") for size in (256, 384, 512)},
    "EdDSA": ("OKP", "Ed25519 or Ed448"),
}
# R and S side by side (RFC 7518 section 3.4).
_SIZES: Final = {"ES256": 64, "ES384": 96, "ES512": 132}


def signed(transport: Transport, clock: Readable | None = None) -> Transport:
    """Return a transport that signs the assertion of each request that has one.

    The drivers do this around any transport, so it is for those who write their own. Wrapping twice
    changes nothing.
    """
    return transport if isinstance(transport, _Signed) else _Signed(transport, clock)


def check(authentication: ClientAuthentication) -> None:
    """Raise now what the first send would raise: ``ValueError`` names the unusable argument.

    ``ImportError`` says that joserfc is missing. A function is not called: it may ask for a PIN.
    """
    assertion = authenticated(Request("https://localhost"), "app", authentication).assertion
    if assertion is not None:
        _key_of(assertion)


@final
class Signer:
    """Puts a fresh assertion on a request that wants one (RFC 7523 section 2.2).

    For drivers whose transport is no plain function: the reply is either the ``Fault`` that comes
    from here, or the transport's to the request that does.
    """

    __slots__ = ("_clock", "_last")

    def __init__(self, clock: Readable | None = None) -> None:
        self._clock = clock
        # Reading an RSA key takes longer than signing with it. One assignment, so threads may race.
        self._last: tuple[Assertion, _Key] | None = None

    def __call__(self, request: Request) -> Request | Fault:
        """Return the request with its assertion signed; without one, the request itself."""
        assertion = request.assertion
        if assertion is None:
            return request
        try:
            token = self._token(assertion)
        except OSError as error:
            return Fault("other", "no", f"the key could not sign: {error}"[:200])
        proof = (("client_assertion_type", ASSERTION_TYPE), ("client_assertion", token))
        return evolve(request, form=(*request.form, *proof), assertion=None)

    def _token(self, assertion: Assertion) -> Secret:
        last = self._last
        if last is None or last[0] != assertion:
            last = self._last = (assertion, _key_of(assertion))
        if self._clock is None:
            self._clock = SystemClock()
        return _token(assertion, last[1], int(self._clock.now().wall.timestamp()))


@final
class _Signed:
    __slots__ = ("_signer", "_transport")

    def __init__(self, transport: Transport, clock: Readable | None) -> None:
        self._transport = transport
        self._signer = Signer(clock)

    def __call__(self, request: Request, /) -> Reply:
        ready = self._signer(request)
        return ready if isinstance(ready, Fault) else self._transport(ready)


@final
@frozen
class _Key:
    sign: _Sign
    kid: str | None


def _token(assertion: Assertion, key: _Key, now: int) -> Secret:
    """Return a signed JWT with the claims that RFC 7523 section 3 asks for."""
    header: dict[str, str | int] = {"alg": assertion.algorithm, "typ": "JWT"}
    if key.kid is not None:
        header["kid"] = key.kid
    claims: dict[str, str | int] = {
        "iss": assertion.client_id,
        "sub": assertion.client_id,
        # One text: a server among several audiences could use the assertion at the others.
        "aud": assertion.audience,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": os.urandom(16).hex(),
    }
    told = _base64(_json(header)) + b"." + _base64(_json(claims))
    return Secret((told + b"." + _base64(key.sign(told))).decode("ascii"))


def _json(members: dict[str, str | int]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")  # RFC 7515 section 2


def _key_of(assertion: Assertion) -> _Key:
    key, alg, kid = assertion.key, assertion.algorithm, assertion.key_id
    if alg not in _HASHES and alg not in _KEYS:
        raise ValueError(f"alg: {alg!r} is none of {', '.join((*_HASHES, *_KEYS))}")
    if not isinstance(key, Secret):
        return _Key(_sized(key, alg), kid)
    # The mistakes are raised here, where no traceback holds a frame that saw the text of the key.
    if alg in _HASHES:
        if _is_pem(key):  # it would sign, and show the server's operator nothing of the mistake
            raise ValueError(f"key: {alg} signs with a shared secret, and this is a PEM text")
        return _Key(_hmac(key, alg), kid)
    found = _read(key, alg)
    if isinstance(found, str):
        raise ValueError(
            f"key: it cannot be read as a private {_KEYS[alg][1]} key ({found}): a PEM text "
            f"without a password or a JWK text is needed, for {alg}"
        )
    return found if kid is None else evolve(found, kid=kid)


def _sized(function: _Sign, alg: str) -> _Sign:
    def sign(data: bytes) -> bytes:
        signature = function(data)
        size = _SIZES.get(alg, len(signature))
        if len(signature) != size:
            raise ValueError(
                f"key: the function returned {len(signature)} bytes, but a signature of {alg} is "
                f"{size}: R and S side by side (RFC 7518 section 3.4), not DER"
            )
        return signature

    return sign


def _is_pem(key: Secret) -> bool:
    return "-----BEGIN" in key.reveal()


def _hmac(key: Secret, alg: str) -> _Sign:
    octets = key.reveal().encode()
    return lambda data: hmac.digest(octets, data, _HASHES[alg])


def _read(key: Secret, alg: str) -> _Key | str:
    """Return the key, or the name of the error: its message might quote the text."""
    try:
        from joserfc.jwk import JWKRegistry
        from joserfc.jws import JWSRegistry
    except ImportError as error:
        raise ImportError(
            f"signing with {alg} needs the joserfc library: pip install 'grantflow[jwt]'"
        ) from error
    # Not get_alg(): it warns of EdDSA, the name that servers know (RFC 9864 splits it in two).
    algorithm = JWSRegistry.algorithms[alg]
    try:
        private = JWKRegistry.import_key(_parsed(key.reveal()), _KEYS[alg][0])
        algorithm.check_key(private)
        algorithm.sign(b"", private)  # a public key reads as well, and fails here
        kid = private.kid
    except Exception as error:  # noqa: BLE001 - whatever three libraries make of any text
        return type(error).__name__
    return _Key(lambda data: algorithm.sign(data, private), kid)


def _parsed(text: str) -> str | dict[str, str | list[str]]:
    if not text.lstrip().startswith("{"):
        return text
    members: dict[str, str | list[str]] = json.loads(text)
    return members
