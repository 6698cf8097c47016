"""Tools to test applications that sign in: deterministic, without a network, without waiting.

``Server`` is an authorization server as a value and ``answer`` its pure function; ``simulate``
plays a flow against it in virtual time; ``VirtualClock`` and ``ServerTransport`` are the ports of
a driver; ``serve`` puts the same function behind HTTP on loopback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grantflow.testing.asynchronous import AsyncServerTransport, AsyncVirtualClock
from grantflow.testing.clock import VirtualClock
from grantflow.testing.script import Outage, Script
from grantflow.testing.server import Server, answer, decided
from grantflow.testing.simulation import ServerTransport, Tick, simulate

if TYPE_CHECKING:
    from grantflow.testing.loopback import Loopback, serve

__all__ = [
    "AsyncServerTransport",
    "AsyncVirtualClock",
    "Loopback",
    "Outage",
    "Script",
    "Server",
    "ServerTransport",
    "Tick",
    "VirtualClock",
    "answer",
    "decided",
    "serve",
    "simulate",
]


def __getattr__(name: str) -> object:
    """Load the server on loopback on first use: most tests need no ``http.server``."""
    if name not in ("Loopback", "serve"):
        raise AttributeError(f"module 'grantflow.testing' has no attribute {name!r}")
    from grantflow.testing import loopback

    value: object = getattr(loopback, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
