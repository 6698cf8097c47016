"""How a provider spells things is data, and data is read exactly as it says."""

from __future__ import annotations

import pytest
from attrs import evolve

from grantflow import (
    Client,
    ClientCredentialsFlow,
    CodeIssued,
    DeviceAuthorization,
    DeviceFlow,
    Pending,
    Provider,
    RefreshFlow,
    Refused,
    Rejected,
    Request,
    Response,
    Secret,
    Send,
    StillPending,
    TokenIssued,
)
from grantflow.core.client.dialect import RequestFormat, ResponseFormat, at
from grantflow.core.flows.events import Received as Event
from grantflow.core.values.json import Members
from tests.support.samples import ACME, CLIENT, instant, moment, reply, seconds

NOW = moment(100)
CODE = DeviceAuthorization("dc", "UC", "https://a.example", instant(900), extra={"a": "x", "n": 7})


def client(provider: Provider) -> Client:
    return evolve(CLIENT, provider=provider)


def ask(provider: Provider) -> Send:
    flow = DeviceFlow(client(provider))
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    return due


def poll(provider: Provider, code: DeviceAuthorization = CODE) -> Send:
    due = DeviceFlow(client(provider)).due(Pending(code, seconds(5), instant(5)))
    assert isinstance(due, Send)
    return due


def test_a_request_is_renamed_stripped_and_completed() -> None:
    asking = RequestFormat(
        rename={"device_code": "code", "client_id": "clientId"},
        drop=["grant_type"],
        fixed={"v": "1", "clientId": "fixed"},
        echo=["user_code", "a", "n", "missing"],
    )
    assert poll(evolve(ACME, poll=asking)).request.body() == (
        b"code=dc&user_code=UC&a=x&n=7&v=1&clientId=fixed"
    )


def test_every_kind_of_request_has_its_own_spelling() -> None:
    provider = evolve(
        ACME,
        headers={"X-App": "1"},
        scope_separator=",",
        device=RequestFormat(encoding="json"),
        token=RequestFormat(fixed={"grant_type": "account"}),
        refresh=RequestFormat(rename={"refresh_token": "rt"}),
        refresh_endpoint="https://acme.example/refresh",
    )
    device = ask(provider).request
    assert device.body() == b'{"scope": "read,write", "client_id": "app"}'
    assert device.header_map()["X-App"] == "1"
    flow = ClientCredentialsFlow(client(provider))
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    assert due.request.body() == b"scope=read%2Cwrite&client_id=app&grant_type=account"
    refresh = RefreshFlow(client(provider), "r")
    due = refresh.due(refresh.start(moment()))
    assert isinstance(due, Send)
    assert due.request.url == "https://acme.example/refresh"
    assert due.request.body() == b"grant_type=refresh_token&rt=r&client_id=app"


def test_parameters_may_travel_in_the_query() -> None:
    request = poll(evolve(ACME, poll=RequestFormat(method="GET", encoding="query"))).request
    assert request.method == "GET"
    assert request.body() == b""
    assert request.target().startswith("https://acme.example/token?grant_type=urn%3A")
    assert "Content-Type" not in request.header_map()
    posted = Request("https://a.example/t?x=1", form={"a": "b"}, encoding="query")
    assert (posted.target(), posted.body()) == ("https://a.example/t?x=1&a=b", b"")
    assert Request("https://a.example", encoding="query").target() == "https://a.example"


def test_a_name_with_brackets_is_a_list() -> None:
    form = (("scopes[]", "a"), ("x", "1"))
    assert Request("https://a.example", form=form, encoding="json").body() == (
        b'{"scopes": ["a"], "x": "1"}'
    )


def test_a_name_with_a_colon_holds_json() -> None:
    form = [
        ("days:", "30"),
        ("all:", "false"),
        ("tag:", Secret("1")),
        ("odd:", Secret("x")),
        ("n", "1"),
    ]
    assert Request("https://a.example", form=form, encoding="json").body() == (
        b'{"days": 30, "all": false, "tag": 1, "odd": "x", "n": "1"}'
    )
    with pytest.raises(ValueError, match="extra: 'days:' says that JSON follows, not 'thirty'"):
        evolve(CLIENT, extra={"days:": "thirty"})


