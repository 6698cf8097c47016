"""The asynchronous side, on asyncio or trio: the driver, discovery and the token source."""

from grantflow.shell.aio import (
    AsyncClock,
    AsyncTokenSource,
    AsyncTransport,
    discover,
    discover_resource,
    in_thread,
    resume,
    run,
)

__all__ = [
    "AsyncClock",
    "AsyncTokenSource",
    "AsyncTransport",
    "discover",
    "discover_resource",
    "in_thread",
    "resume",
    "run",
]
