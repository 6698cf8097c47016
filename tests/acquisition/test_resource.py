"""A protected resource (RFC 9728): whose word counts, and what a token lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from grantflow import (
    Client,
    Fault,
    InvalidResponse,
    ProtectedResource,
    Provider,
    Request,
    Response,
    StepUp,
    Unreachable,
    aio,
    discover_resource,
    step_up,
)
from grantflow.core.values.response import Reply
from grantflow.integrations import challenges

URL = "https://api.test/mcp"
PLACE = "https://api.test/.well-known/oauth-protected-resource"
AS = "https://as.test"


def metadata(issuer: str, **more: object) -> dict[str, object]:
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer.rstrip('/')}/token",
        "device_authorization_endpoint": f"{issuer.rstrip('/')}/device",
        **more,
    }


def answer(found: object, status: int = 200, **headers: str) -> Response:
    return Response(status, headers, json.dumps(found).encode())


class Net:
    """Answers by URL, 404 where nothing is said; ``asked`` are the URLs in order."""

    def __init__(self, **resource: object) -> None:
        said = {"resource": URL, "authorization_servers": [AS], **resource}
        self.answers: dict[str, Reply] = {
            URL: Response(401, {"www-authenticate": "Bearer"}, b""),
            f"{PLACE}/mcp": answer(said),
            f"{AS}/.well-known/oauth-authorization-server": answer(metadata(AS)),
        }
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Reply:
        assert request.method == "GET"
        assert not request.form
        self.asked.append(request.url)
        return self.answers.get(request.url, Response(404, {}, b""))

    def challenged(self, text: str) -> None:
        self.answers[URL] = Response(401, {"www-authenticate": text}, b"")


def found(net: Net, url: str = URL) -> ProtectedResource:
    made = discover_resource(url, net)
    assert isinstance(made, ProtectedResource), made
    return made


def test_a_resource_names_its_server_and_its_scopes() -> None:
    net = Net(scopes_supported=["read", "write"])
    net.challenged('Bearer scope="read"')
    made = found(net)
    assert (made.resource, made.provider.issuer) == (URL, AS)
    assert (made.scope, made.scopes_supported) == (("read",), ("read", "write"))
    client = made.client("app")
    assert (client.resource, client.scope) == ((URL,), ("read",))
    assert made.client("app", scope=("write",)).scope == ("write",)


def test_the_challenge_says_where_the_metadata_is() -> None:
    net = Net()
    place = "https://api.test/about.json"
    net.challenged(f'Basic realm="x", Bearer resource_metadata="{place}"')
    net.answers[place] = net.answers.pop(f"{PLACE}/mcp")
    found(net)
    assert net.asked[:2] == [URL, place]


@pytest.mark.parametrize("elsewhere", ["https://evil.test/m", "http://api.test/m", "https://["])
def test_metadata_of_another_origin_has_no_say(elsewhere: str) -> None:
    net = Net()
    net.challenged(f'Bearer resource_metadata="{elsewhere}"')
    evil = {"resource": URL, "authorization_servers": ["https://evil.test"]}
    net.answers[elsewhere] = answer(evil)
    assert found(net).provider.issuer == AS
    assert elsewhere not in net.asked


@pytest.mark.parametrize(
    "resource", ["https://api.test/mcp", "https://api.test", "https://api.test/"]
)
def test_the_root_may_speak_for_what_is_under_it(resource: str) -> None:
    net = Net(resource=resource)
    net.answers[PLACE] = net.answers.pop(f"{PLACE}/mcp")
    assert found(net).resource == resource
    assert net.asked[1:3] == [f"{PLACE}/mcp", PLACE]


@pytest.mark.parametrize(
    "resource",
    [
        *("https://evil.test/mcp", "https://api.test/mcp2", "https://api.test/mcp/deeper"),
        *(
            "http://api.test/mcp",
            "https://api.test:8443/mcp",
            "",
            7,
            None,
            ["https://api.test/mcp"],
        ),
    ],
)
def test_metadata_of_another_resource_is_refused(resource: object) -> None:
    made = discover_resource(URL, Net(resource=resource))
    assert isinstance(made, InvalidResponse)


@pytest.mark.parametrize(
    "servers", [None, [], [7], ["http://as.test"], ["https://127.0.0.1:1"], [""]]
)
def test_without_a_usable_server_there_is_none(servers: object) -> None:
    net = Net(authorization_servers=servers)
    made = discover_resource(URL, net)
    assert isinstance(made, InvalidResponse)
    assert "it names no authorization server" in made.problem
    assert len(net.asked) == 3  # no server was asked


def test_of_several_servers_the_one_with_a_device_endpoint_is_taken() -> None:
    net = Net(authorization_servers=["https://a.test", "https://gone.test", AS])
    bare = metadata("https://a.test")
    del bare["device_authorization_endpoint"]
    net.answers["https://a.test/.well-known/oauth-authorization-server"] = answer(bare)
    assert found(net).provider.issuer == AS
    machine = discover_resource(URL, net, grant="client_credentials")
    assert isinstance(machine, ProtectedResource)
    assert machine.provider.issuer == "https://a.test"


def test_an_issuer_with_a_slash_is_the_same() -> None:
    net = Net(authorization_servers=[f"{AS}/"])
    assert found(net).provider.issuer == AS


def test_trouble_is_told_as_such() -> None:
    net = Net()
    net.answers[URL] = Fault("name", "no")
    assert isinstance(discover_resource(URL, net), Unreachable)
    net = Net()
    net.answers[f"{PLACE}/mcp"] = Response(503, {}, b"")
    assert isinstance(discover_resource(URL, net), Unreachable)
    net = Net()
    del net.answers[f"{PLACE}/mcp"]
    made = discover_resource(URL, net)
    assert isinstance(made, InvalidResponse)
    assert made.problem == f"{URL} does not say who issues tokens for it"


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"resource": "' + b"x" * 1000, b"\xff"])
def test_any_other_body_is_a_value(body: bytes) -> None:
    net = Net()
    net.answers[f"{PLACE}/mcp"] = Response(200, {}, body)
    assert isinstance(discover_resource(URL, net), InvalidResponse)


@pytest.mark.parametrize("url", ["http://api.test/mcp", "api.test", "https://u:p@api.test", ""])
def test_a_url_that_is_not_https_is_refused_before_a_request(url: str) -> None:
    net = Net()
    with pytest.raises(ValueError, match="url"):
        discover_resource(url, net)
    assert net.asked == []


@pytest.mark.anyio
async def test_awaited_it_is_the_same() -> None:
    net = Net(scopes_supported=["read"])

    async def send(request: Request) -> Reply:
        return net(request)

    assert await aio.discover_resource(URL, send) == found(Net(scopes_supported=["read"]))


# -- what a token lacks

ACME = Provider(name="acme", token_endpoint="https://acme.test/token")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer error="insufficient_scope", scope="b c"', StepUp(("b", "c"))),
        ('Bearer error="insufficient_scope"', StepUp(())),
        (
            'Bearer error="insufficient_user_authentication", acr_values="gold", max_age="60"',
            StepUp((), "gold", "60"),
        ),
        ('Bearer error="invalid_token"', None),
        ("Bearer", None),
    ],
)
def test_a_challenge_says_what_is_missing(header: str, expected: StepUp | None) -> None:
    [challenge] = challenges(header)
    assert step_up(challenge) == expected


def test_one_call_asks_for_the_union() -> None:
    client = Client(provider=ACME, client_id="app", scope=("a", "b"), extra={"max_age": "1"})
    assert StepUp(("b", "c")).over(client).scope == ("a", "b", "c")
    stronger = StepUp((), "gold", "60").over(client)
    extra: Mapping[str, object] = dict(stronger.extra)
    assert extra == {"acr_values": "gold", "max_age": "60"}
    assert StepUp().over(client) == client
