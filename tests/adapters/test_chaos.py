"""Broken answers against every transport; ``python -m tests.adapters.chaos_nightly`` has more."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from grantflow import (
    Client,
    ClientCredentialsFlow,
    ClientSecretPost,
    Fault,
    Provider,
    Response,
    run,
)
from grantflow.core.flows.states import Authorized, Expired, Failed
from grantflow.core.values.request import Request
from grantflow.core.values.secret import Secret
from grantflow.testing import VirtualClock
from tests.support.chaos import SECRET, chaos
from tests.support.effort import effort
from tests.support.transports import ALL, OWN

MOST_MEMORY = 16 * 2**20


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_raised_and_nothing_is_told(name: str) -> None:
    with chaos(effort(1, 2)) as heard, ALL[name]((0.7, 0.7)) as send:
        for number in range(effort(40, 1500)):
            request = Request(f"{heard.url}?{number}", form={"client_secret": Secret(SECRET)})
            reply = send(request)
            assert isinstance(reply, (Response, Fault)), number
            assert SECRET not in repr(reply)
            assert isinstance(reply, Fault) or len(reply.body) <= 2**20


@pytest.mark.parametrize("name", OWN)
def test_nothing_takes_much_memory(name: str) -> None:
    with chaos(3) as heard, OWN[name]((0.7, 0.7)) as send:
        send(Request(f"{heard.url}?whole"))
        tracemalloc.start()
        try:
            for number in range(effort(15, 600)):
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                send(Request(f"{heard.url}?{number}", form={"a": "b"}))
                assert tracemalloc.get_traced_memory()[1] - before < MOST_MEMORY, number
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("name", OWN)
def test_nothing_outlasts_its_deadline(name: str) -> None:
    with chaos(4, drips=1.0) as heard, OWN[name]((0.3, 0.3)) as send:
        for number in range(effort(4, 200)):
            start = time.monotonic()
            send(Request(f"{heard.url}?{number}", form={"a": "b"}))
            assert time.monotonic() - start < effort(20, 5), number  # each would drip for a minute


@pytest.mark.parametrize("name", OWN)
def test_a_flow_ends_whatever_comes(name: str) -> None:
    with chaos(5) as heard, OWN[name]((0.7, 0.7)) as send:
        for number in range(effort(4, 300)):
            provider = Provider(name="as", token_endpoint=f"{heard.url}?{number}")
            client = Client(
                provider=provider, client_id="app", authentication=ClientSecretPost(SECRET)
            )
            end = run(ClientCredentialsFlow(client), send, VirtualClock())
            assert isinstance(end, (Authorized, Expired, Failed))
            assert SECRET not in repr(end)
