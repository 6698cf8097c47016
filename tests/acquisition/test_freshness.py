"""Freshness, renewal and store keys as decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from grantflow import Client, ClientSecretPost, Secret, Token
from grantflow.core.acquisition.freshness import (
    Freshness,
    Skew,
    alive,
    fresh_until,
    freshness,
    renewed,
)
from grantflow.core.client.identity import key_of
from tests.support.samples import ACME, CLIENT, WALL, seconds
from tests.support.strategies import spans


def living(life: timedelta) -> Token:
    return Token(access_token="a", issued_at=WALL, expires_at=WALL + life)


@pytest.mark.parametrize("name", ["expires_at", "issued_at"])
def test_a_time_without_a_zone_is_refused_where_it_is_written(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: an aware datetime is needed"):
        evolve(Token(access_token="a"), **{name: WALL.replace(tzinfo=None)})


@pytest.mark.parametrize(
    ("life", "soft", "hard"),
    [
        (36000, 300, 30),
        (3600, 300, 30),
        (600, 120, 30),
        (100, 20, 5),
        (10, 2, 0.5),
        (0, 0, 0),
        (-5, 0, 0),
    ],
)
def test_a_window_is_the_smaller_of_a_span_and_a_fraction(
    life: float, soft: float, hard: float
) -> None:
    assert Skew().soft.of(living(seconds(life))) == seconds(soft)
    assert Skew().hard.of(living(seconds(life))) == seconds(hard)


def test_a_token_of_unknown_age_has_the_fixed_window() -> None:
    assert Skew().soft.of(Token(access_token="a", expires_at=WALL)) == seconds(300)
    assert Skew().soft.of(Token(access_token="a", issued_at=WALL)) == seconds(300)


@given(spans(0.001, 100_000), st.floats(0, 0.79))
def test_a_token_is_fresh_for_most_of_its_life(life: timedelta, part: float) -> None:
    token = living(life)
    assert freshness(token, WALL + life * part) is Freshness.FRESH
    assert freshness(token, WALL + life) is Freshness.STALE
    assert alive(token, WALL + life * part)
    assert not alive(token, WALL + life)


@given(spans(1, 100_000), st.floats(0, 1), spans(0, 600))
def test_fresh_until_is_when_freshness_changes(
    life: timedelta, part: float, needed: timedelta
) -> None:
    token, skew = living(life), Skew(needed=needed)
    end, now = fresh_until(token, skew), WALL + life * part
    assert end is not None
    assert (now < end) == (freshness(token, now, skew) is Freshness.FRESH)


def test_a_token_ages_before_it_is_stale() -> None:
    token = living(seconds(3600))
    ages = {age: freshness(token, WALL + seconds(age)) for age in (3299, 3300, 3569, 3570)}
    assert list(ages.values()) == [
        Freshness.FRESH,
        Freshness.AGING,
        Freshness.AGING,
        Freshness.STALE,
    ]
    needing = Skew(needed=seconds(600))
    assert freshness(token, WALL + seconds(3000), needing) is Freshness.STALE
    assert freshness(token, WALL + seconds(2999), needing) is Freshness.FRESH


def test_a_token_without_an_end_is_unknown() -> None:
    token = Token(access_token="a")
    assert freshness(token, WALL) is Freshness.UNKNOWN
    assert fresh_until(token) is None
    assert alive(token, WALL)


def test_a_renewed_token_keeps_what_its_answer_left_out() -> None:
    old = Token(access_token="a", refresh_token="r", scope=("x",), id_token="i", extra={"sub": 1})
    new = Token(access_token="b", refresh_token="r2", scope=("y",), id_token="i2")
    assert renewed(old, new) == new
    assert renewed(old, Token(access_token="b", extra={"k": 2})) == Token(
        access_token="b", refresh_token="r", scope=("x",), id_token="i", extra={"k": 2}
    )


DIFFERENT = {
    "plain": (CLIENT, "device", ""),
    "an app token": (CLIENT, "app_token", ""),
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


def test_the_order_of_extras_makes_no_other_ask_and_a_secret_counts() -> None:
    one = evolve(CLIENT, extra=(("a", "1"), ("b", "2")))
    other = evolve(CLIENT, extra=(("b", "2"), ("a", "1")))
    assert key_of(one, "device") == key_of(other, "device")
    secret = evolve(CLIENT, extra=(("pin", Secret("1234")),))
    assert key_of(secret, "device") != key_of(CLIENT, "device")
    assert key_of(secret, "device") != key_of(
        evolve(CLIENT, extra=(("pin", Secret("9")),)), "device"
    )


def test_a_token_from_before_the_calendar_is_stale() -> None:
    token = Token(access_token="a", expires_at=WALL.min.replace(tzinfo=WALL.tzinfo))
    assert fresh_until(token) == token.expires_at
    assert freshness(token, WALL) is Freshness.STALE
