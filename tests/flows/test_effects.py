"""What a request may use up, so that no driver decides what it may abandon."""

from __future__ import annotations

import pytest

from grantflow import (
    Client,
    ClientCredentialsFlow,
    DeviceAuthorization,
    DeviceFlow,
    Pending,
    Provider,
    RefreshFlow,
    RegistrationFlow,
    Send,
    begin,
    providers,
)
from grantflow.core.flows.effects import Due
from grantflow.flows import LinkFlow
from tests.support.samples import ACME, CLIENT, instant, moment, reply, seconds

CODE = DeviceAuthorization("dc", "WDJB", "https://acme.example/go", instant(600))
REGISTERS = Provider(
    name="acme",
    token_endpoint=ACME.token_endpoint,
    registration_endpoint="https://acme.example/register",
)


def link_sign_in() -> tuple[Due, Due]:
    client = Client(provider=providers.find("dagshub"), client_id="app")
    held = begin(LinkFlow(client, "e" * 32), moment())
    assert isinstance(held.due, Send)
    return held.due, held.receive(held.due, reply(200, "code-1"), moment()).due


@pytest.mark.parametrize(
    ("due", "spends"),
    [
        (begin(DeviceFlow(CLIENT), moment()).due, None),
        (DeviceFlow(CLIENT).due(Pending(CODE, seconds(5), instant(5))), "code"),
        (begin(ClientCredentialsFlow(CLIENT), moment()).due, None),
        (begin(RefreshFlow(CLIENT, "rt"), moment()).due, "refresh_token"),
        (begin(RegistrationFlow(provider=REGISTERS, client_name="x"), moment()).due, None),
        (link_sign_in()[0], None),  # held open for a person: waiting may end at any time
        (link_sign_in()[1], "code"),
    ],
)
def test_a_request_says_what_it_may_use_up(due: Due, spends: str | None) -> None:
    assert isinstance(due, Send)
    assert due.spends == spends
