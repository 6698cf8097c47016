"""What other clients' own suites expect, as a table: the same replies, and who does what.

Each row names the suite and its test. Where this library does something else, the row says what,
and names the decision: a line of ``docs/compat/peers.md``. A row without one does as the peer does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, final
from urllib.parse import parse_qs, parse_qsl

import pytest
import requests
from attrs import evolve, field, frozen

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretPost,
    Denied,
    DeviceFlow,
    DeviceState,
    Expired,
    Failed,
    Fault,
    GrantError,
    InvalidResponse,
    MemoryStore,
    Pending,
    Provider,
    RefreshFlow,
    Refused,
    Request,
    RequestFormat,
    Response,
    SlowDown,
    TokenAuth,
    TokenSource,
    Unreachable,
    run,
)
from grantflow.testing import VirtualClock

PAGE: Final = Path(__file__).parents[2] / "docs" / "compat" / "peers.md"
Asks = Literal["machine", "start", "poll", "refresh"]


def reply(status: int, body: object = b"", **headers: str) -> Response:
    """JSON, unless the body is bytes (then a page) or text (then a form)."""
    kind = "application/json"
    if isinstance(body, bytes):
        kind, data = "text/html", body
    elif isinstance(body, str):
        kind, data = "application/x-www-form-urlencoded; charset=utf-8", body.encode()
    else:
        data = json.dumps(body).encode()
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"Content-Type": kind, **told}, data)


def broken_json(status: int = 200) -> Response:
    return Response(status, {"Content-Type": "application/json"}, b'{"')


@frozen
class Case:
    """Replies to one kind of question, and what the peer makes of them, as ``told`` says it."""

    peer: str
    test: str
    asks: Asks
    replies: tuple[Response | Fault, ...]
    there: str
    here: str | None = None
    because: str | None = None

    @property
    def name(self) -> str:
        return f"{self.peer}: {self.test}"


TOKEN: Final = {"access_token": "token", "token_type": "Bearer"}
CODE: Final = {
    "device_code": "device_code",
    "user_code": "user_code",
    "verification_uri": "https://example.com/device",
    "expires_in": 300,
    "verification_uri_complete": "https://example.com/device?user_code=user_code",
    "interval": 5,
}
PENDING: Final = reply(200, "error=authorization_pending")
GITHUB: Final = reply(200, "access_token=123abc")


def without(document: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in document.items() if key != name}


def oauth4webapi() -> Iterable[Case]:
    """panva/oauth4webapi, which is certified, at 021b85f."""

    def case(test: str, asks: Asks, got: Response, there: str, *differs: str) -> Case:
        return Case("oauth4webapi", test, asks, (got,), there, *differs)

    lenient = "A member that is missing or of another type"
    for asks, test in (("machine", "client credentials"), ("poll", "device code")):
        kind: Asks = "machine" if asks == "machine" else "poll"
        if kind == "machine":
            yield case(f"{test}: 404", kind, reply(404), "invalid 1")
        else:
            again = "An answer that says nothing, while a person may still approve"
            yield Case(
                "oauth4webapi", f"{test}: 404", kind, (reply(404),), "invalid 1", "trouble 5", again
            )
        yield case(f"{test}: no JSON", kind, broken_json(), "invalid 1")
        yield case(f"{test}: null", kind, reply(200, None), "invalid 1")
        yield case(f"{test}: a list", kind, reply(200, []), "invalid 1")
        yield case(
            f"{test}: no access_token", kind, reply(200, {"token_type": "Bearer"}), "invalid 1"
        )
        said = {"access_token": "token"}
        yield case(
            f"{test}: no token_type", kind, reply(200, said), "invalid 1", "token 1", lenient
        )
        dated = TOKEN | {"expires_in": "Tue, 01 Dec 2026 00:00:00 GMT"}
        yield case(
            f"{test}: a date as expires_in",
            kind,
            reply(200, dated),
            "invalid 1",
            "token 1",
            lenient,
        )
        yield case(f"{test}: 60 seconds", kind, reply(200, TOKEN | {"expires_in": 60}), "token 1")
        refused = reply(400, {"error": "invalid_grant"})
        yield case(f"{test}: invalid_grant", kind, refused, "refused invalid_grant 1")
        yield case(f"{test}: the least", kind, reply(200, TOKEN), "token 1")
    for name in ("scope", "refresh_token", "id_token"):
        null = reply(200, TOKEN | {name: None})
        yield case(f"device code: {name} null", "poll", null, "invalid 1", "token 1", lenient)
    yield case("device authorization: 404", "start", reply(404), "invalid 1")
    yield case("device authorization: no JSON", "start", broken_json(), "invalid 1")
    yield case("device authorization: null", "start", reply(200, None), "invalid 1")
    yield case("device authorization: a list", "start", reply(200, []), "invalid 1")
    yield case("device authorization: all of it", "start", reply(200, CODE), "code 1")
    for name in ("verification_uri_complete", "interval"):
        kept = reply(200, without(CODE, name))
        yield case(f"device authorization: no {name}", "start", kept, "code 1")
    for name in ("device_code", "user_code", "verification_uri"):
        kept = reply(200, without(CODE, name))
        yield case(f"device authorization: no {name}", "start", kept, "invalid 1")
    kept = reply(200, without(CODE, "expires_in"))
    yield case("device authorization: no expires_in", "start", kept, "invalid 1", "code 1", lenient)
    for name in ("verification_uri_complete", "interval"):
        null = reply(200, CODE | {name: None})
        yield case(
            f"device authorization: {name} null", "start", null, "invalid 1", "code 1", lenient
        )


def golang() -> Iterable[Case]:
    """golang/oauth2, at 0062c4b and 5716e59."""

    def case(test: str, asks: Asks, got: Response, there: str, *differs: str) -> Case:
        return Case("golang/oauth2", test, asks, (got,), there, *differs)

    lenient = "A member that is missing or of another type"
    formed = reply(200, "access_token=90d&scope=user&token_type=bearer")
    yield case("TestTokenRequest: a form as the answer", "machine", formed, "token 1")
    told = {"access_token": "90d", "scope": "user", "token_type": "bearer"}
    for name, life in (("normal", 86400), ("paypal", "86400"), ("issue_239", None)):
        got = reply(200, told | {"expires_in": life})
        yield case(f"JSONResponse_Expiry: {name}", "machine", got, "token 1")
    wrong: tuple[tuple[str, object], ...] = (
        ("wrong_type", False),
        ("wrong_type2", {}),
        ("wrong_value", "zzz"),
    )
    for name, value in wrong:
        got = reply(200, told | {"expires_in": value})
        yield case(f"JSONResponse_Expiry: {name}", "machine", got, "invalid 1", "token 1", lenient)
    yield case("BadResponse", "machine", reply(200, without({**told}, "access_token")), "invalid 1")
    numeric = reply(200, told | {"access_token": 123})
    yield case("BadResponseType", "machine", numeric, "invalid 1", "token 1", lenient)
    fresh = reply(200, {"access_token": "foo", "refresh_token": "bar"})
    yield case("TestTokenRefreshRequest", "refresh", fresh, "token 1")
    formed = reply(400, "error=invalid_grant&error_description=sometext")
    yield case("DeviceAuthTokenRetrieveError: form", "start", formed, "refused invalid_grant 1")
    said = reply(400, {"error": "invalid_grant", "error_description": "sometext"})
    yield case("DeviceAuthTokenRetrieveError: JSON", "start", said, "refused invalid_grant 1")
    yield case("TokenRetrieveError", "machine", said, "refused invalid_grant 1")


def cli() -> Iterable[Case]:
    """cli/oauth, which GitHub's command signs in with, at 09402be."""

    def case(
        test: str, asks: Asks, *got: Response, there: str, differs: tuple[str, ...] = ()
    ) -> Case:
        return Case("cli/oauth", test, asks, got, there, *differs)

    code = "verification_uri=http://verify.me&interval=5&expires_in=99&device_code=DEVIC&user_code=123-abc"
    yield case("RequestCode: success", "start", reply(200, code), there="code 1")
    full = f"{code}&verification_uri_complete=http://verify.me/?code=123-abc"
    yield case("RequestCode: complete", "start", reply(200, full), there="code 1")
    yield case("RequestCode: unsupported", "start", reply(404), there="invalid 1")
    for word in ("unauthorized_client", "device_flow_disabled"):
        got = reply(400, f"error={word}")
        yield case(f"RequestCode: {word}", "start", got, there=f"refused {word} 1")
    gateway = reply(502, b"<h1>Something went wrong</h1>")
    tried = ("trouble 5", "A server in trouble is asked again")
    yield case("RequestCode: server error", "start", gateway, there="trouble 1", differs=tried)
    yield case("PollToken: success", "poll", PENDING, GITHUB, there="token 2")
    slow = "error=slow_down&error_description=Too+many+requests.&interval="
    first, second = reply(200, f"{slow}22"), reply(200, f"{slow}33")
    yield case("PollToken: slow down, 22", "poll", PENDING, first, GITHUB, there="token 3, 22 s")
    more = (PENDING, first, second, GITHUB)
    yield case("PollToken: slow down, 22, 33", "poll", *more, there="token 4, 33 s")
    slower = reply(200, "error=slow_down")
    yield case("PollToken: slow down", "poll", PENDING, slower, GITHUB, there="token 3, 10 s")
    more = (PENDING, slower, slower, GITHUB)
    yield case("PollToken: slow down twice", "poll", *more, there="token 4, 15 s")
    more = (PENDING, slower, slower, slower, GITHUB)
    patient = ("token 5, 20 s", "`slow_down` as often as the server likes")
    yield case("PollToken: exceeding", "poll", *more, there="trouble 4", differs=patient)
    denied = reply(200, "error=access_denied")
    yield case("PollToken: access denied", "poll", denied, there="denied 1")


