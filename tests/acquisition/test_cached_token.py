"""The token in memory: when nobody thinks about it, and what a caller wants after that."""

from __future__ import annotations

import math

import pytest
from attrs import evolve
from returns.result import Failure, Success

from grantflow import Cancelled, Failed, Skew, Token
from grantflow.core.acquisition.cached_token import (
    MEANWHILE,
    CachedToken,
    Demand,
    demanded,
    held,
    while_renewed,
)
from grantflow.core.acquisition.serving import Use, serving
from grantflow.core.acquisition.states import Acquired, NotAcquired
from tests.support.samples import WALL, moment, seconds

NOW = moment(0)
SKEW = Skew()
HOUR = seconds(3600)
TOKEN = Token(access_token="a", issued_at=WALL, expires_at=WALL + HOUR)
OTHER = evolve(TOKEN, access_token="b")
PROBLEM = Failed(Cancelled())


def cached(token: Token = TOKEN) -> CachedToken:
    return held(token, "stored", NOW, SKEW)


def test_a_fresh_token_is_there_and_an_old_one_is_wanted_anew() -> None:
    now, start = cached(), WALL.timestamp()
    assert demanded(None, start, SKEW) == Demand()
    assert demanded(now, start, SKEW) is now
    assert demanded(now, start, SKEW, TOKEN) == Demand(TOKEN), "it was refused"
    assert demanded(now, start, SKEW, OTHER) is now, "another one was"
    assert demanded(now, now.until, SKEW) == Demand(meanwhile=now), "it ages"
    assert demanded(now, start + 3590, SKEW) == Demand(), "it is about to end"


def test_the_others_go_on_while_one_renews() -> None:
    now = cached()
    waiting = while_renewed(now, now.until)
    assert demanded(waiting, now.until + MEANWHILE - 1, SKEW) is waiting
    assert demanded(waiting, now.until + MEANWHILE, SKEW) == Demand(meanwhile=waiting)


def test_a_token_without_an_end_is_never_thought_about() -> None:
    endless = cached(Token(access_token="a"))
    assert endless.until == math.inf
    old = evolve(endless, until=0.0)
    assert demanded(old, 1.0, SKEW) == Demand(meanwhile=old)


@pytest.mark.parametrize(
    ("end", "met"),
    [
        (Acquired(TOKEN), Success(TOKEN)),
        (NotAcquired(PROBLEM), Failure(PROBLEM)),
        (None, None),
        (cached(), Success(TOKEN)),
    ],
)
def test_what_an_end_is_to_who_wants_any_token(
    end: Acquired | NotAcquired | CachedToken | None, met: object
) -> None:
    assert Demand().met(end) == met


@pytest.mark.parametrize("end", [Acquired(TOKEN), cached()])
def test_a_refused_token_is_no_answer(end: Acquired | CachedToken) -> None:
    assert Demand(TOKEN).met(end) is None
    assert Demand(OTHER).met(end) == Success(TOKEN)


@pytest.mark.parametrize("end", [NotAcquired(PROBLEM), None])
def test_who_has_one_that_serves_keeps_it(end: NotAcquired | None) -> None:
    demand = Demand(meanwhile=cached(OTHER))
    assert demand.met(end) == Success(OTHER)
    assert demand.met(Acquired(TOKEN)) == Success(TOKEN)


def test_what_is_stored_serves_until_it_is_about_to_end() -> None:
    old = WALL - HOUR
    aging, stale = (
        evolve(TOKEN, issued_at=old, expires_at=WALL + seconds(left)) for left in (200, 20)
    )
    assert serving(TOKEN, None, WALL) == Use(TOKEN, "stored")
    assert serving(TOKEN, OTHER, WALL) == Use(OTHER, "app")
    assert serving(None, None, WALL) is None
    assert serving(aging, None, WALL) == Use(aging, "stored")
    assert serving(aging, None, WALL, early=True) is None
    assert serving(stale, None, WALL) is None
    assert serving(TOKEN, OTHER, WALL, refused=OTHER) == Use(TOKEN, "stored")
    assert serving(TOKEN, None, WALL, refused=TOKEN) is None
    assert serving(TOKEN, OTHER, WALL + 2 * HOUR) is None
