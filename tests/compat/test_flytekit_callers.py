"""flytekit's authenticators: their scenarios, by what stands in for them here.

F9 signs in with a browser there, F19 asks Flyte's own metadata service, F20 and F22 are a table of
classes and of plug-ins, F23 is a browser's PKCE. The page tells what is not here, and why.
"""

from __future__ import annotations

import re
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from attrs import evolve, validators
from keyring.backends import fail
from keyring.errors import KeyringLocked
from returns.io import IOSuccess

from grantflow import (
    Client,
    ClientSecretBasic,
    DeviceAuthorization,
    DeviceFlow,
    FileStore,
    InvalidResponse,
    Provider,
    Send,
    Token,
    TokenAuth,
    TokenSource,
    providers,
)
from grantflow.compat.flytekit import AuthenticationError, get_device_code
from grantflow.flows import LinkFlow
from grantflow.secrets import SecretError, from_command
from grantflow.shell.discovery import discover
from grantflow.shell.http.requests import RequestsTransport
from grantflow.shell.ports import StoreError
from grantflow.shell.provider_file import with_own_file
from grantflow.shell.stores import KeyringStore, MemoryStore
from grantflow.testing import Loopback, Outage, Script, VirtualClock, serve
from tests.support.keyring_fake import DictKeyring
from tests.support.samples import moment, reply, seconds
from tests.support.wire_stage import PENDING, TOKEN, Said, wired

ENDED = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def loopback(clock: VirtualClock) -> Iterator[Loopback]:
    with serve(Script(approve_after=seconds(7)), clock=clock) as found:
        yield found


def source_of(
    server: Loopback,
    clock: VirtualClock,
    store: FileStore | MemoryStore | KeyringStore,
    asked: list[DeviceAuthorization],
) -> TokenSource:
    client = Client(provider=server.provider, client_id="app", scope="all")
    return TokenSource(client, store=store, clock=clock, prompt=asked.append)


def test_f9_a_sign_in_is_kept_and_refreshed(
    loopback: Loopback, clock: VirtualClock, tmp_path: Path
) -> None:
    asked = list[DeviceAuthorization]()
    first = source_of(loopback, clock, FileStore(tmp_path), asked)
    token = first.token()
    assert len(asked) == 1
    assert FileStore(tmp_path).read(first.key) == token
    assert loopback.server.counts == {"device": 1, "poll": 2}
    clock.advance(seconds(4000))
    # Another process, to which the file alone is known.
    second = source_of(loopback, clock, FileStore(tmp_path), asked)
    renewed = second.token()
    assert renewed.access_token != token.access_token
    assert FileStore(tmp_path).read(second.key) == renewed
    assert len(asked) == 1
    assert loopback.server.counts == {"device": 1, "poll": 2, "refresh": 1}


def test_f10_a_command_that_prints_a_token() -> None:
    acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    client = Client(provider=acme, client_id="app")
    with pytest.raises(ValueError, match="the words of a command are needed"):
        from_command([])
    prints = from_command([sys.executable, "-c", "print('from-a-command')"])
    source = TokenSource(client, "client_credentials", store=MemoryStore(), token=prints)
    assert source.token().access_token.reveal() == "from-a-command"
    fails = from_command([sys.executable, "-c", "print('s3cret'); raise SystemExit(3)"])
    with pytest.raises(SecretError, match="ended with status 3") as caught:
        fails()
    assert "s3cret" not in str(caught.value)


def test_f11_the_caller_s_scopes(clock: VirtualClock) -> None:
    with wired(TOKEN) as wire:
        provider = Provider(name="flyte", token_endpoint=wire.url)
        client = Client(
            provider=provider,
            client_id="machine",
            authentication=ClientSecretBasic("s3cret", encoding="plus"),
            scope=("mine",),
        )
        source = TokenSource(client, "client_credentials", store=MemoryStore(), clock=clock)
        assert source.token().access_token.reveal() == "at-1"
        assert source.token().access_token.reveal() == "at-1"
    (asked,) = wire.asked  # the second time it was at hand: flytekit asks each time
    assert asked.form["scope"] == "mine"
    assert asked.headers["authorization"] == "Basic bWFjaGluZTpzM2NyZXQ="


@pytest.mark.parametrize("endpoint", [None, ""])
def test_f13_no_endpoint_is_known(endpoint: str | None) -> None:
    with pytest.raises(AuthenticationError) as caught:
        get_device_code(endpoint, "app")
    assert str(caught.value) == (
        "Unable to retrieve Device Authentication Code for app, Reason "
        "no device_auth_endpoint is known: the server may have no device grant"
    )
    assert caught.value.problem is None


