"""The event loop in virtual time: timers in order, replies before time passes."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from grantflow import Authorized, Client, DeviceFlow
from grantflow.core.flows.states import DeviceState
from grantflow.testing import Script, Server, ServerTransport, VirtualClock, VirtualLoop
from grantflow.timer import TimerDriver
from tests.support.samples import seconds


def test_timers_fire_in_order_and_the_clock_shows_their_time() -> None:
    clock, fired = VirtualClock(), list[tuple[str, timedelta]]()
    loop = VirtualLoop(clock)
    for name, wait in (("late", 9), ("soon", 2), ("soon as well", 2)):
        loop.call_later(seconds(wait), lambda name=name: fired.append((name, clock.now().mono)))
    assert loop.timers == 3
    loop.run_until(lambda: loop.timers == 0)
    assert fired == [("soon", seconds(2)), ("soon as well", seconds(2)), ("late", seconds(9))]


def test_what_is_posted_from_a_thread_comes_before_a_timer() -> None:
    clock, order = VirtualClock(), list[str]()
    loop = VirtualLoop(clock)
    loop.call_later(seconds(60), lambda: order.append("timer"))
    thread = threading.Thread(target=lambda: loop.post(lambda: order.append("posted")))
    thread.start()
    thread.join()
    loop.run_until(lambda: len(order) == 2)
    assert order == ["posted", "timer"]


def test_a_sign_in_and_a_countdown_of_every_second_share_it() -> None:
    clock, seen, ticks = VirtualClock(), list[DeviceState](), list[timedelta]()
    loop = VirtualLoop(clock)
    server = Server(Script(approve_after=seconds(12)))

    def tick() -> None:
        ticks.append(clock.now().mono)
        loop.call_later(seconds(1), tick)

    client = Client(provider=server.provider, client_id="app")
    transport = ServerTransport(server, clock)
    driver = TimerDriver(DeviceFlow(client), loop, seen.append, transport=transport, clock=clock)
    driver.start()
    tick()
    loop.run_until(lambda: isinstance(seen[-1], Authorized))
    assert clock.now().mono == seconds(15)
    assert ticks == [seconds(each) for each in range(15)] or ticks[-1] == seconds(15)


def test_a_loop_with_nothing_to_do_says_so() -> None:
    with pytest.raises(TimeoutError, match="no timer is set"):
        VirtualLoop(VirtualClock()).run_until(lambda: False)
