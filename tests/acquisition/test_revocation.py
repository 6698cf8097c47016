"""Revocation (RFC 7009) and introspection (RFC 7662): one request each, read as values."""

from __future__ import annotations

import pytest
from attrs import evolve

from grantflow import Failed, Fault, InvalidResponse, Refused, Token, Unreachable
from grantflow.core.acquisition.introspection import introspected, introspection
from grantflow.core.acquisition.revocation import revocations, revoked
from tests.support.samples import ACME, CLIENT, moment, reply

PROVIDER = evolve(
    ACME,
    revocation_endpoint="https://acme.example/revoke",
    introspection_endpoint="https://acme.example/introspect",
)
KNOWING = evolve(CLIENT, provider=PROVIDER)
TOKEN = Token(access_token="at-1", refresh_token="rt-1")
REQUEST = revocations(KNOWING, TOKEN)[0]
NOW = moment()


def test_the_refresh_token_is_revoked_first() -> None:
    assert [request.body() for request in revocations(KNOWING, TOKEN)] == [
        b"token=rt-1&token_type_hint=refresh_token&client_id=app",
        b"token=at-1&token_type_hint=access_token&client_id=app",
    ]
    assert revocations(CLIENT, TOKEN) == ()


def test_introspection_asks_about_the_access_token() -> None:
    request = introspection(KNOWING, TOKEN)
    assert request is not None
    assert request.body() == b"token=at-1&token_type_hint=access_token&client_id=app"
    assert introspection(CLIENT, TOKEN) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"gone", b"<html>"])
def test_any_200_says_that_a_token_is_gone(body: bytes) -> None:
    assert revoked(REQUEST, PROVIDER, reply(200, body), NOW).unwrap() is None


@pytest.mark.parametrize("status", [200, 400])
def test_an_invalid_token_is_gone_as_well(status: int) -> None:
    answer = reply(status, {"error": "invalid_token", "error_description": "Invalid token"})
    assert revoked(REQUEST, PROVIDER, answer, NOW).unwrap() is None


def test_an_access_token_that_a_server_cannot_revoke_holds_up_no_logout() -> None:
    """RFC 7009 section 2.2.1: it ends by itself, but a refresh token does not."""
    refresh, access = revocations(KNOWING, TOKEN)
    answer = reply(400, {"error": "unsupported_token_type"})
    assert revoked(access, PROVIDER, answer, NOW).unwrap() is None
    assert isinstance(revoked(refresh, PROVIDER, answer, NOW).failure(), Failed)


def test_who_may_not_revoke_is_refused_with_200_too() -> None:
    answer = reply(200, {"error": "unauthorized_client"})
    assert revoked(REQUEST, PROVIDER, answer, NOW).failure() == Failed(
        Refused("unauthorized_client", None, None, 200, "unauthorized_client")
    )


def test_what_ends_neither() -> None:
    fault = Fault("refused", "no")
    for read in (revoked, introspected):
        assert read(REQUEST, PROVIDER, fault, NOW).failure() == Failed(Unreachable(fault, 1))
        refused = read(REQUEST, PROVIDER, reply(401, {"error": "invalid_client"}), NOW).failure()
        assert refused == Failed(Refused("invalid_client", None, None, 401, "invalid_client"))
        trouble = read(REQUEST, PROVIDER, reply(503, b"<html>"), NOW).failure()
        assert trouble == Failed(Unreachable(Fault("http", "maybe", "HTTP 503 (HTML)"), 1))


def test_introspection_tells_whether_a_token_is_active() -> None:
    body = {"active": True, "sub": "alice"}
    assert introspected(REQUEST, PROVIDER, reply(200, body), NOW).unwrap() == body
    for unusable in ({"active": "yes"}, {}, []):
        assert introspected(REQUEST, PROVIDER, reply(200, unusable), NOW).failure() == Failed(
            InvalidResponse("introspection: active is missing")
        )
