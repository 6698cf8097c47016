"""What passes by itself and what does not: answers of rate limiters, gateways and frameworks.

The bodies are those of real programs; the siblings of each kind are built around them.
"""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import UTC, timedelta, timezone
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from attrs import evolve

from grantflow import (
    Authorized,
    Client,
    ClientAssertion,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretPost,
    CodeIssued,
    Denied,
    DeviceAuthorization,
    DeviceFlow,
    DeviceState,
    Expired,
    Failed,
    Fault,
    InvalidResponse,
    Pending,
    Provider,
    RefreshFlow,
    Refused,
    RegistrationFlow,
    Rejected,
    Response,
    Send,
    SlowDownAsked,
    StillPending,
    Token,
    TokenIssued,
    Unanswered,
    begin,
    run,
)
from grantflow.core.flows.effects import Flow
from grantflow.core.flows.events import Received
from grantflow.core.messages import sentence
from grantflow.core.values.response import Reply
from grantflow.testing import Outage, Script, Server, VirtualClock, simulate
from tests.support.samples import ACME, CLIENT, WALL, instant, moment, reply, seconds

NOW = moment(100)
AT = NOW.mono
CODE = reply(
    200,
    {
        "device_code": "dc",
        "user_code": "WDJB",
        "verification_uri": "https://acme.example/go",
        "expires_in": 600,
    },
)
MACHINE = ClientCredentialsFlow(CLIENT)
REFRESH = RefreshFlow(CLIENT, "rt-secret")
REGISTERS = RegistrationFlow(
    provider=evolve(ACME, registration_endpoint="https://acme.example/register"), client_name="x"
)


def due(flow: Flow[object]) -> Send:
    found = begin(flow, moment()).due
    assert isinstance(found, Send)
    return found


def poll() -> Send:
    run = begin(DeviceFlow(CLIENT), moment())
    started = run.due
    assert isinstance(started, Send)
    found = run.receive(started, CODE, moment()).due
    assert isinstance(found, Send)
    return found


def at_poll(answer: Reply) -> Received:
    return poll().read(answer, NOW)


def at_start(answer: Reply) -> Received:
    return due(DeviceFlow(CLIENT)).read(answer, NOW)


# A word that neither an RFC nor the provider knows, beside a status that may pass

WORDS = [
    {"status": 429, "error": "Too Many Requests", "path": "/oauth2/token"},  # Spring
    {"statusCode": 429, "error": "Too Many Requests", "message": "retry in 1 minute"},  # Fastify
    {"error": "Too many requests, please try again later."},  # Express
    {"error": "Rate limit exceeded: 5 per 1 minute"},  # SlowAPI
    {"error": "API Rate Limit Exceeded"},  # Tyk
    {"error": "Request Timeout"},
    {"error": "Service Unavailable", "code": 503},
    {"error": {"code": 429}},
    {"error": 429},
]


@pytest.mark.parametrize("body", WORDS)
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_the_word_of_a_rate_limiter_is_no_code(status: int, body: object) -> None:
    answer = reply(status, body, retry_after="20")
    for flow in (DeviceFlow(CLIENT), MACHINE, REFRESH, REGISTERS):
        assert isinstance(due(flow).read(answer, NOW), (Unanswered, SlowDownAsked))
    event = at_poll(answer)
    assert isinstance(event, (Unanswered, SlowDownAsked))
    assert not isinstance(event, Unanswered) or event.passing


@pytest.mark.parametrize("status", [400, 401, 404, 418, 422])
def test_elsewhere_an_unknown_word_is_a_refusal(status: int) -> None:
    for flow in (DeviceFlow(CLIENT), MACHINE, REFRESH):
        event = due(flow).read(reply(status, {"error": "Quota Exceeded"}), NOW)
        assert isinstance(event, Rejected)
        assert isinstance(event.error, Refused)
        assert event.error.code == "Quota Exceeded"


def test_a_403_may_pass_only_while_a_person_is_waited_for() -> None:
    for body in (b"Forbidden", b"", b"<html>", b'{"error": "Forbidden"}', b'{"message": "x"}'):
        event = at_poll(reply(403, body))
        assert isinstance(event, Unanswered)
        assert event.passing
        for flow in (DeviceFlow(CLIENT), MACHINE, REFRESH):
            assert isinstance(due(flow).read(reply(403, body), NOW), Rejected)


