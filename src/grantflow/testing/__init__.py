"""Tools to test applications that sign in: deterministic, without a network, without waiting.

``Server`` is an authorization server as a value and ``answer`` its pure function; ``simulate``
plays a flow against it in virtual time; ``VirtualClock``, ``VirtualLoop`` and ``ServerTransport``
are the ports of a driver; ``serve`` puts the same function behind HTTP on loopback.
``ScriptedServer`` has all that a test of an application needs, ``grantflow.testing.fixtures`` gives
one to pytest, and ``strategies`` generates values for hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from grantflow.testing.asynchronous import AsyncServerTransport, AsyncVirtualClock
from grantflow.testing.clock import VirtualClock
from grantflow.testing.script import Outage, Script
from grantflow.testing.server.answer import answer, decided
from grantflow.testing.server.value import Server
from grantflow.testing.simulation import ServerTransport, Tick, simulate
from grantflow.testing.virtual_loop import VirtualLoop

if TYPE_CHECKING:
    from grantflow.testing import strategies
    from grantflow.testing.loopback.loopback import Loopback, serve
    from grantflow.testing.scripted import PlayError, ScriptedServer

__all__ = [
    "AsyncServerTransport",
    "AsyncVirtualClock",
    "Loopback",
    "Outage",
    "PlayError",
    "Script",
    "ScriptedServer",
    "Server",
    "ServerTransport",
    "Tick",
    "VirtualClock",
    "VirtualLoop",
    "answer",
    "decided",
    "serve",
    "simulate",
    "strategies",
]


_LATE = {
    "Loopback": "loopback.loopback",
    "PlayError": "scripted",
    "ScriptedServer": "scripted",
    "serve": "loopback.loopback",
}


if not TYPE_CHECKING:  # else a checker would take any name for a public one

    def __getattr__(name: str) -> object:
        """Load on first use what most tests of a flow do not need: HTTP, stores, hypothesis."""
        if name == "strategies":
            return import_module("grantflow.testing.strategies")
        if name not in _LATE:
            raise AttributeError(f"module 'grantflow.testing' has no attribute {name!r}")
        value: object = getattr(import_module(f"grantflow.testing.{_LATE[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