def requests_oauth2client() -> Iterable[Case]:
    """guillp/requests_oauth2client, at 0668699."""

    def case(
        test: str, asks: Asks, *got: Response, there: str, differs: tuple[str, ...] = ()
    ) -> Case:
        return Case("requests_oauth2client", test, asks, got, there, *differs)

    yield case("authorize_device", "start", reply(200, CODE | {"interval": 7}), there="code 1")
    got = reply(400, {"error": "unauthorized_client"})
    yield case("client_error", "start", got, there="refused unauthorized_client 1")
    yield case("invalid_errors: foo", "start", reply(400, {"error": "foo"}), there="refused foo 1")
    yield case("invalid_errors: none", "start", reply(400, {"foo": "bar"}), there="invalid 1")
    pending, slow = (reply(401, {"error": word}) for word in ("authorization_pending", "slow_down"))
    good = reply(200, {"access_token": "token"})
    yield case("pooling_job: 401", "poll", pending, good, there="token 2")
    yield case("pooling_job: 401, slow_down", "poll", pending, slow, good, there="token 3, 10 s")
    yield case("token: simple", "machine", good, there="token 1")
    bar = reply(200, {"access_token": "foo", "token_type": "bar"})
    kept = ("token 1", "A `token_type` that is not known")
    yield case("invalid_token_type", "machine", bar, there="invalid 1", differs=kept)
    over = reply(200, TOKEN | {"expires_in": -60})
    yield case("expires_in of the past", "machine", over, there="over 1")
    gateway = reply(503, b"down")
    tried = ("trouble 5", "A server in trouble is asked again")
    yield case("token endpoint: 503", "machine", gateway, there="trouble 1", differs=tried)


