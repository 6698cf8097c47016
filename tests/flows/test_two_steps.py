"""Sign-ins of two steps, and clients that register themselves: steps around the same states."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import evolve
from hypothesis import given, settings
from returns.unsafe import unsafe_perform_io

from grantflow import (
    Authorized,
    Client,
    ClientSecretBasic,
    ClientSecretPost,
    Denied,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Failed,
    Fault,
    GrantError,
    InvalidResponse,
    MemoryStore,
    Pending,
    Provider,
    Public,
    Refused,
    Registration,
    RegistrationFlow,
    Request,
    RequestFormat,
    Secret,
    Send,
    StillPending,
    Store,
    StoreError,
    Token,
    TokenSource,
    begin,
    providers,
    run,
)
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.flows.events import Event, WrapperEvent
from grantflow.core.flows.flow import Flow
from grantflow.core.flows.states import DeviceState, Started
from grantflow.core.flows.two_step import GrantIssued, TwoStepState
from grantflow.core.values.json import Members
from grantflow.core.values.request import Proof
from grantflow.core.values.response import Reply
from grantflow.flows import LinkFlow, TwoStepFlow, flow_for
from grantflow.signing import dpop_key
from grantflow.testing import VirtualClock
from tests.support.samples import ACME, CLIENT, WALL, instant, moment, reply, seconds
from tests.support.strategies import replies

ENTROPY = "f" * 64
DEBRID = Client(provider=providers.find("real-debrid"), client_id="app")
DAGSHUB = Client(provider=providers.find("dagshub"), client_id="app")
CODE = reply(
    200,
    {
        "device_code": "dc-1",
        "user_code": "WDJB",
        "verification_url": "https://real-debrid.com/device",
        "interval": 5,
        "expires_in": 600,
    },
)
WAIT = reply(403, {"error": None})
OWN = reply(200, {"client_id": "of-alice", "client_secret": "s3cret-of-alice"})
TOKEN = reply(200, {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 3600})


class Recorder:
    def __init__(self, *replies: Reply) -> None:
        self.replies = [*replies]
        self.requests: list[Request] = []

    def __call__(self, request: Request, /) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0)


def failure(flow: Flow[object], *answers: Reply) -> object:
    server = Recorder(*answers)
    end = run(flow, server, VirtualClock())
    assert not server.replies
    assert isinstance(end, Failed)
    return end.error


# Two steps


def test_a_poll_may_bring_credentials_that_are_exchanged() -> None:
    server, clock = Recorder(CODE, WAIT, OWN, TOKEN), VirtualClock()
    end = run(flow_for(DEBRID), server, clock)
    assert isinstance(end, Authorized)
    assert end.token.access_token == Secret("at-1")
    ask, poll, again, exchange = server.requests
    assert ask.target().endswith("/device/code?client_id=app&new_credentials=yes")
    assert poll.target() == again.target()
    assert parse_qs(exchange.body().decode()) == {
        "code": ["dc-1"],
        "client_id": ["of-alice"],
        "client_secret": ["s3cret-of-alice"],
        "grant_type": ["http://oauth.net/grant_type/device/1.0"],
    }
    # The exchange follows at once: nobody is waited for any more.
    assert [each for each in clock.slept if each] == [seconds(5), seconds(5)]
    assert "s3cret-of-alice" not in repr(end)


def test_the_credentials_stay_with_the_token_and_renew_it() -> None:
    clock = VirtualClock()
    renewed = reply(200, {"access_token": "at-2", "refresh_token": "rt-2", "expires_in": 3600})
    server = Recorder(CODE, OWN, TOKEN, renewed, renewed)
    source = TokenSource(
        DEBRID, store=MemoryStore(), transport=server, clock=clock, prompt=lambda _: None
    )
    source.token()
    for _ in range(2):  # the second time, from what the first renewal left
        clock.sleep_until(instant(clock.now().mono.total_seconds() + 3600))
        source.token()
        sent = parse_qs(server.requests[-1].body().decode())
        assert sent["client_id"] == ["of-alice"]
        assert sent["client_secret"] == ["s3cret-of-alice"]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((CODE, reply(400, {"error": "access_denied"})), Denied),
        ((CODE, reply(200, {"client_id": "of-alice"})), InvalidResponse),
        ((CODE, reply(200, {"access_token": "at"})), InvalidResponse),
        ((CODE, OWN, reply(400, {"error": "invalid_grant"})), Refused),
        ((CODE, OWN, reply(200, b"<html>")), InvalidResponse),
    ],
)
def test_either_step_may_end_it(answers: tuple[Reply, ...], kind: type) -> None:
    assert isinstance(failure(flow_for(DEBRID), *answers), kind)


def test_an_exchange_that_may_have_arrived_is_not_sent_again() -> None:
    failure(flow_for(DEBRID), CODE, OWN, Fault("timeout", "maybe"))
    server = Recorder(CODE, OWN, Fault("refused", "no"), reply(429, b""), TOKEN)
    assert isinstance(run(flow_for(DEBRID), server, VirtualClock()), Authorized)


def test_credentials_that_come_too_late_are_not_exchanged() -> None:
    flow = TwoStepFlow(DEBRID, budget=seconds(20))
    going = begin(flow, moment())
    for answer, at in ((CODE, 0), (OWN, 20)):
        due = going.due
        assert isinstance(due, Send)
        going = going.receive(due, answer, moment(at))
    assert going.state == Expired()


# The middleman


def test_a_request_that_is_held_open_brings_a_code_that_is_exchanged() -> None:
    shown: list[DeviceState] = []
    nano = "2026-01-01T02:00:00.123456789Z"
    token = reply(200, {"access_token": "at-1", "token_type": "bearer", "expiry": nano})
    server, clock = Recorder(reply(200, "code-1"), token), VirtualClock()
    client = evolve(DAGSHUB, extra=(("referrer", "colab"),))
    end = run(flow_for(client, entropy=ENTROPY), server, clock, shown.append)
    assert isinstance(end, Authorized)
    assert end.token.expires_at is not None

    first = shown[0]
    assert isinstance(first, Pending)
    link = urlsplit(first.authorization.verification_uri)
    assert (
        f"{link.scheme}://{link.netloc}{link.path}" == "https://dagshub.com/login/oauth/authorize"
    )
    told = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert told.keys() == {"state", "client_id", "middleman_request_id", "referrer"}
    held, exchange = server.requests
    assert parse_qs(held.body().decode()) == {"request_id": [told["middleman_request_id"]]}
    assert held.wait is not None
    assert parse_qs(exchange.body().decode()) == {
        "client_id": ["app"],
        "code": ["code-1"],
        "state": [told["state"]],
    }
    assert told["state"] != told["middleman_request_id"]
    assert ENTROPY not in first.authorization.verification_uri


def test_a_request_that_times_out_is_no_trouble_until_the_end() -> None:
    provider = evolve(DAGSHUB.provider, lifetime=seconds(60))
    flow = LinkFlow(evolve(DAGSHUB, provider=provider), ENTROPY)
    server, clock = Recorder(*[Fault("timeout", "maybe")] * 12), VirtualClock()
    assert run(flow, server, clock) == Expired()
    assert len(server.requests) == 12
    assert clock.now().mono < instant(60)


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"<html>"),
        TOKEN,
        reply(200, b'""'),
        reply(200, '"a b"'),
        reply(200, {"code": "x"}),
        reply(200, b"x" * 2**21),
    ],
)
def test_what_is_no_code_ends_it(answer: Reply) -> None:
    assert isinstance(failure(LinkFlow(DAGSHUB, ENTROPY), answer), InvalidResponse)


@pytest.mark.parametrize("status", [302, 400, 404, 410])
def test_a_held_request_that_is_refused_without_a_code_ends_it_at_once(status: int) -> None:
    server = Recorder(reply(status, {"message": "no"}), reply(200, "code-1"), TOKEN)
    end = run(LinkFlow(DAGSHUB, ENTROPY), server, VirtualClock())
    assert isinstance(end, Failed)
    assert isinstance(end.error, InvalidResponse)
    assert (end.error.status, len(server.requests)) == (status, 1)


@pytest.mark.parametrize("status", [403, 408, 425, 429, 503])
def test_a_held_request_is_sent_again_after_what_may_pass(status: int) -> None:
    server = Recorder(*[reply(status, {"message": "later"})] * 9, reply(200, "code-1"), TOKEN)
    assert isinstance(run(LinkFlow(DAGSHUB, ENTROPY), server, VirtualClock()), Authorized)


def test_a_server_in_trouble_is_asked_again() -> None:
    answers = (reply(502, b"<html>"), Fault("refused", "no"), reply(400, {"error": "slow_down"}))
    server = Recorder(*answers, reply(200, "code-1"), TOKEN)
    assert isinstance(run(LinkFlow(DAGSHUB, ENTROPY), server, VirtualClock()), Authorized)


@settings(deadline=None)
@given(answer=replies)
@pytest.mark.parametrize("flow", [TwoStepFlow(DEBRID), LinkFlow(DAGSHUB, ENTROPY)])
def test_any_bytes_give_one_event_in_each_step(flow: TwoStepFlow | LinkFlow, answer: Reply) -> None:
    state: TwoStepState = flow.start(moment())
    if isinstance(state, Started):
        due = flow.due(state)  # pyright: ignore[reportArgumentType]
        assert isinstance(due, Send)
        state = flow.step(state, due.read(CODE, moment()))  # pyright: ignore[reportArgumentType]
    for happened in (OWN if isinstance(flow, TwoStepFlow) else reply(200, "code-1"), TOKEN):
        due = flow.due(state)  # pyright: ignore[reportArgumentType]
        assert isinstance(due, Send)
        assert isinstance(due.read(answer, moment(5)), (Event, WrapperEvent))
        state = flow.step(state, due.read(happened, moment(5)))  # pyright: ignore[reportArgumentType]
    assert isinstance(state, Authorized)
    assert flow.due(state) is state
    assert flow.step(state, StillPending(instant(1))) is state


def test_what_a_flow_needs_is_told_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="entropy: 32 random characters"):
        flow_for(DAGSHUB)
    with pytest.raises(ValueError, match="'acme' has no authorization_endpoint"):
        LinkFlow(CLIENT, ENTROPY)
    bare = evolve(CLIENT, provider=Provider(name="bare", token_endpoint="https://bare.example"))
    with pytest.raises(ValueError, match="'bare' has no device_authorization_endpoint"):
        TwoStepFlow(bare)


def test_the_end_of_a_link_sign_in_absorbs_every_event() -> None:
    assert LinkFlow(DAGSHUB, ENTROPY).step(Expired(), StillPending(instant(1))) == Expired()


# PKCE (RFC 7636)

DEX = Client(provider=evolve(ACME, pkce=True), client_id="app")


def test_pkce_shows_the_hash_first_and_the_verifier_later() -> None:
    server = Recorder(CODE, TOKEN)
    assert isinstance(run(flow_for(DEX, entropy=ENTROPY), server, VirtualClock()), Authorized)
    ask, poll = (parse_qs(request.body().decode()) for request in server.requests)
    digest = urlsafe_b64encode(sha256(ENTROPY.encode()).digest()).rstrip(b"=").decode()
    assert (ask["code_challenge"], ask["code_challenge_method"]) == ([digest], ["S256"])
    assert poll["code_verifier"] == [ENTROPY]
    assert "code_verifier" not in ask


def test_pkce_is_only_for_who_wants_it() -> None:
    assert flow_for(CLIENT, entropy=ENTROPY) == DeviceFlow(CLIENT)
    with pytest.raises(ValueError, match="verifier: provider 'acme' requires one"):
        flow_for(DEX)
    with pytest.raises(ValueError, match="verifier: 43 to 128 letters"):
        flow_for(DEX, entropy="too short")


@pytest.mark.parametrize(
    ("client", "answers"),
    [(DEBRID, (CODE, WAIT, OWN, TOKEN)), (DAGSHUB, (reply(200, "the-code"), TOKEN))],
)
def test_a_person_is_asked_once_for_both_steps(client: Client, answers: tuple[Reply, ...]) -> None:
    shown: list[DeviceAuthorization] = []
    source = TokenSource(
        client,
        store=MemoryStore(),
        transport=Recorder(*answers),
        clock=VirtualClock(),
        prompt=shown.append,
    )
    assert source.token().access_token == Secret("at-1")
    assert len(shown) == 1


def test_a_source_brings_a_new_one_for_each_sign_in() -> None:
    server = Recorder(CODE, TOKEN, CODE, TOKEN)
    for _ in range(2):
        source = TokenSource(
            DEX,
            store=MemoryStore(),
            transport=server,
            clock=VirtualClock(),
            prompt=lambda _: None,
        )
        source.token()
    asked = [parse_qs(request.body().decode()) for request in server.requests[::2]]
    assert asked[0]["code_challenge"] != asked[1]["code_challenge"]


# Registration (RFC 7591)

AWS = providers.find("aws", region="eu-west-1", start_url="https://acme.awsapps.com/start")
WANTED = Client(provider=AWS, client_id="?")
REGISTER = RegistrationFlow(provider=AWS, client_name="my tool", scope=["sso:account:access"])
DAYS_90 = 90 * 86400


def registered(number: int, clock: VirtualClock, lifetime: int = DAYS_90) -> Reply:
    end = int(clock.now().wall.timestamp()) + lifetime
    made = {"clientId": f"c-{number}", "clientSecret": f"s-{number}", "clientSecretExpiresAt": end}
    return reply(200, made)


def test_a_client_registers_once_and_again_before_its_end() -> None:
    clock, store = VirtualClock(), MemoryStore()
    server = Recorder(registered(1, clock))
    made = Registration(WANTED, REGISTER, store=store, transport=server, clock=clock)
    assert made() == made()
    assert made().client_id == "c-1"
    assert json.loads(server.requests[0].body()) == {
        "clientName": "my tool",
        "scopes": ["sso:account:access"],
        "clientType": "public",
    }
    other = Registration(WANTED, REGISTER, store=store, transport=server, clock=clock)
    assert other().client_id == "c-1"  # from the store
    clock.sleep_until(instant(DAYS_90 - 86400))
    server.replies.append(registered(2, clock))
    assert other().client_id == "c-2"
    assert made().client_id == "c-2"
    assert len(server.requests) == 2


def test_a_registered_client_signs_in() -> None:
    clock = VirtualClock()
    code = reply(
        200,
        {
            "deviceCode": "dc-1",
            "userCode": "WDJB",
            "verificationUri": "https://device.sso.eu-west-1.amazonaws.com/",
            "expiresIn": 600,
        },
    )
    token = reply(200, {"accessToken": "at-1", "expiresIn": 28800, "refreshToken": "rt-1"})
    server, store = Recorder(registered(1, clock), code, token), MemoryStore()
    made = Registration(WANTED, REGISTER, store=store, transport=server, clock=clock)
    source = TokenSource(made, store=store, transport=server, clock=clock, prompt=lambda _: None)
    assert source.token().access_token == Secret("at-1")
    ask, poll = (json.loads(request.body()) for request in server.requests[1:])
    assert (ask["clientId"], ask["clientSecret"]) == ("c-1", "s-1")
    assert ask["startUrl"] == "https://acme.awsapps.com/start"
    assert (poll["clientId"], poll["deviceCode"]) == ("c-1", "dc-1")


def test_fifty_threads_register_one_client() -> None:
    clock = VirtualClock()
    server, store = Recorder(registered(1, clock)), MemoryStore()

    def one(_: int) -> str:
        made = Registration(WANTED, REGISTER, store=store, transport=server, clock=clock)
        return made().client_id

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(one, range(50))) == {"c-1"}


RFC7591 = Provider(
    name="acme",
    token_endpoint="https://acme.example/token",
    device_authorization_endpoint="https://acme.example/device",
    registration_endpoint="https://acme.example/register",
)


def test_the_rfc_s_own_spelling() -> None:
    flow = RegistrationFlow(provider=RFC7591, client_name="my tool", scope=["a", "b"])
    server = Recorder(reply(201, {"client_id": "c-1", "client_secret_expires_at": 0}))
    end = run(flow, server, VirtualClock())
    assert isinstance(end, Authorized)
    assert end.token.expires_at is None
    assert json.loads(server.requests[0].body()) == {
        "client_name": "my tool",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "response_types": [],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "a b",
    }


def test_a_public_client_has_no_secret() -> None:
    clock = VirtualClock()
    flow = RegistrationFlow(provider=RFC7591, client_name="my tool")
    server = Recorder(reply(201, {"client_id": "c-1"}))
    made = Registration(
        evolve(CLIENT, provider=RFC7591),
        flow,
        store=MemoryStore(),
        transport=server,
        clock=clock,
    )
    assert made() == evolve(CLIENT, provider=RFC7591, client_id="c-1")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(400, {"error": "invalid_redirect_uri"}), Refused),
        (reply(200, {"error": "invalid_client_metadata"}), Refused),
        (reply(200, {"client_secret": "s"}), InvalidResponse),
        (reply(201, b"<html>"), InvalidResponse),
    ],
)
def test_a_refused_registration_says_why(answer: Reply, kind: type) -> None:
    flow = RegistrationFlow(provider=RFC7591, client_name="my tool")
    made = Registration(
        CLIENT, flow, store=MemoryStore(), transport=Recorder(answer), clock=VirtualClock()
    )
    with pytest.raises(GrantError) as caught:
        made()
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, kind)


def test_a_provider_that_registers_nobody_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="provider: 'acme' has no registration_endpoint"):
        RegistrationFlow(provider=ACME, client_name="my tool")


def test_registrations_of_two_names_never_meet() -> None:
    base = RegistrationFlow(provider=RFC7591, client_name="a", scope=["x", "y"])
    others = [
        evolve(base, client_name="b"),
        evolve(base, scope=["x"]),
        evolve(base, extra={"e": "1"}),
        evolve(base, scope=["e=1"], extra=()),
        evolve(base, method="none"),
    ]
    assert len({each.key for each in (base, *others)}) == 6
    assert evolve(base, scope=["y", "x"]).key == base.key


def test_the_grant_is_not_shown() -> None:
    grant = Members({"client_secret": "s3cret-of-alice"})
    assert "s3cret" not in repr(GrantIssued(instant(0), grant))


# What a fresh pair of eyes found


def test_half_a_character_in_a_credential_ends_it_and_is_never_raised() -> None:
    half = reply(200, b'{"client_id": "a", "client_secret": "\\ud800x"}')
    assert isinstance(failure(flow_for(DEBRID), CODE, half), InvalidResponse)


@pytest.mark.parametrize("secret", [None, "half \ud800"])
def test_a_token_without_credentials_is_renewed_as_the_app(secret: str | None) -> None:
    clock, store = VirtualClock(), MemoryStore()
    server = Recorder(TOKEN)
    source = TokenSource(DEBRID, store=store, transport=server, clock=clock)
    odd = Members({"client_id": "of-alice", "client_secret": secret})
    store.save(source.key, Token(access_token="at", refresh_token="rt", expires_at=WALL, extra=odd))
    source.token()
    assert parse_qs(server.requests[0].body().decode())["client_id"] == ["app"]


def test_no_other_server_replaces_the_client() -> None:
    evil = reply(
        200,
        {
            "access_token": "at",
            "refresh_token": "rt",
            "expires_in": 60,
            "client_id": "evil",
            "client_secret": "x",
        },
    )
    server, clock = Recorder(CODE, evil, TOKEN), VirtualClock()
    source = TokenSource(
        CLIENT, store=MemoryStore(), transport=server, clock=clock, prompt=lambda _: None
    )
    source.token()
    clock.sleep_until(instant(clock.now().mono.total_seconds() + 60))
    source.token()
    assert parse_qs(server.requests[-1].body().decode())["client_id"] == ["app"]


def test_a_link_server_that_is_away_is_waited_for_until_the_link_expires() -> None:
    answers = [Fault("timeout", "no")] * 7
    server = Recorder(*answers, reply(200, "code-1"), TOKEN)
    assert isinstance(run(LinkFlow(DAGSHUB, ENTROPY), server, VirtualClock()), Authorized)
    gone = LinkFlow(DAGSHUB, ENTROPY, budget=seconds(60))
    end = run(gone, Recorder(*[Fault("timeout", "no")] * 99), VirtualClock())
    assert end == Expired(Fault("timeout", "no"))


def test_nothing_is_held_open_beyond_the_end() -> None:
    flow = LinkFlow(DAGSHUB, ENTROPY, budget=seconds(10))
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    assert due.request.wait == seconds(10)


def test_a_link_says_what_is_asked_for_and_nothing_secret() -> None:
    provider = evolve(
        DAGSHUB.provider, authorization_endpoint="https://dagshub.com/authorize?tenant=a"
    )
    client = evolve(
        DAGSHUB,
        provider=provider,
        scope="read write",
        extra=(("referrer", "x"), ("password", Secret("s3cret-word"))),
    )
    link = LinkFlow(client, ENTROPY).start(moment()).authorization.verification_uri
    told = parse_qs(urlsplit(link).query)
    assert (told["tenant"], told["scope"]) == (["a"], ["read write"])
    assert "s3cret-word" not in link


def test_a_code_is_exchanged_as_a_code() -> None:
    plain = evolve(DAGSHUB.provider, exchange=RequestFormat(echo="code"))
    server = Recorder(reply(200, "code-1"), TOKEN)
    run(LinkFlow(evolve(DAGSHUB, provider=plain), ENTROPY), server, VirtualClock())
    form = parse_qs(server.requests[-1].body().decode())
    assert form["grant_type"] == ["authorization_code"]


def test_the_nonce_of_the_first_step_is_the_second_s() -> None:
    nonced = reply(200, {"client_id": "of-alice", "client_secret": "s"}, DPoP_Nonce="n-1")
    key = dpop_key()
    going = begin(flow_for(evolve(DEBRID, dpop=key)), moment())
    for answer in (CODE, nonced):
        due = going.due
        assert isinstance(due, Send)
        going = going.receive(due, answer, moment(due.not_before.total_seconds()))
    exchange = going.due
    assert isinstance(going.phase, Pending)
    assert isinstance(exchange, Send)
    assert exchange.request.proof == Proof(key, "n-1")


def test_pkce_goes_with_two_steps_and_not_with_a_middleman() -> None:
    client = evolve(DEBRID, provider=evolve(DEBRID.provider, pkce=True))
    server = Recorder(CODE, OWN, TOKEN)
    assert isinstance(run(flow_for(client, entropy=ENTROPY), server, VirtualClock()), Authorized)
    assert f"code_verifier={ENTROPY}" in server.requests[1].target()
    with pytest.raises(ValueError, match="verifier: provider 'real-debrid' requires one"):
        flow_for(client)
    other = evolve(DAGSHUB, provider=evolve(DAGSHUB.provider, pkce=True))
    with pytest.raises(ValueError, match="no device grant to use PKCE with"):
        flow_for(other, entropy=ENTROPY)


def test_two_steps_need_something_to_exchange() -> None:
    bare = evolve(DEBRID, provider=evolve(DEBRID.provider, exchange=RequestFormat()))
    with pytest.raises(ValueError, match="does not say what to exchange"):
        flow_for(bare)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"client_secret": "s"}, ClientSecretBasic("s")),
        (
            {"client_secret": "s", "token_endpoint_auth_method": "client_secret_post"},
            ClientSecretPost("s"),
        ),
        (
            {"client_secret": "s", "token_endpoint_auth_method": "client_secret_basic"},
            ClientSecretBasic("s"),
        ),
        ({"token_endpoint_auth_method": "none"}, Public()),
    ],
)
def test_the_server_says_how_its_new_client_proves_itself(
    answer: dict[str, object], expected: ClientAuthentication
) -> None:
    flow = RegistrationFlow(provider=RFC7591, client_name="my tool")
    server = Recorder(reply(201, {"client_id": "c-1", **answer}))
    made = Registration(CLIENT, flow, store=MemoryStore(), transport=server, clock=VirtualClock())
    assert made().authentication == expected


class Full:
    """A store that reads and cannot save."""

    token: Token | None = None

    def read(self, key: str, /) -> Token | None:
        return None

    @contextmanager
    def claim(self, key: str, /, wait: bool = True) -> Iterator[Full]:
        yield self

    def save(self, token: Token, /) -> None:
        raise StoreError("the disk is full")


def test_a_client_that_cannot_be_saved_is_used_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock()
    server = Recorder(registered(1, clock))
    store = cast("Store", Full())
    made = Registration(WANTED, REGISTER, store=store, transport=server, clock=clock)
    assert made().client_id == made().client_id == "c-1"
    assert "the client could not be saved: the disk is full" in caplog.text


def test_metadata_say_where_clients_register() -> None:
    found = Provider.from_metadata(
        {
            "issuer": "https://as.example",
            "token_endpoint": "https://as.example/token",
            "registration_endpoint": "https://as.example/register",
        }
    ).unwrap()
    assert found.registration_endpoint == "https://as.example/register"


def test_a_registration_that_fails_is_a_value_for_who_asks_for_values() -> None:
    clock = VirtualClock()
    soon = registered(1, clock, 60)
    code = reply(403, {"error": "access_denied"})
    server = Recorder(soon, reply(400, {"error": "invalid_client_metadata"}), code)
    made = Registration(WANTED, REGISTER, store=MemoryStore(), transport=server, clock=clock)
    source = TokenSource(made, store=MemoryStore(), transport=server, clock=clock)
    clock.sleep_until(instant(120))
    problem = unsafe_perform_io(source.try_token().failure())
    assert isinstance(problem, Failed)
    assert isinstance(problem.error, Refused)


def test_who_registers_anew_is_asked_once() -> None:
    clock, store = VirtualClock(), MemoryStore()
    code = reply(
        200,
        {
            "deviceCode": "d",
            "userCode": "W",
            "verificationUri": "https://a.example",
            "expiresIn": 9,
        },
    )
    token = reply(200, {"accessToken": "at", "expiresIn": 60, "refreshToken": "rt"})
    server = Recorder(registered(1, clock), code, token)
    asked: list[str] = []

    def source() -> TokenSource:
        return TokenSource(
            Registration(WANTED, REGISTER, store=store, transport=server, clock=clock),
            store=store,
            transport=server,
            clock=clock,
            prompt=lambda shown: asked.append(shown.user_code),
        )

    first = source()
    first.token()
    clock.sleep_until(instant(DAYS_90))
    server.replies += [registered(2, clock), code, token]
    first.token()
    second = source()
    second.token()
    assert len(asked) == 2  # once for each client, and not once for each process
