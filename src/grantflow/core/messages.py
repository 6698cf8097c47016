r"""What people read: one sentence a problem, and nothing in it that a terminal would obey.

Rules:

1. Everything a server sent is escaped: control characters, bidirectional and invisible formatting,
   odd spaces, line separators and lone surrogates are written as ``\u....``.
2. The link stands alone on its line, with the code beside it on the next.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import assert_never

from grantflow.core.flows.states import Expired, Failed, Problem
from grantflow.core.values.errors import (
    Cancelled,
    Denied,
    Error,
    InteractionRequired,
    InvalidResponse,
    Refused,
    Unreachable,
)
from grantflow.core.values.response import Fault
from grantflow.core.values.text import escaped
from grantflow.core.values.token import DeviceAuthorization


def invitation(authorization: DeviceAuthorization) -> tuple[str, ...]:
    """Return the lines that a person needs: what to do, the link alone, the code.

    >>> from datetime import timedelta
    >>> from grantflow.core.values.time import Instant
    >>> end = Instant(timedelta(minutes=15))
    >>> for line in invitation(DeviceAuthorization("dc", "WDJB-MJHT", "https://a.example/go", end)):
    ...     print(line)
    To sign in, open this link in any browser, on any device:
      https://a.example/go
    and enter the code:
      WDJB-MJHT
    """
    complete = authorization.verification_uri_complete
    way = (
        "To sign in, open this link in any browser, on any device:",
        f"  {escaped(complete or authorization.verification_uri)}",
    )
    if not authorization.user_code:  # some show none, for the link is enough
        return way
    return (
        *way,
        "and enter the code:" if complete is None else "and check that it shows the code:",
        f"  {escaped(authorization.user_code)}",
    )


def sentence(problem: Problem) -> str:
    """Return one line that says what went wrong.

    >>> sentence(Expired())
    'the sign-in expired before it was completed'
    >>> sentence(Failed(Refused("invalid_client", "no such client", status=401)))
    'the server refused: invalid_client (no such client)'
    """
    match problem:
        case Expired(fault):
            trouble = "" if fault is None else f": {_trouble(fault)}{_later(fault.retry_after)}"
            return f"the sign-in expired before it was completed{trouble}"
        case Failed(error):
            return _why(error)
        case InteractionRequired(because):
            why = "" if because is None else f"{because}; "
            return f"{why}sign-in required, but prompting is disabled"
        case _:
            assert_never(problem)


def _why(error: Error) -> str:
    match error:
        case Denied(description):
            return f"the sign-in was denied{_beside(description)}"
        case Refused(code, description, ahead=ahead):
            return f"the server refused: {escaped(code)}{_beside(description)}{_clock(ahead)}"
        case InvalidResponse(problem):
            return f"invalid response from the server: {escaped(problem)}"
        case Unreachable(fault, tries):
            times = "" if tries == 1 else f" after {tries} tries"
            return f"{_trouble(fault)}{times}{_later(fault.retry_after)}"
        case Cancelled():
            return "the sign-in was canceled"
        case _:
            assert_never(error)


def _later(pause: timedelta | None) -> str:
    return "" if pause is None else f"; ask again in {ceil(pause.total_seconds())} s"


def _clock(ahead: timedelta | None) -> str:
    if ahead is None:
        return ""
    seconds = round(abs(ahead.total_seconds()))
    way = "behind" if ahead > timedelta() else "ahead of"
    return f"; this machine's clock is {seconds} s {way} the server's, so set the clock"


def _beside(description: str | None) -> str:
    return "" if description is None else f" ({escaped(description)})"


_TROUBLE = {
    "timeout": "the server did not answer in time",
    "refused": "no connection to the server",
    "tls": "the server's certificate was not accepted",
    "name": "the server's name could not be resolved",
    "proxy": "the proxy refused",
    "too_large": "the server's answer was too large",
    "http": "server error",
    "other": "the connection failed",
}


def _trouble(fault: Fault) -> str:
    return _TROUBLE[fault.kind] + (f": {escaped(fault.detail)}" if fault.detail else "")
