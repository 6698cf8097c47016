"""A sign-in that one process begins and another finishes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from textwrap import dedent

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    InvalidResponse,
    Moment,
    Pending,
    Provider,
    RegistrationFlow,
    Run,
    Send,
    SlowDown,
    Started,
    begin,
    providers,
)
from grantflow.core.flows.dpop import Proving
from grantflow.core.flows.flow import bound
from grantflow.core.flows.run_codec import dump_run, load_run
from grantflow.core.flows.states import DeviceState, Wrapper
from grantflow.core.flows.two_step import Exchanging
from grantflow.core.values.json import Members
from grantflow.flows import LinkFlow, flow_for
from grantflow.shell.blocking import default_transport
from grantflow.shell.clock import SystemClock
from grantflow.signing import dpop_key
from grantflow.testing import Script, serve
from tests.support.samples import ACME, CLIENT, WALL, instant, moment, reply, seconds
from tests.support.strategies import json_values, spans

FLOW = DeviceFlow(CLIENT)
CODE = DeviceAuthorization("dc-1", "WDJB-MJHT", "https://acme.example/go", instant(600))
WAITING = Run(FLOW, Pending(CODE, seconds(5), instant(105), polls=2))
NOW = moment(100)


def elsewhere(mono: float, wall: float) -> Moment:
    """The clocks of another machine: ``wall`` seconds after this one's wall clock said 0."""
    return Moment(instant(mono), WALL + timedelta(seconds=wall))


def state(run: Run[DeviceState]) -> Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]:
    assert isinstance(run.state, (Pending, SlowDown))
    return run.state


text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
codes = st.builds(
    DeviceAuthorization,
    text,
    st.just("WDJB"),
    st.just("https://acme.example/go"),
    spans(102, 3000),
    spans(1, 60),
    st.none() | st.just("https://acme.example/go?c=1"),
    st.dictionaries(text, json_values, max_size=2),
)
waiting = st.builds(
    lambda kind, *rest: kind(*rest),
    st.sampled_from([Pending, SlowDown]),
    codes,
    spans(1, 60),
    spans(100, 101),
    st.integers(0, 50),
    st.integers(0, 4),
    st.none() | spans(102, 5000),
)
started = st.builds(Started, spans(100, 101), st.integers(0, 4), st.none() | spans(102, 5000))
TWO_STEPS = Client(provider=providers.find("real-debrid"), client_id="app")
exchanging = st.builds(
    Exchanging, waiting, st.just(Members({"client_id": "c", "client_secret": "s"}))
)


