"""The same scenarios at every server: each test is a row of docs/interop.md, each server a column.

A server that does not offer something has to show that: the test looks for it in the metadata or
on the wire, and records the reason. What a server does in its own way is recorded as well, and
becomes the second table; the page holds both tables, so that a change is seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
import requests
from attrs import evolve

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretJwt,
    ClientSecretPost,
    Denied,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Failed,
    Fault,
    FileStore,
    MemoryStore,
    MutualTls,
    Pending,
    PrivateKeyJwt,
    Provider,
    Public,
    RefreshFlow,
    Refused,
    RegistrationFlow,
    Response,
    Secret,
    SlowDown,
    Token,
    TokenSession,
    TokenSource,
    run,
)
from grantflow.core.flows.registration import registered_client
from grantflow.core.flows.states import DeviceState, Final
from grantflow.core.values.result import either
from grantflow.shell.discovery import discover
from grantflow.shell.http.requests import RequestsTransport
from grantflow.signing import dpop_key, signed
from tests.interop.library import Hurried, Wire, active, introspected, refresh_token, revoked, told
from tests.interop.matrix.browser import Person
from tests.interop.matrix.conftest import Cell
from tests.interop.matrix.running import OAUTH, OIDC, Running, signing_key

pytestmark = [pytest.mark.interop, pytest.mark.long, pytest.mark.timeout(600)]

WRONG = "not-the-secret-of-anybody-but-long-enough"
LATE = 30.0
"""Seconds that a busy machine may add to a wait. Nothing may take from one."""

scenario = pytest.mark.scenario


# How grantflow meets a server.


def wire_of(server: Running) -> Wire:
    wire, session = Wire(), requests.Session()
    session.trust_env = False
    session.verify = server.verify
    wire.transport = RequestsTransport(session)
    return wire


def provider_of(server: Running, issuer: str | None = None) -> Provider:
    found = discover(issuer or server.issuer, wire_of(server))
    assert isinstance(found, Provider), found
    return found


def metadata(server: Running) -> Mapping[str, object]:
    """Return the document itself, which says more than a Provider holds."""
    wire = Wire()
    discover(server.issuer, wire)
    return told(cast("Response", wire.exchanges[-1].reply))


def client_of(server: Running, name: str, secret: str | None = None) -> Client:
    """Return a client as the server knows it, or with another secret or key."""
    known = server.clients[name]
    key = secret or known.client_secret or ""
    secure = known.auth == "tls_client_auth" or (known.jwk and server.secure_issuer)
    methods = {
        "none": Public,
        "client_secret_basic": lambda: ClientSecretBasic(key),
        "client_secret_post": lambda: ClientSecretPost(key),
        "client_secret_jwt": lambda: ClientSecretJwt(key),
        "private_key_jwt": lambda: signing(secret or json.dumps(known.jwk)),
        "tls_client_auth": lambda: certificate(server, "wrong" if secret else "client"),
    }
    # oidc-provider's second process has keys of its own.
    secure = secure or (known.auth == "client_secret_jwt" and server.secure_issuer)
    provider = provider_of(server, server.secure_issuer if secure else None)
    return Client(
        provider=evolve(provider, send_client_id=server.send_client_id),
        client_id=known.client_id,
        authentication=methods[known.auth](),
        scope=server.scope if name.startswith("device") else server.machine_scope,
    )


def signing(jwk: str) -> PrivateKeyJwt:
    return PrivateKeyJwt(jwk, alg=json.loads(jwk)["alg"])


def certificate(server: Running, name: str) -> MutualTls:
    files = server.certificates
    assert files is not None
    if name == "wrong":
        return MutualTls(str(files.wrong_certificate), str(files.wrong_key))
    return MutualTls(str(files.client_certificate), str(files.client_key))


def after_polls(
    polls: int, decide: Callable[[DeviceAuthorization], None]
) -> Callable[[DeviceState], None]:
    """Return a watch: the person decides after so many polls, 0 as soon as there is a code."""

    def watch(state: DeviceState) -> None:
        if isinstance(state, (Pending, SlowDown)) and state.polls == polls:
            decide(state.authorization)

    return watch


def token_of(final: Final) -> Token:
    assert isinstance(final, Authorized), final
    return final.token


def sign_in(server: Running, client: Client, person: Person) -> Token:
    """Return a person's token, approved before the first poll, which does not wait."""
    watch = after_polls(0, person.approve)
    return token_of(run(DeviceFlow(client), wire_of(server), Hurried(), watch))