@pytest.mark.parametrize("status", [200, 403, 408, 425, 429, 500, 503])
def test_a_registered_code_outranks_the_status_all_the_same(status: int) -> None:
    event = at_poll(reply(status, {"error": "access_denied"}))
    assert event == Rejected(AT, Denied(None))
    assert isinstance(at_poll(reply(status, {"error": "authorization_pending"})), StillPending)
    assert isinstance(due(REFRESH).read(reply(status, {"error": "invalid_grant"}), NOW), Rejected)


@pytest.mark.parametrize("status", [401, 403])
def test_server_error_with_a_client_s_status_is_a_refusal(status: int) -> None:
    answer = reply(status, {"error": "server_error", "error_description": "access_denied"})
    for flow in (DeviceFlow(CLIENT), MACHINE, REFRESH):
        event = due(flow).read(answer, NOW)
        assert isinstance(event, Rejected)
        assert isinstance(event.error, Refused)
        assert event.error.code == "server_error"
    assert isinstance(at_poll(answer), Rejected)
    assert isinstance(due(MACHINE).read(reply(400, {"error": "server_error"}), NOW), Unanswered)


# Trouble while a person may still approve

PASSING = [
    Response(403, {"Content-Type": "text/plain"}, b"Forbidden"),
    Response(408),
    Response(425),
    Response(500, {}, b"<html>"),
    Response(502),
    Response(503, {"Retry-After": "9"}, b""),
    Response(504),
    Response(429),
    Fault("timeout", "maybe"),
    Fault("refused", "no"),
    Fault("tls", "no"),
    Fault("name", "no"),
    Fault("other", "maybe"),
]


@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_is_shorter_than_the_code_costs_nothing_but_time(trouble: Reply) -> None:
    outage = Outage(seconds(10), seconds(700), trouble)
    script = Script(approve_after=seconds(60), lifetime=seconds(900), outages=(outage,))
    server = Server(script)
    flow = DeviceFlow(Client(provider=server.provider, client_id="x"))
    ticks = list(simulate(flow, server))
    assert isinstance(ticks[-1].state, Authorized)
    assert len(ticks) < 150
    waits = [after.at - before.at for before, after in pairwise(ticks[2:])]
    assert min(waits) >= seconds(5)


UNREADABLE = [Response(404, {}, b"<html>"), Response(302), Response(418), Response(201, {}, b"{}")]


@pytest.mark.parametrize("answer", UNREADABLE)
def test_an_answer_that_means_nothing_counts(answer: Response) -> None:
    outage = Outage(seconds(4), seconds(800), answer)
    server = Server(Script(approve_after=seconds(60), lifetime=seconds(900), outages=(outage,)))
    flow = DeviceFlow(Client(provider=server.provider, client_id="x"))
    ticks = list(simulate(flow, server))
    last = ticks[-1].state
    assert isinstance(last, Failed)
    assert len(ticks) == 2 + flow.backoff.tries


def test_trouble_that_passes_does_not_use_up_the_tries() -> None:
    flow = DeviceFlow(CLIENT)
    state: DeviceState = Pending(code := issued(), seconds(5), instant(5))
    at = 5.0
    for status in (502, 502, 502, 502, 502, 502, 404, 404):
        state = flow.step(state, poll().read(reply(status, b""), moment(at)))
        assert isinstance(state, Pending)
        at = state.not_before.total_seconds()
    assert isinstance(state, Pending)
    assert (state.faults, state.unreadable) == (8, 2)
    assert state.authorization is code
    answered = flow.step(state, StillPending(state.not_before))
    assert isinstance(answered, Pending)
    assert (answered.faults, answered.unreadable) == (0, 0)


def issued() -> DeviceAuthorization:
    body = {
        "device_code": "dc",
        "user_code": "W",
        "verification_uri": "https://acme.example",
        "expires_in": 6000,
    }
    event = at_start(reply(200, body))
    assert isinstance(event, CodeIssued)
    return event.authorization