def test_an_envelope_is_unwrapped_and_members_are_found_by_path() -> None:
    answers = ResponseFormat(
        root="data",
        fields={"device_code": "deviceCode", "user_code": ["nothing", "codes.0.user"]},
        milliseconds="device",
    )
    body = {
        "data": {
            "deviceCode": "d",
            "codes": [{"user": "U"}],
            "verification_uri": "https://a.example",
            "expires_in": 60_000,
            "interval": "2000",
        }
    }
    event = ask(evolve(ACME, answers=answers)).read(reply(200, body), NOW)
    assert isinstance(event, CodeIssued)
    code = event.authorization
    assert (code.device_code.reveal(), code.user_code) == ("d", "U")
    assert (code.expires_at, code.interval) == (instant(160), seconds(2))


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.b", 1), ("l.1", "y"), ("l.2", None), ("l.x", None), ("a.b.c", None), ("", None)],
)
def test_a_path_leads_to_a_value_or_to_none(path: str, expected: object) -> None:
    assert at(Members({"a": {"b": 1}, "l": ["x", "y"]}), path) == expected


def heard(answers: ResponseFormat, response: Response) -> Event:
    return poll(evolve(ACME, answers=answers)).read(response, NOW)


def test_a_code_may_stand_elsewhere_and_have_another_name() -> None:
    answers = ResponseFormat(
        error=["error.code", "message"],
        sub_error="error.sub",
        codes={"31/7": "authorization_pending", "invalid device code": "expired_token"},
        poll_codes={"invalid_grant": "authorization_pending"},
        description=["error.text"],
    )
    pending = StillPending(NOW.mono)
    assert heard(answers, reply(400, {"error": {"code": 31, "sub": 7}})) == pending
    assert heard(answers, reply(400, {"message": "invalid_grant"})) == pending
    refused = heard(answers, reply(400, {"error": {"code": "invalid_client", "text": "who?"}}))
    assert refused == Rejected(
        NOW.mono, Refused("invalid_client", "who?", None, 400, "invalid_client")
    )


def test_free_text_beside_what_was_requested_is_no_error() -> None:
    answers = ResponseFormat(error=("detail", "error"))
    token = {"access_token": "at", "detail": "welcome"}
    assert isinstance(heard(answers, reply(200, token)), TokenIssued)
    issued = {"device_code": "dc", "user_code": "UC", "verification_uri": "https://a.example"}
    start = ask(evolve(ACME, answers=answers))
    assert isinstance(start.read(reply(200, issued | {"detail": "hello"}), NOW), CodeIssued)
    for said in (
        reply(200, {"detail": "welcome"}),  # without a token it is all there is
        reply(200, token | {"detail": "access_denied"}),  # a registered code
        reply(400, token),
    ):
        assert isinstance(heard(answers, said), Rejected)


def test_a_header_may_tell_the_code() -> None:
    answers = ResponseFormat(
        error_header="x-error", codes={"AuthorizationPendingException": "authorization_pending"}
    )
    header = "AuthorizationPendingException:http://internal"
    assert heard(answers, reply(400, {}, x_error=header)) == StillPending(NOW.mono)


def test_a_status_tells_the_code_where_nothing_else_does() -> None:
    answers = ResponseFormat(poll_statuses={400: "authorization_pending", 418: "access_denied"})
    assert heard(answers, reply(400, b"")) == StillPending(NOW.mono)
    told = heard(answers, reply(400, {"error": "invalid_grant"}))
    assert isinstance(told, Rejected), "a code outranks the table"
    flow = RefreshFlow(client(evolve(ACME, answers=answers)), "r")
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    assert not isinstance(due.read(reply(400, b""), NOW), StillPending), "the table is for polls"


def test_scopes_may_come_with_commas() -> None:
    event = heard(
        ResponseFormat(scope_separator=","), reply(200, {"access_token": "a", "scope": "x,y"})
    )
    assert isinstance(event, TokenIssued)
    assert event.token.scope == ("x", "y")


BODY = {"device_code": "d", "user_code": "U C", "verification_uri": "https://a.example/?x=1"}


