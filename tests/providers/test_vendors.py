"""Every known provider, played by its vendor's own rules: through the library and the command.

A vendor takes nothing but what its SDK, schema, server code or page has (``[asked]`` of its file).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from joserfc.jwk import ECKey

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretPost,
    Denied,
    Expired,
    Failed,
    PrivateKeyJwt,
    Public,
    RefreshFlow,
    RegistrationFlow,
    Response,
    Token,
    providers,
    run,
)
from grantflow.core.acquisition.introspection import introspection
from grantflow.core.acquisition.revocation import revocations
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.flows.registration import registered_client
from grantflow.flows import flow_for
from grantflow.signing import signed
from grantflow.testing import VirtualClock
from tests.support.cli_stage import Ran, Stage
from tests.support.provider_cases import FILES, Case, first
from tests.support.vendor import SECRET, Spec, Vendor, spec_of

SPECS = {name: spec_of(name, file) for name, file in FILES.items() if "asked" in file}
PLAYED = [(name, auth) for name, spec in SPECS.items() for auth in spec.auth]
ENTROPY = "e" * 43
KEY = ECKey.generate_key("P-256", private=True).as_pem(private=True).decode()
PROOFS: dict[str, ClientAuthentication] = {
    "none": Public(),
    "public_basic": Public(),
    "client_secret_basic": ClientSecretBasic(SECRET),
    "client_secret_basic_raw": ClientSecretBasic(SECRET, encoding="raw"),
    "client_secret_post": ClientSecretPost(SECRET),
    "client_secret_headers": ClientSecretHeaders(SECRET),
    "private_key_jwt": PrivateKeyJwt(KEY),
}
POLLS = ("pending", "slow")
LINK = "dagshub"
"""No device grant, and a request that is held open: ``tests/compat`` plays it."""


def answer(case: Case) -> Response:
    return Response(case.status, case.headers, case.body)


def answers(name: str, end: str) -> dict[str, list[Response]]:
    """A sign-in that waits, is asked to slow down, and ends so; then a refresh and a logout."""
    found: dict[str, list[Response]] = {}
    waits = [case for kind in POLLS if (case := first(name, "poll", kind)) is not None]
    over = "grant" if end == "token" and first(name, "poll", "grant") is not None else end
    last = first(name, "poll", over)
    token = first(name, "poll", "token") or first(name, "token", "token")
    code = first(name, "device", "code")
    if code is not None and last is not None:
        found["device"] = [answer(code)]
        found["poll"] = [answer(each) for each in (*waits, last)]
    machine = first(name, "token", "token")
    renewed = first(name, "refresh", "token") or token
    if machine is not None:
        found["token"] = [answer(machine)]
    if renewed is not None:
        found["refresh"] = [answer(renewed)]
        found["exchange"] = [answer(renewed)]
    registered = first(name, "register", "token")
    if registered is not None:
        found["register"] = [answer(registered)]
    found["revocation"] = [Response(200, {}, b"")] * 2
    found["introspection"] = [Response(200, {}, b'{"active": true}')]
    return found


def client_of(spec: Spec, auth: str, vendor: Vendor, *, machine: bool = False) -> Client:
    provider = providers.find(spec.provider, **spec.values)
    wishes = {**spec.wishes, **(spec.machine_wishes if machine else {})}
    client = Client(
        provider=provider,
        client_id=spec.client_id,
        authentication=PROOFS[auth],
        scope=spec.scope,
        audience=wishes.get("audience"),
        resource=wishes.get("resource", ()),
    )
    if not spec.knows("register"):
        return client
    made = run(RegistrationFlow(provider=provider, client_name="grantflow"), transport=vendor)
    assert isinstance(made, Authorized), (made, vendor.problems)
    registered = registered_client(client, made.token)
    vendor.client_id = registered.client_id
    vendor.secret = made.token.access_token.reveal()
    return registered


def played(
    name: str, auth: str, end: str = "token", *, machine: bool = False
) -> tuple[Client, Vendor]:
    vendor = Vendor(SPECS[name], auth, answers(name, end))
    return client_of(SPECS[name], auth, vendor, machine=machine), vendor


def people() -> list[tuple[str, str]]:
    return [(name, auth) for name, auth in PLAYED if SPECS[name].knows("device")]


@pytest.mark.parametrize(("name", "auth"), people())
def test_a_person_signs_in_and_the_token_is_renewed_and_revoked(name: str, auth: str) -> None:
    client, vendor = played(name, auth)
    flow = flow_for(client, entropy=ENTROPY)
    final = run(flow, transport=vendor, clock=VirtualClock())
    assert vendor.problems == []
    assert isinstance(final, Authorized), final
    token = final.token
    if SPECS[name].knows("refresh"):
        renewed = run(RefreshFlow(client, "rt-1"), transport=vendor, clock=VirtualClock())
        assert vendor.problems == []
        assert isinstance(renewed, Authorized), renewed
    introspect(client, token, vendor)
    revoke(client, token, vendor)


def introspect(client: Client, token: Token, vendor: Vendor) -> None:
    """Ask after a token; who has no proof is not told."""
    if isinstance(client.authentication, Public):
        return
    request = introspection(client, token)
    if request is not None:
        assert signed(vendor, VirtualClock())(request).status == 200, vendor.problems  # type: ignore[union-attr]


def revoke(client: Client, token: Token, vendor: Vendor) -> None:
    send = signed(vendor, VirtualClock())
    for request in revocations(client, token):
        assert send(request).status == 200, vendor.problems  # type: ignore[union-attr]


@pytest.mark.parametrize("end", ["denied", "expired"])
@pytest.mark.parametrize(("name", "auth"), people())
def test_a_sign_in_ends_without_a_token(name: str, auth: str, end: str) -> None:
    if first(name, "poll", end) is None:
        pytest.skip("this vendor has no such answer")
    client, vendor = played(name, auth, end)
    final = run(flow_for(client, entropy=ENTROPY), transport=vendor, clock=VirtualClock())
    assert vendor.problems == []
    if end == "expired":
        assert isinstance(final, Expired)
    else:
        assert isinstance(final, Failed)
        assert isinstance(final.error, Denied)


def machines() -> list[tuple[str, str]]:
    return [
        (name, auth)
        for name, auth in PLAYED
        if SPECS[name].knows("token") and auth in (SPECS[name].machine_auth or SPECS[name].auth)
        if auth != "none"
    ]


@pytest.mark.parametrize(("name", "auth"), machines())
def test_a_machine_gets_its_token(name: str, auth: str) -> None:
    client, vendor = played(name, auth, machine=True)
    final = run(ClientCredentialsFlow(client), transport=vendor, clock=VirtualClock())
    assert vendor.problems == []
    assert isinstance(final, Authorized), final
    introspect(client, final.token, vendor)
    revoke(client, final.token, vendor)


def test_npm_is_signed_in_to_through_a_mirror() -> None:
    """A mirror passes doneUrl of registry.npmjs.org through; the poll has to reach the mirror."""
    place = "https://nexus.example/repository/npm"
    spec = SPECS["npm"]
    moved = [
        evolve(each, url=each.url.replace("https://registry.npmjs.org", place))
        for each in spec.requests
    ]
    values = {"host": "nexus.example", "path": "/repository/npm"}
    vendor = Vendor(evolve(spec, values=values, requests=moved), "none", answers("npm", "token"))
    client = client_of(vendor.spec, "none", vendor)
    final = run(flow_for(client, entropy=ENTROPY), transport=vendor, clock=VirtualClock())
    assert vendor.problems == []
    assert isinstance(final, Authorized), final


def test_every_provider_is_played_with_every_method_and_grant() -> None:
    assert set(providers.names()) - set(SPECS) == {LINK}
    for name, spec in SPECS.items():
        template = providers.template(name)
        methods = {"none" if each == "public_basic" else each for each in spec.auth}
        assert methods == set(template.provider.auth_methods), name
        assert set(spec.machine_auth) == set(template.machine_methods), name
        assert set(spec.wishes) == set(template.required) - {"scope"}, name
        assert set(spec.machine_wishes) == set(template.machine_required) - {"scope"}, name
        assert spec.knows("device") == ("device" in template.grants), name
        assert spec.knows("token") == ("client_credentials" in template.grants), name
        for kind in ("revocation", "introspection"):
            endpoint = getattr(template.provider, f"{kind}_endpoint")
            assert spec.knows(kind) == (endpoint is not None), (name, kind)
        assert template.source, name
        assert template.verified, name


# -- the line that ``grantflow providers NAME`` prints


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def printed(stage: Stage, name: str) -> list[str]:
    ran = stage.run("providers", name)
    assert ran.code == 0, ran.err
    lines = [line.strip().removeprefix("# ") for line in ran.out.splitlines()]
    found = [line for line in lines if line.startswith("grantflow login ")]
    assert found, ran.out
    return found


def filled(line: str, spec: Spec, folder: Path) -> Iterator[str]:
    """The words of a line, with a person's own in the place of those in capitals."""
    (folder / "secret").write_text(SECRET)
    (folder / "key.pem").write_text(KEY)
    words = shlex.split(line)
    assert words[:2] == ["grantflow", "login"], line
    before = ""
    for word in words[1:]:
        if before == "--set":
            key, _, shown = word.partition("=")
            assert shown == key.upper(), line
            yield f"{key}={spec.values[key]}"
        elif before == "--client-secret-file":
            yield str(folder / "secret")
        elif before == "--client-key-file":
            yield str(folder / "key.pem")
        elif before == "--client-id":
            yield spec.client_id
        elif before == "--scope":
            yield spec.scope
        elif before in ("--audience", "--resource"):
            yield {**spec.wishes, **spec.machine_wishes}[before.removeprefix("--")]
        else:
            assert not re.fullmatch(r"[A-Z_]+", word), line
            yield word
        before = word


