"""Runs: a flow with its state, as a value; and what a driver hands out at the end."""

from __future__ import annotations

from typing import get_args

import pytest
from attrs import evolve

from grantflow import (
    Authorized,
    Backoff,
    Cancelled,
    ClientCredentialsFlow,
    CodeExpired,
    CodeIssued,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Failed,
    Fault,
    GaveUp,
    InvalidResponse,
    Pending,
    RefreshFlow,
    Send,
    SlowDown,
    SlowDownAsked,
    Started,
    StillPending,
    Token,
    TokenIssued,
    Unanswered,
    begin,
    outcome,
)
from grantflow.core.client.provider import FlowName
from grantflow.core.flows.dpop import Proving
from grantflow.core.flows.events import Event
from grantflow.core.flows.flow_for import SIGN_INS
from grantflow.core.flows.states import postponed
from grantflow.core.flows.two_step import Exchanging, exchanging
from grantflow.core.values.json import Members
from grantflow.flows import flow_for, phase
from tests.support.samples import CLIENT, instant, moment, reply, seconds

TOKEN = Token(access_token="at")
CODE = DeviceAuthorization("dc", "uc", "https://a.example", instant(600))


def test_a_run_is_a_value_that_is_told_what_happened() -> None:
    run = begin(DeviceFlow(CLIENT), moment(3))
    due = run.due
    assert isinstance(due, Send)
    body = {"device_code": "d", "user_code": "u", "verification_uri": "https://a.example"}
    waiting = run.receive(due, reply(200, body), moment(4))
    assert run.state == Started(instant(3))
    assert isinstance(waiting.state, Pending)
    assert waiting.state.not_before == instant(9)
    assert waiting == begin(DeviceFlow(CLIENT), moment(3)).receive(due, reply(200, body), moment(4))
    assert waiting.apply(GaveUp(instant(5))).due == Failed(Cancelled())


def test_the_flow_of_a_grant_is_the_one_that_the_provider_names() -> None:
    pauses = Backoff(tries=2)
    assert flow_for(CLIENT, backoff=pauses) == DeviceFlow(CLIENT, backoff=pauses)
    assert flow_for(CLIENT, "client_credentials") == ClientCredentialsFlow(CLIENT)
    short = flow_for(CLIENT, "client_credentials", budget=seconds(5))
    assert short == ClientCredentialsFlow(CLIENT, budget=seconds(5))
    assert set(SIGN_INS) == set(get_args(FlowName))


def test_what_is_wrapped_is_found_postponed_and_told() -> None:
    waiting = Pending(CODE, seconds(5), instant(5), faults=3)
    second = Proving(Exchanging(waiting, Members({"code": "c"})), "n-1")
    assert phase(second) is waiting
    assert exchanging(second)
    assert not exchanging(Proving(waiting, "n-1"))
    assert not exchanging(waiting)
    later = postponed(second, instant(9), faults=0)
    assert phase(later) == Pending(CODE, seconds(5), instant(9))
    assert exchanging(later)


def test_outcome_is_the_token_or_the_reason() -> None:
    assert outcome(Authorized(TOKEN)).unwrap() == TOKEN
    assert outcome(Expired()).failure() == Expired()
    assert outcome(Failed(Cancelled())).failure() == Failed(Cancelled())


@pytest.mark.parametrize(
    "event",
    [
        TokenIssued(instant(1), TOKEN),
        StillPending(instant(1)),
        SlowDownAsked(instant(1)),
        CodeExpired(instant(1)),
    ],
)
def test_a_token_answer_where_a_code_was_asked_for_fails(event: Event) -> None:
    flow = DeviceFlow(CLIENT)
    assert flow.step(flow.start(moment()), event) == Failed(
        InvalidResponse(f"unexpected event: {type(event).__name__}")
    )


def test_a_code_where_a_token_was_asked_for_fails() -> None:
    state = Pending(CODE, seconds(5), instant(5))
    assert DeviceFlow(CLIENT).step(state, CodeIssued(instant(6), CODE)) == Failed(
        InvalidResponse("unexpected event: CodeIssued")
    )


@pytest.mark.parametrize(
    "event", [CodeIssued(instant(1), CODE), StillPending(instant(1)), CodeExpired(instant(1))]
)
@pytest.mark.parametrize("flow", [ClientCredentialsFlow(CLIENT), RefreshFlow(CLIENT, "rt")])
def test_a_device_event_where_nobody_waits_fails(
    flow: ClientCredentialsFlow | RefreshFlow, event: Event
) -> None:
    state = flow.step(flow.start(moment()), event)
    assert isinstance(state, Failed)
    assert isinstance(state.error, InvalidResponse)


def test_a_device_run_has_a_budget_of_its_own_if_asked() -> None:
    flow = DeviceFlow(CLIENT, budget=seconds(20))
    state = flow.step(flow.start(moment()), CodeIssued(instant(1), CODE))
    for at in (6, 11):
        state = flow.step(state, StillPending(instant(at)))
        assert isinstance(state, Pending)
    assert flow.step(state, StillPending(instant(16))) == Expired()


def test_a_device_run_whose_budget_ends_before_an_answer_expires() -> None:
    fault = Fault("refused", "no")
    flow = DeviceFlow(CLIENT, budget=seconds(2), backoff=Backoff(base=seconds(1)))
    state = flow.step(flow.start(moment()), Unanswered(instant(0), fault))
    assert state == Started(instant(1), 1, instant(2))
    assert flow.step(state, Unanswered(instant(1), fault)) == Expired(fault)


def test_a_pause_before_the_code_that_nobody_sits_through_is_told() -> None:
    flow = DeviceFlow(CLIENT)
    fault = Fault("http", "maybe", "HTTP 503", retry_after=seconds(301))
    end = flow.step(flow.start(moment()), Unanswered(instant(0), fault))
    assert end == Expired(fault)
    patient = evolve(fault, retry_after=seconds(300))
    waits = flow.step(flow.start(moment()), Unanswered(instant(0), patient))
    assert isinstance(waits, Started)


def test_a_fleet_told_to_wait_comes_back_spread() -> None:
    flow = ClientCredentialsFlow(CLIENT)
    state = flow.start(moment())
    times = set()
    for roll in (0.0, 0.5, 0.9):
        after = flow.step(state, SlowDownAsked(instant(0), None, seconds(10), roll))
        assert isinstance(after, SlowDown)
        assert after.not_before >= instant(10)
        times.add(after.not_before)
    assert len(times) == 3


def test_a_grant_whose_budget_ends_before_the_next_attempt_expires() -> None:
    flow = ClientCredentialsFlow(CLIENT, budget=seconds(2))
    fault = Fault("refused", "no")
    assert flow.step(flow.start(moment()), Unanswered(instant(1.5), fault)) == Expired(fault)
    asked = SlowDownAsked(instant(0), None, seconds(3600))
    state = flow.step(flow.start(moment()), asked)
    assert isinstance(state, Expired), "an hour's pause is not waited for"
