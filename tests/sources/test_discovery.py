"""A provider from its issuer's own metadata (RFC 8414)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from grantflow import (
    Fault,
    InvalidResponse,
    Provider,
    Request,
    Response,
    Unreachable,
    aio,
    discover,
)
from grantflow.core.values.response import Reply

ISSUER = "https://as.example/tenant"
RFC8414 = "https://as.example/.well-known/oauth-authorization-server/tenant"
MIXED = "https://as.example/.well-known/openid-configuration/tenant"
OPENID = "https://as.example/tenant/.well-known/openid-configuration"


def document(**changes: object) -> Response:
    body = {"issuer": ISSUER, "token_endpoint": "https://as.example/token"} | changes
    return Response(200, {}, json.dumps(body).encode())


class Site:
    def __init__(self, pages: Mapping[str, Reply]) -> None:
        self.pages = pages
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Reply:
        assert request.method == "GET"
        self.asked.append(request.url)
        return self.pages.get(request.url, Response(404, {}, b"<html>"))


@pytest.mark.parametrize("url", [RFC8414, MIXED, OPENID])
def test_every_well_known_form_is_tried(url: str) -> None:
    found = discover(ISSUER, Site({url: document()}))
    assert isinstance(found, Provider)
    assert (found.issuer, found.token_endpoint) == (ISSUER, "https://as.example/token")


def test_a_page_that_answers_everywhere_does_not_hide_the_document() -> None:
    page = Response(200, {}, b"<html>")
    assert isinstance(discover(ISSUER, Site({RFC8414: page, OPENID: document()})), Provider)
    assert discover(ISSUER, Site(dict.fromkeys((RFC8414, MIXED, OPENID), page))) == InvalidResponse(
        "metadata: HTML"
    )


def test_a_slash_too_many_is_not_believed_either_but_told() -> None:
    found = discover(ISSUER, Site({RFC8414: document(issuer=f"{ISSUER}/")}))
    assert found == InvalidResponse(
        f"metadata: it is of {ISSUER}/, not of {ISSUER}; "
        f"only the slash at the end differs, and it counts: use {ISSUER}/"
    )


@pytest.mark.parametrize("other", ["https://evil.example", "https://AS.example/tenant"])
def test_another_issuer_s_document_is_not_believed(other: str) -> None:
    found = discover(ISSUER, Site({RFC8414: document(issuer=other)}))
    assert found == InvalidResponse(f"metadata: it is of {other}, not of {ISSUER}")
    mismatch = discover(
        ISSUER, Site(dict.fromkeys((RFC8414, MIXED, OPENID), document(issuer=other)))
    )
    assert mismatch == InvalidResponse(f"metadata: it is of {other}, not of {ISSUER}")


def test_an_endpoint_on_plain_http_is_not_believed() -> None:
    bad = document(token_endpoint="http://as.example/token")
    found = discover(ISSUER, Site(dict.fromkeys((RFC8414, MIXED, OPENID), bad)))
    assert isinstance(found, InvalidResponse)
    assert "token_endpoint: must be https" in found.problem


def test_a_site_without_metadata_says_where_it_was_looked_for() -> None:
    site = Site({})
    found = discover("https://as.example", site)
    assert found == InvalidResponse(
        "no metadata at https://as.example/.well-known/openid-configuration: HTTP 404", 404
    )
    assert len(site.asked) == 2


def test_a_network_that_fails_is_told() -> None:
    fault = Fault("name", "no", "as.example")
    assert discover(ISSUER, Site({RFC8414: fault})) == Unreachable(fault, 1)


def test_an_issuer_on_plain_http_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="issuer: must be https"):
        discover("http://as.example", Site({}))


# What of a document is not usable


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("userinfo_endpoint", "http://keycloak:8080/userinfo", "must be https"),
        ("registration_endpoint", "/register", "must be an absolute https URL"),
        ("introspection_endpoint", "", "must be an absolute https URL"),
        ("revocation_endpoint", False, "it is no text"),
        ("revocation_endpoint", "https://127.0.0.1/revoke", "on this machine"),
        ("device_authorization_endpoint", "https://[", ""),
    ],
)
def test_an_optional_endpoint_costs_itself_only(name: str, value: object, why: str) -> None:
    found = discover(ISSUER, Site({RFC8414: document(**{name: value})}))
    assert isinstance(found, Provider)
    assert getattr(found, name) is None
    [note] = found.notes
    assert note.startswith(f"{name} of the metadata is not used: ")
    assert why in note


def test_an_alias_for_certificates_costs_itself_only() -> None:
    twins = {"token_endpoint": "http://mtls.as.example/token"}
    found = discover(ISSUER, Site({RFC8414: document(mtls_endpoint_aliases=twins)}))
    assert isinstance(found, Provider)
    assert found.mtls_endpoint_aliases == ()
    assert len(found.notes) == 1


def test_what_a_client_wants_to_know_is_kept() -> None:
    told = document(
        code_challenge_methods_supported=["plain", "S256"],
        scopes_supported=["openid", "email", 1],
        client_id_metadata_document_supported=True,
    )
    found = discover(ISSUER, Site({RFC8414: told}))
    assert isinstance(found, Provider)
    assert found.pkce_supported
    assert not found.pkce
    assert found.scopes_supported == ("openid", "email")
    assert found.client_id_metadata_document_supported


@pytest.mark.parametrize("asked", ["https://as.example", "https://as.example/"])
@pytest.mark.parametrize("said", ["https://as.example", "https://as.example/"])
def test_a_root_has_a_slash_or_none(asked: str, said: str) -> None:
    site = Site({"https://as.example/.well-known/openid-configuration": document(issuer=said)})
    found = discover(asked, site)
    assert isinstance(found, Provider)
    assert found.issuer == said


def test_a_templated_issuer_says_which_provider_to_name() -> None:
    issuer = "https://login.microsoftonline.com/common/v2.0"
    template = "https://login.microsoftonline.com/{tenantid}/v2.0"
    site = Site({f"{issuer}/.well-known/openid-configuration": document(issuer=template)})
    found = discover(issuer, site)
    assert isinstance(found, InvalidResponse)
    assert "that is a template: use the provider entra, with tenant=common" in found.problem
    other = discover(ISSUER, Site({RFC8414: document(issuer="https://as.example/{tenant}")}))
    assert isinstance(other, InvalidResponse)
    assert "name the endpoints, or the issuer of your own tenant" in other.problem


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_told_as_that(status: int) -> None:
    down = Response(status, {"Retry-After": "30"}, b"<html>")
    found = discover(ISSUER, Site({RFC8414: down}))
    assert isinstance(found, Unreachable)
    assert found.fault.detail == f"HTTP {status}"
    assert found.fault.retry_after == timedelta(seconds=30)
    assert isinstance(discover(ISSUER, Site({RFC8414: down, OPENID: document()})), Provider)


# -- awaited

SITES: dict[str, Mapping[str, Reply]] = {
    "first": {RFC8414: document()},
    "last": {OPENID: document()},
    "page": dict.fromkeys((RFC8414, MIXED, OPENID), Response(200, {}, b"<html>")),
    "nowhere": {},
    "other": {MIXED: document(issuer="https://evil.example")},
    "trouble": dict.fromkeys((RFC8414, MIXED, OPENID), Response(503, {"Retry-After": "7"}, b"")),
    "unreachable": {RFC8414: Fault("refused", "no")},
}


@pytest.mark.parametrize("site", SITES)
def test_both_drivers_ask_the_same_and_find_the_same(site: str) -> None:
    blocking, awaited = Site(SITES[site]), Site(SITES[site])

    async def send(request: Request) -> Reply:
        return awaited(request)

    found = discover(ISSUER, blocking)
    assert asyncio.run(aio.discover(ISSUER, send)) == found
    assert awaited.asked == blocking.asked


def test_a_transport_that_raises_is_one_that_failed() -> None:
    def broken(_: Request) -> Reply:
        raise RuntimeError("s3cret")

    async def awaited(request: Request) -> Reply:
        return broken(request)

    found = discover(ISSUER, broken)
    assert found == Unreachable(Fault("other", "maybe", "RuntimeError"), 1)
    assert asyncio.run(aio.discover(ISSUER, awaited)) == found


def test_an_issuer_on_plain_http_is_a_mistake_there_too() -> None:
    with pytest.raises(ValueError, match="issuer: must be https"):
        asyncio.run(aio.discover("http://as.example"))
