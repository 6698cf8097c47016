"""Proof of possession (RFC 9449): what is signed, which nonce it holds, what it binds."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from typing import cast

import pytest
from attrs import evolve
from joserfc import jws
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from grantflow import (
    Authorized,
    Backoff,
    Client,
    ClientCredentialsFlow,
    DeviceFlow,
    Failed,
    Fault,
    Flow,
    InvalidResponse,
    MemoryStore,
    Pending,
    RefreshFlow,
    Refused,
    Rejected,
    Request,
    Response,
    Secret,
    Send,
    SlowDown,
    Started,
    Token,
    TokenIssued,
    TokenSource,
    Unanswered,
    begin,
    run,
)
from grantflow.core.client.identity import key_of
from grantflow.core.flows.dpop import NonceSupplied
from grantflow.core.flows.states import GrantState
from grantflow.core.values.request import Proof
from grantflow.core.values.response import Reply
from grantflow.signing import Signer, dpop_key, signed
from grantflow.testing import VirtualClock
from tests.support.error_reports import shown
from tests.support.samples import ACME, instant, moment, reply, seconds

KEY = dpop_key()
BOUND = Client(provider=ACME, client_id="app", scope="read", dpop=KEY)
ISSUED = reply(200, {"access_token": "at", "token_type": "DPoP"})
CODE = reply(
    200,
    {
        "device_code": "dc",
        "user_code": "WDJB",
        "verification_uri": "https://acme.example/go",
        "expires_in": 600,
    },
)


def wanted(nonce: str = "n-1") -> Response:
    return reply(400, {"error": "use_dpop_nonce"}, DPoP_Nonce=nonce)


def parts(proof: str) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a proof whose signature its own key confirms, by other code."""
    header, claims, _ = proof.split(".")
    told = cast("dict[str, dict[str, str | list[str]]]", json.loads(opened(header)))
    key = JWKRegistry.import_key(told["jwk"])
    assert not key.is_private
    jws.deserialize_compact(proof, key, algorithms=["ES256", "EdDSA", "PS256"])
    return (
        cast("dict[str, object]", json.loads(opened(header))),
        cast("dict[str, object]", json.loads(opened(claims))),
    )


