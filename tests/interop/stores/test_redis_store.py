"""A real redis: the contract of all stores, and what happens to a lock."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from grantflow import Request, Response, Secret, Token, TokenSource
from grantflow.core.client.identity import key_of
from grantflow.shell.ports import Claim, StoreError
from grantflow.shell.stores import RedisStore
from grantflow.shell.stores.token_document import TokenDocument, read_document
from tests.support.forking import CLIENT, PHASES, Phase, fork_in
from tests.support.samples import WALL
from tests.support.store_contract import (
    FULL,
    LastingContract,
    Place,
    SharedContract,
    StoreContract,
    token,
)

from .servers import RedisServer, start_redis

pytestmark = pytest.mark.interop

LEASE = timedelta(milliseconds=1_500)
"""Its owner has a second in which a busy machine may not let it renew."""
LOCK = "grantflow:key:lock"
ASIDE = "grantflow:key:aside"
KEY = key_of(CLIENT, "device")


def issued(text: str, second: int) -> Token:
    return Token(access_token=text, issued_at=WALL + timedelta(seconds=second))


def aside(client: Redis) -> list[Token | object]:
    return [_token(text) for text in client.lrange(ASIDE, 0, -1)]  # pyright: ignore[reportArgumentType]


def _token(text: bytes) -> Token | object:
    try:
        found = read_document(text)
    except ValueError as error:
        return str(error)
    return found.token if isinstance(found, TokenDocument) else found


@pytest.fixture
def place(redis_server: RedisServer, client: Redis) -> Place:
    where = f"{redis_server.url} grantflow: {round(LEASE / timedelta(milliseconds=1))}"
    return Place(
        lambda: RedisStore(redis_server.url, lease=LEASE),
        lambda key: _ended(client.set(f"grantflow:{key}", b'{"access_token": "s3cret\xff')),
        ("redis", where),
    )


def _ended(_: object) -> None:
    """Drop an answer."""


class TestRedis(StoreContract, SharedContract, LastingContract):
    pass


class TestADecodingClient(StoreContract, LastingContract):
    """A client that somebody made for something else."""

    @pytest.fixture
    def place(self, redis_server: RedisServer, client: Redis, place: Place) -> Place:
        theirs = redis_server.client(decode_responses=True)
        return Place(lambda: RedisStore(theirs), place.damage)


def test_a_dead_owner_s_lock_ends_with_its_lease(place: Place, client: Redis) -> None:
    with place.process() as owner, place.process() as next_one:
        owner.ask("claim key")
        os.kill(owner.process.pid, signal.SIGKILL)
        owner.process.wait()
        assert client.pttl(LOCK) <= LEASE / timedelta(milliseconds=1)
        assert next_one.ask("claim key") == "-"


def test_a_slow_owner_s_lock_is_not_stolen(place: Place, client: Redis) -> None:
    with place.process() as owner, place.process() as next_one:
        owner.ask("claim key")
        next_one.say("claim key")
        assert next_one.heard(2 * LEASE.total_seconds()) is None
        assert 0 < client.pttl(LOCK) <= LEASE / timedelta(milliseconds=1)
        assert owner.ask("save key slow") == "done"
        owner.say("release")
        assert next_one.heard() == "slow"


def test_a_lock_is_handed_over_before_its_lease_ends(place: Place, client: Redis) -> None:
    store = RedisStore(client, lease=timedelta(hours=1))
    with place.process() as child:
        for _ in range(3):
            with store.claim("key"):
                child.say("claim key")
                assert child.heard(0.2) is None
            assert child.heard() == "-"
            child.ask("release")


def test_a_released_lock_leaves_nothing(place: Place, client: Redis) -> None:
    before = threading.active_count()
    with place.open().claim("key"):
        assert client.keys() == [LOCK.encode()]
    assert client.keys() == []
    assert threading.active_count() == before


@pytest.mark.parametrize("lose", ["delete", "flushall"])
def test_a_lost_lock_loses_no_token_and_is_taken_again(
    place: Place, client: Redis, lose: str
) -> None:
    store = place.open()
    store.save("key", token("old"))
    with store.claim("key") as entry:
        assert entry.token == token("old")
        if lose == "delete":
            client.delete(LOCK)
        else:
            client.flushall()
        deadline = time.monotonic() + 5
        while not client.exists(LOCK):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        entry.save(token("rotated"))
    assert place.open().read("key") == token("rotated")
    assert aside(client) == []
    assert not client.exists(LOCK)


def meeting(
    place: Place, client: Redis, theirs: Callable[[Claim], None]
) -> tuple[Claim, Callable[[], None]]:
    """Return a claim whose lock is another's now, who did ``theirs``; and how it all ends."""
    claim = RedisStore(client, lease=timedelta(minutes=1)).claim("key")
    entry = claim.__enter__()
    client.delete(LOCK)
    with RedisStore(client).claim("key") as other:
        theirs(other)
    return entry, lambda: _ended(claim.__exit__(None, None, None))


