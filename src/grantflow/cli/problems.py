"""What to do about a problem of the library: the advice beside its sentence."""

from __future__ import annotations

from typing import Final, assert_never

from grantflow.cli.errors import CommandError
from grantflow.core.flows.states import Expired, Failed
from grantflow.core.messages import sentence
from grantflow.core.values.errors import (
    Cancelled,
    Denied,
    Error,
    InvalidResponse,
    Refused,
    Unreachable,
)


def ended(problem: Expired | Failed, *, where: str = "", advice: str = "") -> CommandError:
    """Return the error of a sign-in that ended without a token; ``where`` is the endpoint."""
    match problem:
        case Failed(InvalidResponse() | Refused() | Unreachable()):
            named = True
        case Expired(fault=fault):
            named = fault is not None
        case _:
            named = False
    place = f"{where}: " if where and named else ""
    said = advice or advice_on(problem)
    return CommandError(f"{place}{sentence(problem)}", said, kind=kind_of(problem))


def kind_of(problem: Expired | Failed) -> str:
    """Return the problem as one word for programs: an OAuth error code if there is one."""
    if isinstance(problem, Expired):
        return "expired"
    match problem.error:
        case Denied():
            return "access_denied"
        case Refused(code):
            return code
        case InvalidResponse():
            return "invalid_response"
        case Unreachable():
            return "unreachable"
        case Cancelled():
            return "cancelled"
        case other:
            assert_never(other)


def advice_on(problem: Expired | Failed) -> str:
    """Return what the person can do."""
    match problem:
        case Expired(fault=None):
            return "run the command again"
        case Expired():
            return "try again later"
        case Failed(error):
            return _advice(error)


_AFTER_CODE: Final = {
    "invalid_client": "check the client id, its secret and --client-auth",
    "unauthorized_client": "allow this grant for the client in the provider's settings",
    "unsupported_grant_type": "the provider does not offer this grant; see --grant",
    "invalid_scope": "check --scope",
    "invalid_target": "check --resource and --audience",
    "invalid_grant": "sign in again with grantflow login",
}

_AFTER_FAULT: Final = {
    "timeout": "try again later, or check the network and the proxy",
    "refused": "check the address, the network and the proxy",
    "tls": "for a private certificate authority, set REQUESTS_CA_BUNDLE to its certificates",
    "name": "check the address and the network",
    "proxy": "check the proxy that HTTPS_PROXY names, or name the host in NO_PROXY",
    "too_large": "check that the address is the provider's endpoint",
    "http": "try again later",
    "other": "check the address and the network",
}


_NO_BUNDLE: Final = ("CA certificate bundle", "authorities' certificates")
"""What a transport says if the file of trusted certificates is missing."""


def _advice(error: Error) -> str:
    match error:
        case Denied():
            return "run the command again if that was a mistake"
        case Refused(code):
            return _AFTER_CODE.get(code, "")
        case InvalidResponse(problem) if "is not DPoP" in problem:
            return "this server does not bind tokens to a key; sign in without --dpop"
        case InvalidResponse():
            return "check that the address is the provider's own endpoint"
        case Unreachable(fault):
            if (
                "CA certificate bundle" in fault.detail
                or "authorities' certificates" in fault.detail
            ):
                return "set REQUESTS_CA_BUNDLE to a file that exists, or unset it"
            if "wrong version number" in fault.detail:  # OpenSSL's words for plain http
                return "this is not an https server: check the address and its port"
            return _AFTER_FAULT[fault.kind]
        case Cancelled():
            return ""
        case _:
            assert_never(error)
