"""Tools to test applications that sign in: deterministic, without a network, without waiting.

``Server`` is an authorization server as a value and ``answer`` its pure function; ``simulate``
plays a flow against it in virtual time; ``VirtualClock`` and ``ServerTransport`` are the ports of
a driver; ``serve`` puts the same function behind HTTP on loopback.
"""

from grantflow.testing.clock import VirtualClock
from grantflow.testing.script import Outage, Script
from grantflow.testing.server import Server, answer, decided
from grantflow.testing.simulation import ServerTransport, Tick, simulate

__all__ = [
    "Outage",
    "Script",
    "Server",
    "ServerTransport",
    "Tick",
    "VirtualClock",
    "answer",
    "decided",
    "simulate",
]
