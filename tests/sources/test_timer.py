"""The timer driver: on the loop's thread but for the request, and quiet after the end."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64decode

import pytest

from grantflow import (
    Authorized,
    Cancelled,
    Client,
    ClientCredentialsFlow,
    ClientSecretJwt,
    DeviceFlow,
    Failed,
    Fault,
    Pending,
    Request,
    Secret,
    Unreachable,
)
from grantflow.core.flows.states import DeviceState
from grantflow.core.values.response import Reply
from grantflow.shell import timer
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Transport
from grantflow.shell.timer import TimerDriver
from grantflow.testing import Script, Server, ServerTransport, VirtualClock, VirtualLoop
from tests.support.samples import ACME, CLIENT, WALL, reply, seconds


def flow_of(server: Server) -> DeviceFlow:
    return DeviceFlow(Client(provider=server.provider, client_id="app", scope="a"))


def test_a_cancelled_timer_drops_what_comes_late() -> None:
    clock, seen = VirtualClock(), list[DeviceState]()
    loop = VirtualLoop(clock)
    server = Server(Script(approve_after=seconds(1)))
    driver = TimerDriver(
        flow_of(server), loop, seen.append, transport=ServerTransport(server, clock), clock=clock
    )
    driver.cancel()
    assert driver.run is None
    driver.start()
    loop.run_until(lambda: isinstance(seen[-1], Pending))
    driver.cancel()
    driver.cancel()
    assert seen[-1] == Failed(Cancelled())
    before = len(seen)
    while loop.timers:
        loop.run_until(lambda: not loop.timers)
    assert len(seen) == before


def test_a_watch_may_cancel() -> None:
    clock, seen = VirtualClock(), list[DeviceState]()
    loop = VirtualLoop(clock)
    server = Server()

    def watch(state: DeviceState) -> None:
        seen.append(state)
        if isinstance(state, Pending):
            driver.cancel()

    driver = TimerDriver(
        flow_of(server), loop, watch, transport=ServerTransport(server, clock), clock=clock
    )
    driver.start()
    loop.run_until(lambda: isinstance(seen[-1], Failed))
    assert seen[-1] == Failed(Cancelled())
    assert loop.timers == 0


def test_a_transport_that_breaks_its_promise_still_ends_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, seen = VirtualClock(), list[object]()
    loop = VirtualLoop(clock)

    def broken(request: Request) -> Reply:
        raise ZeroDivisionError("something secret")

    driver = TimerDriver(
        ClientCredentialsFlow(CLIENT), loop, seen.append, transport=broken, clock=clock
    )
    driver.start()
    loop.run_until(lambda: isinstance(seen[-1], Failed))
    fault = Fault("other", "maybe", "ZeroDivisionError")
    assert seen[-1] == Failed(Unreachable(fault, 5))
    assert "it did: ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text


def test_an_assertion_is_signed_by_the_clock_that_was_given() -> None:
    clock, seen, sent = VirtualClock(), list[object](), list[dict[str, object]]()
    loop = VirtualLoop(clock)

    def transport(request: Request) -> Reply:
        assertion = dict(request.form)["client_assertion"]
        assert isinstance(assertion, Secret)
        claims = assertion.reveal().split(".")[1]
        sent.append(json.loads(urlsafe_b64decode(claims + "==")))
        return reply(200, {"access_token": "at"})

    secret = "a-secret-that-is-long-enough-for-hs256"
    client = Client(provider=ACME, client_id="app", authentication=ClientSecretJwt(secret))
    driver = TimerDriver(
        ClientCredentialsFlow(client), loop, seen.append, transport=transport, clock=clock
    )
    driver.start()
    loop.run_until(lambda: isinstance(seen[-1], Authorized))
    assert [claims["iat"] for claims in sent] == [int(WALL.timestamp())]


def test_the_clock_is_there_for_a_countdown() -> None:
    clock = VirtualClock()
    flow, loop = ClientCredentialsFlow(CLIENT), VirtualLoop(clock)
    assert TimerDriver(flow, loop, print, clock=clock).clock is clock
    assert isinstance(TimerDriver(flow, loop, print).clock, SystemClock)


def test_what_comes_after_cancel_is_not_posted_either() -> None:
    """The window may be gone: its loop takes no call any more, and may raise."""
    clock, seen = VirtualClock(), list[object]()
    loop = VirtualLoop(clock)
    asked, answer = threading.Event(), threading.Event()

    def slow(request: Request) -> Reply:
        asked.set()
        answer.wait(60)
        return reply(200, {"access_token": "at"})

    driver = TimerDriver(
        ClientCredentialsFlow(CLIENT), loop, seen.append, transport=slow, clock=clock
    )
    driver.start()
    before = set(threading.enumerate())
    loop.run_until(lambda: not loop.timers)
    (worker,) = set(threading.enumerate()) - before
    assert asked.wait(60)
    driver.cancel()
    answer.set()
    worker.join(60)
    assert seen[-1] == Failed(Cancelled())
    with pytest.raises(TimeoutError, match="nothing was posted"):
        loop.run_until(lambda: False)


def test_the_transport_by_default_is_made_on_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen, makers = VirtualClock(), list[object](), list[str]()
    loop = VirtualLoop(clock)

    def made() -> Transport:
        makers.append(threading.current_thread().name)
        return lambda _: Fault("timeout", "maybe")

    monkeypatch.setattr(timer, "default_transport", made)
    driver = TimerDriver(ClientCredentialsFlow(CLIENT), loop, seen.append, clock=clock)
    driver.start()
    loop.run_until(lambda: isinstance(seen[-1], Failed))
    assert makers == [timer.WORKER]  # once, though it asked five times
