"""Freshness, renewal and store keys as decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from grantflow import Client, ClientSecretPost, Token
from grantflow.core.tokens import Freshness, Skew, freshness, key_of, renewed
from strategies import spans
from values import ACME, CLIENT, WALL, seconds


def living(life: timedelta) -> Token:
    return Token(access_token="a", issued_at=WALL, expires_at=WALL + life)


@pytest.mark.parametrize(
    ("life", "skew"), [(3600, 60), (300, 60), (299, 59.8), (100, 20), (10, 2), (0, 0), (-5, 0)]
)
def test_the_skew_is_the_smaller_of_a_span_and_a_fraction(life: float, skew: float) -> None:
    assert Skew().of(living(seconds(life))) == seconds(skew)


def test_a_token_of_unknown_age_has_the_fixed_skew() -> None:
    assert Skew().of(Token(access_token="a", expires_at=WALL)) == seconds(60)
    assert Skew().of(Token(access_token="a", issued_at=WALL)) == seconds(60)


@given(spans(0.001, 100_000), st.floats(0, 0.79))
def test_a_token_is_fresh_for_most_of_its_life(life: timedelta, part: float) -> None:
    assert freshness(living(life), WALL + life * part) is Freshness.FRESH
    assert freshness(living(life), WALL + life) is Freshness.STALE


def test_a_token_without_an_end_is_unknown() -> None:
    assert freshness(Token(access_token="a"), WALL) is Freshness.UNKNOWN


def test_a_renewed_token_keeps_what_its_answer_left_out() -> None:
    old = Token(access_token="a", refresh_token="r", scope=("x",), id_token="i", extra={"sub": 1})
    new = Token(access_token="b", refresh_token="r2", scope=("y",), id_token="i2")
    assert renewed(old, new) == new
    assert renewed(old, Token(access_token="b", extra={"k": 2})) == Token(
        access_token="b", refresh_token="r", scope=("x",), id_token="i", extra={"k": 2}
    )


DIFFERENT = {
    "plain": (CLIENT, "device", ""),
    "another grant": (CLIENT, "client_credentials", ""),
    "a profile": (CLIENT, "device", "work"),
    "another client": (evolve(CLIENT, client_id="app2"), "device", ""),
    "fewer scopes": (evolve(CLIENT, scope="read"), "device", ""),
    "no scope": (evolve(CLIENT, scope=()), "device", ""),
    "glued scopes": (evolve(CLIENT, scope="readwrite"), "device", ""),
    "an audience": (evolve(CLIENT, audience="api"), "device", ""),
    "an empty audience": (evolve(CLIENT, audience=""), "device", ""),
    "a resource": (evolve(CLIENT, resource="api"), "device", ""),
    "two resources": (evolve(CLIENT, resource=("api", "b")), "device", ""),
    "an extra": (evolve(CLIENT, extra={"tenant": "t"}), "device", ""),
    "another extra": (evolve(CLIENT, extra={"tenant": "u"}), "device", ""),
    "an issuer": (evolve(CLIENT, provider=evolve(ACME, issuer="https://i.example")), "device", ""),
    "another endpoint": (
        evolve(CLIENT, provider=evolve(ACME, token_endpoint="https://b.example")),
        "device",
        "",
    ),
}


def test_no_two_asks_share_a_key() -> None:
    keys = {name: key_of(*ask) for name, ask in DIFFERENT.items()}  # type: ignore[arg-type]
    assert len(set(keys.values())) == len(DIFFERENT)
    assert all(len(key) == 64 for key in keys.values())


def test_the_same_ask_has_the_same_key() -> None:
    same = Client(
        provider=evolve(ACME, name="renamed", revocation_endpoint="https://r.example"),
        client_id="app",
        scope="write read write",
        authentication=ClientSecretPost("rotated"),
    )
    assert key_of(same, "device") == key_of(CLIENT, "device")