def test_the_complete_link_is_built_where_the_provider_says_how() -> None:
    provider = evolve(ACME, link_parameter="code", interval=seconds(9), lifetime=seconds(99))
    event = ask(provider).read(reply(200, BODY), NOW)
    assert isinstance(event, CodeIssued)
    code = event.authorization
    assert code.verification_uri_complete == "https://a.example/?x=1&code=U+C"
    assert (code.interval, code.expires_at) == (seconds(9), instant(199))
    plain = ask(provider).read(reply(200, BODY | {"verification_uri": "https://a.example"}), NOW)
    assert isinstance(plain, CodeIssued)
    assert plain.authorization.verification_uri_complete == "https://a.example?code=U+C"


def test_some_show_no_code() -> None:
    silent = {name: value for name, value in BODY.items() if name != "user_code"}
    event = ask(evolve(ACME, shows_code=False)).read(reply(200, silent), NOW)
    assert isinstance(event, CodeIssued)
    assert event.authorization.user_code == ""
    assert isinstance(ask(ACME).read(reply(200, silent), NOW), Rejected)


@pytest.mark.parametrize(
    "where",
    [
        None,
        "",
        "http://acme.example/poll",
        "https://evil.example/poll",
        "https://acme.example:8443/poll",
        "https://acme.example.evil.example/poll",
    ],
)
def test_a_code_is_not_polled_for_on_another_origin(where: str | None) -> None:
    provider = evolve(ACME, poll_at="token_uri")
    event = ask(provider).read(reply(200, BODY | {"token_uri": where}), NOW)
    assert isinstance(event, Rejected)
    assert "token_uri is not on the provider's origin" in repr(event)


@pytest.mark.parametrize(
    ("where", "polled"),
    [
        ("https://origin.example/done?s=1", "https://mirror.example/repo/done?s=1"),
        ("https://origin.example:443/done?s=1", "https://mirror.example/repo/done?s=1"),
        ("https://origin.example/repo/done?s=1", "https://mirror.example/repo/done?s=1"),
        ("https://origin.example/other?s=1", "https://mirror.example/other?s=1"),
        ("https://mirror.example/repo/done?s=1", "https://mirror.example/repo/done?s=1"),
        ("https://else.example/done", None),
        ("https://origin.example.else.example/done", None),
        ("http://origin.example/done", None),
        ("https://origin.example:8443/done", None),
        ("https://user@origin.example/done", None),
    ],
)
def test_a_mirror_is_polled_where_it_passes_its_origin_through(
    where: str, polled: str | None
) -> None:
    provider = evolve(
        ACME,
        token_endpoint="https://mirror.example/repo/done",
        device_authorization_endpoint="https://mirror.example/repo/login",
        poll_at="done",
        poll_host="origin.example",
    )
    event = ask(provider).read(reply(200, BODY | {"done": where}), NOW)
    if polled is None:
        assert isinstance(event, Rejected)
        return
    assert isinstance(event, CodeIssued)
    assert poll(provider, event.authorization).request.url == polled


def test_where_to_poll_may_be_told() -> None:
    provider = evolve(ACME, poll_at="token_uri")
    event = ask(provider).read(reply(200, BODY | {"token_uri": "https://acme.example/p/1"}), NOW)
    assert isinstance(event, CodeIssued)
    assert poll(provider, event.authorization).request.url == "https://acme.example/p/1"
    assert poll(provider).request.url == ACME.token_endpoint


def test_a_200_without_a_token_may_mean_pending() -> None:
    answers = ResponseFormat(pending_without_token=True)
    assert heard(answers, reply(200, {"status": "waiting"})) == StillPending(NOW.mono)
    assert isinstance(heard(answers, reply(200, {"access_token": "t"})), TokenIssued)
    unread = heard(answers, reply(200, b""))
    assert not isinstance(unread, StillPending), "an empty answer may have held the token"


def test_the_code_may_stand_in_the_path() -> None:
    asking = RequestFormat(method="GET", path="device_code", drop=("grant_type", "client_id"))
    request = poll(evolve(ACME, poll=asking), evolve(CODE, device_code=Secret("a/b?c"))).request
    assert request.target() == f"{ACME.token_endpoint}/a%2Fb%3Fc"
    assert "a/b" not in repr(request)


def test_the_path_goes_before_the_query() -> None:
    request = Request("https://a.example/codes/?v=1", segments=("x", Secret("y z")), method="GET")
    assert request.target() == "https://a.example/codes/x/y%20z?v=1"
