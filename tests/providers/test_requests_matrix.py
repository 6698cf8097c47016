"""The matrix of requests on the page of providers: what the played vendors are really sent."""

from __future__ import annotations

import importlib
import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from grantflow import ClientCredentialsFlow, Provider, RefreshFlow, Request, run
from grantflow.flows import flow_for
from grantflow.testing import VirtualClock
from tests.providers.test_vendors import (
    ENTROPY,
    PLAYED,
    SPECS,
    client_of,
    introspect,
    machines,
    played,
    revoke,
)
from tests.support.vendor import SECRET, Spec, Vendor

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("tables")


def sent(name: str, auth: str) -> tuple[Vendor, Provider]:
    """The vendor after a sign-in, a renewal, a machine's token, a question and a logout."""
    client, vendor = played(name, auth)
    spec, clock = SPECS[name], VirtualClock()
    tokens = []
    if spec.knows("device"):
        tokens.append(run(flow_for(client, entropy=ENTROPY), transport=vendor, clock=clock))
    if spec.knows("refresh"):
        tokens.append(run(RefreshFlow(client, "rt-1"), transport=vendor, clock=clock))
    if (name, auth) in machines():
        machine = client_of(spec, auth, vendor, machine=True)
        tokens.append(run(ClientCredentialsFlow(machine), transport=vendor, clock=clock))
    for each in tokens[-1:]:
        introspect(client, each.token, vendor)  # type: ignore[union-attr]
        revoke(client, each.token, vendor)  # type: ignore[union-attr]
    assert vendor.problems == []
    return vendor, client.provider


def parameters(request: Request) -> dict[str, object]:
    found: dict[str, object] = dict(parse_qsl(urlsplit(request.target()).query))
    body = request.body()
    if body and request.header_map()["Content-Type"].startswith("application/json"):
        return found | json.loads(body)
    return found | dict(parse_qsl(body.decode()))


def shown(request: Request, vendor: Vendor, provider: Provider) -> Iterator[set[str]]:
    """What in a request tells and proves the client: each in every way to say it."""
    names = {vendor.client_id: "id", vendor.secret: "secret"}
    found = parameters(request)
    for name, value in found.items():
        if isinstance(value, str) and value in names:
            yield {f"{name}={names[value]}"}
    if "client_secret" in found and vendor.client_id not in found.values():
        yield {"the id and secret of the answer"}
    basic = request.header_map().get("Authorization")
    if basic is not None:
        pair = b64decode(basic.removeprefix("Basic ")).decode().partition(":")
        assert unquote(pair[0]) == vendor.client_id
        assert unquote(pair[2]) in (SECRET, "")
        yield {"Basic"}
    for name in request.header_map():
        if name.lower().startswith("client-"):
            yield {name}
    assertion = found.get("client_assertion")
    if isinstance(assertion, str):
        to = json.loads(urlsafe_b64decode(assertion.split(".")[1] + "=="))["aud"]
        words = {
            "the endpoint that is asked": request.url,
            "the token endpoint": provider.token_endpoint,
            "the issuer": provider.issuer,
            to: to,
        }
        yield {f"assertion for {word}" for word, url in words.items() if url == to}


def filled(cell: str, spec: Spec) -> str:
    """A cell of the page, where gaps stand in the place of a person's own values."""
    for gap, value in spec.values.items():
        cell = cell.replace(f"{{{gap}}}", value)
    return cell


@pytest.mark.parametrize(("name", "auth"), PLAYED)
def test_the_matrix_says_what_is_sent(name: str, auth: str, tables: ModuleType) -> None:
    method = "none" if auth == "public_basic" else auth
    row = next(cells for who, how, cells in tables.ways() if (who, how) == (name, method))
    vendor, provider = sent(name, auth)
    for kind in tables.KINDS:
        request = vendor.seen.get(kind)
        said = [filled(each, SPECS[name]) for each in row[kind].split(", ") if each]
        if request is None:
            assert said == [], kind
            continue
        ways = list(shown(request, vendor, provider))
        assert len(said) == max(len(ways), 1), (kind, said, ways)
        for word in said:
            assert any(word in way for way in ways) or (word == "nothing" and not ways), (
                kind,
                ways,
            )


def test_the_matrix_has_every_provider(tables: ModuleType) -> None:
    assert {name for name, _, _ in tables.ways()} == set(SPECS)
