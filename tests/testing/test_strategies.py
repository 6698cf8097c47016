"""Strategies for hypothesis: every type of the facade can be drawn, and is plausible."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantflow import (
    Client,
    ClientCredentialsFlow,
    DeviceAuthorization,
    DeviceFlow,
    DeviceState,
    Event,
    Failed,
    Fault,
    GrantState,
    Instant,
    Moment,
    Pending,
    Provider,
    Response,
    Secret,
    SlowDown,
    Started,
    Token,
)
from grantflow.codec import dump_token, load_token
from grantflow.core.flows.states import Authorized, Expired
from grantflow.testing import Script, Server, simulate, strategies

DRAWN = [
    *(Client, DeviceAuthorization, Fault, Instant, Moment, Pending, Provider, Response, Secret),
    *(SlowDown, Started, Failed, Token, Script, Server, DeviceState, GrantState, Event),
]


@pytest.mark.parametrize("kind", DRAWN, ids=str)
def test_every_type_can_be_drawn(kind: type[object]) -> None:
    drawn: list[object] = []

    @given(st.from_type(kind))
    def draw(value: object) -> None:
        drawn.append(value)

    draw()
    assert drawn


@given(st.from_type(DeviceState), st.from_type(GrantState))
def test_a_waiting_state_waits_for_what_its_type_says(
    device: DeviceState, grant: GrantState
) -> None:
    if isinstance(device, (Pending, SlowDown)):
        assert isinstance(device.authorization, DeviceAuthorization)
    if isinstance(grant, (Pending, SlowDown)):
        assert grant.authorization is None


@given(strategies.clients(), strategies.device_states(), strategies.events())
def test_a_flow_takes_every_state_and_every_event(
    client: Client, state: DeviceState, event: Event
) -> None:
    flow = DeviceFlow(client)
    after = flow.step(state, event)
    assert isinstance(after, (Started, Pending, SlowDown, Authorized, Expired, Failed))
    if isinstance(state, (Authorized, Expired, Failed)):
        assert after == state


@given(strategies.tokens())
def test_a_token_survives_being_kept(token: Token) -> None:
    assert load_token(dump_token(token)).unwrap() == token


@given(strategies.servers())
def test_a_server_is_one_to_play_against(server: Server) -> None:
    client = Client(provider=server.provider, client_id="app")
    ticks = list(simulate(ClientCredentialsFlow(client), server))
    assert all(later.at >= earlier.at for earlier, later in pairwise(ticks))
    assert isinstance(ticks[-1].state, (Authorized, Expired, Failed))


@given(strategies.moments(), strategies.spans(1, 2))
def test_times_have_a_zone_and_lie_within_what_was_asked(moment: Moment, span: timedelta) -> None:
    assert moment.wall.tzinfo is not None
    assert timedelta(seconds=1) <= span <= timedelta(seconds=2)


def test_hypothesis_is_told_by_an_entry_point() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    (target,) = project["project"]["entry-points"]["hypothesis"].values()
    module, name = target.split(":")
    getattr(import_module(module), name)()
    # In the order in which hypothesis does it: before anything else of this library is imported.
    code = (
        "from hypothesis import strategies as st;"
        f"from {module} import {name}; {name}();"
        "from grantflow import Token; print(st.from_type(Token))"
    )
    first = "from grantflow.testing import strategies; print(strategies.tokens())"
    for program in (code, first):
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert ran.stdout.strip()


def test_the_kinds_of_events_are_those_of_the_library() -> None:
    assert set(get_args(strategies.Event)) <= set(get_args(Event))
