"""Why a command ends early: one sentence, what to do, and the exit code."""

from __future__ import annotations

import sys
import traceback
from typing import Final, assert_never, final

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
from grantflow.shell.ports import StoreError

FAILED: Final = 1
USAGE: Final = 2
PERSON_NEEDED: Final = 3


@final
class CommandError(Exception):
    """Ends the command. ``word`` is for programs: the ``error`` of ``login --json``."""

    def __init__(self, message: str, code: int = FAILED, *, word: str = "failed") -> None:
        super().__init__(message)
        self.code = code
        self.word = word


def usage(message: str) -> CommandError:
    """Return the error of a command line that cannot be obeyed."""
    return CommandError(message, USAGE, word="usage")


def ended(problem: Expired | Failed, *, where: str = "", advice: str = "") -> CommandError:
    """Return the error of a sign-in that ended without a token; ``where`` was asked."""
    named = isinstance(problem, Failed) and isinstance(
        problem.error, (InvalidResponse, Refused, Unreachable)
    )
    place = f"{where}: " if where and named else ""
    hint = advice or _hint(problem)
    return CommandError(
        f"{place}{sentence(problem)}{f'; {hint}' if hint else ''}", word=_word(problem)
    )


def unstored(error: StoreError) -> CommandError:
    """Return the error of a store that could not be used."""
    message = f"{error}; check the folder, or set GRANTFLOW_HOME to another one"
    return CommandError(message, word="store")


def verdict(error: Exception) -> tuple[str, int]:
    """Return the line and the exit code for whatever ended the command."""
    match error:
        case CommandError():
            return str(error), error.code
        case StoreError():
            return verdict(unstored(error))
        case OSError():
            name = "" if error.filename is None else f"{error.filename}: "
            return f"{name}{error.strerror or error}", FAILED
        case _:
            return _mistake(error), FAILED


def _mistake(error: Exception) -> str:
    # Not its message: that may quote anything, a secret as well.
    place = traceback.extract_tb(error.__traceback__)[-1]
    at = f"{place.filename.replace(chr(92), '/').rpartition('/')[2]}:{place.lineno}"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        f"this is a bug in grantflow: {type(error).__name__} at {at} (Python {python}); "
        "please report this line to its authors, with the output of grantflow --version"
    )


def _word(problem: Expired | Failed) -> str:
    if isinstance(problem, Expired):
        return "expired"
    match problem.error:
        case Denied():
            return "access_denied"
        case Refused(code):
            return code
        case InvalidResponse():
            return "unusable_answer"
        case Unreachable():
            return "unreachable"
        case Cancelled():
            return "cancelled"
        case other:
            assert_never(other)


def _hint(problem: Expired | Failed) -> str:
    match problem:
        case Expired(fault=None):
            return "start again, and approve sooner"
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
    "tls": "for an authority of your own, set REQUESTS_CA_BUNDLE to its certificates",
    "name": "check the address and the network",
    "too_large": "check that the address is the provider's endpoint",
    "http": "try again later",
    "other": "check the address and the network",
}


def _advice(error: Error) -> str:
    match error:
        case Denied():
            return "start again if that was a mistake"
        case Refused(code):
            return _AFTER_CODE.get(code, "")
        case InvalidResponse(problem) if "is not DPoP" in problem:
            return "this server binds no tokens to a key; sign in without --dpop"
        case InvalidResponse():
            return "check that the address is the provider's own endpoint"
        case Unreachable(fault):
            if "CA certificate bundle" in fault.detail:
                return "set REQUESTS_CA_BUNDLE to a file that is there, or unset it"
            if "wrong version number" in fault.detail:  # OpenSSL's words for plain http
                return "no https is spoken there: check the address and its port"
            return _AFTER_FAULT[fault.kind]
        case Cancelled():
            return ""
        case _:
            assert_never(error)