def huggingface_hub() -> Iterable[Case]:
    """huggingface/huggingface_hub, at 0c3a062."""

    def case(test: str, asks: Asks, *got: Response | Fault, there: str) -> Case:
        return Case("huggingface_hub", test, asks, got, there)

    least = {name: CODE[name] for name in ("device_code", "user_code", "verification_uri")}
    yield case("RequestDeviceCode: success", "start", reply(200, least), there="code 1")
    yield case("RequestDeviceCode: failure", "start", reply(400, b"bad request"), there="invalid 1")
    pending = reply(200, {"error": "authorization_pending"})
    good = reply(200, TOKEN | {"refresh_token": "rt_123", "expires_in": 2592000})
    yield case("PollDeviceToken: success", "poll", pending, good, there="token 2")
    slow = reply(200, {"error": "slow_down"})
    yield case("PollDeviceToken: slow_down", "poll", slow, good, there="token 2, 10 s")
    trouble = (
        Fault("refused", "no"),
        reply(502, {}),
        reply(429, b"not json"),
        reply(403, {"message": "forbidden"}),
        good,
    )
    yield case("PollDeviceToken: transient failures", "poll", *trouble, there="token 5")
    gateways = (*[reply(502, b"")] * 10, good)
    yield case("PollDeviceToken: ten bad gateways", "poll", *gateways, there="token 11")
    for word, there in (("expired_token", "expired 1"), ("access_denied", "denied 1")):
        yield case(f"PollDeviceToken: {word}", "poll", reply(200, {"error": word}), there=there)
    yield case("RefreshAccessToken: success", "refresh", good, there="token 1")
    got = reply(400, {"error": "invalid_grant", "error_description": "revoked"})
    yield case("RefreshAccessToken: invalid_grant", "refresh", got, there="refused invalid_grant 1")