# Retry-After, in every form and at every endpoint


@pytest.mark.parametrize(
    "header",
    [
        "45",
        " 45 ",
        "Thu, 01 Jan 2026 00:02:25 GMT",
        "Thursday, 01-Jan-26 00:02:25 GMT",
        "Thu Jan  1 00:02:25 2026",
    ],
)
def test_a_pause_is_read_in_each_of_its_forms(header: str) -> None:
    for flow in (MACHINE, REFRESH, REGISTERS):
        event = due(flow).read(reply(503, b"", retry_after=header), NOW)
        assert isinstance(event, SlowDownAsked)
        assert event.retry_after == seconds(45)
    event = at_poll(reply(503, b"", retry_after=header))
    assert isinstance(event, Unanswered)
    assert event.fault.retry_after == seconds(45)


@pytest.mark.parametrize(
    "header", ["", "soon", "Thursday, 99-Jan-26 00:02:25 GMT", "Thu Foo 1 0:0:0 26", "-" * 9999]
)
def test_what_is_no_pause_is_none(header: str) -> None:
    event = at_poll(reply(503, b"", retry_after=header))
    assert isinstance(event, Unanswered)
    assert event.fault.retry_after is None


# Errors in WWW-Authenticate, outside of resource calls


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer error="invalid_token", error_description="The initial access token is missing"',
        'Basic realm="x", Bearer error=invalid_token',
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_error_may_be_told_by_a_challenge_alone(status: int, challenge: str) -> None:
    answer = reply(status, b"", WWW_Authenticate=challenge)
    for send in (due(REGISTERS), due(MACHINE), due(REFRESH)):
        event = send.read(answer, NOW)
        assert isinstance(event, Rejected)
        assert isinstance(event.error, Refused)
        assert (event.error.code, event.error.raw) == ("invalid_token", "invalid_token")


def test_a_challenge_without_an_error_says_nothing() -> None:
    unfit = due(MACHINE).read(reply(404, b"", WWW_Authenticate='Bearer error="x"'), NOW)
    assert isinstance(unfit, Rejected)
    assert isinstance(unfit.error, InvalidResponse)
    event = due(MACHINE).read(reply(401, b"", WWW_Authenticate='Basic realm="x"'), NOW)
    assert isinstance(event, Rejected)
    assert isinstance(event.error, InvalidResponse)
    told = reply(401, {"error": "invalid_client"}, WWW_Authenticate='Bearer error="other"')
    refused = due(MACHINE).read(told, NOW)
    assert isinstance(refused, Rejected)
    assert isinstance(refused.error, Refused)
    assert refused.error.code == "invalid_client"


# What a token answer may get wrong


def read(**members: object) -> Received:
    return due(MACHINE).read(reply(200, {"access_token": "at", **members}), NOW)


@pytest.mark.parametrize(
    "token_type", ["Bearer\r\nX-Evil: 1", "a b", "Bearer,", "Bear\u00e9r", " ", [], {}, True, 1.5]
)
def test_a_token_type_is_a_word_of_http(token_type: object) -> None:
    event = read(token_type=token_type)
    assert isinstance(event, Rejected)
    assert isinstance(event.error, InvalidResponse)
    assert "token_type" in event.error.problem


@pytest.mark.parametrize("token_type", [None, "", "bearer", "JWT", "N_A"])
def test_other_words_are_kept_as_sent(token_type: str | None) -> None:
    event = read(token_type=token_type)
    assert isinstance(event, TokenIssued)
    assert event.token.token_type == (token_type or "Bearer")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refresh_token", "\u00e9"),
        ("refresh_token", "a\nb"),
        ("refresh_token", {"token": "x"}),
        ("refresh_token", True),
        ("id_token", ["x"]),
        ("id_token", "\x00"),
        ("scope", 5),
        ("scope", {"a": True}),
        ("scope", True),
    ],
)
def test_an_optional_member_that_cannot_be_used_is_dropped(name: str, value: object) -> None:
    event = read(**{name: value})
    assert isinstance(event, TokenIssued)
    assert event.token == Token(access_token="at", scope=CLIENT.scope, issued_at=NOW.wall)
    assert event.dropped == (name,)
    end = MACHINE.step(MACHINE.start(moment()), event)
    assert end == Authorized(event.token, (name,))


