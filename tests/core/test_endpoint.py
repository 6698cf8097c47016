"""Where a secret may be sent: one reading of a URL, the same for every parser."""

from __future__ import annotations

import pytest
from returns.result import Failure

from grantflow import Client, ClientCredentialsFlow, DeviceFlow, Provider
from grantflow.core.client.provider import endpoint_problem, is_plain_authority
from grantflow.core.flows.effects import Send
from grantflow.core.flows.flow import begin
from grantflow.core.flows.refresh import RefreshFlow
from tests.support.samples import moment, seconds

ISSUER = {"issuer": "https://as.example", "token_endpoint": "https://as.example/token"}


@pytest.mark.parametrize(
    "url",
    [
        "https://as.example@evil.example/",
        "https://@as.example/",
        "https://as.example\\@evil.example/",
        "https://as.example\\.evil.example/",
        "http://127.0.0.1\\.evil.example/",
        "http://localhost;evil.example/",
        "http://127.0.0.1%2eevil.example/",
        "https://as.example:1:2/",
        "https://as.example:99999/",
        "https://[::1%25eth0]/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://2130706433/",
    ],
)
def test_a_url_that_parsers_could_read_in_two_ways_is_refused(url: str) -> None:
    assert endpoint_problem(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://as.example:8443/t?x=1",
        "https://xn--s-zfa.example",
        "http://[::1]:9/t",
        "https://a.",
        "https://b\u00fccher.de",
    ],
)
def test_a_host_and_a_port_are_enough(url: str) -> None:
    assert endpoint_problem(url) is None


@pytest.mark.parametrize("place", ["http://127.0.0.1:99", "https://localhost", "http://[::1]"])
@pytest.mark.parametrize(
    "member",
    ["token_endpoint", "device_authorization_endpoint", "revocation_endpoint", "userinfo_endpoint"],
)
def test_an_issuer_elsewhere_names_no_endpoint_on_this_machine(place: str, member: str) -> None:
    found = Provider.from_metadata({**ISSUER, member: f"{place}/t"})
    if member == "token_endpoint":
        assert isinstance(found, Failure)
        assert "on this machine" in found.failure().problem
    else:  # optional: it is dropped, and the rest of the document is used
        assert getattr(found.unwrap(), member) is None
    local = {"issuer": "http://localhost:1", "token_endpoint": "http://localhost:1/t"}
    assert Provider.from_metadata({**local, member: f"{place}/t"}).unwrap()


def test_what_is_no_url_names_no_endpoint() -> None:
    found = Provider.from_metadata({**ISSUER, "revocation_endpoint": "https://[::1"}).unwrap()
    assert found.revocation_endpoint is None
    assert "revocation_endpoint" in found.notes[0]


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://as.example:8443/x", True),
        ("https://me:word@as.example/x", True),
        ("https://a@b@as.example/", False),
        ("https://as.example\\@evil.example/", False),
        ("https://[::1", False),
    ],
)
def test_an_authority_that_every_parser_reads_alike(url: str, plain: bool) -> None:
    assert is_plain_authority(url) == plain


def test_a_twin_on_this_machine_is_dropped_as_well() -> None:
    twins = {"token_endpoint": "http://127.0.0.1:99/t"}
    found = Provider.from_metadata({**ISSUER, "mtls_endpoint_aliases": twins})
    assert found.unwrap().mtls_endpoint_aliases == ()


def test_a_twin_of_no_endpoint_is_dropped() -> None:
    twins = {"end_session_endpoint": "https://mtls.as.example/end"}
    found = Provider.from_metadata({**ISSUER, "mtls_endpoint_aliases": twins})
    assert found.unwrap().mtls_endpoint_aliases == ()


def test_a_request_has_no_more_time_than_its_run() -> None:
    provider = Provider(
        name="as",
        token_endpoint="https://as.example/token",
        device_authorization_endpoint="https://as.example/device",
    )
    client = Client(provider=provider, client_id="app")
    for flow in (
        ClientCredentialsFlow(client, budget=seconds(7)),
        RefreshFlow(client, "rt", budget=seconds(7)),
        DeviceFlow(client, budget=seconds(7)),
    ):
        due = begin(flow, moment()).due
        assert isinstance(due, Send)
        assert due.request.timeout == seconds(7)
        assert due.request.new_connection is isinstance(flow, RefreshFlow)
    endless = begin(DeviceFlow(client), moment()).due
    assert isinstance(endless, Send)
    assert endless.request.timeout is None