def msal() -> Iterable[Case]:
    """msal, its test_throttled_http_client, at 04b5245."""

    def case(test: str, asks: Asks, *got: Response, there: str) -> Case:
        return Case("msal", test, asks, got, there)

    good = reply(200, TOKEN)
    for status in (429, 503):
        later = reply(status, b"", Retry_After="7")
        yield case(f"{status} with Retry-After", "machine", later, good, there="token 2, after 7 s")
    refused = reply(400, {"error": "invalid_grant"})
    yield case(
        "one invalid_grant blocks the next", "machine", refused, there="refused invalid_grant 1"
    )
    pending = reply(400, {"error": "authorization_pending"})
    yield case("device flow is not cached", "poll", pending, pending, good, there="token 3")


def hermes() -> Iterable[Case]:
    """NousResearch/hermes-agent, its test_mcp_oauth_device, at 7f3856b."""

    def case(test: str, asks: Asks, *got: Response, there: str) -> Case:
        return Case("hermes-agent", test, asks, got, there)

    least = {name: CODE[name] for name in ("device_code", "user_code", "verification_uri")}
    yield case("full response", "start", reply(200, CODE | {"expires_in": 900}), there="code 1")
    yield case("no interval, no expiry", "start", reply(200, least), there="code 1")
    got = reply(200, {"error": "unauthorized_client", "error_description": "not registered"})
    yield case("refusal", "start", got, there="refused unauthorized_client 1")
    got = reply(200, without(dict(least), "device_code"))
    yield case("missing fields", "start", got, there="invalid 1")
    pending = reply(200, {"error": "authorization_pending"})
    good = reply(200, {"access_token": "at", "refresh_token": "rt", "expires_in": 899})
    yield case("immediate success", "poll", reply(200, TOKEN), there="token 1")
    yield case("pending", "poll", pending, pending, good, there="token 3")
    slow = reply(200, {"error": "slow_down"})
    yield case("slow_down", "poll", slow, good, there="token 2, 10 s")
    denied = reply(200, {"error": "access_denied", "error_description": "user refused"})
    yield case("denial", "poll", denied, there="denied 1")
    broke = reply(200, {"error": "server_broke"})
    yield case("unknown error", "poll", broke, there="refused server_broke 1")


CASES: Final = [
    *oauth4webapi(),
    *golang(),
    *cli(),
    *requests_oauth2client(),
    *huggingface_hub(),
    *msal(),
    *hermes(),
]