@pytest.mark.parametrize("members", [{}, {"refresh_token": None, "id_token": "", "scope": ""}])
def test_what_is_not_there_is_not_dropped(members: dict[str, object]) -> None:
    event = read(**members)
    assert isinstance(event, TokenIssued)
    assert event.dropped == ()


# Lifetimes and the ends of the calendar


@pytest.mark.parametrize(("expires_in", "left"), [(-1, 0), ("-5", 0), (-1e300, 0), ("60", 60)])
def test_a_negative_lifetime_is_over(expires_in: object, left: float) -> None:
    event = read(expires_in=expires_in)
    assert isinstance(event, TokenIssued)
    assert event.token.expires_at == NOW.wall + seconds(left)
    started = at_start(
        reply(
            200,
            {
                "device_code": "dc",
                "user_code": "W",
                "verification_uri": "https://acme.example",
                "expires_in": expires_in,
            },
        )
    )
    assert isinstance(started, CodeIssued)
    assert started.authorization.expires_at == AT + seconds(left)
    flow = DeviceFlow(CLIENT)
    after = flow.step(flow.start(moment()), started)
    assert isinstance(after, Pending if left else Expired)


@pytest.mark.parametrize(
    "members",
    [
        {"expires_at": "9999-12-31T23:59:59-12:00"},
        {"expires_at": "9999-12-31T23:59:59+14:00"},
        {"expires_at": "9999-12-31T23:59:59"},
        {"expires_at": 253402300799},
        {"expires_at": "12/31/9999 23:59:59 -12:00"},
        {"expires_in": 1e300},
        {"expires_in": "9" * 300},
        {"expires_in": "9" * 100_000},
        {"expires_at": "9" * 100_000},
    ],
)
def test_no_end_leaves_the_calendar_in_any_time_zone(members: dict[str, object]) -> None:
    event = read(**members)
    assert isinstance(event, TokenIssued)
    end = event.token.expires_at
    if end is not None:
        assert end.tzinfo is UTC
        for offset in (-14, 14):
            end.astimezone(timezone(timedelta(hours=offset)))
        assert end + timedelta(hours=14) > end


def test_the_last_day_is_the_end_for_a_clock_that_is_there_already() -> None:
    late = evolve(NOW, wall=WALL.replace(year=9999, month=12, day=31))
    event = due(MACHINE).read(reply(200, {"access_token": "at", "expires_in": 10**9}), late)
    assert isinstance(event, TokenIssued)
    assert event.token.expires_at is not None


# A clock that is off

ASSERTING = Client(provider=ACME, client_id="app", authentication=ClientAssertion(lambda: "jwt"))


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Thu, 01 Jan 2026 00:03:40 GMT", 120),
        ("Wed, 31 Dec 2025 23:59:40 GMT", -120),
        ("Thu, 01 Jan 2026 00:01:50 GMT", None),
        ("nonsense", None),
    ],
)
def test_a_clock_that_is_off_is_named(date: str, ahead: int | None) -> None:
    answer = reply(401, {"error": "invalid_client"}, Date=date)
    event = due(ClientCredentialsFlow(ASSERTING)).read(answer, NOW)
    assert isinstance(event, Rejected)
    assert isinstance(event.error, Refused)
    assert event.error.ahead == (None if ahead is None else seconds(ahead))
    assert ("clock" in sentence(Failed(event.error))) is (ahead is not None)
    unsigned = due(MACHINE).read(answer, NOW)
    assert isinstance(unsigned, Rejected)
    assert isinstance(unsigned.error, Refused)
    assert unsigned.error.ahead is None


# Work that is linear in a stranger's text, and no secret in what is shown of it


