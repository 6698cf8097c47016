"""Cancellation leaves nothing half done and nothing unsaved, wherever it strikes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve
from returns.unsafe import unsafe_perform_io

from grantflow import Fault, Response, Secret, Token
from grantflow.core.client.identity import Grant
from grantflow.core.values.response import Reply
from grantflow.testing import Outage
from tests.support.interruptions import (
    WAYS,
    Points,
    Stage,
    Way,
    each_point,
    nothing_is_left,
    played,
)
from tests.support.samples import seconds, unmarked

# What is cancelled here may be waited for: if that never ends, only ending the process helps.
pytestmark = pytest.mark.timeout(60, method="thread")
ways = pytest.mark.parametrize("way", WAYS)
strikes = pytest.mark.parametrize("twice", [False, True], ids=["once", "again and again"])


def still_signed_in(stage: Stage) -> None:
    """What is stored is what the server takes."""
    nothing_is_left(stage)
    source = stage.blocking()
    assert isinstance(unsafe_perform_io(source.try_renew(source.token()).value_or(None)), Token)
    assert "reuse" not in stage.counts


@ways
@strikes
def test_a_refresh_is_waited_for_and_saved(way: Way, twice: bool) -> None:
    ended: set[bool] = set()

    def play(points: Points) -> None:
        stage = Stage(points)
        old = stage.signed_in()
        [token] = played(way, points, stage.source.token)
        ended.add(token is None)
        stored = stage.store.read(stage.source.key)
        assert stage.counts.get("refresh", 0) == (unmarked(stored) != old), (
            "what was sent was saved"
        )
        assert stage.source.current == (None if unmarked(stored) == old else stored), (
            "and is in memory"
        )
        still_signed_in(stage)

    assert each_point(play, twice=twice) == [
        "to make a client",
        "to read",  # what is stored, and an app token, without a lock
        "to read",
        "to claim",
        "claimed",
        "to read",
        "to save",  # that the refresh token is sent
        "saved",
        "to sleep",
        "slept",
        "to send",
        "answered",
        "to save",
        "saved",
        "to leave",
        "left",
    ]
    assert ended == {True, False}


@ways
def test_a_refused_token_is_renewed_and_saved(way: Way) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        old = stage.signed_in(seconds(60))
        played(way, points, lambda: stage.source.try_renew(old))
        assert stage.counts.get("refresh", 0) == (
            unmarked(stage.store.read(stage.source.key)) != old
        )
        still_signed_in(stage)

    assert "answered" in each_point(play)


@ways
def test_a_token_that_ages_is_renewed_and_saved(way: Way) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        old = stage.signed_in(timedelta(minutes=57))
        played(way, points, stage.source.token)  # finds it in the store
        stage.clock.advance(seconds(46))
        points.loop = None
        played(way, points, stage.source.token)
        stored = stage.store.read(stage.source.key)
        assert stage.counts.get("refresh", 0) == (unmarked(stored) != old), (
            "what was sent was saved"
        )
        still_signed_in(stage)

    assert {"to claim", "claimed", "answered", "saved"} <= set(each_point(play))


@ways
@pytest.mark.parametrize(
    ("reply", "asked"),
    [
        (Response(503, {"Retry-After": "3"}, b""), 2),  # not acted on: asked again
        (Fault("refused", "no"), 2),
        (Fault("timeout", "maybe"), 1),  # perhaps acted on: never
    ],
)
def test_trouble_during_a_refresh_loses_nothing(way: Way, reply: Reply, asked: int) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        stage.signed_in()
        now = stage.clock.now().mono
        server = stage.transport.server
        trouble = Outage(now, now + seconds(1), reply)
        stage.transport.server = evolve(server, script=evolve(server.script, outages=(trouble,)))
        played(way, points, stage.source.try_token)
        stage.clock.advance(seconds(2))
        still_signed_in(stage)

    names = each_point(play)
    assert names.count("to send") == asked
    assert names.count("to read") == (3 if asked == 2 else 5), "the store is looked at again"


@ways
@strikes
def test_a_sign_in_is_saved_or_was_never_granted(way: Way, twice: bool) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        [token] = played(way, points, stage.source.token)
        granted = list(stage.transport.server.grants.values())
        stored = stage.store.read(stage.source.key)
        assert len(granted) == (stored is not None)
        assert token is None or token == stored
        assert len(stage.shown) <= 1
        if stored is None:
            nothing_is_left(stage)
        else:
            still_signed_in(stage)

    names = each_point(play, twice=twice)
    assert names.count("to send") == 3, "a code and two polls"


@ways
def test_a_dead_grant_is_forgotten_and_signed_in_anew(way: Way) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        old = stage.signed_in()
        for _ in range(2):  # somebody else used it: the server ends the grant
            ask = stage.client.request(
                f"{stage.transport.server.issuer}/token",
                (("grant_type", "refresh_token"), ("refresh_token", old.refresh_token or "")),
            )
            stage.transport(ask)
        [token] = played(way, points, stage.source.token)
        stored = stage.store.read(stage.source.key)
        assert (
            unmarked(stored) == old or stored is None or stored.refresh_token != old.refresh_token
        )
        assert token is None or token == stored
        nothing_is_left(stage)
        assert len(list(stage.transport.server.grants.values())) == 1 + (
            unmarked(stored) not in (old, None)
        )

    assert {"to forget", "forgotten", "to save"} <= set(each_point(play))


@ways
def test_a_machine_signs_itself_in(way: Way) -> None:
    def play(points: Points) -> None:
        stage = Stage(points, "client_credentials")
        [token] = played(way, points, stage.source.token)
        stored = stage.store.read(stage.source.key)
        assert token is None or token == stored
        nothing_is_left(stage)
        assert stage.blocking().token() is not None

    assert "answered" in each_point(play)


@ways
@strikes
def test_what_is_forgotten_is_revoked_and_removed_or_neither(way: Way, twice: bool) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        stage.signed_in(seconds(60))
        played(way, points, stage.source.try_logout)
        nothing_is_left(stage)
        [grant] = stage.transport.server.grants.values()
        assert grant.revoked == (stage.store.read(stage.source.key) is None)
        if not grant.revoked:
            still_signed_in(stage)

    names = each_point(play, twice=twice)
    assert (names.count("answered"), names.count("forgotten")) == (2, 1)


@ways
def test_what_is_kept_by_hand_is_stored_or_not(way: Way) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        [token] = played(way, points, lambda: stage.source.adopt("by hand"))
        stored = stage.store.read(stage.source.app_key)
        assert token is None or token == stored
        assert stored is None or stored.access_token == Secret("by hand")
        nothing_is_left(stage)

    assert "to save" in each_point(play)


# Several who wait


@ways
@pytest.mark.parametrize("grant", ["device", "client_credentials"])
@pytest.mark.parametrize("old", [False, True])
def test_the_others_get_their_token(way: Way, grant: Grant, old: bool) -> None:
    def play(points: Points) -> None:
        stage = Stage(points, grant)
        if old:
            stage.signed_in()
        before = stage.counts
        first, *others = played(way, points, *[stage.source.token] * 4)
        stored = stage.store.read(stage.source.key)
        assert stored is not None
        assert others == [stored] * 3
        assert first in (None, stored)
        sent = {name: number - before.get(name, 0) for name, number in stage.counts.items()}
        asked_once = {"refresh": 1} if grant == "device" else {"client_credentials": 1}
        if grant == "device" and not old:
            asked_once = {"device": 1, "poll": 2}
        assert {name: number for name, number in sent.items() if number} == asked_once
        assert len(stage.shown) == (grant == "device" and not old), "the person kept one code"
        nothing_is_left(stage)

    each_point(play)


@ways
@strikes
def test_all_of_them_may_leave(way: Way, twice: bool) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        old = stage.signed_in()
        played(way, points, *[stage.source.token] * 4, all_of_them=True)
        assert stage.counts.get("refresh", 0) == (
            unmarked(stage.store.read(stage.source.key)) != old
        )
        still_signed_in(stage)

    each_point(play, twice=twice)


@ways
@pytest.mark.parametrize("old", [False, True])
def test_who_comes_while_the_last_one_leaves_gets_a_token(way: Way, old: bool) -> None:
    def play(points: Points) -> None:
        stage = Stage(points)
        if old:
            stage.signed_in()
        first, late = played(way, points, stage.source.token, late=stage.source.token)
        stored = stage.store.read(stage.source.key)
        assert stored is not None
        assert (late or first) == stored
        assert stage.counts.get("refresh", 0) == old, "what was sent is not sent again"
        still_signed_in(stage)

    each_point(play)