def call(server: Running, token: Token) -> int:
    """Return the status that the protected resource answers to this token."""
    headers = {"Authorization": token.authorization.reveal()}
    with requests.Session() as http:
        http.trust_env = False
        return http.get(server.protected, headers=headers, timeout=20).status_code


def answer(reply: object) -> Response:
    assert isinstance(reply, Response), reply
    return reply


def refusal(final: object) -> str:
    """Return how a refusal looked on the wire: status and code."""
    assert isinstance(final, Failed), final
    assert isinstance(final.error, Refused), final
    return f"{final.error.status} {final.error.code}"


def said(reply: object) -> str:
    """Return the status and error of a reply."""
    response = answer(reply)
    try:
        code = told(response).get("error", "")
    except ValueError:
        code = "no JSON"
    return f"{response.status} {code}".strip()


def has(document: Mapping[str, object], name: str, member: str) -> bool:
    return member in cast("list[str]", document.get(name) or [])


# Discovery


@scenario("discovery from the issuer")
def test_discovery(server: Running, cell: Cell) -> None:
    wire = Wire()
    provider = discover(server.issuer, wire)
    assert isinstance(provider, Provider), provider
    assert provider.issuer == server.issuer
    for endpoint in ("device_authorization", "token", "revocation", "introspection"):
        assert getattr(provider, f"{endpoint}_endpoint").startswith(server.issuer[:20]), endpoint
    asked = wire.exchanges[-1].request.url
    known = {OAUTH: "RFC 8414", OIDC: "OpenID Connect"}
    found = [name for path, name in known.items() if path in asked]
    if server.issuer.count("/") > 2:
        found.append(
            "before the path"
            if asked.endswith(server.issuer.split("/", 3)[3])
            else "after the path"
        )
    cell.saw("metadata found first", ", ".join(found))
    document = metadata(server)
    cell.saw(
        "public clients in the metadata (`none`)",
        "yes" if has(document, "token_endpoint_auth_methods_supported", "none") else "not named",
    )


# A person at another device (RFC 8628)


@scenario("device, public client, approved on the real page")
def test_a_public_device(server: Running, cell: Cell, person: Person) -> None:
    client, wire = client_of(server, "device-public"), Wire()
    watch = after_polls(0, person.approve)
    token = token_of(run(DeviceFlow(client), wire, watch=watch))
    issued, *polls = wire.exchanges
    code = told(answer(issued.reply))
    assert len(polls) == 1
    interval = int(cast("int", code.get("interval", 5)))
    waited = polls[0].left - issued.arrived
    assert waited >= interval, (waited, interval)
    assert call(server, token) == 200
    cell.saw("`interval`", code.get("interval", "absent (5 counts)"))
    cell.saw(
        "`verification_uri_complete`", "yes" if "verification_uri_complete" in code else "absent"
    )
    cell.saw("`user_code`", f"{len(str(code['user_code']))} characters")
    cell.saw("refresh token to a public client", "yes" if token.refresh_token else "no")