@pytest.mark.parametrize(
    "text", ["-eyJa", "eyJ.", "eyJa.eyJa", "a" * 4, "%41", '="', "\\\\", "eyJ" + "a" * 50 + "."]
)
def test_a_long_description_is_read_in_linear_time(text: str) -> None:
    took: list[float] = []
    for size in (30_000, 480_000):
        body = {"error": "invalid_grant", "error_description": text * (size // len(text))}
        answer = reply(400, body, WWW_Authenticate=text * (size // len(text)))
        fastest = 1e9
        for _ in range(3):
            began = time.process_time()
            event = due(REFRESH).read(answer, NOW)
            fastest = min(fastest, time.process_time() - began)
        took.append(fastest)
        assert isinstance(event, Rejected)
        assert isinstance(event.error, Refused)
        assert len(event.error.description or "") <= 1000
    assert took[1] < 64 * took[0] + 0.5  # 16 times the text; quadratic is 256 times


SECRET = "p@ss/w0rd+x=1=="


@pytest.mark.parametrize(
    "echo",
    [
        SECRET,
        quote_plus(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET).lower(),
        b64encode(SECRET.encode()).decode(),
        "a\\nb",
    ],
)
@pytest.mark.parametrize("where", ["first", 990, 5000])
def test_a_secret_is_masked_however_it_was_sent(echo: str, where: str | int) -> None:
    secret = "a\nb" if echo == "a\\nb" else SECRET
    secret = secret * 2 if secret == "a\nb" else secret
    echo = echo * 2 if echo == "a\\nb" else echo
    proof = ClientSecretPost(secret)
    flow = ClientCredentialsFlow(evolve(CLIENT, authentication=proof))
    before = "" if where == "first" else "." * int(where)
    answer = reply(400, {"error": "invalid_request", "error_description": f"{before}{echo} no"})
    event = due(flow).read(answer, NOW)
    assert isinstance(event, Rejected)
    assert isinstance(event.error, Refused)
    told = event.error.description or ""
    assert echo not in told
    assert echo[:10] not in told


def test_the_basic_header_is_masked_without_its_scheme() -> None:
    flow = ClientCredentialsFlow(evolve(CLIENT, authentication=ClientSecretBasic(SECRET)))
    send = due(flow)
    header = send.request.header_map()["Authorization"].removeprefix("Basic ")
    for said in (header, quote_plus(header), f'{{"authorization": "Basic {header}"}}'):
        event = send.read(reply(400, {"error": "x", "error_description": f"got {said}"}), NOW)
        assert isinstance(event, Rejected)
        assert isinstance(event.error, Refused)
        assert header not in (event.error.description or "")
        assert "***" in (event.error.description or "")


# Registration


def test_what_a_registration_brings_is_kept() -> None:
    made = {
        "client_id": "c-1",
        "client_secret": "s-1",
        "client_secret_expires_at": 0,
        "registration_access_token": "reg-1",
        "registration_client_uri": "https://acme.example/register/c-1",
    }

    def server(_: object) -> Reply:
        return reply(201, made)

    end = run(REGISTERS, server, VirtualClock())
    assert isinstance(end, Authorized)
    assert end.token.extra["registration_access_token"] == "reg-1"
    assert end.token.extra["registration_client_uri"] == made["registration_client_uri"]
    assert end.token.expires_at is None
    assert "reg-1" not in repr(end)
    assert "client_secret" not in end.token.extra


def test_xml_is_not_called_html() -> None:
    event = at_poll(reply(200, b'<?xml version="1.0"?><OAuth><access_token>a</access_token>'))
    assert event == Rejected(AT, InvalidResponse("HTTP 200: XML", 200))


def test_a_provider_may_have_no_registration() -> None:
    with pytest.raises(ValueError, match="provider: 'bare' has no registration_endpoint"):
        RegistrationFlow(
            provider=Provider(name="bare", token_endpoint="https://bare.example/t"), client_name="x"
        )


@pytest.mark.parametrize("before", [0, 900, 990])
def test_a_signed_text_is_masked_even_where_it_is_cut(before: int) -> None:
    signed = f"eyJ{'a' * 200}.{'b' * 2000}.{'c' * 80}"
    said = {"error": "invalid_client", "error_description": f"{'x ' * (before // 2)}{signed}"}
    event = due(MACHINE).read(reply(401, said), NOW)
    assert isinstance(event, Rejected)
    assert isinstance(event.error, Refused)
    assert "eyJ" not in (event.error.description or "")
