"""Any grant at the token endpoint, token exchange (RFC 8693), the JWT bearer grant (RFC 7523)."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import anyio
import pytest
from attrs import evolve

from grantflow import (
    Authorized,
    Client,
    ClientSecretBasic,
    Failed,
    Fault,
    Flow,
    GrantFlow,
    GrantState,
    InvalidResponse,
    JwtBearerFlow,
    Request,
    RequestFormat,
    Response,
    Secret,
    Send,
    TokenExchangeFlow,
    Unreachable,
    aio,
    begin,
    run,
)
from grantflow.codec import dump_run, load_run
from grantflow.core.values.response import Reply
from grantflow.flows import token_request
from grantflow.signing import dpop_key
from grantflow.testing import VirtualClock
from tests.support.samples import ACME, CLIENT, moment, reply

CIBA = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": Secret("req-1")}
TOKEN = reply(200, {"access_token": "at", "issued_token_type": "urn:x"})


class Recorder:
    def __init__(self, *replies: Reply) -> None:
        self.replies = [*replies]
        self.forms: list[dict[str, list[str]]] = []

    def __call__(self, request: Request, /) -> Reply:
        self.forms.append(parse_qs(request.body().decode()))
        return self.replies.pop(0)


def sent(flow: Flow[GrantState], *replies: Reply) -> list[dict[str, list[str]]]:
    server = Recorder(*(replies or (TOKEN,)))
    assert isinstance(run(flow, server, VirtualClock()), Authorized)
    return server.forms


def test_a_form_is_sent_as_it_is_given() -> None:
    assert sent(GrantFlow(CLIENT, CIBA)) == [
        {
            "grant_type": ["urn:openid:params:grant-type:ciba"],
            "auth_req_id": ["req-1"],
            "client_id": ["app"],
        }
    ]


def test_a_request_may_be_built_alone() -> None:
    request = token_request(CLIENT, CIBA)
    assert request.url == ACME.token_endpoint
    assert parse_qs(request.body().decode())["auth_req_id"] == ["req-1"]
    assert token_request(CLIENT, CIBA, "https://acme.example/other").url.endswith("/other")


def test_a_form_without_a_grant_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="form: a grant_type is needed"):
        GrantFlow(CLIENT, {"code": "x"})


def test_what_is_spent_by_being_sent_is_not_sent_twice() -> None:
    lost = Fault("timeout", "maybe")
    flow = GrantFlow(CLIENT, [("grant_type", "authorization_code"), ("code", "c")])
    assert len(sent(flow, lost, TOKEN)) == 2
    once = evolve(flow, repeatable=False)
    end = run(once, Recorder(lost), VirtualClock())
    assert isinstance(end, Failed)
    assert isinstance(end.error, Unreachable)
    spends = [begin(each, moment()).due for each in (flow, once)]
    assert [each.spends for each in spends if isinstance(each, Send)] == [None, "code"]


def test_a_function_is_called_at_each_send_and_not_before() -> None:
    made = iter(["jwt-1", "jwt-2"])
    calls: list[str] = []

    def assertion() -> str:
        calls.append(next(made))
        return calls[-1]

    flow = JwtBearerFlow(CLIENT, assertion=assertion)
    going = begin(flow, moment())
    due = going.due
    assert isinstance(due, Send)
    assert calls == []
    with pytest.raises(ValueError, match="assertion: fetch it first"):
        due.request.body()
    forms = sent(flow, reply(503, b""), TOKEN)
    assert [form["assertion"] for form in forms] == [["jwt-1"], ["jwt-2"]]


def test_a_parameter_that_cannot_be_fetched_is_a_fault() -> None:
    def gone() -> str:
        raise OSError("no such file: /run/token")

    end = run(JwtBearerFlow(CLIENT, assertion=gone), Recorder(), VirtualClock())
    assert isinstance(end, Failed)
    assert isinstance(end.error, Unreachable)
    assert end.error.fault.detail == "a parameter could not be fetched: no such file: /run/token"
    assert end.error.fault.reached == "no"


@pytest.mark.parametrize("spelt", ["op@que/t0ken", "op%40que%2Ft0ken", "b3BAcXVlL3Qwa2Vu"])
def test_a_fetched_parameter_that_a_server_repeats_is_masked(spelt: str) -> None:
    """The flow does not know it, so nothing behind the edge could mask it."""
    said = {"error": "invalid_grant", "error_description": f"not known: {spelt}"}
    challenge = {"WWW-Authenticate": f'Bearer error="{spelt}"'}
    flow = TokenExchangeFlow(
        CLIENT, subject_token=lambda: "op@que/t0ken", subject_token_type="urn:x"
    )

    async def later(_: Request) -> Response:
        return answer

    for answer in (reply(400, said), Response(401, challenge, b"")):
        for end in (
            run(flow, lambda _, answer=answer: answer, VirtualClock()),  # type: ignore[misc]
            anyio.run(aio.run, flow, later),
        ):
            assert isinstance(end, Failed)
            assert "***" in str(end.error)
            assert "que" not in str(end.error)
            assert spelt not in str(end.error)


def test_a_token_that_was_exchanged_for_itself_is_no_echo() -> None:
    flow = TokenExchangeFlow(
        CLIENT, subject_token=lambda: "op@que/t0ken", subject_token_type="urn:x"
    )
    same = reply(200, {"access_token": "op@que/t0ken", "issued_token_type": "urn:x"})
    end = run(flow, lambda _: same, VirtualClock())
    assert isinstance(end, Authorized)
    assert end.token.access_token.reveal() == "op@que/t0ken"


def test_a_fetched_parameter_is_named_as_the_provider_names_it() -> None:
    asking = RequestFormat(rename={"assertion": "jwt"}, fixed={"v": "1"})
    client = evolve(CLIENT, provider=evolve(ACME, token=asking))
    (form,) = sent(JwtBearerFlow(client, assertion=lambda: Secret("jwt-1")))
    assert (form["jwt"], form["v"]) == (["jwt-1"], ["1"])
    assert "assertion" not in form


def test_a_token_is_exchanged() -> None:
    client = Client(
        provider=ACME,
        client_id="app",
        authentication=ClientSecretBasic("s"),
        scope="read",
        audience="api",
        resource="https://api.example",
    )
    flow = TokenExchangeFlow(
        client,
        subject_token="st-1",
        actor_token="act-1",
        actor_token_type="urn:ietf:params:oauth:token-type:jwt",
        requested_token_type="urn:ietf:params:oauth:token-type:access_token",
    )
    (form,) = sent(flow)
    assert form == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:token-exchange"],
        "subject_token": ["st-1"],
        "subject_token_type": ["urn:ietf:params:oauth:token-type:access_token"],
        "actor_token": ["act-1"],
        "actor_token_type": ["urn:ietf:params:oauth:token-type:jwt"],
        "requested_token_type": ["urn:ietf:params:oauth:token-type:access_token"],
        "scope": ["read"],
        "audience": ["api"],
        "resource": ["https://api.example"],
    }
    assert "st-1" not in repr(flow.due(flow.start(moment())))
    with pytest.raises(ValueError, match="actor_token: it and actor_token_type"):
        TokenExchangeFlow(client, subject_token="st-1", actor_token="act-1")


def test_an_assertion_is_exchanged() -> None:
    (form,) = sent(JwtBearerFlow(CLIENT, assertion="jwt-1"))
    assert form == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "assertion": ["jwt-1"],
        "scope": ["read write"],
        "client_id": ["app"],
    }


def test_any_grant_is_bound_to_the_client_s_key() -> None:
    client = evolve(CLIENT, dpop=dpop_key())
    wanted = reply(400, {"error": "use_dpop_nonce"}, DPoP_Nonce="n-1")
    bound = reply(200, {"access_token": "at", "token_type": "DPoP"})
    assert len(sent(JwtBearerFlow(client, assertion="jwt-1"), wanted, bound)) == 2


def test_a_run_of_any_grant_is_kept_for_the_same_parameters() -> None:
    flow = GrantFlow(CLIENT, CIBA)
    going = begin(flow, moment())
    document = json.loads(json.dumps(dump_run(going, moment())))
    assert load_run(document, flow, moment()).unwrap() == going
    other = GrantFlow(CLIENT, {**CIBA, "auth_req_id": "req-2"})
    assert isinstance(load_run(document, other, moment()).failure(), InvalidResponse)
    assert "req-1" not in json.dumps(document)
