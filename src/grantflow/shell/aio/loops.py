"""What asyncio and trio do differently: calls from other threads, and tasks that nobody owns."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Protocol, TypeAlias, final

import anyio

if TYPE_CHECKING:
    import asyncio

    import trio

Main: TypeAlias = Callable[[], Coroutine[object, object, None]]


class Loop(Protocol):
    """An event loop that runs; ``name`` tells it from others."""

    @property
    def name(self) -> Hashable:
        """Return what no other loop that runs is named."""
        ...

    def post(self, call: Callable[[], None], /) -> None:
        """Call on the loop's thread soon; safe from any thread, and nothing once it has ended."""
        ...

    def spawn(self, main: Main, /) -> None:
        """Run in a task of its own, out of reach of anybody's cancellation; it must not raise."""
        ...


def running_loop() -> Loop:
    """Return the event loop of this task."""
    import asyncio

    if anyio.get_cancelled_exc_class() is asyncio.CancelledError:
        return _Asyncio(asyncio.get_running_loop())
    import trio

    return _Trio(trio.lowlevel.current_trio_token())


_tasks: set[asyncio.Task[None]] = set()
"""A loop itself refers to its tasks but weakly."""


@final
class _Asyncio:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @property
    def name(self) -> Hashable:
        return self._loop

    def post(self, call: Callable[[], None], /) -> None:
        with suppress(RuntimeError):  # it was closed
            self._loop.call_soon_threadsafe(call)

    def spawn(self, main: Main, /) -> None:
        task = self._loop.create_task(main(), name="grantflow")
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


@final
class _Trio:
    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token

    @property
    def name(self) -> Hashable:
        return self._token

    def post(self, call: Callable[[], None], /) -> None:
        with suppress(RuntimeError):  # it has ended
            self._token.run_sync_soon(call)

    def spawn(self, main: Main, /) -> None:
        import trio

        trio.lowlevel.spawn_system_task(main, name="grantflow", context=copy_context())