@final
@frozen
class Played:
    """Answers in order, the last one again and again; keeps when it was asked what."""

    clock: VirtualClock
    replies: tuple[Response | Fault, ...]
    asked: list[Request] = field(factory=list[Request])
    at: list[float] = field(factory=list[float])

    def __call__(self, request: Request, /) -> Response | Fault:
        self.asked.append(request)
        self.at.append(self.clock.now().mono.total_seconds())
        return self.replies[min(len(self.asked), len(self.replies)) - 1]


PEER: Final = Client(
    provider=Provider(
        name="peer",
        token_endpoint="https://as.example.com/token",
        device_authorization_endpoint="https://as.example.com/device",
    ),
    client_id="client-id",
)


def played(case: Case) -> str:
    clock = VirtualClock()
    intervals: list[float] = []

    def watch(state: DeviceState) -> None:
        if isinstance(state, (Pending, SlowDown)):
            intervals.append(state.interval.total_seconds())

    match case.asks:
        case "machine":
            sent = Played(clock, case.replies)
            found = told(run(ClientCredentialsFlow(PEER), sent, clock), sent, clock)
            waited = sent.at[-1] - sent.at[0]
            return f"{found}, after {waited:.0f} s" if "after" in case.there else found
        case "refresh":
            sent = Played(clock, case.replies)
            return told(run(RefreshFlow(PEER, "rt-1"), sent, clock), sent, clock)
        case "start":
            sent = Played(clock, (*case.replies[:1], reply(200, TOKEN)))
            if case.here is not None and case.here.startswith("trouble"):
                sent = Played(clock, case.replies)
            end = run(DeviceFlow(PEER), sent, clock)
            return "code 1" if isinstance(end, Authorized) else told(end, sent, clock)
        case "poll":
            sent = Played(clock, (reply(200, CODE), *case.replies))
            found = told(run(DeviceFlow(PEER), sent, clock, watch), sent, clock, before=1)
            told_of = (case.here or case.there).endswith(" s")
            return f"{found}, {intervals[-1]:.0f} s" if told_of else found


def told(
    end: Authorized | Expired | Failed, sent: Played, clock: VirtualClock, before: int = 0
) -> str:
    """Say what came of it, and after how many requests."""
    match end:
        case Authorized(token) if token.expires_at and token.expires_at <= clock.now().wall:
            what = "over"
        case Authorized():
            what = "token"
        case Expired():
            what = "expired"
        case Failed(Denied()):
            what = "denied"
        case Failed(Refused(code)):
            what = f"refused {code}"
        case Failed(InvalidResponse()):
            what = "invalid"
        case Failed(Unreachable()):
            what = "trouble"
        case _:
            what = repr(end)
    return f"{what} {len(sent.asked) - before}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_the_peer_or_as_decided(case: Case) -> None:
    assert played(case) == (case.here or case.there)
    if case.here is not None:
        assert case.because is not None
        assert case.here != case.there
        assert case.because in PAGE.read_text("utf-8")


def asked(client: Client, flow: type = ClientCredentialsFlow) -> tuple[dict[str, str], str | None]:
    sent = Played(VirtualClock(), (reply(200, TOKEN),))
    run(flow(client), sent, sent.clock)
    request = sent.asked[0]
    return dict(parse_qsl((request.body() or b"").decode())), request.header_map().get(
        "Authorization"
    )


BASIC: Final = evolve(
    PEER, client_id="CLIENT_ID", authentication=ClientSecretBasic("CLIENT_SECRET")
)


def test_golang_token_request() -> None:
    """``TestTokenRequest``: exactly these three, in any order, and the proof in the header."""
    form, proof = asked(evolve(BASIC, scope=("scope1", "scope2"), audience="audience1"))
    assert proof == "Basic Q0xJRU5UX0lEOkNMSUVOVF9TRUNSRVQ="
    assert form == {
        "audience": "audience1",
        "grant_type": "client_credentials",
        "scope": "scope1 scope2",
    }


def test_golang_grant_type_override() -> None:
    """``TestTokenSourceGrantTypeOverride``."""
    token = RequestFormat(fixed={"grant_type": "password"})
    form, _ = asked(evolve(BASIC, provider=evolve(PEER.provider, token=token)))
    assert form["grant_type"] == "password"


