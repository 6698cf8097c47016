"""The asynchronous side, on asyncio or trio: the driver and the token source."""

from grantflow.shell.aio import (
    AsyncClock,
    AsyncTokenSource,
    AsyncTransport,
    in_thread,
    run,
)

__all__ = ["AsyncClock", "AsyncTokenSource", "AsyncTransport", "in_thread", "run"]
