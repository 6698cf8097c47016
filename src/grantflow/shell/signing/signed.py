"""The transport that signs: what a driver wraps around any other one.

It loads the signer, and with it the keys, only for a request that wants a signature.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, final

from attrs import evolve

from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.shell.ports import Readable, Transport

if TYPE_CHECKING:
    from grantflow.shell.signing.signer import Signer

_log: Final = logging.getLogger("grantflow")


def signed(transport: Transport, clock: Readable | None = None) -> Transport:
    """Return a transport that signs each request that asks for it, then sends it.

    The drivers wrap every transport in it, so it is for drivers of your own. It returns a ``Fault``
    for an exception of the transport, whose promise is to raise none. Wrapping twice changes
    nothing. ``ValueError`` names a key that cannot be used.
    """
    return transport if isinstance(transport, _Signed) else _Signed(transport, clock)


def wants_signature(request: Request) -> bool:
    """Return whether something has to be signed or fetched before the request is sent."""
    unsigned = request.assertion is not None or request.proof is not None
    return unsigned or bool(request.fetched)


def without_echo(request: Request, ready: Request, reply: Reply) -> Reply:
    """Return a reply without the values that were fetched for its request.

    Whoever reads it knows the request without them, and could not mask what a server repeats. An
    answer with a token is left as it is: the token may be the very one that was sent.
    """
    if not request.fetched or not isinstance(reply, Response) or b"access_token" in reply.body:
        return reply
    names = {name for name, _ in request.fetched}
    text, headers = reply.body.decode("utf-8", "surrogateescape"), dict(reply.headers)
    for name, value in ready.form:
        if name in names and isinstance(value, Secret):
            text = value.redact(text)
            headers = {each: value.redact(said) for each, said in headers.items()}
    return evolve(reply, headers=headers, body=text.encode("utf-8", "surrogateescape"))


def raised(error: Exception) -> Fault:
    """Return the fault for an exception of a transport, and log where it was raised.

    Its message is left out of both: it may quote a secret.
    """
    from traceback import extract_tb  # for a bug alone

    places = (f"{each.filename}:{each.lineno}" for each in extract_tb(error.__traceback__))
    name = type(error).__name__
    _log.error("a transport must not raise, but it did: %s at %s", name, ", ".join(places))
    return Fault("other", "maybe", type(error).__name__)


@final
class _Signed:
    __slots__ = ("_clock", "_signer", "_transport")

    def __init__(self, transport: Transport, clock: Readable | None) -> None:
        self._transport = transport
        self._clock = clock
        self._signer: Signer | None = None

    def __call__(self, request: Request, /) -> Reply:
        ready = self._sign(request) if wants_signature(request) else request
        if isinstance(ready, Fault):
            return ready
        try:
            return without_echo(request, ready, self._transport(ready))
        except Exception as error:  # noqa: BLE001 - or what a lost reply means were never decided
            return raised(error)

    def _sign(self, request: Request) -> Request | Fault:
        if self._signer is None:
            from grantflow.shell.signing.signer import Signer

            self._signer = Signer(self._clock)
        return self._signer(request)
