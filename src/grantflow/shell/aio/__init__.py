"""The async side, for asyncio and trio: a driver of flows, and the front door that awaits.

Rules:

1. Nothing here blocks the event loop: what blocks (a store and its lock, ``requests``, a key in an
   HSM, a function of the caller's) is done by a thread.
2. Cancellation leaves nothing half done and nothing unsaved (``flights``).
"""

from __future__ import annotations

from grantflow.shell.aio.driver import (
    AsyncClock,
    AsyncSystemClock,
    AsyncTransport,
    default_transport,
    discover,
    discover_resource,
    in_thread,
    resume,
    run,
)
from grantflow.shell.aio.source import AsyncTokenSource

__all__ = [
    "AsyncClock",
    "AsyncSystemClock",
    "AsyncTokenSource",
    "AsyncTransport",
    "default_transport",
    "discover",
    "discover_resource",
    "in_thread",
    "resume",
    "run",
]