@scenario("device, confidential client, approved on the real page")
def test_a_confidential_device(server: Running, cell: Cell, person: Person) -> None:
    client, wire = client_of(server, "device-basic"), Wire()
    watch = after_polls(0, person.approve)
    token = token_of(run(DeviceFlow(client), wire, Hurried(), watch))
    assert token.refresh_token is not None
    assert call(server, token) == 200
    members = told(answer(wire.exchanges[-1].reply))
    cell.saw("`token_type`", members["token_type"])
    assert 3590 < cast("int", members["expires_in"]) <= 3600
    cell.saw("`scope` in the answer", "yes" if "scope" in members else "absent")
    rfc = {"access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token"}
    extra = ", ".join(f"`{name}`" for name in sorted(set(members) - rfc))
    cell.saw("members that no RFC names", extra or "none")
    again = answer(Wire()(wire.exchanges[-1].request))
    assert again.status >= 400
    cell.saw("a code that was used", said(again))


@scenario("device, denied on the real page")
def test_denied(server: Running, cell: Cell, person: Person) -> None:
    wire, watch = Wire(), after_polls(0, person.deny)
    final = run(DeviceFlow(client_of(server, "device-basic")), wire, Hurried(), watch)
    assert isinstance(final, Failed), final
    assert isinstance(final.error, Denied), final
    cell.saw("denied", said(wire.exchanges[-1].reply))


@scenario("device, the code expires")
def test_expired(server: Running, cell: Cell) -> None:
    with server.briefly() as brief:
        client, wire = client_of(brief, "device-brief"), Wire()
        final = run(DeviceFlow(client), wire)
        ended = time.monotonic()
        assert final == Expired()
        issued, *polls = wire.exchanges
        code = told(answer(issued.reply))
        end = issued.arrived + cast("int", code["expires_in"])
        assert ended < end + LATE
        assert all(poll.left < end for poll in polls)
        told_so = "pending" not in said(polls[-1].reply)
        # Not told, it polled as long as it might: the next poll would have been too late.
        assert told_so or polls[-1].arrived + cast("int", code.get("interval", 5)) > end - 0.1
        if not told_so:
            time.sleep(max(0.0, end - time.monotonic()) + 1.5)  # a server may count whole seconds
        cell.saw("a code that has expired", said(Wire()(polls[-1].request)))


@scenario("device, polled too fast: slow_down")
def test_slow_down(server: Running, cell: Cell, person: Person) -> None:
    states: list[tuple[type[DeviceState], float]] = []

    def watch(state: DeviceState) -> None:
        if isinstance(state, (Pending, SlowDown)):
            states.append((type(state), state.interval.total_seconds()))
            if state.polls == 3:
                person.approve(state.authorization)
                time.sleep(6)  # a server may say slow_down to an approved device as well

    wire = Wire()
    token_of(run(DeviceFlow(client_of(server, "device-basic")), wire, Hurried(), watch))
    first, *others = [said(exchange.reply) for exchange in wire.exchanges[1:-1]]
    cell.saw("a first poll at once", first)
    cell.saw("a second poll at once", others[0])
    if "400 slow_down" not in (first, *others):
        assert {first, *others} == {"400 authorization_pending"}
        cell.not_offered("the server takes a poll at any time")
        return
    for (_, before), (kind, after) in pairwise(states):
        assert after - before >= (5 if kind is SlowDown else 0)
        assert kind is SlowDown or after == before


# Refresh (RFC 6749 section 6)


@scenario("refresh with rotation")
def test_refresh(server: Running, cell: Cell, person: Person) -> None:
    client = client_of(server, "device-basic")
    first = sign_in(server, client, person)
    second = token_of(run(RefreshFlow(client, refresh_token(first)), Wire()))
    assert second.access_token != first.access_token
    assert second.refresh_token not in (None, first.refresh_token)
    assert call(server, second) == 200
    old = call(server, first)
    cell.saw("the old access token after a refresh", old)
    wire = Wire()
    final = run(RefreshFlow(client, refresh_token(first)), wire)
    assert isinstance(final, Failed), final
    assert isinstance(final.error, Refused), final
    assert final.error.code == "invalid_grant"
    assert len(wire.exchanges) == 1
    cell.saw("a refresh token that was used", refusal(final))
    third = run(RefreshFlow(client, refresh_token(second)), Wire())
    lives = isinstance(third, Authorized)
    cell.saw("its successor afterwards", "works" if lives else refusal(third))


