"""The blocking driver: perform what is due once, then tell the run what happened."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar, assert_never

from grantflow.core.flows.effects import Send
from grantflow.core.flows.flow import Flow, Run, begin
from grantflow.core.flows.states import Authorized, Expired, Failed, Final
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Clock, Transport
from grantflow.shell.signing.signed import signed

S = TypeVar("S")


def run(
    flow: Flow[S],
    transport: Transport | None = None,
    clock: Clock | None = None,
    watch: Callable[[S], None] | None = None,
) -> Final:
    """Run a flow to its end and return its final state.

    ``transport`` is ``requests`` by default, ``clock`` this machine's. ``watch`` sees every phase,
    the first and the last included. Nothing is raised for what a server or a network does.
    """
    time = clock or SystemClock()
    return resume(begin(flow, time.now()), transport, time, watch)


def resume(
    going: Run[S],
    transport: Transport | None = None,
    clock: Clock | None = None,
    watch: Callable[[S], None] | None = None,
) -> Final:
    """Go on with a run, such as one that ``load_run`` read, to its end; arguments as of ``run``."""
    time = clock or SystemClock()
    send = signed(transport or default_transport(), time)
    while True:
        if watch is not None:
            watch(going.phase)
        match going.due:
            case Send() as due:
                time.sleep_until(due.not_before)
                reply = send(due.request)
                going = going.receive(due, reply, time.now())
            case (Authorized() | Expired() | Failed()) as final:
                return final
            case other:
                assert_never(other)


def one_step(
    going: Run[S], transport: Transport | None = None, clock: Clock | None = None
) -> Run[S]:
    """Perform what a run has due, once, if it is due now; return the run as it is then.

    It never waits, so a worker that finds many kept runs can go through them: a run that has ended,
    or whose next request is not due before ``run.due.not_before``, is returned as it is.
    """
    time = clock or SystemClock()
    due = going.due
    if not isinstance(due, Send) or time.now().mono < due.not_before:
        return going
    reply = signed(transport or default_transport(), time)(due.request)
    return going.receive(due, reply, time.now())


def default_transport() -> Transport:
    """Return the transport of this process over ``requests``, loaded when something is sent.

    One serves all flows and sources, so a few connections do; they hold no cookies.
    """
    return _send


def _send(request: Request, /) -> Reply:
    return _shared()(request)


@cache
def _shared() -> Transport:
    from grantflow.shell.http.requests import RequestsTransport

    return RequestsTransport()
