"""When a holder of a token looks at it again (``freshness.look_again``)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from grantflow import Moment, Token
from grantflow.core.acquisition.freshness import SKEW, look_again
from grantflow.core.values.time import Instant
from tests.support.samples import WALL

HOUR = timedelta(hours=1)
TOKEN = Token(access_token="a", issued_at=WALL, expires_at=WALL + HOUR)


def moment(passed: timedelta, roll: float = 0.0) -> Moment:
    return Moment(Instant(passed), WALL + passed, roll)


def test_a_token_without_an_end_is_never_looked_at() -> None:
    assert look_again(Token(access_token="a"), moment(HOUR)) is None


@pytest.mark.parametrize("roll", [0.0, 0.5, 0.99])
def test_an_aging_token_is_tried_again_after_15_to_45_seconds(roll: float) -> None:
    now = moment(timedelta(minutes=56), roll)
    again = look_again(TOKEN, now)
    assert again is not None
    assert timedelta(seconds=15) <= again - now.wall <= timedelta(seconds=45)


def test_the_pause_of_the_server_is_obeyed() -> None:
    now = moment(timedelta(minutes=56))
    assert look_again(TOKEN, now, pause=timedelta(seconds=40)) == now.wall + timedelta(seconds=40)


def test_a_token_about_to_expire_is_tried_again_after_five_seconds() -> None:
    now = moment(HOUR - timedelta(seconds=10))
    assert look_again(TOKEN, now, SKEW) == now.wall + timedelta(seconds=5)


def test_nothing_is_put_off_beyond_the_expiry() -> None:
    now = moment(HOUR - timedelta(seconds=2))
    assert look_again(TOKEN, now) == TOKEN.expires_at