def opened(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Recorder:
    """A server that gives the replies in order."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = [*replies]
        self.requests: list[Request] = []

    def __call__(self, request: Request, /) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0)

    def proofs(self) -> list[tuple[dict[str, object], dict[str, object]]]:
        headers = (request.header_map() for request in self.requests)
        return [parts(found["DPoP"]) for found in headers if "DPoP" in found]

    def nonces(self) -> list[object]:
        return [claims.get("nonce") for _, claims in self.proofs()]


# Keys


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (ECKey.generate_key("P-256"), "ES256"),
        (ECKey.generate_key("P-384"), "ES384"),
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
        (RSAKey.generate_key(2048), "PS256"),
    ],
)
def test_a_key_is_read_from_a_jwk_or_a_pem_and_named_by_its_thumbprint(
    key: ECKey | OKPKey | RSAKey, alg: str
) -> None:
    from_jwk = dpop_key(json.dumps(key.as_dict(private=True)))
    from_pem = dpop_key(key.as_pem(private=True).decode())
    assert from_jwk.alg == from_pem.alg == alg
    assert from_jwk.thumbprint == from_pem.thumbprint == key.thumbprint()
    assert from_jwk.public == from_pem.public
    assert "d" not in from_jwk.public


def test_a_new_key_is_another_one_each_time() -> None:
    assert dpop_key().thumbprint != dpop_key().thumbprint


NO_KEYS = (
    "",
    "pem?",
    "[]",
    '{"kty": "EC"}',
    '{"kty": "oct", "k": "x"}',
    "-----BEGIN PRIVATE KEY-----",
    json.dumps(ECKey.generate_key("P-256").as_dict(private=False)),
    json.dumps({**ECKey.generate_key("P-256").as_dict(private=True), "d": "AA"}),
    OKPKey.generate_key("X25519").as_pem(private=True).decode(),
)


@pytest.mark.parametrize("text", NO_KEYS)
def test_text_that_is_not_a_private_signing_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="^key: ") as caught:
        dpop_key(Secret(text))
    assert text == "" or not shown(caught.value, text)


def test_a_key_holds_plain_values_of_the_right_kind() -> None:
    with pytest.raises(TypeError, match="key: a Secret"):
        evolve(KEY, key="text")
    with pytest.raises(TypeError, match="thumbprint: text"):
        evolve(KEY, thumbprint="")


def test_a_function_needs_its_public_key() -> None:
    with pytest.raises(ValueError, match="public: a key that is a function"):
        dpop_key(lambda data: data)


@pytest.mark.parametrize("public", [{}, {"kty": "EC", "crv": "P-256"}, {"kty": 1}, {"kty": "oct"}])
def test_what_is_no_public_key_is_refused(public: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="public: "):
        dpop_key(lambda data: data, public=public)


def test_a_private_part_given_as_public_is_dropped() -> None:
    private = ECKey.generate_key("P-256").as_dict(private=True)
    assert "d" not in dpop_key(lambda data: data, public=private).public


# What a proof says


def test_a_proof_is_for_one_request() -> None:
    clock = VirtualClock()
    server = Recorder(ISSUED, ISSUED)
    send = signed(server, clock)
    request = Request("https://as.example/token?x=1", proof=Proof(KEY))
    send(request)
    send(request)
    (header, claims), (_, again) = server.proofs()
    assert header == {"alg": "ES256", "typ": "dpop+jwt", "jwk": dict(KEY.public)}
    assert claims["htm"] == "POST"
    assert claims["htu"] == "https://as.example/token"
    assert claims["iat"] == int(clock.now().wall.timestamp())
    assert claims.keys() == {"htm", "htu", "iat", "jti"}
    assert claims["jti"] != again["jti"]


def test_a_proof_names_the_token_that_it_goes_with() -> None:
    server = Recorder(ISSUED)
    signed(server)(Request("https://api.example", proof=Proof(KEY, "n-1", Secret("at-1"))))
    claims = server.proofs()[0][1]
    digest = urlsafe_b64encode(sha256(b"at-1").digest()).rstrip(b"=").decode()
    assert (claims["ath"], claims["nonce"]) == (digest, "n-1")


def test_an_unsigned_proof_cannot_leave() -> None:
    with pytest.raises(ValueError, match="proof: sign it first"):
        Request("https://as.example", proof=Proof(KEY)).header_map()


def test_a_key_in_an_hsm_signs() -> None:
    private = ECKey.generate_key("P-256")
    calls: list[bytes] = []

    def hsm(data: bytes) -> bytes:
        calls.append(data)
        return jws.JWSRegistry.algorithms["ES256"].sign(data, private)

    key = dpop_key(hsm, public=private.as_dict(private=False))
    server = Recorder(ISSUED)
    signed(server)(Request("https://as.example", proof=Proof(key)))
    assert server.proofs()[0][0]["alg"] == "ES256"
    assert len(calls) == 1


def test_a_key_that_cannot_be_reached_is_a_fault() -> None:
    def hsm(data: bytes) -> bytes:
        raise OSError("no token in the slot")

    key = dpop_key(hsm, public=KEY.public)
    ready = Signer()(Request("https://as.example", proof=Proof(key)))
    assert ready == Fault("other", "no", "the key could not sign: no token in the slot")


# Which requests carry one


def test_every_request_for_a_token_carries_one_and_no_other_does() -> None:
    def proof(flow: DeviceFlow | ClientCredentialsFlow | RefreshFlow) -> Proof | None:
        due = flow.due(flow.start(moment()))
        assert isinstance(due, Send)
        return due.request.proof

    assert proof(ClientCredentialsFlow(BOUND)) == Proof(KEY)
    assert proof(RefreshFlow(BOUND, "rt")) == Proof(KEY)
    assert proof(DeviceFlow(BOUND)) is None
    server = Recorder(CODE, ISSUED)
    assert isinstance(run(DeviceFlow(BOUND), server, VirtualClock()), Authorized)
    assert [request.url for request in server.requests] == [
        "https://acme.example/device",
        "https://acme.example/token",
    ]
    assert len(server.proofs()) == 1


# Nonces


@pytest.mark.parametrize("flow", [ClientCredentialsFlow(BOUND), RefreshFlow(BOUND, "rt")])
def test_a_nonce_is_given_at_once(flow: Flow[GrantState]) -> None:
    clock = VirtualClock()
    server = Recorder(wanted("n-1"), ISSUED)
    assert isinstance(run(flow, server, clock), Authorized)
    assert server.nonces() == [None, "n-1"]
    assert sum(clock.slept, timedelta()) == timedelta()


def test_a_poll_with_a_nonce_waits_its_interval() -> None:
    clock = VirtualClock()
    pending = reply(400, {"error": "authorization_pending"})
    newer = reply(400, {"error": "authorization_pending"}, DPoP_Nonce="n-2")
    server = Recorder(CODE, wanted("n-1"), pending, newer, ISSUED)
    assert isinstance(run(DeviceFlow(BOUND), server, clock), Authorized)
    assert server.nonces() == [None, "n-1", "n-1", "n-2"]
    assert [each for each in clock.slept if each] == [seconds(5)] * 4


@pytest.mark.parametrize("status", [200, 400, 401])
def test_the_nonce_of_trouble_is_kept(status: int) -> None:
    busy = reply(503, b"", DPoP_Nonce="n-9")
    server = Recorder(busy, reply(status, {"error": "use_dpop_nonce"}, DPoP_Nonce="n-10"), ISSUED)
    assert isinstance(run(ClientCredentialsFlow(BOUND), server, VirtualClock()), Authorized)
    assert server.nonces() == [None, "n-9", "n-10"]


@pytest.mark.parametrize(
    "flow", [ClientCredentialsFlow(BOUND), RefreshFlow(BOUND, "rt"), DeviceFlow(BOUND)]
)
def test_a_server_that_is_never_content_ends_the_run(
    flow: Flow[GrantState] | DeviceFlow,
) -> None:
    first = [CODE] if isinstance(flow, DeviceFlow) else []
    server = Recorder(*first, *(wanted(f"n-{number}") for number in range(20)))
    clock = VirtualClock()
    final = run(flow, server, clock)  # type: ignore[misc]
    assert isinstance(final, Failed)
    assert isinstance(final.error, Refused)
    assert final.error.code == "use_dpop_nonce"
    # Asking for the first nonce, which could not be known, is not an attempt.
    assert len(server.requests) - len(first) == Backoff().tries + 1
    if not first:  # the second time, it is asked less often
        assert [each.total_seconds() >= 0.5 for each in clock.slept if each] == [True] * 4
    else:
        assert {each for each in clock.slept if each} == {seconds(5)}


@pytest.mark.parametrize(
    "answer",
    [
        reply(400, {"error": "use_dpop_nonce"}),
        reply(400, {"error": "use_dpop_nonce"}, DPoP_Nonce="a b"),
        reply(400, {"error": "use_dpop_nonce"}, DPoP_Nonce="n" * 2000),
        reply(400, {"error": "invalid_dpop_proof"}, DPoP_Nonce="n-1"),
    ],
)
def test_without_a_usable_nonce_it_is_a_refusal(answer: Response) -> None:
    flow = ClientCredentialsFlow(BOUND)
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    event = due.read(answer, moment())
    assert isinstance(event, Rejected)
    assert isinstance(event.error, Refused)
    assert event.error.code in ("use_dpop_nonce", "invalid_dpop_proof")


def test_who_sent_no_proof_is_refused() -> None:
    flow = ClientCredentialsFlow(evolve(BOUND, dpop=None))
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    assert isinstance(due.read(wanted(), moment()), Rejected)


def test_waiting_for_the_nonce_does_not_outlive_the_budget() -> None:
    flow = ClientCredentialsFlow(BOUND, budget=seconds(10))
    started = begin(flow, moment())
    due = started.due
    assert isinstance(due, Send)
    late = started.receive(due, wanted(), moment(10))
    assert type(late.state).__name__ == "Expired"


def test_the_nonce_is_remembered_by_every_waiting_state() -> None:
    flow = ClientCredentialsFlow(BOUND)
    going = begin(flow, moment())
    for answer, kind in ((wanted(), Started), (reply(429, b""), SlowDown), (reply(500), Pending)):
        due = going.due
        assert isinstance(due, Send)
        going = going.receive(due, answer, moment(due.not_before.total_seconds()))
        assert type(going.phase) is kind
        assert isinstance(going.due, Send)
        assert going.due.request.proof == Proof(KEY, "n-1")


# Binding


def test_a_bearer_token_is_refused_where_proof_was_wanted() -> None:
    bearer = reply(200, {"access_token": "at", "token_type": "Bearer"})
    final = run(ClientCredentialsFlow(BOUND), Recorder(bearer), VirtualClock())
    assert isinstance(final, Failed)
    assert isinstance(final.error, InvalidResponse)
    assert "token_type is not DPoP" in final.error.problem


def test_a_bearer_token_will_do_where_that_was_said() -> None:
    bearer = reply(200, {"access_token": "at", "token_type": "Bearer"})
    content = evolve(BOUND, dpop=evolve(KEY, required=False))
    final = run(ClientCredentialsFlow(content), Recorder(bearer), VirtualClock())
    assert isinstance(final, Authorized)
    assert final.token.authorization.reveal() == "Bearer at"


def test_the_scheme_is_dpop() -> None:
    assert Token(access_token="at", token_type="dpop").authorization.reveal() == "DPoP at"


def test_tokens_of_two_keys_never_meet() -> None:
    other = evolve(BOUND, dpop=dpop_key())
    keys = {key_of(each, "device") for each in (BOUND, other, evolve(BOUND, dpop=None))}
    assert len(keys) == 3


def test_the_events_that_go_on_bring_a_nonce() -> None:
    due = begin(RefreshFlow(BOUND, "rt"), moment()).due
    assert isinstance(due, Send)
    event = due.read(reply(500, b"", DPoP_Nonce="n-3"), moment(1))
    assert isinstance(event, NonceSupplied)
    assert isinstance(event.event, Unanswered)
    assert event.event.at == instant(1)
    assert event.nonce == "n-3"
    assert isinstance(due.read(ISSUED, moment()), TokenIssued)


def test_one_try_is_enough_for_a_server_that_wants_nonces() -> None:
    flow = RefreshFlow(BOUND, "rt", backoff=Backoff(tries=1))  # as an early renewal has it
    server = Recorder(wanted(), ISSUED)
    assert isinstance(run(flow, server, VirtualClock()), Authorized)


@pytest.mark.parametrize("alg", ["RS256", "ES384", "none"])
def test_a_key_signs_with_what_suits_it(alg: str) -> None:
    with pytest.raises(ValueError, match="alg: this key signs with ES256"):
        dpop_key(KEY.key, alg=alg)


def test_a_curve_that_nobody_signs_with_is_refused() -> None:
    public = OKPKey.generate_key("X25519").as_dict(private=False)
    with pytest.raises(ValueError, match="key: no algorithm"):
        dpop_key(lambda data: data, public=public)


def test_ed448_signs_as_eddsa() -> None:
    key = OKPKey.generate_key("Ed448")
    assert dpop_key(key.as_pem(private=True).decode()).alg == "EdDSA"


def test_only_a_function_needs_a_public_key_beside_it() -> None:
    with pytest.raises(ValueError, match="public: only a key that is a function"):
        dpop_key(KEY.key, public=KEY.public)


def test_a_password_in_a_url_stays_out_of_the_proof() -> None:
    server = Recorder(ISSUED)
    signed(server)(Request("https://user:pw@api.example/a?x", proof=Proof(KEY)))
    assert server.proofs()[0][1]["htu"] == "https://api.example/a"


def test_a_token_that_is_not_bound_is_not_found_by_who_wants_proof() -> None:
    loose = evolve(BOUND, dpop=evolve(KEY, required=False))
    assert key_of(loose, "device") != key_of(BOUND, "device")


def test_a_source_renews_early_where_the_server_wants_nonces() -> None:
    clock = VirtualClock()
    first = reply(200, {"access_token": "at-1", "token_type": "DPoP", "expires_in": 3600})
    second = reply(200, {"access_token": "at-2", "token_type": "DPoP", "expires_in": 3600})
    server = Recorder(wanted(), first, wanted(), second)
    source = TokenSource(
        BOUND, "client_credentials", store=MemoryStore(), transport=server, clock=clock
    )
    source.token()
    clock.sleep_until(instant(3600 - 120))  # it ages, and is still good
    assert source.token().access_token == Secret("at-2")
    assert source.notes == ()


def test_a_key_that_cannot_sign_is_told_before_anybody_is_asked() -> None:
    members = json.loads(KEY.key.reveal()) if isinstance(KEY.key, Secret) else {}
    damaged = evolve(KEY, key=Secret(json.dumps({**members, "d": "AA"})))
    with pytest.raises(ValueError, match="key: it cannot be read"):
        TokenSource(evolve(BOUND, dpop=damaged), store=MemoryStore())


def test_a_function_s_other_key_is_the_one_that_proves() -> None:
    keys = [dpop_key(), dpop_key()]
    source = TokenSource(
        lambda: evolve(BOUND, dpop=keys[0]),
        "client_credentials",
        store=MemoryStore(),
        transport=Recorder(ISSUED),
        clock=VirtualClock(),
    )
    keys.pop(0)
    source.token()
    assert source.dpop == keys[0]
