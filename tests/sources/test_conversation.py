"""Hypothesis talks to the device flow with timings of its own choice."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from grantflow import (
    Authorized,
    DeviceFlow,
    Expired,
    Failed,
    GaveUp,
    Instant,
    Moment,
    Pending,
    Run,
    Send,
    SlowDown,
    begin,
)
from grantflow.core.flows.states import DeviceState
from grantflow.core.values.response import Reply, Response
from tests.support.effort import effort
from tests.support.samples import CLIENT, WALL, seconds
from tests.support.strategies import replies, spans

PENDING = Response(400, {}, b'{"error": "authorization_pending"}')
SLOWER = Response(400, {}, b'{"error": "slow_down"}')


class Conversation(RuleBasedStateMachine):
    """A run, a clock that never goes back, and whatever a server may say."""

    @initialize(budget=spans(1, 500))
    def start(self, budget: timedelta) -> None:
        self.now = Instant(timedelta())
        self.run: Run[DeviceState] = begin(DeviceFlow(CLIENT, budget=budget), self.moment())
        self.last_reply: Instant | None = None
        self.end: Instant | None = None
        self.deadline = budget

    def moment(self) -> Moment:
        return Moment(self.now, WALL + self.now, 0.5)

    @property
    def waiting(self) -> Send:
        due = self.run.due
        assert isinstance(due, Send)
        return due

    def is_open(self) -> bool:
        return isinstance(self.run.due, Send)

    def hear(self, reply: Reply, late: timedelta, latency: timedelta) -> None:
        before, send = self.run.state, self.waiting
        self.now = Instant(max(self.now, send.not_before) + late)
        if isinstance(before, (Pending, SlowDown)) and self.last_reply is not None:
            assert self.now - self.last_reply >= before.interval
        self.now = Instant(self.now + latency)
        self.run = self.run.receive(send, reply, self.moment())
        self.last_reply = self.now
        after = self.run.state
        if isinstance(before, (Pending, SlowDown)) and isinstance(after, (Pending, SlowDown)):
            assert after.interval >= before.interval
        if isinstance(after, (Pending, SlowDown)):
            assert after.not_before < min(after.authorization.expires_at, self.deadline)

    @precondition(is_open)
    @rule(lifetime=spans(1, 400), interval=spans(0, 30), late=spans(0, 5), latency=spans(0, 5))
    def code(
        self, lifetime: timedelta, interval: timedelta, late: timedelta, latency: timedelta
    ) -> None:
        body = (
            f'{{"device_code": "dc", "user_code": "uc", "verification_uri": "https://a.example",'
            f'"expires_in": {lifetime.total_seconds()}, "interval": {interval.total_seconds()}}}'
        )
        self.hear(Response(200, {}, body.encode()), late, latency)

    @precondition(is_open)
    @rule(late=spans(0, 5), latency=spans(0, 5))
    def pending(self, late: timedelta, latency: timedelta) -> None:
        self.hear(PENDING, late, latency)

    @precondition(is_open)
    @rule(late=spans(0, 5), latency=spans(0, 5))
    def slower(self, late: timedelta, latency: timedelta) -> None:
        self.hear(SLOWER, late, latency)

    @precondition(is_open)
    @rule(reply=replies, late=spans(0, 5), latency=spans(0, 5))
    def anything(self, reply: Reply, late: timedelta, latency: timedelta) -> None:
        self.hear(reply, late, latency)

    @rule()
    def give_up(self) -> None:
        before = self.run.state
        self.run = self.run.apply(GaveUp(self.now))
        if isinstance(before, (Authorized, Expired, Failed)):
            assert self.run.state == before

    @invariant()
    def what_is_due_is_the_state_s_alone(self) -> None:
        if hasattr(self, "run"):
            due = self.run.due
            assert due == self.run.flow.due(self.run.state)
            if isinstance(due, Send):
                assert due.not_before >= (self.last_reply or seconds(0))


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=effort(25, 150), stateful_step_count=30, deadline=None
)
