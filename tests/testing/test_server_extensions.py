"""The scripted server beyond the two grants: proofs, assertions, other grants, faults."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve
from joserfc.jwk import ECKey

from grantflow import (
    Authorized,
    Client,
    ClientAssertion,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretJwt,
    ClientSecretPost,
    DeviceFlow,
    DeviceState,
    Failed,
    Fault,
    MutualTls,
    Pending,
    PrivateKeyJwt,
    RefreshFlow,
    Refused,
    RegistrationFlow,
    Request,
    Response,
    SlowDown,
    Token,
    run,
)
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.flows.registration import registered_client
from grantflow.core.values.request import Proof
from grantflow.signing import dpop_key, signed
from grantflow.testing import (
    Outage,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
    answer,
    decided,
    simulate,
)
from tests.support.samples import seconds

SECRET = "a-secret-that-is-long-enough-for-hs256"
KEY = ECKey.generate_key("P-256")
PEM = KEY.as_pem(private=True).decode()
NOW = Script(approve_after=timedelta())


class Play:
    """A server, its clock and a transport to it."""

    def __init__(self, script: Script = NOW) -> None:
        self.clock = VirtualClock()
        self.transport = ServerTransport(Server(script), self.clock)
        self.send = signed(self.transport, self.clock)
        self.client = Client(
            provider=self.transport.server.provider, client_id="app", scope="read write"
        )

    def token(self, client: Client | None = None) -> Token:
        end = run(DeviceFlow(client or self.client), self.transport, self.clock)
        assert isinstance(end, Authorized), end
        return end.token

    def said(self, path: str, **form: str) -> dict[str, object]:
        url = self.transport.server.issuer + path
        reply = self.send(Request(url, form={"client_id": "app", **form}))
        assert isinstance(reply, Response)
        found: dict[str, object] = json.loads(reply.body)
        return found

    def use(self, token: Token, proof: Proof | None = None, scheme: str = "") -> Response:
        text = f"{scheme or token.token_type} {token.access_token.reveal()}"
        url = f"{self.transport.server.issuer}/userinfo"
        reply = self.send(Request(url, headers={"Authorization": text}, method="GET", proof=proof))
        assert isinstance(reply, Response)
        return reply


# Proofs of possession


def test_a_proof_binds_the_token_and_every_use_needs_the_key() -> None:
    play, key = Play(), dpop_key()
    token = play.token(evolve(play.client, dpop=key))
    assert token.token_type == "DPoP"
    proof = Proof(key, token=token.access_token)
    assert play.use(token, proof).status == 200
    assert play.use(token).status == 401
    assert play.use(token, scheme="Bearer").status == 401
    assert play.use(token, Proof(dpop_key(), token=token.access_token)).status == 401
    refused = play.use(token, Proof(key))
    assert (refused.status, refused.header("www-authenticate")) == (
        401,
        'DPoP realm="userinfo", error="invalid_dpop_proof"',
    )
    found = play.said("/introspect", token=token.access_token.reveal())
    assert found["cnf"] == {"jkt": key.thumbprint}


def test_a_refresh_token_is_bound_as_well() -> None:
    play, key = Play(), dpop_key()
    client = evolve(play.client, dpop=key)
    token = play.token(client)
    assert token.refresh_token is not None
    thief = evolve(client, dpop=dpop_key())
    stolen = run(RefreshFlow(thief, token.refresh_token), play.transport, play.clock)
    assert isinstance(stolen, Failed)
    own = run(RefreshFlow(client, token.refresh_token), play.transport, play.clock)
    assert isinstance(own, Authorized)


def test_nonces_are_asked_for_and_change() -> None:
    play, key = Play(evolve(NOW, nonces=True)), dpop_key()
    token = play.token(evolve(play.client, dpop=key))
    assert token.token_type == "DPoP"
    refused = play.use(token, Proof(key, token=token.access_token))
    nonce = refused.header("dpop-nonce")
    assert refused.status == 401
    assert 'error="use_dpop_nonce"' in str(refused.header("www-authenticate"))
    assert play.use(token, Proof(key, nonce, token.access_token)).status == 200
    play.clock.advance(timedelta(minutes=15))
    assert play.use(token, Proof(key, nonce, token.access_token)).status == 401


def test_a_proof_is_for_one_request_of_now() -> None:
    play, key = Play(), dpop_key()
    form = {"client_id": "app", "grant_type": "client_credentials"}
    url = f"{play.transport.server.issuer}/token"
    sent: list[Request] = []
    signed(lambda request: sent.append(request) or Response(200), play.clock)(
        Request(url, form, proof=Proof(key))
    )

    def error(request: Request) -> object:
        reply = play.transport(request)
        assert isinstance(reply, Response)
        found: dict[str, object] = json.loads(reply.body)
        return found.get("error")

    assert error(sent[0]) is None
    assert error(sent[0]) == "invalid_dpop_proof", "it was used before"
    assert error(evolve(sent[0], url=url.replace("/token", "/token?x=1"))) == "invalid_dpop_proof"
    elsewhere = Request("https://elsewhere.example/token", form, proof=Proof(key))
    signed(lambda request: sent.append(request) or Response(200), play.clock)(elsewhere)
    assert error(evolve(sent[1], url=url)) == "invalid_dpop_proof"
    signed(lambda request: sent.append(request) or Response(200), play.clock)(
        Request(url, form, proof=Proof(key))
    )
    play.clock.advance(timedelta(minutes=6))
    assert error(sent[2]) == "invalid_dpop_proof", "it is too old"
    broken = dict(sent[2].headers)["DPoP"]
    assert not isinstance(broken, str)
    headers = {"DPoP": broken.reveal()[:-8] + "AAAAAAAA"}
    assert error(Request(url, form, headers)) == "invalid_dpop_proof"
    assert error(Request(url, form, {"DPoP": "no JWT"})) == "invalid_dpop_proof"


def test_a_server_without_proofs_gives_bearer_tokens() -> None:
    play = Play(evolve(NOW, dpop=False))
    loose = evolve(play.client, dpop=dpop_key(required=False))
    assert play.token(loose).token_type == "Bearer"
    assert "dpop_signing_alg_values_supported" not in play.transport.server.metadata()


# Who asks

CLIENTS = {"hmac": SECRET, "key": KEY.as_dict(private=False), "public": None}
GOOD: dict[str, ClientAuthentication] = {
    "post": ClientSecretPost(SECRET),
    "basic": ClientSecretBasic(SECRET),
    "headers": ClientSecretHeaders(SECRET),
    "hmac": ClientSecretJwt(SECRET),
    "key": PrivateKeyJwt(PEM),
    "tls": MutualTls("client.pem"),
}


def authorized(client_id: str, proof: ClientAuthentication) -> bool:
    names = dict.fromkeys(("post", "basic", "headers"), SECRET) | {"tls": None}
    play = Play(Script(clients={**CLIENTS, **names}))
    client = evolve(play.client, client_id=client_id, authentication=proof)
    end = run(ClientCredentialsFlow(client), play.transport, play.clock)
    if isinstance(end, Failed):
        assert isinstance(end.error, Refused)
        assert end.error.code == "invalid_client"
    return isinstance(end, Authorized)


@pytest.mark.parametrize("name", GOOD)
def test_every_proof_of_a_client_is_believed(name: str) -> None:
    assert authorized(name, GOOD[name])


@pytest.mark.parametrize(
    ("client_id", "proof"),
    [
        ("hmac", ClientSecretJwt(SECRET + "x")),
        ("hmac", PrivateKeyJwt(PEM)),
        ("key", PrivateKeyJwt(ECKey.generate_key("P-256").as_pem(private=True).decode())),
        ("key", ClientSecretJwt(SECRET)),
        ("key", ClientSecretPost(SECRET)),
        ("key", PrivateKeyJwt(PEM, audience="https://elsewhere.example")),
        ("public", PrivateKeyJwt(PEM)),
        ("stranger", PrivateKeyJwt(PEM)),
        ("key", ClientAssertion(lambda: "no JWT")),
    ],
)
def test_a_wrong_proof_is_refused(client_id: str, proof: ClientAuthentication) -> None:
    assert not authorized(client_id, proof)


def test_an_assertion_is_for_one_request_of_now() -> None:
    play = Play(Script(clients=CLIENTS))
    sent: list[Request] = []
    ask = ClientCredentialsFlow(
        evolve(play.client, client_id="key", authentication=PrivateKeyJwt(PEM))
    )
    run(ask, lambda request: sent.append(request) or Response(200, {}, b"{}"), play.clock)

    def status() -> int:
        reply = play.transport(sent[0])
        assert isinstance(reply, Response)
        return reply.status

    assert [status(), status()] == [200, 401]
    play = Play(Script(clients=CLIENTS))
    play.clock.advance(timedelta(minutes=2))
    assert status() == 401


def test_without_a_list_any_assertion_is_welcome() -> None:
    play = Play()
    for proof in (PrivateKeyJwt(PEM), ClientAssertion(lambda: "a platform's own")):
        client = evolve(play.client, authentication=proof)
        assert isinstance(
            run(ClientCredentialsFlow(client), play.transport, play.clock), Authorized
        )


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_a_client_registers_and_signs_in(method: str) -> None:
    play = Play(evolve(NOW, registration=True, clients={}))
    flow = RegistrationFlow(
        provider=play.transport.server.provider, client_name="demo", method=method
    )
    end = run(flow, play.transport, play.clock)
    assert isinstance(end, Authorized)
    client = registered_client(play.client, end.token)
    assert play.token(client).scope == ("read", "write")
    stranger = run(DeviceFlow(evolve(client, client_id="x")), play.transport, play.clock)
    assert isinstance(stranger, Failed)
    assert "registration_endpoint" not in Server().metadata()


# What is granted


def test_a_scope_is_narrowed_and_members_are_set_or_left_out() -> None:
    script = evolve(
        NOW,
        scope="read",
        token_members={"tenant": "acme", "expires_in": None},
        device_members={"verification_uri_complete": None, "interval": None},
    )
    play = Play(script)
    states = [tick.state for tick in simulate(DeviceFlow(play.client), Server(script))]
    waits = [state.authorization for state in states if isinstance(state, Pending)]
    assert waits[0].verification_uri_complete is None
    end = states[-1]
    assert isinstance(end, Authorized)
    assert (end.token.scope, end.token.expires_at) == (("read",), None)
    assert end.token.extra["tenant"] == "acme"


def test_openid_brings_an_id_token_with_the_script_s_claims() -> None:
    play = Play(evolve(NOW, person="bob", claims={"email": "bob@acme.example"}))
    token = play.token(evolve(play.client, scope="openid"))
    assert token.id_token is not None
    body = token.id_token.reveal().split(".")[1]
    claims = json.loads(urlsafe_b64decode(body + "=="))
    assert {name: claims[name] for name in ("iss", "sub", "aud", "email")} == {
        "iss": "https://server.test",
        "sub": "bob",
        "aud": "app",
        "email": "bob@acme.example",
    }
    assert json.loads(play.use(token).body)["email"] == "bob@acme.example"
    assert play.token().id_token is None


def test_several_people_decide_about_their_own_codes() -> None:
    server, at = Server(), timedelta()
    subjects: list[object] = []
    for person in ("alice", "bob"):
        ask = Request(f"{server.issuer}/device", form={"client_id": "app"})
        server, reply = answer(server, ask, at)
        assert isinstance(reply, Response)
        code = json.loads(reply.body)
        server = decided(server, code["user_code"], "approved", person)
        at += seconds(5)
        form = {
            "client_id": "app",
            "device_code": code["device_code"],
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        }
        server, reply = answer(server, Request(f"{server.issuer}/token", form=form), at)
        assert isinstance(reply, Response)
        token = json.loads(reply.body)["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        server, reply = answer(server, Request(f"{server.issuer}/userinfo", (), headers), at)
        assert isinstance(reply, Response)
        subjects.append(json.loads(reply.body)["sub"])
    assert subjects == ["alice", "bob"]


# Other grants

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"


def test_a_token_is_exchanged_for_one_of_the_same_subject() -> None:
    play = Play()
    token = play.token().access_token.reveal()
    found = play.said(
        "/token", grant_type=EXCHANGE, subject_token=token, subject_token_type=ACCESS, scope="api"
    )
    assert (found["issued_token_type"], found["scope"]) == (ACCESS, "api")
    assert play.said("/introspect", token=str(found["access_token"]))["sub"] == "alice"
    play.clock.advance(timedelta(hours=2))
    for wrong in ({"subject_token": token, "subject_token_type": ACCESS}, {"subject_token": "x"}):
        assert play.said("/token", grant_type=EXCHANGE, **wrong)["error"] == "invalid_request"


def test_a_jwt_is_a_grant_while_it_is_valid() -> None:
    play, texts = Play(), list[str]()
    ask = ClientCredentialsFlow(evolve(play.client, authentication=PrivateKeyJwt(PEM)))

    def keep(request: Request) -> Response:
        texts.append(str(dict(request.form)["client_assertion"]))
        shown = dict(request.form)["client_assertion"]
        assert not isinstance(shown, str)
        texts[-1] = shown.reveal()
        return Response(200, {}, b"{}")

    run(ask, keep, play.clock)
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": texts[0]}
    found = play.said("/token", **grant)
    assert play.said("/introspect", token=str(found["access_token"]))["sub"] == "app"
    play.clock.advance(timedelta(minutes=2))
    assert play.said("/token", **grant)["error"] == "invalid_grant"


def test_a_grant_of_the_script_s_own_is_answered() -> None:
    play = Play(evolve(NOW, grant_types=("urn:x",)))
    assert play.said("/token", grant_type="urn:x")["token_type"] == "Bearer"
    assert Play().said("/token", grant_type="urn:x")["error"] == "unsupported_grant_type"
    assert "urn:x" in str(play.transport.server.metadata()["grant_types_supported"])


# Faults


def states_of(script: Script) -> list[DeviceState]:
    server = Server(script)
    flow = DeviceFlow(Client(provider=server.provider, client_id="app"))
    return [tick.state for tick in simulate(flow, server)]


def test_the_first_two_polls_fail() -> None:
    states = states_of(evolve(NOW, outages=(Outage(endpoint="poll", times=2),)))
    assert [state.faults for state in states if isinstance(state, Pending)] == [0, 1, 2]
    assert isinstance(states[-1], Authorized)


def test_outages_of_two_endpoints_are_counted_apart() -> None:
    busy = Response(503, {}, b"")
    outages = (Outage(endpoint="device", times=1, reply=busy), Outage(endpoint="poll", times=1))
    states = states_of(evolve(NOW, outages=outages))
    assert [type(state).__name__ for state in states] == [
        "Started",
        "Started",
        "Pending",
        "Pending",
        "Authorized",
    ]


def test_slow_down_names_an_interval() -> None:
    script = evolve(NOW, slow_downs=1, slow_down_interval=seconds(20))
    slow = [state.interval for state in states_of(script) if isinstance(state, SlowDown)]
    assert slow == [seconds(20)]


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Server(Script(clients={"app": 3})),  # type: ignore[dict-item]
        lambda: Script(scope=3),  # type: ignore[arg-type]
    ],
)
def test_a_script_of_wrong_types_is_refused(broken: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        broken()


def test_a_fault_for_everything_by_default() -> None:
    play = Play(evolve(NOW, outages=(Outage(),)))
    ask = Request(f"{play.transport.server.issuer}/userinfo")
    assert play.send(ask) == Fault("timeout", "maybe", "scripted outage")