def auth_of(line: str, spec: Spec) -> str:
    """How a client proves itself by this line: the first method that it has the means for."""
    if spec.knows("register"):
        return spec.auth[0]
    if "--client-secret-file" in line:
        return next(each for each in spec.auth if each.startswith("client_secret"))
    if "--client-key-file" in line:
        return "private_key_jwt"
    return next(each for each in spec.auth if each in ("none", "public_basic"))


def unscoped(spec: Spec) -> Spec:
    """The vendor where no scope is asked for, unless the provider has a usual one."""
    if providers.template(spec.provider).provider.scope:
        return spec
    kept = [
        evolve(each, form={k: v for k, v in each.form.items() if not k.startswith("scope")})
        for each in spec.requests
    ]
    return evolve(spec, requests=kept)


def tried(stage: Stage, line: str, name: str, folder: Path, end: str) -> tuple[Ran, Vendor]:
    """Run a printed line, in the place of a person, against its vendor."""
    spec = SPECS[name]
    wanted = spec if "--scope" in line else unscoped(spec)
    vendor = Vendor(wanted, auth_of(line, spec), answers(name, end))
    if spec.knows("register"):
        vendor.client_id, vendor.secret = "c-1", "s-1"
    stage.answers_with(vendor)
    words = (*filled(line, spec, folder), "--no-browser", "--profile", "tried")
    stdin = "rt-1" if "--refresh-token-stdin" in words else ""
    ran = stage.run(*words, stdin=stdin)
    assert vendor.problems == [], line
    return ran, vendor