def test_golang_url_unsafe_client() -> None:
    """``TestURLUnsafeClientConfig``: id and secret are encoded before they are joined."""
    odd = evolve(
        BASIC, client_id="CLIENT_ID??", authentication=ClientSecretBasic("CLIENT_SECRET??")
    )
    assert asked(odd)[1] == "Basic Q0xJRU5UX0lEJTNGJTNGOkNMSUVOVF9TRUNSRVQlM0YlM0Y="


def test_oauth4webapi_client_authentication() -> None:
    """``client_auth.test.ts``: Basic alone, post alone, and for public clients the id alone."""
    form, proof = asked(BASIC)
    assert proof is not None
    assert "client_id" not in form
    assert "client_secret" not in form
    form, proof = asked(evolve(BASIC, authentication=ClientSecretPost("foo")))
    assert (proof, form["client_id"], form["client_secret"]) == (None, "CLIENT_ID", "foo")
    form, proof = asked(PEER)
    assert (proof, form["client_id"]) == (None, "client-id")
    assert "client_secret" not in form


def test_oauth4webapi_space_in_basic() -> None:
    """There ``+``, by the letter of RFC 6749 appendix B; here ``%20``, and ``plus`` by wish."""
    spaced = evolve(BASIC, authentication=ClientSecretBasic("a b"))
    plus = evolve(BASIC, authentication=ClientSecretBasic("a b", encoding="plus"))
    assert asked(spaced)[1] == "Basic Q0xJRU5UX0lEOmElMjBi"
    assert asked(plus)[1] == "Basic Q0xJRU5UX0lEOmErYg=="
    assert "A space in Basic" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("kind", ["bar", "mac", "N_A", "token"])
def test_requests_oauth2client_unknown_token_type(kind: str) -> None:
    """``test_invalid_token_type``: refused there; here stored, and never a header by itself."""
    sent = Played(VirtualClock(), (reply(200, {"access_token": "foo", "token_type": kind}),))
    named = evolve(PEER, provider=evolve(PEER.provider, authorization_scheme="Token"))

    def header(client: Client, scheme: str | None = None) -> str:
        source = TokenSource(
            client, "client_credentials", store=MemoryStore(), transport=sent, clock=sent.clock
        )
        assert source.token().token_type == kind
        request = requests.Request("GET", "https://api.example.com/").prepare()
        return str(TokenAuth(source, scheme=scheme)(request).headers["Authorization"])

    with pytest.raises(GrantError, match=f"token_type '{kind}' is neither Bearer nor DPoP"):
        header(PEER)
    assert header(PEER, scheme="MAC") == "MAC foo"
    assert header(named) == "Token foo"


def test_hermes_resource_in_both_requests() -> None:
    """``test_resource_sent_when_provided`` and ``test_resource_omitted_when_absent`` (RFC 8707)."""
    for resource in (("https://mcp.example/mcp",), ()):
        sent = Played(VirtualClock(), (reply(200, CODE), reply(200, TOKEN)))
        run(DeviceFlow(evolve(PEER, resource=resource)), sent, sent.clock)
        forms = [parse_qs((each.body() or b"").decode()) for each in sent.asked]
        assert [tuple(form.get("resource", ())) for form in forms] == [resource, resource]


def test_oauthlib_extra_parameters() -> None:
    """There a caller repeats them in each poll; here the provider's data says so."""
    clock = VirtualClock()
    told = {"some": "providers"}
    client = evolve(PEER, extra=told)
    for provider, repeated in (
        (PEER.provider, False),
        (evolve(PEER.provider, poll=RequestFormat(fixed=told)), True),
    ):
        sent = Played(clock, (reply(200, CODE), reply(200, TOKEN)))
        run(DeviceFlow(evolve(client, provider=provider)), sent, clock)
        first, second = ((each.body() or b"").decode() for each in sent.asked)
        assert "some=providers" in first
        assert ("some=providers" in second) is repeated
    assert "Extra parameters in the poll" in PAGE.read_text("utf-8")