def proving(states: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.builds(Proving, states, text, st.integers(0, 4))


@settings(deadline=None)
@given(waiting | started)
def test_what_is_kept_is_what_is_read(kept: DeviceState) -> None:
    run = Run[DeviceState](FLOW, kept)
    document = json.loads(json.dumps(dump_run(run, NOW)))
    assert load_run(document, FLOW, NOW).unwrap() == run


@settings(deadline=None)
@given(waiting | exchanging | proving(waiting | exchanging))
def test_so_it_is_with_all_that_is_wrapped_around_it(kept: DeviceState) -> None:
    client = evolve(TWO_STEPS, dpop=dpop_key()) if isinstance(kept, Proving) else TWO_STEPS
    flow = flow_for(client)
    run = Run(bound(flow), kept)
    document = json.loads(json.dumps(dump_run(run, NOW)))
    assert load_run(document, flow, NOW).unwrap() == run


def test_a_token_request_is_kept_as_well() -> None:
    flow = ClientCredentialsFlow(CLIENT)
    run = begin(flow, NOW)
    due = run.due
    assert isinstance(due, Send)
    for going in (run, run.receive(due, reply(500), NOW), run.receive(due, reply(429), NOW)):
        document = json.loads(json.dumps(dump_run(going, NOW)))
        assert load_run(document, flow, NOW).unwrap() == going


def test_times_are_those_of_the_reader() -> None:
    read = state(load_run(dump_run(WAITING, NOW), FLOW, elsewhere(9000, 102)).unwrap())
    assert read.not_before == instant(9003)
    assert read.authorization.expires_at == instant(9498)
    assert (read.polls, read.interval) == (2, seconds(5))


def test_a_clock_that_was_set_back_gives_no_more_time() -> None:
    read = state(load_run(dump_run(WAITING, NOW), FLOW, elsewhere(50, -4000)).unwrap())
    assert read.not_before == instant(55)
    assert read.authorization.expires_at == instant(550)


def test_a_budget_goes_on() -> None:
    run = evolve(WAITING, state=evolve(state(WAITING), deadline=instant(130)))
    read = state(load_run(dump_run(run, NOW), FLOW, elsewhere(0, 110)).unwrap())
    assert read.deadline == instant(20)


@pytest.mark.parametrize("after", [600, 10**9])
def test_what_lay_too_long_has_expired(after: float) -> None:
    document = dump_run(WAITING, NOW)
    assert load_run(document, FLOW, elsewhere(5, after)).unwrap().state == Expired()
    late = state(load_run(document, FLOW, elsewhere(5, 598)).unwrap())
    assert late.not_before == instant(5)  # one legal poll is left, and it is due


@pytest.mark.parametrize(
    "other",
    [
        evolve(CLIENT, client_id="other"),
        evolve(CLIENT, scope="read"),
        evolve(CLIENT, provider=evolve(ACME, token_endpoint="https://other.example/token")),
        evolve(CLIENT, provider=evolve(ACME, poll_endpoint="https://other.example/poll")),
    ],
)
def test_it_belongs_to_one_ask(other: Client) -> None:
    read = load_run(dump_run(WAITING, NOW), DeviceFlow(other), NOW)
    assert read.failure() == InvalidResponse(
        "stored run: it belongs to another client, scope, provider or flow"
    )


@pytest.mark.parametrize("name", sorted(dump_run(WAITING, NOW)))
@settings(deadline=None, max_examples=30)
@given(value=json_values)
def test_damage_is_told_and_never_raised(name: str, value: object) -> None:
    document = dump_run(WAITING, NOW)
    for damaged in ({**document, name: value}, {k: v for k, v in document.items() if k != name}):
        read = load_run(damaged, FLOW, NOW)
        either = read.value_or(None)
        if either is None:
            assert read.failure().problem.startswith("stored run: ")
            assert "dc-1" not in read.failure().problem
        else:
            assert isinstance(either.state, (Pending, SlowDown, Expired))


def test_what_is_no_json_is_told() -> None:
    assert isinstance(load_run({"version": object()}, FLOW, NOW).failure(), InvalidResponse)


@pytest.mark.parametrize(
    "value", ["javascript:alert(1)", "https://acme.example/\x1b[2J", "", None, 5]
)
def test_links_are_checked_as_if_they_had_just_come(value: object) -> None:
    for name in ("verification_uri", "verification_uri_complete"):
        document = {**dump_run(WAITING, NOW), name: value}
        assert isinstance(load_run(document, FLOW, NOW).failure(), InvalidResponse)


def test_only_what_waits_can_be_kept() -> None:
    with pytest.raises(ValueError, match="run: it has ended"):
        dump_run(Run[DeviceState](FLOW, Expired()), NOW)
    provider = evolve(ACME, registration_endpoint="https://acme.example/register")
    registration = begin(RegistrationFlow(provider=provider, client_name="x"), NOW)
    with pytest.raises(ValueError, match="a RegistrationFlow has no client"):
        dump_run(registration, NOW)
    with pytest.raises(ValueError, match="an authorization of str"):
        dump_run(Run[object](FLOW, Pending("mine", seconds(5), instant(5))), NOW)
    with pytest.raises(ValueError, match="a state of Wrapper"):
        dump_run(Run[object](FLOW, Wrapper(Started(instant(0)))), NOW)


def test_a_state_that_the_flow_does_not_have_is_refused() -> None:
    link = LinkFlow(Client(provider=providers.find("dagshub"), client_id="app"), "e" * 43)
    started = {**dump_run(begin(link, NOW), NOW), "state": "started"}
    assert load_run(started, link, NOW).failure().problem.endswith("state is not one that waits")
    grant = {**dump_run(WAITING, NOW), "grant": {"client_id": "c"}}
    assert "a grant is not what" in load_run(grant, FLOW, NOW).failure().problem


def test_the_second_of_two_steps_is_kept_as_well() -> None:
    flow = flow_for(TWO_STEPS)
    grant = Members({"client_id": "c", "client_secret": "s"})
    run = Run(flow, Exchanging(Pending(CODE, seconds(1), instant(100)), grant))
    read = load_run(dump_run(run, NOW), flow, NOW).unwrap()
    assert read == run
    due = read.due
    assert isinstance(due, Send)
    done = read.receive(due, reply(200, {"access_token": "at"}), NOW)
    assert isinstance(done.state, Authorized)


FINISH = dedent(
    """
    import json, sys
    from grantflow import Client, DeviceFlow, Provider
    from grantflow.core.flows.run_codec import load_run
    from grantflow.shell.blocking import default_transport
    from grantflow.shell.clock import SystemClock

    url = sys.argv[1]
    provider = Provider(
        name="acme", token_endpoint=url + "/token", device_authorization_endpoint=url + "/device"
    )
    flow = DeviceFlow(Client(provider=provider, client_id="app"))
    clock, send = SystemClock(), default_transport()
    run = load_run(json.load(sys.stdin), flow, clock.now()).unwrap()
    while hasattr(due := run.due, "request"):
        clock.sleep_until(due.not_before)
        run = run.receive(due, send(due.request), clock.now())
    print(type(due).__name__)
    """
)


def test_another_process_finishes() -> None:
    with serve(Script(approve_after=timedelta(), interval=seconds(1))) as server:
        url = server.provider.token_endpoint.removesuffix("/token")
        provider = Provider(
            name="acme",
            token_endpoint=f"{url}/token",
            device_authorization_endpoint=f"{url}/device",
        )
        flow = DeviceFlow(Client(provider=provider, client_id="app"))
        clock = SystemClock()
        run = begin(flow, clock.now())
        due = run.due
        assert isinstance(due, Send)
        run = run.receive(due, default_transport()(due.request), clock.now())
        kept = json.dumps(dump_run(run, clock.now()))
        finished = subprocess.run(
            [sys.executable, "-c", FINISH, url],
            input=kept,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (finished.stdout, finished.returncode) == ("Authorized\n", 0), finished.stderr


def test_one_issuer_s_other_endpoints_are_another_ask() -> None:
    issued = evolve(ACME, issuer="https://acme.example")
    other = evolve(issued, token_endpoint="https://other.example/token")
    run = Run[DeviceState](DeviceFlow(evolve(CLIENT, provider=issued)), state(WAITING))
    flow = DeviceFlow(evolve(CLIENT, provider=other))
    assert isinstance(load_run(dump_run(run, NOW), flow, NOW).failure(), InvalidResponse)


def test_where_to_poll_is_checked_as_if_it_had_just_come() -> None:
    client = Client(provider=providers.find("dvc-studio"), client_id="app")
    flow = flow_for(client)
    home = "https://studio.datachain.ai/api/device-login/token"
    told = Run[DeviceState](
        flow, evolve(state(WAITING), authorization=evolve(CODE, extra={"token_uri": home}))
    )
    document = dump_run(told, NOW)
    assert load_run(document, flow, NOW).unwrap() == told
    for elsewhere_told in ("https://evil.example/t", 5, "x"):
        moved = {**document, "extra": {"token_uri": elsewhere_told}}
        assert "not on the provider's origin" in load_run(moved, flow, NOW).failure().problem


def test_the_verifier_is_kept_with_its_run() -> None:
    dex = evolve(CLIENT, provider=evolve(ACME, pkce=True))
    first, second = (DeviceFlow(dex, verifier=letter * 43) for letter in "ab")
    document = dump_run(Run[DeviceState](first, state(WAITING)), NOW)
    assert load_run(document, second, NOW).unwrap().flow == first
    damaged = {**document, "verifier": "too short"}
    assert "verifier: 43 to 128" in load_run(damaged, first, NOW).failure().problem


def test_a_middleman_s_other_entropy_does_not_finish_it() -> None:
    client = Client(provider=providers.find("dagshub"), client_id="app")
    first, second = (LinkFlow(client, letter * 43) for letter in "ab")
    document = dump_run(begin(first, NOW), NOW)
    assert load_run(document, first, NOW).unwrap() == begin(first, NOW)
    assert isinstance(load_run(document, second, NOW).failure(), InvalidResponse)


def test_the_reader_s_budget_counts_where_it_ends_first() -> None:
    for budget in (seconds(60), seconds(9000)):
        flow = DeviceFlow(CLIENT, budget=budget)
        read = state(load_run(dump_run(WAITING, NOW), flow, NOW).unwrap())
        assert read.deadline == instant(100 + budget.total_seconds())
    run = evolve(WAITING, state=evolve(state(WAITING), deadline=instant(130)))
    flow = DeviceFlow(CLIENT, budget=seconds(60))
    assert state(load_run(dump_run(run, NOW), flow, NOW).unwrap()).deadline == instant(130)
