"""One sign-in on the screen: the flow is run, and what ended it is said.

A flow ends in ``Expired`` for two reasons: its code expired, or ``--timeout`` did. The advice
differs, so they are told apart here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from attrs import evolve

from grantflow.cli import interrupts
from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, usage
from grantflow.cli.login.flags import Options
from grantflow.cli.login.prepare import Attempt
from grantflow.cli.output import spoken
from grantflow.cli.problems import ended
from grantflow.cli.progress.prompt import best_screen
from grantflow.cli.progress.screen import Events, Screen
from grantflow.core.client.client import Client
from grantflow.core.flows.client_credentials import ClientCredentialsFlow
from grantflow.core.flows.effects import Send
from grantflow.core.flows.flow import Flow, Run, begin
from grantflow.core.flows.flow_for import flow_for
from grantflow.core.flows.refresh import RefreshFlow
from grantflow.core.flows.states import (
    AnyState,
    Authorized,
    DeviceState,
    Expired,
    Failed,
    Pending,
    SlowDown,
    Started,
)
from grantflow.core.flows.states import (
    Final as End,
)
from grantflow.core.messages import sentence
from grantflow.core.values.errors import Unreachable
from grantflow.core.values.response import Fault
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import Instant
from grantflow.core.values.token import Token
from grantflow.shell.ports import Clock, Transport
from grantflow.shell.signing.signed import signed

S = TypeVar("S")

TIMEOUT: Final = "timeout"
"""The ``kind`` of the error that ``--timeout`` causes."""


def signed_in(
    asked: Attempt, options: Options, context: Context, refresh_token: Secret | None = None
) -> Token:
    """Ask the server, and a person if the grant needs one; return the token."""
    view = screen_for(options, context)
    with view:
        if refresh_token is not None:
            renewal = _renewal(asked.client, refresh_token, options.timeout)
            end = _run(renewal, asked, context.clock, view)
        elif options.wanted.grant == "device":
            flow = approval_flow(asked.client, options.timeout, entropy())
            end = _run(flow, asked, context.clock, view)
        else:
            flow_of_machine = _machine_flow(asked.client, options.timeout)
            end = _run(flow_of_machine, asked, context.clock, view)
    match end:
        case Authorized(token):
            return token
        case Expired() | Failed():
            raise _ended(end, asked, options, view)


def _run(flow: Flow[S], asked: Attempt, clock: Clock, view: Callable[[S], None]) -> End:
    return drive(begin(flow, clock.now()), asked.send, clock, lambda going: view(going.phase))


def drive(
    going: Run[S], transport: Transport, clock: Clock, watch: Callable[[Run[S]], None]
) -> End:
    """Run to the end; ``watch`` sees the runs, to store them, and not only their phases.

    What spends a code is not cut short (``interrupts``), and a token holds signals until it is
    stored.
    """
    send = signed(transport, clock)
    while True:
        watch(going)
        match going.due:
            case Send() as due:
                clock.sleep_until(due.not_before)
                if due.spends is not None and due.request.wait is None:
                    interrupts.hold()
                going = going.receive(due, send(due.request), clock.now())
                if not isinstance(going.due, Authorized):
                    interrupts.release()
            case Authorized() as final:
                interrupts.hold()
                return final
            case final:
                return final


def screen_for(options: Options, context: Context, *, prompts: bool = True) -> Screen:
    """Return the screen that the command line asks for."""
    if options.json:
        return Events(context.clock)
    browser = prompts and not options.no_browser and context.terminal.has_display()
    return best_screen(context, browser=browser, picture=prompts and not options.no_qr)


def entropy() -> Secret:
    """Return a random secret, new for each sign-in."""
    return Secret(secrets.token_hex(32))


def approval_flow(client: Client, budget: timedelta | None, made_of: Secret) -> Flow[DeviceState]:
    """Return the flow in which a person approves."""
    try:
        return flow_for(client, entropy=made_of, budget=budget)
    except ValueError as error:  # what a provider of the user's own lacks
        raise usage(f"cannot sign in to {client.provider.name}: {error}") from None


def _renewal(client: Client, token: Secret, budget: timedelta | None) -> RefreshFlow:
    flow = RefreshFlow(client, token)
    return flow if budget is None else evolve(flow, budget=budget)


def _machine_flow(client: Client, budget: timedelta | None) -> ClientCredentialsFlow:
    flow = ClientCredentialsFlow(client)
    return flow if budget is None else evolve(flow, budget=budget)


def _ended(end: Expired | Failed, asked: Attempt, options: Options, view: Screen) -> CommandError:
    where, now = asked.send.asked or asked.profile.place or "", view.clock.now().mono
    if isinstance(end, Expired) and options.timeout is not None and timed_out(view.last, now):
        return _exceeded(end, view.last, now, options.timeout, where)
    return ended(end, where=where)


def timed_out(last: AnyState | None, now: Instant) -> bool:
    """Return whether the caller's deadline ended a run that was in ``last``, and not the code."""
    match last:
        case Started(deadline=deadline):
            return deadline is not None
        case (
            Pending(deadline=deadline, authorization=code, interval=interval)
            | SlowDown(deadline=deadline, authorization=code, interval=interval)
        ):
            if deadline is None or code is None:
                return deadline is not None
            # Earlier than that, it was the server who said that the code has expired.
            return deadline < code.expires_at and deadline - now <= 2 * interval
        case _:
            return False


def _exceeded(
    problem: Expired, last: AnyState | None, now: Instant, limit: timedelta, where: str
) -> CommandError:
    within = f"within the --timeout of {spoken(limit)}"
    code = last.authorization if isinstance(last, (Pending, SlowDown)) else None
    if code is None:
        trouble = _trouble(problem.fault)
        place = f"{where}: " if where and trouble else ""
        return _timeout(f"{place}no token was received {within}{trouble}")
    left = spoken(code.expires_at - now)
    said = f"the sign-in was not approved {within}; its code was valid for another {left}"
    return _timeout(f"{said}{_trouble(problem.fault)}")


def exceeded_at_start(problem: Expired) -> CommandError:
    """Return the error of a started sign-in that the --timeout of its start ended."""
    said = "the --timeout that was given with --start has passed"
    return _timeout(f"{said}{_trouble(problem.fault)}")


def _timeout(problem: str) -> CommandError:
    return CommandError(
        problem, "run the command again with a longer --timeout, or without one", kind=TIMEOUT
    )


def _trouble(fault: Fault | None) -> str:
    return "" if fault is None else f": {sentence(Failed(Unreachable(fault, 1)))}"