def test_f13_a_provider_without_one() -> None:
    acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    with pytest.raises(ValueError, match="provider 'acme' has no device_authorization_endpoint"):
        TokenSource(Client(provider=acme, client_id="app"))


def test_f14_a_refresh_is_refused(loopback: Loopback, clock: VirtualClock) -> None:
    store, asked = MemoryStore(), list[DeviceAuthorization]()
    source = source_of(loopback, clock, store, asked)
    store.save(source.key, Token(access_token="old", refresh_token="gone", expires_at=ENDED))
    token = source.token()
    assert len(asked) == 1
    assert loopback.server.counts == {"refresh": 1, "device": 1, "poll": 2}
    assert store.read(source.key) == token
    assert "no longer valid" in source.notes[0]


def test_f15_a_refresh_works(loopback: Loopback, clock: VirtualClock) -> None:
    store, asked = MemoryStore(), list[DeviceAuthorization]()
    first = source_of(loopback, clock, store, asked).token()
    clock.advance(seconds(4000))
    second = source_of(loopback, clock, store, asked).token()
    assert first.access_token != second.access_token
    assert len(asked) == 1
    assert loopback.server.counts["device"] == 1


def test_f16_a_refresh_that_fails_deletes_nothing(clock: VirtualClock) -> None:
    for trouble in (reply(500, b"<html>"), reply(200, b"<html>"), reply(403, b"no")):
        outage = Outage(seconds(0), seconds(10_000), trouble)
        with serve(Script(outages=(outage,)), clock=VirtualClock()) as loopback:
            store, asked = MemoryStore(), list[DeviceAuthorization]()
            source = source_of(loopback, clock, store, asked)
            old = Token(access_token="old", refresh_token="good", expires_at=ENDED)
            store.save(source.key, old)
            assert not isinstance(source.try_token(), IOSuccess)
            assert store.read(source.key) == evolve(old, refresh_sent=True)
            assert asked == []


def test_f17_a_keyring(loopback: Loopback, clock: VirtualClock) -> None:
    ring, asked = DictKeyring(), list[DeviceAuthorization]()
    store = KeyringStore(backend=ring)
    token = source_of(loopback, clock, store, asked).token()
    source = source_of(loopback, clock, store, asked)
    assert source.token() == token
    assert len(asked) == 1
    source.try_logout(revoke=False)
    assert store.read(source.key) is None
    assert source.token() != token
    assert len(asked) == 2


def test_f17_no_keyring() -> None:
    """Said at once, by name: a caller that names another store goes on."""
    with pytest.raises(StoreError, match="keyring"):
        KeyringStore(backend=fail.Keyring())


