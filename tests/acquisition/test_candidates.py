"""Which credential wins, over the whole space of what may be found, against a written table."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import product

import pytest
from attrs import evolve

from grantflow import Token
from grantflow.core.acquisition.candidates import (
    AskPerson,
    Candidates,
    Plan,
    Renew,
    Stop,
    UseSecret,
    choose,
)
from grantflow.core.acquisition.serving import Use
from tests.support.samples import WALL, seconds

LIFE = timedelta(hours=1)


def token(name: str, left: timedelta | None, *, refresh: bool = False) -> Token:
    if left is None:
        return Token(access_token=name, refresh_token="r" if refresh else None)
    return Token(
        access_token=name,
        issued_at=WALL + left - LIFE,
        expires_at=WALL + left,
        refresh_token="r" if refresh else None,
    )


AGES = {
    "fresh": seconds(1800),
    "aging": seconds(100),
    "stale": seconds(10),
    "dead": seconds(-10),
    "unknown": None,
}
GIVEN = [None, token("given", AGES["fresh"]), token("given", AGES["dead"])]
ENVIRONMENT = [None, token("environment", None)]
APP = [None, token("app", None), token("app", AGES["dead"])]
STORED = [None] + [
    token(f"stored {age}", left, refresh=refresh)
    for age, left in AGES.items()
    for refresh in (True, False)
]
REFUSED = [None, "given", "environment", "app", "stored"]


def spaces() -> list[Candidates]:
    found = []
    for (given, environment, app, stored, refused), (secret, ask, early) in product(
        product(GIVEN, ENVIRONMENT, APP, STORED, REFUSED), product(*[(False, True)] * 3)
    ):
        sources = Candidates(
            given=given,
            environment=environment,
            app=app,
            stored=stored,
            can_use_secret=secret,
            may_ask=ask,
            early=early,
        )
        named = {"given": given, "environment": environment, "app": app, "stored": stored}
        culprit = named.get(refused) if refused else None
        if refused is None or culprit is not None:
            found.append(evolve(sources, refused=culprit))
    return found


def table(found: Candidates) -> str:
    """The rules once more, as a table that is read from the top: condition, then what is done."""
    stored, refused = found.stored, found.refused
    age = stored.access_token.reveal().removeprefix("stored ") if stored else "none"
    alive = stored is not None and age != "dead" and refused != stored
    rows = [
        (found.given is not None and refused == found.given, "stop"),
        (found.given is not None, "use given"),
        (found.environment is not None and refused == found.environment, "stop"),
        (found.environment is not None, "use environment"),
        (found.app == APP[1] and refused != found.app, "use app"),
        (alive and age in ("fresh", "unknown"), "use stored"),
        (alive and age == "aging" and not found.early, "use stored"),
        (stored is not None and stored.refresh_token is not None, "renew"),
        (found.can_use_secret, "use secret"),
        (alive, "use stored"),
        (found.may_ask, "ask"),
        (True, "stop"),
    ]
    return next(action for condition, action in rows if condition)


def named(plan: Plan) -> str:
    match plan:
        case Use(_, origin):
            return f"use {origin}"
        case Renew():
            return "renew"
        case UseSecret():
            return "use secret"
        case AskPerson():
            return "ask"
        case Stop():
            return "stop"


def test_every_combination_is_decided_as_written() -> None:
    counted: Counter[str] = Counter()
    for found in spaces():
        plan = choose(found, WALL)
        assert named(plan) == table(found), found
        counted[named(plan)] += 1
    print(dict(counted))
    assert sum(counted.values()) > 3000
    assert set(counted) == {
        "use given",
        "use environment",
        "use app",
        "use stored",
        "renew",
        "use secret",
        "ask",
        "stop",
    }


def test_who_may_not_be_asked_is_never_asked() -> None:
    for found in spaces():
        if not found.may_ask:
            assert not isinstance(choose(found, WALL), AskPerson)


def test_a_refused_token_is_never_used_again() -> None:
    for found in spaces():
        plan = choose(found, WALL)
        assert not (isinstance(plan, Use) and plan.token == found.refused)


@pytest.mark.parametrize("age", ["aging", "stale", "dead"])
def test_a_renewal_names_the_token_and_its_refresh_token(age: str) -> None:
    old = token(f"stored {age}", AGES[age], refresh=True)
    assert old.refresh_token is not None
    assert choose(Candidates(stored=old, early=True), WALL) == Renew(old, old.refresh_token)