def test_a_newer_token_is_not_overwritten(
    place: Place, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    entry, end = meeting(place, client, lambda other: other.save(issued("newer", 2)))
    with caplog.at_level(logging.WARNING, "grantflow"):
        entry.save(issued("older", 1))
    assert place.open().read("key") == issued("newer", 2)
    assert aside(client) == [issued("older", 1)]
    assert "another owner saved a newer token" in caplog.text
    assert "this one is kept in grantflow:key:aside" in caplog.text
    end()


@pytest.mark.parametrize("theirs", [issued("older", 1), Token(access_token="undated")])
def test_an_older_token_is_kept_aside(place: Place, client: Redis, theirs: Token) -> None:
    entry, end = meeting(place, client, lambda other: other.save(theirs))
    entry.save(issued("newer", 2))
    entry.save(issued("newest", 3))
    assert place.open().read("key") == issued("newest", 3)
    assert aside(client) == [theirs]
    end()


def test_what_another_removed_is_saved(place: Place, client: Redis) -> None:
    place.open().save("key", issued("first", 0))
    entry, end = meeting(place, client, lambda other: other.forget())
    entry.save(issued("rotated", 1))
    assert place.open().read("key") == issued("rotated", 1)
    end()


def test_what_another_damaged_is_kept_aside(place: Place, client: Redis) -> None:
    entry, end = meeting(place, client, lambda _: _ended(client.set("grantflow:key", b"nonsense")))
    entry.save(FULL)
    assert place.open().read("key") == FULL
    assert client.lrange(ASIDE, 0, -1) == [b"nonsense"]
    end()


def test_a_claim_forgets_only_what_it_saw(
    place: Place, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The other one renewed first; this one is told invalid_grant."""
    place.open().save("key", issued("first", 0))
    entry, end = meeting(place, client, lambda other: other.save(issued("rotated", 1)))
    with caplog.at_level(logging.WARNING, "grantflow"):
        entry.forget()
    assert "is kept" in caplog.text
    assert place.open().read("key") == issued("rotated", 1)
    end()
    place.open().forget("key")
    assert place.open().read("key") is None


def test_a_stopped_process_finds_another_owner(place: Place, client: Redis) -> None:
    place.open().save("key", issued("first", 0))
    with place.process() as owner, place.process() as next_one:
        owner.ask("claim key")
        os.kill(owner.process.pid, signal.SIGSTOP)
        assert next_one.ask("claim key") == "first"
        assert next_one.ask("save key rotated-second 2") == "done"
        os.kill(owner.process.pid, signal.SIGCONT)
        assert owner.ask("save key rotated-first 1") == "done"
        owner.ask("release")
        assert client.exists(LOCK)  # the other's
        next_one.ask("release")
    assert place.open().read("key") == issued("rotated-second", 2)
    assert aside(client) == [issued("rotated-first", 1)]


def test_what_is_kept_aside_is_bounded_and_ends(place: Place, client: Redis) -> None:
    store = place.open()
    for number in range(15):
        client.set("grantflow:key", str(number))
        assert store.read("key") is None
    assert client.lrange(ASIDE, 0, -1) == [str(number).encode() for number in range(14, 4, -1)]
    assert client.ttl(ASIDE) > timedelta(days=29).total_seconds()
    store.forget("key")
    assert client.exists(ASIDE)
    store.clear()
    assert client.keys() == []


@pytest.mark.parametrize(
    ("saved", "days"),
    [
        (Token(access_token="a"), None),
        (Token(access_token="a", expires_at=datetime.now(UTC) + timedelta(days=2)), 3),
        (Token(access_token="a", expires_at=WALL), 1),
        (Token(access_token="a", refresh_token="r", expires_at=WALL), None),
    ],
    ids=["no end", "an end", "ended", "renewable"],
)
def test_redis_forgets_only_what_is_of_no_use(
    place: Place, client: Redis, saved: Token, days: int | None
) -> None:
    place.open().save("key", saved)
    left = client.ttl("grantflow:key")
    assert left == -1 if days is None else days * 86_400 - 3600 < left <= days * 86_400


def test_a_prefix_keeps_tokens_apart(place: Place, client: Redis) -> None:
    client.set("grantflow", "theirs")
    client.set("grantflow2:key", "theirs")
    odd = RedisStore(client, "a*[b]?:")
    odd.save("key", FULL)
    client.set("aXb?:other", "theirs")
    assert odd.keys() == ["key"]
    store = place.open()
    store.save("key", token("mine"))
    assert store.keys() == ["key"]
    store.clear()
    odd.clear()
    assert sorted(client.keys()) == [b"aXb?:other", b"grantflow", b"grantflow2:key"]


def test_many_keys_are_listed(place: Place, client: Redis) -> None:
    with client.pipeline() as pipe:
        for number in range(5_000):
            pipe.set(f"grantflow:{number:04}", "{}")
        pipe.execute()
    assert place.open().keys() == [f"{number:04}" for number in range(5_000)]


def test_unknown_members_are_kept(place: Place, client: Redis) -> None:
    client.set("grantflow:key", '{"version": 1, "access_token": "at", "later": [1]}')
    store = place.open()
    store.save("key", token("new"))
    assert '"later": [1]' in str(client.get("grantflow:key"))


def test_what_is_no_text_is_told(place: Place, client: Redis) -> None:
    client.lpush("grantflow:key", "theirs")
    with pytest.raises(StoreError, match="cannot use Redis at .*redis.sock: WRONGTYPE"):
        place.open().read("key")
    assert client.lrange("grantflow:key", 0, -1) == [b"theirs"]


def test_a_password_is_used_and_not_told(needs_redis: None) -> None:
    with start_redis("s3cret-pass") as server:
        store = RedisStore(server.url)
        store.save("key", FULL)
        assert store.read("key") == FULL
        assert "s3cret" not in repr(store)
        wrong = RedisStore(server.url.replace("s3cret-pass", "s3cret-word"))
        with pytest.raises(StoreError) as told:
            wrong.read("key")
        assert "s3cret" not in str(told.value)
        assert "invalid username-password pair" in str(told.value)


def test_a_server_that_goes_away_within_a_claim(
    needs_redis: None, caplog: pytest.LogCaptureFixture
) -> None:
    with start_redis() as server:
        store = RedisStore(server.url, lease=LEASE)
        claim = store.claim("key")
        entry = claim.__enter__()
    with pytest.raises(StoreError, match="cannot use Redis at"):
        entry.save(FULL)
    claim.__exit__(None, None, None)  # releasing is no new trouble
    with pytest.raises(StoreError), store.claim("key"):
        pass


def test_a_server_that_comes_back_is_used_again(client: Redis, place: Place) -> None:
    store = place.open()
    store.save("key", FULL)
    client.client_kill_filter(_type="normal", skipme=True)
    assert store.read("key") == FULL


def rotated(number: int) -> Token:
    at = WALL + timedelta(seconds=number)
    return Token(access_token=f"a{number}", refresh_token=f"r{number}", issued_at=at, expires_at=at)


def test_a_late_token_takes_the_place_of_one_that_proves_dead(place: Place, client: Redis) -> None:
    """Of two owners that renewed, the server knows one; it is found, whichever was stored."""
    place.open().save("key", rotated(0))
    entry, end = meeting(place, client, lambda other: other.save(rotated(2)))
    entry.save(rotated(1))
    end()
    assert aside(client) == [rotated(1)]
    sent: list[str] = []

    def send(request: Request) -> Response:
        token = dict(request.form)["refresh_token"]
        assert isinstance(token, Secret)
        sent.append(token.reveal())
        if sent[-1] != "r1":
            return Response(400, {}, b'{"error": "invalid_grant"}')
        body = b'{"access_token": "a3", "refresh_token": "r3", "expires_in": 3600}'
        return Response(200, {}, body)

    client.rename("grantflow:key", f"grantflow:{KEY}")
    client.rename(ASIDE, f"grantflow:{KEY}:aside")
    source = TokenSource(CLIENT, store=place.open(), interactive=False, transport=send)
    assert source.token().access_token.reveal() == "a3"
    assert sent == ["r2", "r1"]
    assert client.lrange(f"grantflow:{KEY}:aside", 0, -1) == []
    with place.open().claim(KEY) as stored:
        assert stored.token == source.token()


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("way", ["blocking", "asyncio"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_a_flight_and_connections_of_its_own(
    phase: Phase, way: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_in(phase, way, place.open(), monkeypatch, shared=True)