def test_f18_a_keyring_that_is_broken(loopback: Loopback, clock: VirtualClock) -> None:
    class Broken(DictKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            raise KeyringLocked("the person closed the window")

        def set_password(self, service: str, username: str, password: str) -> None:
            raise KeyringLocked("the person closed the window")

    asked = list[DeviceAuthorization]()
    source = source_of(loopback, clock, KeyringStore(backend=Broken()), asked)
    assert loopback.requests == 0  # nothing happens before it is needed
    assert source.token().access_token.reveal().startswith("at-")
    assert len(asked) == 1
    assert any("could not be saved" in note for note in source.notes)


METADATA = {
    "token_endpoint": "https://idp.example/token",
    "device_authorization_endpoint": "https://idp.example/device",
    "revocation_endpoint": "https://idp.example/revoke",
    "introspection_endpoint": "https://idp.example/introspect",
    "userinfo_endpoint": "https://idp.example/me",
    "registration_endpoint": "https://idp.example/register",
}


def test_f19_the_server_s_own_metadata() -> None:
    document = {
        **METADATA,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
        "scopes_supported": ["all", "offline"],
    }
    with wired() as wire:
        issuer = wire.url.removesuffix("/token")
        wire.answers.append(Said(200, {**document, "issuer": issuer}))
        found = discover(issuer, RequestsTransport())
    assert [asked.method for asked in wire.asked] == ["GET"]
    assert isinstance(found, Provider)
    assert {name: getattr(found, name) for name in METADATA} == METADATA
    assert found.issuer == issuer
    assert found.name == "127.0.0.1"
    assert found.auth_methods == ("client_secret_basic", "none")


def test_f19_metadata_that_is_a_page() -> None:
    """flyte-sdk#1235: HTML from there is an answer that says so."""
    with wired(Said(200, "<html>")) as wire:
        found = discover(wire.url.removesuffix("/token"), RequestsTransport())
    assert found == InvalidResponse("metadata: HTML")


@pytest.mark.parametrize(
    ("scope", "audience", "sent"),
    [
        (("mine",), "of-mine", {"scope": "mine", "audience": "of-mine"}),
        # Who asks for nothing gets what the server gives by itself (RFC 6749 section 3.3).
        ((), None, {}),
    ],
)
def test_f19_the_caller_s_scopes_and_audience_win(
    scope: tuple[str, ...], audience: str | None, sent: dict[str, str], loopback: Loopback
) -> None:
    found = discover(loopback.issuer, RequestsTransport())
    assert isinstance(found, Provider)
    with wired(TOKEN) as wire:
        there = evolve(found, token_endpoint=wire.url)
        client = Client(provider=there, client_id="machine", scope=scope, audience=audience)
        TokenSource(client, "client_credentials", store=MemoryStore()).token()
    form = {name: text for name, text in wire.asked[0].form.items() if name != "client_id"}
    assert form == {"grant_type": "client_credentials", **sent}


def test_f19_a_header_of_another_name() -> None:
    with wired(TOKEN, Said(200, {})) as wire:
        client = Client(provider=Provider(name="f", token_endpoint=wire.url), client_id="machine")
        source = TokenSource(client, "client_credentials", store=MemoryStore())
        requests.get(wire.url, auth=TokenAuth(source, header="flyte-authorization"), timeout=5)
    assert wire.asked[1].headers["flyte-authorization"] == "Bearer at-1"
    assert "authorization" not in wire.asked[1].headers


def of_a_person(client: Client, clock: VirtualClock) -> TokenSource:
    return TokenSource(client, store=MemoryStore(), clock=clock, prompt=lambda _: None)


def of_a_machine(client: Client, clock: VirtualClock) -> TokenSource:
    proven = evolve(client, authentication=ClientSecretBasic("s3cret"))
    return TokenSource(proven, "client_credentials", store=MemoryStore(), clock=clock)


def of_a_command(client: Client, clock: VirtualClock) -> TokenSource:
    prints = from_command([sys.executable, "-c", "print('at-of-a-command')"])
    return TokenSource(client, store=MemoryStore(), clock=clock, token=prints)


@pytest.mark.parametrize(
    ("auth_type", "source_for", "counts"),
    [
        ("standard", of_a_person, {"device": 1, "poll": 2}),
        ("Pkce", of_a_person, {"device": 1, "poll": 2}),
        ("DeviceFlow", of_a_person, {"device": 1, "poll": 2}),
        ("basic", of_a_machine, {"client_credentials": 1}),
        ("client_credentials", of_a_machine, {"client_credentials": 1}),
        ("ClientSecret", of_a_machine, {"client_credentials": 1}),
        ("external_process", of_a_command, {}),
        ("ExternalCommand", of_a_command, {}),
    ],
)
def test_f20_each_auth_type_has_its_source(
    auth_type: str,
    source_for: Callable[[Client, VirtualClock], TokenSource],
    counts: dict[str, int],
    clock: VirtualClock,
) -> None:
    known = {"app": "s3cret"} if source_for is of_a_machine else None
    with serve(Script(approve_after=seconds(7), clients=known), clock=clock) as loopback:
        client = Client(provider=loopback.provider, client_id="app")
        assert source_for(client, clock).token().access_token.reveal().startswith("at-")
        assert loopback.server.counts == counts


def test_f20_no_such_type() -> None:
    acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    client = Client(provider=acme, client_id="app")
    with pytest.raises(ValueError, match="device or client_credentials is needed, .* not 'Pkce'"):
        TokenSource(client, "Pkce")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (("foo-bar", "foo-baz", "foo-foo"), ["Bearer foo-bar", "Bearer foo-baz"]),
        (("foo-bar", "foo-bar", "foo-bar"), ["Bearer foo-bar"]),  # what was refused would be again
    ],
)
def test_f21_a_proxy_that_never_agrees(given: tuple[str, ...], sent: list[str]) -> None:
    acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    client = Client(provider=acme, client_id="app")
    tokens = iter(given).__next__
    source = TokenSource(client, "client_credentials", store=MemoryStore(), token=tokens)
    with wired(Said(401)) as wire:
        auth = TokenAuth(source, header="proxy-authorization")
        assert requests.get(wire.url, auth=auth, timeout=5).status_code == 401
    assert [asked.headers["proxy-authorization"] for asked in wire.asked] == sent
    assert all("authorization" not in asked.headers for asked in wire.asked)


