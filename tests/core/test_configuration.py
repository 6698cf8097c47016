"""A programmer's mistake raises at once and names the argument; metadata is read as a value."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from attrs import evolve

from grantflow import (
    Backoff,
    Client,
    ClientCredentialsFlow,
    ClientSecretPost,
    DeviceAuthorization,
    DeviceFlow,
    Fault,
    InvalidResponse,
    Moment,
    Pending,
    Provider,
    RefreshFlow,
    Request,
    Response,
    Secret,
    Send,
)
from grantflow.core.client.provider import is_loopback
from grantflow.core.values.json import Members
from tests.support.samples import ACME, CLIENT, WALL, instant, moment, seconds


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (
            "http://acme.example/token",
            "must be https (http is only for loopback), not http://acme.example",
        ),
        ("http://127.0.0.1.evil.example/", "must be https (http is only for loopback)"),
        ("ftp://acme.example", "must be an absolute https URL"),
        ("acme.example/token", "must be an absolute https URL"),
        ("", "must be an absolute https URL"),
        ("https://", "must be an absolute https URL"),
        ("https://user:pass@acme.example", "must not hold a user name or password"),
        ("https://acme.example/#x", "must not hold a fragment"),
        ("https://acme.example/a b", "contains spaces or control characters"),
        ("https://acme.example/\n", "contains spaces or control characters"),
        ("https://[::1", "is not a URL"),
        ("https://acme.example:99999", "is not a URL"),
    ],
)
@pytest.mark.parametrize(
    "name", ["token_endpoint", "device_authorization_endpoint", "revocation_endpoint"]
)
def test_an_unsafe_endpoint_is_refused(name: str, url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: ") as caught:
        evolve(ACME, **{name: url})
    assert problem in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080/t", "http://127.0.0.1/t", "http://[::1]:9/t", "http://a.localhost/t"],
)
def test_http_is_for_loopback(url: str) -> None:
    assert Provider(name="here", token_endpoint=url).token_endpoint == url


def test_a_name_that_only_looks_like_loopback_is_not() -> None:
    assert not is_loopback("localhost.evil.example")
    assert not is_loopback("127.1.evil")


@pytest.mark.parametrize("value", ["one\n", Secret("two\r\nx: y"), "\u2603"])
def test_a_header_that_cannot_be_sent(value: str | Secret) -> None:
    with pytest.raises(ValueError, match="^headers: 'x key' is no header name"):
        Provider(name="a", token_endpoint="https://a.example", headers={"x key": "y"})
    with pytest.raises(ValueError, match="^headers: x-key: no header can hold its value") as caught:
        Provider(name="a", token_endpoint="https://a.example", headers={"x-key": value})
    assert "two" not in str(caught.value)


def test_an_encoding_nobody_knows() -> None:
    with pytest.raises(ValueError, match="encoding"):
        evolve(ACME, encoding="xml")


@pytest.mark.parametrize("client_id", ["", "  "])
def test_an_empty_client_id(client_id: str) -> None:
    with pytest.raises(ValueError, match="^client_id: it is empty"):
        Client(provider=ACME, client_id=client_id)


def test_scope_and_resource_take_text_or_several() -> None:
    client = Client(provider=ACME, client_id="app", scope="a b", resource="https://api.example")
    assert (client.scope, client.resource) == (("a", "b"), ("https://api.example",))
    assert evolve(client, scope=["a"]).scope == ("a",)


@pytest.mark.parametrize("word", ["", "a b", "a\n"])
def test_a_scope_is_one_word(word: str) -> None:
    with pytest.raises(ValueError, match="^scope: "):
        Client(provider=ACME, client_id="app", scope=[word])


def test_a_device_flow_needs_a_device_endpoint() -> None:
    client = evolve(CLIENT, provider=evolve(ACME, device_authorization_endpoint=None))
    with pytest.raises(
        ValueError, match="^client: provider 'acme' has no device_authorization_endpoint"
    ):
        DeviceFlow(client)


def test_moments_and_faults_and_backoff_are_checked() -> None:
    with pytest.raises(ValueError, match="^wall: "):
        Moment(instant(0), datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake
    for roll in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="^roll: "):
            Moment(instant(0), WALL, roll)
    with pytest.raises(ValueError, match="reached"):
        Fault("timeout", "perhaps")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^tries: "):
        Backoff(tries=0)
    with pytest.raises(ValueError, match="^base: "):
        Backoff(base=timedelta())
    with pytest.raises(ValueError, match="^ceiling: "):
        Backoff(ceiling=-seconds(1))


def test_backoff_doubles_up_to_its_ceiling_and_never_undercuts_the_interval() -> None:
    backoff = Backoff(base=seconds(1), ceiling=seconds(30))
    assert [backoff.wait(faults, 0.0).total_seconds() for faults in (1, 2, 5, 6, 9999)] == [
        1,
        2,
        16,
        30,
        30,
    ]
    assert backoff.wait(1, 0.0, seconds(5)) == seconds(10)
    assert backoff.wait(1, 0.999, seconds(5)) > seconds(5)
    assert backoff.wait(3, 0.0, seconds(40)) == seconds(40)


DOCUMENT: dict[str, object] = {
    "issuer": "https://as.example/tenant",
    "token_endpoint": "https://as.example/token",
    "device_authorization_endpoint": "https://as.example/device",
    "revocation_endpoint": "https://as.example/revoke",
    "introspection_endpoint": "https://as.example/introspect",
    "userinfo_endpoint": "https://as.example/me",
    "token_endpoint_auth_methods_supported": ["none", "client_secret_post", 7],
    "something_else": {"a": [1]},
}


def test_metadata_becomes_a_provider() -> None:
    assert Provider.from_metadata(DOCUMENT).unwrap() == Provider(
        name="as.example",
        issuer="https://as.example/tenant",
        token_endpoint="https://as.example/token",
        device_authorization_endpoint="https://as.example/device",
        revocation_endpoint="https://as.example/revoke",
        introspection_endpoint="https://as.example/introspect",
        userinfo_endpoint="https://as.example/me",
        auth_methods=("none", "client_secret_post"),
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"issuer": None}, "issuer is missing"),
        ({"issuer": 7}, "issuer is no text"),
        ({"token_endpoint": None}, "token_endpoint is missing"),
        ({"token_endpoint": []}, "token_endpoint: it is no text"),
        (
            {"token_endpoint": "https://127.0.0.1/t"},
            "token_endpoint: an issuer elsewhere must not name an endpoint on this machine",
        ),
        (
            {"token_endpoint": "http://as.example/t"},
            "token_endpoint: must be https (http is only for loopback), not http://as.example",
        ),
    ],
)
def test_metadata_that_cannot_be_used_says_why(changes: dict[str, object], problem: str) -> None:
    read = Provider.from_metadata(DOCUMENT | changes)
    assert read.failure() == InvalidResponse(f"metadata: {problem}")


def test_metadata_without_methods() -> None:
    assert (
        Provider.from_metadata(DOCUMENT | {"token_endpoint_auth_methods_supported": 1})
        .unwrap()
        .auth_methods
        == ()
    )


def test_an_issuer_without_a_host_is_its_own_name() -> None:
    assert Provider.from_metadata(DOCUMENT | {"issuer": "acme"}).unwrap().name == "acme"


def test_members_are_a_mapping_that_does_not_change() -> None:
    members = Members({"a": {"b": [1, {"c": 2}]}})
    assert members["a"] == {"b": (1, {"c": 2})}
    assert len(members) == 1
    assert {members: 1}[Members([("a", {"b": [1, {"c": 2}]})])] == 1
    with pytest.raises(TypeError):
        members["x"] = 1  # type: ignore[index]
    with pytest.raises(ValueError, match="not a JSON value"):
        Members({"a": object()})


def test_responses_compare_headers_without_case() -> None:
    response = Response(200, {"Content-Type": "x"}, b"body")
    assert response.header("CONTENT-type") == "x"
    assert response.header("nothing") is None
    assert response == Response(200, {"content-type": "x"}, b"body")
    assert {response: 1}


def test_a_get_has_no_body() -> None:
    request = Request("https://a.example", method="GET", form={"a": "b"}, headers={"X": "y"})
    assert request.body() == b""
    assert request.header_map() == {"Accept": "application/json", "X": "y"}


def test_links_are_completed_with_https_only() -> None:
    with pytest.raises(ValueError, match="link_scheme: https is needed, not 'javascript'"):
        evolve(ACME, link_scheme="javascript")


def test_of_several_resources_one_is_the_target() -> None:
    several = evolve(CLIENT, resource=("urn:a", "urn:b"))
    assert several.targets() == ()
    assert evolve(several, target="urn:b").targets() == (("resource", "urn:b"),)
    assert evolve(CLIENT, resource="urn:a").targets() == (("resource", "urn:a"),)
    assert CLIENT.targets() == ()
    with pytest.raises(ValueError, match="target: 'urn:c' is not among the resources"):
        evolve(several, target="urn:c")
    with_resource = DeviceFlow(evolve(several, target="urn:b"))
    state = Pending(
        DeviceAuthorization("dc", "WDJB", "https://a.example", instant(60)), seconds(5), instant(5)
    )
    due = with_resource.due(state)
    assert isinstance(due, Send)
    assert ("resource", "urn:b") in due.request.form
    machine = ClientCredentialsFlow(evolve(several, target="urn:b"))
    due = machine.due(machine.start(moment()))
    assert isinstance(due, Send)
    assert [text for name, text in due.request.form if name == "resource"] == ["urn:b"]


@pytest.mark.parametrize("span", [seconds(0), seconds(-1)])
def test_a_budget_is_some_time(span: timedelta) -> None:
    for make in (
        lambda: DeviceFlow(CLIENT, budget=span),
        lambda: ClientCredentialsFlow(CLIENT, budget=span),
        lambda: RefreshFlow(CLIENT, "rt", budget=span),
    ):
        with pytest.raises(ValueError, match="budget: a span above zero is needed"):
            make()


def test_half_a_character_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="client_id: it holds half a character"):
        Client(provider=ACME, client_id="a\ud800")
    with pytest.raises(ValueError, match="secret: it holds half a character"):
        ClientSecretPost("a\udfff")
