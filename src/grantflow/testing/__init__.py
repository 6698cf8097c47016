"""Tools to test applications that sign in: deterministic, without a network, without waiting.

``Server`` is an authorization server as a value and ``answer`` its pure function; ``simulate``
plays a flow against it in virtual time; ``VirtualClock`` and ``ServerTransport`` are the ports of
a driver; ``serve`` puts the same function behind HTTP on loopback. ``ScriptedServer`` has all that
a test of an application needs, and ``grantflow.testing.fixtures`` gives one to pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from grantflow.testing.asynchronous import AsyncServerTransport, AsyncVirtualClock
from grantflow.testing.clock import VirtualClock
from grantflow.testing.script import Outage, Script
from grantflow.testing.server import Server, answer, decided
from grantflow.testing.simulation import ServerTransport, Tick, simulate

if TYPE_CHECKING:
    from grantflow.testing.loopback import Loopback, serve
    from grantflow.testing.scripted import ScriptedServer

__all__ = [
    "AsyncServerTransport",
    "AsyncVirtualClock",
    "Loopback",
    "Outage",
    "Script",
    "ScriptedServer",
    "Server",
    "ServerTransport",
    "Tick",
    "VirtualClock",
    "answer",
    "decided",
    "serve",
    "simulate",
]


_LATE = {"Loopback": "loopback", "ScriptedServer": "scripted", "serve": "loopback"}


if not TYPE_CHECKING:  # else a checker would take any name for a public one

    def __getattr__(name: str) -> object:
        """Load on first use what most tests of a flow do not need: ``http.server``, the stores."""
        if name not in _LATE:
            raise AttributeError(f"module 'grantflow.testing' has no attribute {name!r}")
        value: object = getattr(import_module(f"grantflow.testing.{_LATE[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