def test_f22_a_provider_of_one_s_own(tmp_path: Path) -> None:
    own = """
        [our-flyte]
        like = "flyte"
        aliases = ["Our Union"]
        needs.host.default = "flyte.acme.example"
        [dex]
        token_endpoint = "https://dex.acme.example/token"
    """
    (tmp_path / "providers.toml").write_text(own)
    known = with_own_file(providers.KNOWN).unwrap()
    for name in ("our-flyte", "Our_Flyte", " OUR FLYTE ", "our union"):
        assert known.find(name).token_endpoint == "https://flyte.acme.example/oauth2/token"
    # One's own comes first, as the registry does there; those that came along are found beside it.
    assert known.find("Dex").token_endpoint == "https://dex.acme.example/token"
    assert known.find("GitHub") == providers.find("github")
    assert {"our-flyte", "dex", "github"} <= {*known.names()}
    assert "our-flyte" not in providers.names()
    with pytest.raises(LookupError, match="unknown provider 'our-flite'; did you mean our-flyte"):
        known.find("our-flite")


def test_f22_a_token_from_anywhere() -> None:
    """What a plug-in is there is a function here; it is asked again where its token is refused."""
    given = iter(("at-1", "at-2"))
    acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    client = Client(provider=acme, client_id="app")
    source = TokenSource(client, "client_credentials", store=MemoryStore(), token=given.__next__)
    refused = source.token()
    assert source.token() == refused
    assert refused.access_token.reveal() == "at-1"
    assert source.renew(refused).access_token.reveal() == "at-2"


FLYTE = Provider(
    name="flyte",
    token_endpoint="https://idp.example/token",
    device_authorization_endpoint="https://idp.example/device",
    pkce=True,
)
VECTORS = {
    "test_code_verifier": "Qq1fGD0HhxwbmeMrqaebgn1qhvKeguQPXqLdpmixaM4",
    # RFC 7636 appendix B
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
}


@pytest.mark.parametrize("verifier", VECTORS)
def test_f23_the_challenge_is_the_hash_of_the_verifier(verifier: str) -> None:
    with validators.disabled():  # flytekit's vector is shorter than any verifier may be
        flow = DeviceFlow(Client(provider=FLYTE, client_id="app"), verifier=verifier)
    due = flow.due(flow.start(moment()))
    assert isinstance(due, Send)
    told = parse_qs(due.request.body().decode())
    assert told["code_challenge"] == [VECTORS[verifier]]
    assert told["code_challenge_method"] == ["S256"]


@pytest.mark.parametrize("verifier", ["a" * 42, "a" * 129, "a" * 42 + "=", "test_code_verifier"])
def test_f23_a_verifier_that_is_none(verifier: str) -> None:
    with pytest.raises(ValueError, match="verifier: 43 to 128 letters, digits and -._~"):
        DeviceFlow(Client(provider=FLYTE, client_id="app"), verifier=verifier)
    for length in (43, 128):
        assert DeviceFlow(Client(provider=FLYTE, client_id="app"), verifier="a" * length).verifier


def test_f23_every_sign_in_has_a_verifier_of_its_own(clock: VirtualClock) -> None:
    code = {"device_code": "dc", "user_code": "BNDJ", "verification_uri": "https://idp.example"}
    verifiers = set[str]()
    for _ in range(3):
        with wired(Said(200, code), PENDING, TOKEN) as wire:
            there = {"token_endpoint": wire.url, "device_authorization_endpoint": wire.url}
            client = Client(provider=evolve(FLYTE, **there), client_id="app")
            of_a_person(client, clock).token()
        asked, *polls = [each.form for each in wire.asked]
        (verifier,) = {poll["code_verifier"] for poll in polls}
        assert "code_verifier" not in asked
        assert re.fullmatch("[A-Za-z0-9._~-]{43,128}", verifier)
        hashed = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        assert (asked["code_challenge"], asked["code_challenge_method"]) == (hashed, "S256")
        verifiers.add(verifier)
    assert len(verifiers) == 3


def test_f23_a_state_is_of_letters_that_a_link_may_hold() -> None:
    client = Client(provider=providers.find("dagshub"), client_id="app")
    states = set[str]()
    for entropy in ("a" * 43, "b" * 43):
        link = LinkFlow(client, entropy).start(moment()).authorization.verification_uri
        (state,) = parse_qs(urlsplit(link).query)["state"]
        assert re.fullmatch("[A-Za-z0-9._~-]{40,}", state)
        states.add(state)
    assert len(states) == 2
