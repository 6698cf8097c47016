"""What the command takes from outside; the tests put their own clock and server here."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Clock, Transport
from grantflow.shell.stores import FileStore

_SHORTEST_TIMEOUT: Final = 0.1


def clock() -> Clock:
    """Return this machine's clock."""
    return SystemClock()


def store() -> FileStore:
    """Return where tokens are kept."""
    return FileStore()


def transport(budget: timedelta | None = None) -> Transport:
    """Return a transport; no single answer is waited for longer than the ``budget``."""
    from grantflow.shell.http.requests import RequestsTransport
    from grantflow.shell.http.rules import CONNECT, WHOLE

    if budget is None:
        return RequestsTransport()
    most = max(budget.total_seconds(), _SHORTEST_TIMEOUT)
    return RequestsTransport(timeout=(min(CONNECT, most), min(WHOLE, most)))