PROGRAM = """
import json, sys, time
from pathlib import Path
import requests
from grantflow import Client, ClientSecretBasic, FileStore, Provider, TokenSource
from grantflow.shell.http.requests import RequestsTransport
said = json.loads(sys.argv[1])
session = requests.Session()
session.trust_env = False
send, sent = RequestsTransport(session), []
def transport(request):
    sent.append(request)
    return send(request)
client = Client(
    provider=Provider(**said["provider"]), client_id=said["client_id"],
    authentication=ClientSecretBasic(said["secret"]), scope=said["scope"],
)
store = FileStore(Path(said["directory"]))
source = TokenSource(client, store=store, interactive=False, transport=transport)
time.sleep(max(0, said["at"] - time.time()))
print(source.token().access_token.reveal(), len(sent))
"""
PROCESSES = 20


@scenario("20 processes, one expired token, one refresh")
def test_processes(server: Running, cell: Cell, person: Person, tmp_path: Path) -> None:
    client = client_of(server, "device-basic")
    store = FileStore(tmp_path)
    mine = TokenSource(client, store=store, interactive=False, transport=Wire())
    token = sign_in(server, client, person)
    assert token.issued_at is not None
    store.save(mine.key, evolve(token, expires_at=token.issued_at - timedelta(hours=1)))
    provider = client.provider
    given = {
        "provider": {
            "name": provider.name,
            "issuer": provider.issuer,
            "token_endpoint": provider.token_endpoint,
            "device_authorization_endpoint": provider.device_authorization_endpoint,
            "send_client_id": provider.send_client_id,
            "pkce_supported": provider.pkce_supported,
        },
        "client_id": client.client_id,
        "secret": server.clients["device-basic"].client_secret,
        "scope": list(client.scope),
        "directory": str(tmp_path),
        "at": time.time() + 8,
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(given)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, outputs
    ends = [out.split() for out, _ in outputs]
    assert len({access for access, _ in ends}) == 1
    assert sum(int(sent) for _, sent in ends) == 1
    assert call(server, mine.token()) == 200


# What comes after (RFC 7009, RFC 7662)


@scenario("revocation")
def test_revocation(server: Running, cell: Cell, person: Person) -> None:
    client = client_of(server, "device-basic")
    token = sign_in(server, client, person)
    answered = revoked(client, refresh_token(token), "refresh_token")
    assert answered.status == 200
    final = run(RefreshFlow(client, refresh_token(token)), Wire())
    assert isinstance(final, Failed), final
    assert isinstance(final.error, Refused), final
    assert final.error.code == "invalid_grant"
    cell.saw("a refresh token that was revoked", refusal(final))
    cell.saw(
        "its access token at introspection",
        "active" if active(client, token.access_token) == [True] else "inactive",
    )
    cell.saw("its access token at the resource", call(server, token))
    assert revoked(client, refresh_token(token), "refresh_token").status == 200  # gone, as wished
    cell.saw("an unknown token revoked", revoked(client, Secret("never-issued")).status)


@scenario("introspection")
def test_introspection(server: Running, cell: Cell) -> None:
    client = client_of(server, "cc-basic")
    token = token_of(run(ClientCredentialsFlow(client), Wire()))
    document = introspected(client, token.access_token)
    assert document["active"] is True
    assert document["client_id"] == client.client_id
    assert introspected(client, Secret("never-issued"))["active"] is False
    forger = client_of(server, "cc-basic", WRONG)
    url = forger.provider.introspection_endpoint or ""
    refused = Wire()(forger.request(url, (("token", token.access_token),)))
    assert answer(refused).status == 401
    cell.saw("introspection with a wrong secret", said(refused))


@scenario("a revoked token is renewed after the 401")
def test_a_401_renews(server: Running, cell: Cell, person: Person) -> None:
    client = client_of(server, "device-basic")
    source = TokenSource(
        client, store=MemoryStore(), transport=Wire(), clock=Hurried(), prompt=person.approve
    )
    first = source.token()
    with TokenSession(source, [server.protected]) as session:
        session.trust_env = False
        assert session.get(server.protected, timeout=20).status_code == 200
        assert revoked(client, first.access_token, "access_token").status == 200
        cell.saw("an access token that was revoked, at the resource", call(server, first))
        if (status := call(server, first)) != 401:
            assert status in (200, 403)
            cell.not_offered(
                "its resource takes a revoked token until it expires"
                if status == 200
                else "its resource answers a revoked token with 403 and no challenge"
            )
            return
        replayed = session.get(server.protected, timeout=20)
        if replayed.status_code == 401:
            with_refresh = run(RefreshFlow(client, refresh_token(first)), Wire())
            assert refusal(with_refresh).endswith("invalid_grant")
            cell.not_offered("revoking an access token ends its refresh token as well")
            return
        assert replayed.status_code == 200
        assert source.token().access_token != first.access_token


# A machine (RFC 6749 section 4.4), by every method


@pytest.mark.parametrize(
    ("name", "method"),
    [
        pytest.param(name, method, marks=scenario(f"client credentials, {method}"))
        for name, method in (
            ("cc-basic", "client_secret_basic"),
            ("cc-post", "client_secret_post"),
            ("cc-secret-jwt", "client_secret_jwt"),
            ("cc-private-jwt", "private_key_jwt"),
            ("cc-mtls", "tls_client_auth"),
        )
    ],
)
def test_a_machine(server: Running, cell: Cell, name: str, method: str) -> None:
    document = metadata(server)
    if name not in server.clients:
        if has(document, "token_endpoint_auth_methods_supported", method):
            cell.not_offered(f"its client credentials take no `{method}`, its other grants do")
        else:
            cell.not_offered(f"the metadata has no `{method}`")
        return
    client, wire = client_of(server, name), wire_of(server)
    token = token_of(run(ClientCredentialsFlow(client), wire))
    assert len(wire.exchanges) == 1
    assert token.refresh_token is None
    if has(document, "introspection_endpoint_auth_methods_supported", method):
        assert introspected_by(server, client, token)["client_id"] == client.client_id
    if method == "private_key_jwt":
        bare = evolve(client, provider=evolve(client.provider, send_client_id="never"))
        final = run(ClientCredentialsFlow(bare), wire_of(server))
        taken = "taken" if isinstance(final, Authorized) else refusal(final)
        cell.saw("an assertion without `client_id` beside it", taken)
    other = WRONG if method.startswith("client_secret") else json.dumps(signing_key())
    wrong = run(ClientCredentialsFlow(client_of(server, name, other)), wire_of(server))
    assert isinstance(wrong, Failed), wrong
    cell.saw(f"wrong `{method}`", refusal(wrong))


def introspected_by(server: Running, client: Client, token: Token) -> Mapping[str, object]:
    """Return what the server says of a token to a client that signs or shows a certificate too."""
    url = client.provider.introspection_endpoint or ""
    reply = signed(wire_of(server))(client.request(url, (("token", token.access_token),)))
    assert answer(reply).status == 200, reply
    return told(answer(reply))


@scenario("client id and secret with every reserved character")
def test_an_odd_secret(server: Running, cell: Cell) -> None:
    client = client_of(server, "odd")
    client = evolve(client, scope=server.machine_scope)
    token = token_of(run(ClientCredentialsFlow(client), Wire()))
    assert introspected(client, token.access_token)["client_id"] == client.client_id
    secret = server.clients["odd"].client_secret or ""
    for encoding in ("plus", "raw"):
        other = evolve(client, authentication=ClientSecretBasic(secret, encoding=encoding))
        final = run(ClientCredentialsFlow(other), Wire())
        taken = "taken" if isinstance(final, Authorized) else refusal(final)
        cell.saw(f"the same, encoded as `{encoding}`", taken)


@scenario("device and refresh, private_key_jwt")
def test_a_device_that_signs(server: Running, cell: Cell, person: Person) -> None:
    if "device-private-jwt" not in server.clients:
        assert not has(metadata(server), "token_endpoint_auth_methods_supported", "private_key_jwt")
        cell.not_offered("the metadata has no `private_key_jwt`")
        return
    client = client_of(server, "device-private-jwt")
    token = sign_in(server, client, person)
    assert token.refresh_token is not None
    token_of(run(RefreshFlow(client, refresh_token(token)), wire_of(server)))


@scenario("device and refresh, tls_client_auth, tokens bound to the certificate")
def test_a_device_that_shows_a_certificate(server: Running, cell: Cell, person: Person) -> None:
    if "device-mtls" not in server.clients:
        document = metadata(server)
        assert not document.get("tls_client_certificate_bound_access_tokens")
        cell.not_offered("the metadata has no `tls_client_certificate_bound_access_tokens`")
        return
    client = client_of(server, "device-mtls")
    token = sign_in(server, client, person)
    renewed = token_of(run(RefreshFlow(client, refresh_token(token)), wire_of(server)))
    bound = introspected_by(server, client, renewed)["cnf"]
    assert set(cast("Mapping[str, str]", bound)) == {"x5t#S256"}


@scenario("device, refresh and calls with DPoP")
def test_dpop(server: Running, cell: Cell, person: Person) -> None:
    key = dpop_key()
    name = "device-dpop" if "device-dpop" in server.clients else "device-basic"
    client = evolve(client_of(server, name), dpop=key)
    if not metadata(server).get("dpop_signing_alg_values_supported"):
        watch = after_polls(0, person.approve)
        final = run(DeviceFlow(client), Wire(), Hurried(), watch)
        cell.saw(
            "DPoP asked of a server without it",
            final.token.token_type if isinstance(final, Authorized) else "refused by grantflow",
        )
        cell.not_offered("the metadata has no `dpop_signing_alg_values_supported`")
        return
    source = TokenSource(
        client, store=MemoryStore(), transport=Wire(), clock=Hurried(), prompt=person.approve
    )
    token = source.token()
    assert token.token_type == "DPoP"
    with TokenSession(source, [server.protected]) as session:
        session.trust_env = False
        assert session.get(server.protected, timeout=20).status_code == 200
        if token.refresh_token is not None:
            source.try_renew(token)
            assert session.get(server.protected, timeout=20).status_code == 200
    bare = {"Authorization": f"Bearer {token.access_token.reveal()}"}
    with requests.Session() as http:
        http.trust_env = False
        refused = http.get(server.protected, headers=bare, timeout=20)
    assert refused.status_code == 401
    cell.saw("a DPoP token sent as Bearer", refused.status_code)


# Registration (RFC 7591)


@scenario("a client registers itself and signs in")
def test_registration(server: Running, cell: Cell, person: Person) -> None:
    if server.registration is None:
        assert "registration_endpoint" not in metadata(server)
        cell.not_offered("the metadata has no `registration_endpoint`")
        return
    provider, scope = provider_of(server), server.scope.split()
    if provider.registration_endpoint is None:
        cell.saw("registration endpoint", "in the OpenID Connect document alone")
        document = requests.get(server.issuer + OIDC, timeout=20).json()
        found = either(Provider.from_metadata(document))
        assert isinstance(found, Provider), found
        provider = found
    else:
        cell.saw("registration endpoint", "in the document that is found first")
    extra: list[tuple[str, str | Secret]] = []
    if server.registration in server.clients:
        # OpenID Connect's registration wants these from every client, whatever its grants.
        extra = [
            ("redirect_uris[]", "https://client.example/unused"),
            ("response_types[]", "code"),
        ]
        registrar = evolve(client_of(server, server.registration), scope="client.create")
        initial = token_of(run(ClientCredentialsFlow(registrar), Wire()))
        provider = evolve(provider, headers={"Authorization": initial.authorization})
    needs = "an initial access token, redirect URIs, response types" if extra else "nothing"
    cell.saw("registration needs", needs)
    flow = RegistrationFlow(provider=provider, client_name="my tool", scope=scope, extra=extra)
    wire = Wire()
    final = run(flow, wire)
    assert isinstance(final, Authorized), answer(wire.exchanges[-1].reply).body
    client = Client(provider=evolve(provider, headers=()), client_id="?", scope=scope)
    client = registered_client(client, final.token)
    token = sign_in(server, client, person)
    assert call(server, token) == 200


# The command


@pytest.fixture
def left() -> Iterator[ExitStack]:
    """What a test leaves running."""
    with ExitStack() as stack:
        yield stack


@scenario("the command: login, token, logout")
def test_the_command(
    server: Running, cell: Cell, person: Person, tmp_path: Path, left: ExitStack
) -> None:
    known = server.clients["device-basic"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "GRANTFLOW_HOME": str(tmp_path),
        "GRANTFLOW_CLIENT_SECRET": known.client_secret or "",
        "NO_PROXY": "127.0.0.1",
    }

    def command(*arguments: str) -> subprocess.Popen[str]:
        made = subprocess.Popen(
            [sys.executable, "-m", "grantflow", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        left.enter_context(made)
        left.callback(made.kill)
        return made

    scopes = [part for scope in server.scope.split() for part in ("--scope", scope)]
    login = command(
        *("login", "--issuer", server.issuer, "--client-id", known.client_id, "--json"),
        *("--client-auth", "client_secret_basic", "--no-browser", "--profile", "real", *scopes),
    )
    assert login.stdout is not None
    shown: dict[str, object] = {}
    for line in login.stdout:
        event = cast("dict[str, object]", json.loads(line))
        if "verification_uri" in event:
            shown = event
            break
    assert shown, login.communicate()
    link = shown.get("verification_uri_complete") or shown["verification_uri"]
    person.decide(str(link), str(shown["user_code"]))
    _, trouble = login.communicate(timeout=120)
    assert login.returncode == 0, trouble
    token, trouble = command("token").communicate(timeout=60)
    assert call(server, Token(access_token=token.strip())) == 200, trouble
    _, trouble = command("logout").communicate(timeout=60)
    empty = command("token")
    empty.communicate(timeout=60)
    assert empty.returncode == 3, trouble


# Last: it leaves another server behind.


@scenario("device, the server restarts between two polls")
def test_restart(server: Running, cell: Cell, person: Person) -> None:
    """The polls meet a closed port for as long as the server is away, and go on."""
    client, wire = client_of(server, "device-basic"), Wire()
    up = threading.Event()
    restarts: list[threading.Thread] = []
    shown: list[DeviceAuthorization] = []

    def restart() -> None:
        server.process.stop()
        time.sleep(6)  # longer than an interval, so that a poll comes to nothing
        server.process.start()
        up.set()

    def watch(state: DeviceState) -> None:
        if not isinstance(state, (Pending, SlowDown)):
            return
        if state.polls == 1 and not restarts:
            restarts.append(threading.Thread(target=restart))
            restarts[0].start()
        if up.is_set() and not shown:
            shown.append(state.authorization)
            with suppress(
                AssertionError
            ):  # the code may be unknown now; what the device is told counts
                person.approve(state.authorization)

    final = run(DeviceFlow(client), wire, watch=watch)
    restarts[0].join()
    replies = [exchange.reply for exchange in wire.exchanges]
    assert any(isinstance(each, Fault) for each in replies), "no poll met the closed port"
    assert isinstance(replies[-1], Response), (final, replies)
    if isinstance(final, Authorized):
        assert call(server, final.token) == 200
        cell.saw("a code after a restart", "goes on")
        return
    cell.saw("a code after a restart", said(wire.exchanges[-1].reply))
