"""What an answer means, by RFC section."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from grantflow import (
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretJwt,
    ClientSecretPost,
    CodeExpired,
    CodeIssued,
    Denied,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Fault,
    InvalidResponse,
    Pending,
    RefreshFlow,
    Refused,
    Rejected,
    Response,
    Secret,
    Send,
    SlowDownAsked,
    Started,
    StillPending,
    Token,
    TokenIssued,
    Unanswered,
)
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.flows.events import Event
from grantflow.core.values.response import Reply
from tests.support.samples import ACME, CLIENT, CONFIDENTIAL, WALL, instant, moment, reply, seconds

NOW = moment(100, roll=0.25)
AT = NOW.mono
DEVICE = DeviceFlow(CLIENT)
CODE = DeviceAuthorization("dc", "WDJB-MJHT", "https://a.example", instant(900))
WAITING = Pending(CODE, seconds(5), instant(5))
GOOD = {"access_token": "at-1", "token_type": "Bearer"}


def sent(flow: DeviceFlow | ClientCredentialsFlow | RefreshFlow) -> Send:
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    return due


def poll() -> Send:
    due = DEVICE.due(WAITING)
    assert isinstance(due, Send)
    return due


def at_start(answer: Reply) -> Event:
    return sent(DEVICE).read(answer, NOW)  # pyright: ignore[reportReturnType]


def at_poll(answer: Reply) -> Event:
    return poll().read(answer, NOW)  # pyright: ignore[reportReturnType]


def at_credentials(answer: Reply) -> Event:
    return sent(ClientCredentialsFlow(CLIENT)).read(answer, NOW)  # pyright: ignore[reportReturnType]


def at_refresh(answer: Reply) -> Event:
    return sent(RefreshFlow(CLIENT, "rt-secret")).read(answer, NOW)  # pyright: ignore[reportReturnType]


EVERYWHERE = [at_start, at_poll, at_credentials, at_refresh]


# RFC 8628 section 3.1 and 3.4: requests


def test_the_device_authorization_request() -> None:
    request = sent(DEVICE).request
    assert request.url == ACME.device_authorization_endpoint
    assert request.body() == b"scope=read+write&client_id=app"
    assert request.header_map() == {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def test_the_poll() -> None:
    request = poll().request
    assert request.url == ACME.token_endpoint
    assert request.body() == (
        b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=dc&client_id=app"
    )


def test_a_json_provider_gets_json() -> None:
    client = Client(provider=evolve(ACME, encoding="json"), client_id="app", resource=("a", "b"))
    request = sent(DeviceFlow(client)).request
    assert request.body() == b'{"resource": ["a", "b"], "client_id": "app"}'
    assert request.header_map()["Content-Type"] == "application/json"


def test_the_client_credentials_request_carries_every_wish() -> None:
    client = evolve(
        CONFIDENTIAL, scope=("s",), audience="api", resource=("r1", "r2"), extra={"x": "y"}
    )
    assert sent(ClientCredentialsFlow(client)).request.body() == (
        b"grant_type=client_credentials&scope=s&audience=api&resource=r1&resource=r2&x=y"
        b"&client_id=app&client_secret=s3cret-word"
    )


def test_the_refresh_request() -> None:
    request = sent(RefreshFlow(CLIENT, "rt-1")).request
    assert request.body() == b"grant_type=refresh_token&refresh_token=rt-1&client_id=app"


# RFC 8628 section 3.2: the device authorization response

CODE_BODY: dict[str, object] = {
    "device_code": "dc",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://a.example/go",
    "verification_uri_complete": "https://a.example/go?user_code=WDJB-MJHT",
    "expires_in": 1800,
    "interval": 7,
    "message": "hello",
}


def issued(**changes: object) -> DeviceAuthorization:
    body = {name: value for name, value in (CODE_BODY | changes).items() if value != "-"}
    event = at_start(reply(200, body))
    assert isinstance(event, CodeIssued)
    return event.authorization


def test_a_code_is_read() -> None:
    assert issued() == DeviceAuthorization(
        "dc",
        "WDJB-MJHT",
        "https://a.example/go",
        instant(1900),
        seconds(7),
        "https://a.example/go?user_code=WDJB-MJHT",
        {"message": "hello"},
    )


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ("-", 5),
        (None, 5),
        (0, 5),
        (-3, 5),
        ("8", 8),
        (" 8 ", 8),
        (2.5, 2.5),
        (True, 5),
        ("nan", 5),
        ("", 5),
        ("٣", 5),
        ("1_0", 5),
        ([], 5),
        (1e300, timedelta(days=3650).total_seconds()),
        (10**400, 5),
        ("--", 5),
    ],
)
def test_the_interval_survives_its_spellings(interval: object, expected: float) -> None:
    assert issued(interval=interval).interval == seconds(expected)


@pytest.mark.parametrize(("lifetime", "expected"), [("-", 1800), ("600", 600), (0, 1800), (-1, 0)])
def test_the_lifetime_survives_its_spellings(lifetime: object, expected: float) -> None:
    assert issued(expires_in=lifetime).expires_at == instant(100 + expected)


def test_the_spelling_of_the_drafts() -> None:
    code = issued(
        verification_uri="-",
        verification_uri_complete="-",
        verification_url="https://g.example",
        verification_url_complete="https://g.example?c=1",
    )
    assert code.verification_uri == "https://g.example"
    assert code.verification_uri_complete == "https://g.example?c=1"


def test_a_numeric_user_code_is_text() -> None:
    assert issued(user_code=12345).user_code == "12345"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://",
        "a.example",
        "http://[",
        "https://a b",
        "data:x",
        7,
    ],
)
def test_a_link_that_is_not_http_is_refused(link: object) -> None:
    event = at_start(reply(200, CODE_BODY | {"verification_uri": link}))
    assert event == Rejected(
        AT, InvalidResponse("HTTP 200: verification_uri is no http or https link", 200)
    )
    assert issued(verification_uri_complete=link).verification_uri_complete is None


@pytest.mark.parametrize("name", ["device_code", "user_code", "verification_uri"])
def test_a_code_that_lacks_something_is_final(name: str) -> None:
    body = {key: value for key, value in CODE_BODY.items() if key != name}
    assert at_start(reply(200, body)) == Rejected(
        AT, InvalidResponse(f"HTTP 200: {name} is missing", 200)
    )


def test_a_code_that_cannot_be_sent_back_is_final() -> None:
    event = at_start(reply(200, CODE_BODY | {"device_code": "a\ud800"}))
    assert isinstance(event, Rejected)


# RFC 8628 section 3.5: what a poll may hear; the code outranks the status

STATUSES = [200, 400, 401, 403, 404, 428, 429, 500, 503]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("body", "event"),
    [
        ({"error": "authorization_pending"}, StillPending(AT)),
        ({"error": "slow_down"}, SlowDownAsked(AT, roll=0.25)),
        ({"error": "slow_down", "interval": "10"}, SlowDownAsked(AT, seconds(10), roll=0.25)),
        ({"error": "expired_token"}, CodeExpired(AT)),
        ({"error": "access_denied"}, Rejected(AT, Denied())),
        ({"error": "access_denied", "error_description": "no"}, Rejected(AT, Denied("no"))),
    ],
)
def test_the_code_outranks_the_status(status: int, body: object, event: Event) -> None:
    assert at_poll(reply(status, body)) == event


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    "code", ["invalid_client", "invalid_grant", "Invalid_Grant", "invalid_request"]
)
@pytest.mark.parametrize("read", EVERYWHERE)
def test_a_registered_code_is_final_at_any_status(read: object, code: str, status: int) -> None:
    assert callable(read)
    body = {"error": code, "error_description": "why", "error_uri": "https://d.example"}
    refused = Refused(code.lower(), "why", "https://d.example", status, code)
    assert read(reply(status, body)) == Rejected(AT, refused)


@pytest.mark.parametrize("read", EVERYWHERE)
def test_a_code_nobody_registered_is_final_but_in_a_server_error(read: object) -> None:
    assert callable(read)
    refused = Refused("device_flow_disabled", None, None, 400, "device_flow_disabled")
    assert read(reply(400, {"error": "device_flow_disabled"})) == Rejected(AT, refused)
    assert isinstance(read(reply(500, {"error": "Internal Server Error"})), Unanswered)


def test_form_answers_are_read_too() -> None:
    assert at_poll(reply(200, b"error=slow_down&interval=10")) == SlowDownAsked(
        AT, seconds(10), roll=0.25
    )
    event = at_poll(reply(200, b"access_token=gho_x&scope=read%2Cwrite&token_type=bearer"))
    assert isinstance(event, TokenIssued)
    assert event.token.access_token == Secret("gho_x")
    assert event.token.scope == ("read,write",)


def test_a_byte_order_mark_and_a_stray_byte_do_not_hide_the_code() -> None:
    assert at_poll(reply(400, b'\xef\xbb\xbf{"error": "authorization_pending"}')) == StillPending(
        AT
    )
    body = b'{"error": "authorization_pending", "error_description": "d\xe9sol\xe9"}'
    assert at_poll(reply(400, body)) == StillPending(AT)


def test_a_retry_after_rides_along() -> None:
    pending = {"error": "authorization_pending"}
    assert at_poll(reply(400, pending, retry_after="9")) == StillPending(AT, seconds(9))
    date = "Thu, 01 Jan 2026 00:02:00 GMT"  # twenty seconds after NOW
    assert at_poll(reply(400, pending, retry_after=date)) == StillPending(AT, seconds(20))
    for text in ("soon", "-5", "Thu, 01 Foo 2026 00:02:00 GMT", "Thu, 41 Jan 2026 00:02:00 GMT"):
        assert at_poll(reply(400, pending, retry_after=text)) == StillPending(AT)


# An unreadable 200 is final everywhere; any other unreadable answer, while polling, is not

UNREADABLE = [
    (b"", "an empty body"),
    (b"   ", "an empty body"),
    (b"<html>Maintenance</html>", "HTML"),
    (b"{", "a body that is no JSON"),
    (b"[]", "a JSON list instead of an object"),
    (b'"x"', "a JSON string instead of an object"),
    (b"null", "a JSON null instead of an object"),
    (b"true", "a JSON boolean instead of an object"),
    (b"7", "a JSON number instead of an object"),
    (b"oops", "a body that is no JSON"),
    (b"=", "access_token is missing"),
    (b"{}", "access_token is missing"),
    (b'{"access_token": null}', "access_token is missing"),
    (b'{"access_token": "a\\u0000b"}', "access_token has characters that cannot be sent"),
    (b"[" * 100_000, "a body that is no JSON"),
    (b'{"a": ' * 40 + b"1" + b"}" * 40, "JSON nested more than 32 deep"),
    (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "not a JSON value, or nested more than 32 deep"),
    (b'{"access_token": "' + b"a" * 1024 * 1024 + b'"}', "a body of more than 1 MiB"),
]


@pytest.mark.parametrize(("body", "problem"), UNREADABLE)
def test_an_unreadable_200_is_final(body: bytes, problem: str) -> None:
    for read in (at_poll, at_credentials, at_refresh):
        assert read(reply(200, body)) == Rejected(AT, InvalidResponse(f"HTTP 200: {problem}", 200))


@pytest.mark.parametrize("status", [201, 204, 301, 400, 401, 403, 404, 418, 500, 502, 503])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"message": "forbidden"}'])
def test_while_polling_any_other_unreadable_answer_is_not(status: int, body: bytes) -> None:
    event = at_poll(reply(status, body, retry_after="30"))
    assert isinstance(event, Unanswered)
    assert event.fault.kind == "http"
    assert event.fault.reached == "maybe"
    assert event.fault.detail.startswith(f"HTTP {status} (")
    assert (event.fault.retry_after, event.roll) == (seconds(30), 0.25)


def test_a_429_without_a_code_asks_to_slow_down() -> None:
    assert at_poll(reply(429, b"", retry_after="12")) == SlowDownAsked(AT, None, seconds(12), 0.25)
    assert at_credentials(reply(429, b"")) == SlowDownAsked(AT, roll=0.25)
    assert at_refresh(reply(503, b"<html>")) == SlowDownAsked(AT, roll=0.25)


@pytest.mark.parametrize("code", ["server_error", "temporarily_unavailable"])
def test_trouble_that_the_server_admits_passes(code: str) -> None:
    assert isinstance(at_poll(reply(400, {"error": code})), Unanswered)
    assert isinstance(at_start(reply(400, {"error": code})), Unanswered)


def test_trouble_that_the_server_admits_where_nobody_waits() -> None:
    for read in (at_credentials, at_refresh):
        assert read(reply(400, {"error": "temporarily_unavailable"})) == SlowDownAsked(
            AT, roll=0.25
        )
        assert isinstance(read(reply(400, {"error": "server_error"})), Unanswered)
        assert read(reply(400, {"error": "slow_down", "interval": 9})) == SlowDownAsked(
            AT, seconds(9), roll=0.25
        )


def test_the_device_endpoint_may_ask_to_wait() -> None:
    event = at_start(reply(429, {"error": "slow_down"}, retry_after="60"))
    assert isinstance(event, Unanswered)
    assert event.fault.retry_after == seconds(60)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again_at_the_device_endpoint(status: int) -> None:
    assert isinstance(at_start(reply(status, b"<html>")), Unanswered)


@pytest.mark.parametrize("read", [at_start, at_credentials, at_refresh])
def test_what_will_not_pass_is_final_where_nobody_waits(read: object) -> None:
    assert callable(read)
    redirect = "HTTP 302: a redirect, which is never followed"
    assert read(reply(302, b"", location="https://evil.example")) == Rejected(
        AT, InvalidResponse(redirect, 302)
    )
    assert read(reply(404, b"<html>")) == Rejected(
        AT, InvalidResponse("HTTP 404: no OAuth answer (HTML)", 404)
    )
    nothing = "HTTP 403: no OAuth answer (JSON without an error code)"
    assert read(reply(403, {"message": "x"})) == Rejected(AT, InvalidResponse(nothing, 403))


def test_only_client_credentials_take_a_retry_after_as_an_invitation() -> None:
    assert at_credentials(reply(502, b"", retry_after="3")) == SlowDownAsked(
        AT, None, seconds(3), 0.25
    )
    event = at_refresh(reply(502, b"", retry_after="3"))
    assert isinstance(event, Unanswered)
    assert event.fault.reached == "maybe"


@pytest.mark.parametrize("read", EVERYWHERE)
def test_a_fault_is_unanswered(read: object) -> None:
    assert callable(read)
    fault = Fault("timeout", "maybe", "slow")
    assert read(fault) == Unanswered(AT, fault, 0.25)


# RFC 6749 section 5.1: the token response


def token(**changes: object) -> Token:
    event = at_poll(reply(200, GOOD | changes))
    assert isinstance(event, TokenIssued)
    return event.token


def test_a_token_is_read() -> None:
    assert token(
        expires_in=3600, refresh_token="rt", scope="a b", id_token="idt", sub="alice"
    ) == Token(
        access_token="at-1",
        token_type="Bearer",
        expires_at=NOW.wall + seconds(3600),
        refresh_token="rt",
        scope=("a", "b"),
        id_token="idt",
        extra={"sub": "alice"},
        issued_at=NOW.wall,
    )


@pytest.mark.parametrize(
    ("members", "expires"),
    [
        ({"expires_in": "3600"}, 3600),
        ({"expires_in": 3599.5}, 3599.5),
        ({"expires_in": 0}, None),
        ({"expires_in": None}, None),
        ({"expires_in": -1}, 0),
        ({"expires_in": True}, None),
        ({"expires_in": "soon"}, None),
        ({"expires_in": 60, "expires_at": 1}, 60),
        ({"expires_on": str(int(WALL.timestamp()) + 160)}, 60),
        ({"expires_at": "2026-01-01T00:02:40.1234567Z"}, 60.123456),
        ({"expiry": "2026-01-01T00:02:40"}, 60),
        ({"expires_at": "M/D/Y"}, None),
        ({"expires_at": 0}, None),
        ({"expires_at": 1e18}, None),
        ({"expires_at": []}, None),
    ],
)
def test_the_expiry_survives_its_spellings(
    members: dict[str, object], expires: float | None
) -> None:
    expected = None if expires is None else NOW.wall + seconds(expires)
    assert token(**members).expires_at == expected


def test_a_life_beyond_the_calendar_ends_with_it() -> None:
    late = evolve(NOW, wall=WALL.replace(year=9999))
    event = poll().read(reply(200, GOOD | {"expires_in": 1e300}), late)
    assert isinstance(event, TokenIssued)
    assert event.token.expires_at is not None
    assert event.token.expires_at.year == 9999


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("-", ("read", "write")),
        ("", ()),
        ("read", ("read",)),
        (["a", "b", 7], ("a", "b")),
        (None, ("read", "write")),
    ],
)
def test_a_missing_scope_is_the_requested_one(scope: object, expected: tuple[str, ...]) -> None:
    assert token(**({} if scope == "-" else {"scope": scope})).scope == expected


@pytest.mark.parametrize("missing", [None, "", False])
def test_an_empty_refresh_token_counts_as_missing(missing: object) -> None:
    assert token(refresh_token=missing, id_token=missing).refresh_token is None
    event = at_refresh(reply(200, GOOD | {"refresh_token": missing}))
    assert isinstance(event, TokenIssued)
    assert event.token.refresh_token == Secret("rt-secret")


def test_a_rotated_refresh_token_replaces_the_old_one() -> None:
    event = at_refresh(reply(200, GOOD | {"refresh_token": "rt-2"}))
    assert isinstance(event, TokenIssued)
    assert event.token.refresh_token == Secret("rt-2")


def test_a_refresh_fills_in_the_granted_scope_if_it_is_told() -> None:
    flow = RefreshFlow(CLIENT, "rt", scope=("read",))
    event = sent(flow).read(reply(200, GOOD), NOW)
    assert isinstance(event, TokenIssued)
    assert event.token.scope == ("read",)
    assert isinstance(before := at_refresh(reply(200, GOOD)), TokenIssued)
    assert before.token.scope == ("read", "write")


@pytest.mark.parametrize(
    ("token_type", "expected"),
    [("bearer", "Bearer at-1"), ("MAC", "MAC at-1"), (None, "Bearer at-1")],
)
def test_the_token_type_is_compared_without_case(token_type: object, expected: str) -> None:
    assert token(token_type=token_type).authorization.reveal() == expected


def test_not_a_number_is_no_number() -> None:
    event = at_poll(reply(200, b'{"access_token": "a", "expires_in": NaN, "x": [Infinity]}'))
    assert isinstance(event, TokenIssued)
    assert event.token.expires_at is None
    assert event.token.extra == {"x": (None,)}


# What a message may hold


def test_a_description_that_echoes_a_secret_is_masked() -> None:
    body = {"error": "invalid_grant", "error_description": "rt-secret is unknown" + "!" * 2000}
    event = at_refresh(reply(400, body))
    assert isinstance(event, Rejected)
    assert isinstance(event.error, Refused)
    assert event.error.description is not None
    assert event.error.description.startswith("*** is unknown")
    assert len(event.error.description) == 1000


def test_a_garbled_answer_does_not_show_its_body() -> None:
    event = at_poll(Response(200, {}, b'{"access": "top-secret"}'))
    assert "top-secret" not in repr(event)


def test_a_code_that_echoes_a_secret_is_masked() -> None:
    event = at_refresh(reply(400, {"error": "bad rt-secret"}))
    assert event == Rejected(AT, Refused("bad ***", None, None, 400, "bad ***"))


def test_a_zero_is_no_error() -> None:
    event = at_poll(reply(200, GOOD | {"error": 0}))
    assert isinstance(event, TokenIssued)


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59"])
def test_an_end_before_1970_says_nothing(end: str) -> None:
    assert token(expires_at=end).expires_at is None


def test_nobody_waits_long_for_a_code() -> None:
    flow = DeviceFlow(CLIENT)
    state = flow.start(moment())
    for pause, kind in ((300, Started), (301, Expired)):
        event = at_start(reply(429, b"", retry_after=str(pause)))
        assert isinstance(flow.step(state, event), kind)


@pytest.mark.parametrize("proof", [ClientSecretBasic, ClientSecretPost, ClientSecretJwt])
def test_a_client_secret_that_a_server_repeats_is_masked(
    proof: Callable[[str], ClientAuthentication],
) -> None:
    """Also where it travelled in another shape: encoded in a header, or as the key of a proof."""
    flow = ClientCredentialsFlow(evolve(CLIENT, authentication=proof("hunter2hunter2")))
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    told = {"error": "invalid_client", "error_description": "hunter2hunter2 is wrong"}
    event = due.read(reply(401, told), moment())
    assert isinstance(event, Rejected)
    assert isinstance(event.error, Refused)
    assert event.error.description == "*** is wrong"


def test_an_assertion_that_a_server_repeats_is_masked() -> None:
    told = {"error": "invalid_client", "error_description": "bad eyJhbGci.eyJpc3M.c2ln!"}
    flow = ClientCredentialsFlow(CLIENT)
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    event = due.read(reply(401, told), moment())
    assert isinstance(event, Rejected)
    assert isinstance(event.error, Refused)
    assert event.error.description == "bad ***!"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("link.example/ABC", "https://link.example/ABC"),
        ("link.example:8443/a:b", "https://link.example:8443/a:b"),
        ("http://link.example", "http://link.example"),
        ("javascript:alert(1)", None),
        ("ftp://link.example", None),
        ("mailto:a@link.example", None),
    ],
)
def test_only_a_link_without_a_scheme_is_completed(sent: str, read: str | None) -> None:
    flow = DeviceFlow(evolve(CLIENT, provider=evolve(ACME, link_scheme="https")))
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    code = {"device_code": "dc", "user_code": "WDJB", "verification_uri": sent}
    event = due.read(reply(200, code), moment())
    assert (event.authorization.verification_uri if isinstance(event, CodeIssued) else None) == read
