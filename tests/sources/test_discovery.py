"""A provider from its issuer's own metadata (RFC 8414)."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from grantflow import Fault, InvalidResponse, Provider, Request, Response, Unreachable
from grantflow.core.values.response import Reply
from grantflow.shell.discovery import discover

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
