"""10,000 device sign-ins at once in one process, on one thread, in virtual time.

All wait for their person at the same moment, each in a task of its own. There are no sockets, so
this is the cost of the library and its event loop.
"""

from __future__ import annotations

import resource
import time
from datetime import timedelta

import anyio
from measured import Part, Row

from grantflow import Authorized, Client, DeviceFlow, Pending
from grantflow.core.flows.states import DeviceState
from grantflow.shell import aio
from grantflow.testing import (
    AsyncServerTransport,
    AsyncVirtualClock,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
)

FEW, MANY = 100, 10_000


def together(people: int) -> tuple[float, int, int]:
    """Return the CPU time of one sign-in in ms, how many waited at once, and how many got in."""
    clock = VirtualClock()
    server = ServerTransport(Server(Script(approve_after=timedelta(seconds=3))), clock)
    flow = DeviceFlow(Client(provider=server.server.provider, client_id="app"))
    waiting: set[int] = set()
    ends: list[object] = []
    most = 0

    async def one(number: int) -> None:
        nonlocal most

        def watch(state: DeviceState) -> None:
            nonlocal most
            if isinstance(state, Pending):
                waiting.add(number)
                most = max(most, len(waiting))

        ends.append(
            await aio.run(flow, AsyncServerTransport(server), AsyncVirtualClock(clock), watch)
        )
        waiting.discard(number)

    async def everybody() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(people):
                tasks.start_soon(one, number)

    began = time.process_time()
    anyio.run(everybody)
    spent = 1000 * (time.process_time() - began) / people
    return spent, most, sum(isinstance(end, Authorized) for end in ends)


def main() -> None:
    """Measure, and tell."""
    together(FEW)
    part = Part(head=["Sign-ins at once", "Signed in", "Waiting at once", "CPU each", "Memory"])
    each: dict[int, float] = {}
    for people in (FEW, 1_000, MANY):
        each[people], most, done = together(people)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        cells = (f"{done:,}", f"{most:,}", f"{each[people]:.2f} ms", f"{memory:.0f} MiB")
        part.lines.append([f"{people:,}", *cells])
    what = f"one of {MANY:,} sign-ins at once in one process"
    part.rows = [Row(what, each[MANY], each[FEW], f"one of {FEW}", None, "ms")]
    part.tell()


if __name__ == "__main__":
    main()
