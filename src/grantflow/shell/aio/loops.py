"""What asyncio and trio do differently: calls from other threads, and tasks that nobody owns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Protocol, TypeAlias, final

import anyio
from attrs import frozen

if TYPE_CHECKING:
    import trio

Main: TypeAlias = Callable[[], Coroutine[object, object, None]]


class Loop(Protocol):
    """An event loop, as a value: equal where it is the same loop."""

    @property
    def ended(self) -> bool:
        """Tell whether it runs no more."""
        ...

    def post(self, call: Callable[[], None], /) -> None:
        """Call on the loop's thread soon; safe from any thread, and nothing once it has ended."""
        ...

    def spawn(self, main: Main, /) -> object:
        """Run in a task of its own, out of reach of anybody's cancellation; it must not raise.

        The task goes on for as long as somebody keeps what is returned.
        """
        ...


def running_loop() -> Loop:
    """Return the event loop of this task."""
    if anyio.get_cancelled_exc_class() is asyncio.CancelledError:
        return _Asyncio(asyncio.get_running_loop())
    import trio

    return _Trio(trio.lowlevel.current_trio_token())


@final
@frozen
class _Asyncio:
    _loop: asyncio.AbstractEventLoop

    @property
    def ended(self) -> bool:
        return self._loop.is_closed()

    def post(self, call: Callable[[], None], /) -> None:
        with suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(call)

    def spawn(self, main: Main, /) -> object:
        task = self._loop.create_task(main(), name="grantflow")
        # ``asyncio.run`` cancels in the end whatever is registered, even what others wait for.
        asyncio._unregister_task(task)  # noqa: SLF001 - documented, for extending asyncio
        return task


@final
@frozen
class _Trio:
    _token: trio.lowlevel.TrioToken

    @property
    def ended(self) -> bool:
        return False  # its tasks end before it does

    def post(self, call: Callable[[], None], /) -> None:
        with suppress(RuntimeError):  # it has ended
            self._token.run_sync_soon(call)

    def spawn(self, main: Main, /) -> object:
        import trio

        return trio.lowlevel.spawn_system_task(main, name="grantflow", context=copy_context())