@pytest.mark.parametrize("name", SPECS)
def test_the_printed_line_signs_in(stage: Stage, name: str, tmp_path: Path) -> None:
    lines = printed(stage, name)
    assert len(lines) == max(len(providers.template(name).grants), 1)
    for line in lines:
        ran, vendor = tried(stage, line, name, tmp_path, "token")
        assert ran.code == 0, (line, ran.err)
        renews = any(each.get("refresh_token") == "rt-1" for each in stage.tokens())
        if renews and SPECS[name].knows("refresh"):
            renewed = answers(name, "token")["refresh"][0]
            body = renewed.body.replace(b"at-1", b"at-2")
            vendor.answers["refresh"] = [Response(200, renewed.headers, body)]
            assert stage.run("token", "tried", "--renew").code == 0, line
            assert vendor.asked[-1] == "refresh"
        assert stage.run("logout", "tried").code == 0
        assert vendor.problems == [], line


@pytest.mark.parametrize("end", ["denied", "expired"])
@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.knows("device")])
def test_the_printed_line_ends_without_a_token(
    stage: Stage, name: str, end: str, tmp_path: Path
) -> None:
    if first(name, "poll", end) is None:
        pytest.skip("this vendor has no such answer")
    ran, vendor = tried(stage, printed(stage, name)[0], name, tmp_path, end)
    assert ran.code == 1
    assert vendor.asked[-1] == "poll"
    assert stage.tokens() == [] or SPECS[name].knows("register")
    assert stage.run("token", "tried").code != 0
