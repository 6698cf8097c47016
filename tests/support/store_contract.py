"""What every store promises. A test module inherits these tests for each kind of store.

It gives a fixture ``place``: where this kind keeps its tokens, and how another process gets there.
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grantflow import Token
from grantflow.core.values.json import Members
from grantflow.shell.stores.base import BaseStore
from tests.support.effort import effort
from tests.support.samples import WALL
from tests.support.strategies import objects

SOON = 20.0
CHILD = Path(__file__).with_name("store_process.py")
SECRET = "s3cret-access-t0ken"
FULL = Token(
    access_token=SECRET,
    refresh_token="s3cret-refresh-t0ken",
    id_token="s3cret-id-t0ken",
    scope=("read", "write"),
    expires_at=WALL,
    issued_at=WALL,
    extra=Members({"sub": "alice"}),
    refresh_sent=True,
)

visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
moments = st.none() | st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
tokens = st.builds(
    Token,
    access_token=visible,
    token_type=visible,
    expires_at=moments,
    refresh_token=st.none() | visible,
    scope=st.lists(visible).map(tuple),
    id_token=st.none() | visible,
    extra=objects.map(Members),
    issued_at=moments,
    refresh_sent=st.booleans(),
)
contract = settings(
    deadline=None,
    max_examples=effort(10, 25),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


def token(text: str) -> Token:
    return Token(access_token=text, issued_at=WALL)


class Child:
    """A process that does what it is told (``store_child``)."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def say(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())

    def heard(self, within: float = SOON) -> str | None:
        """Return its next line; ``None`` if there is none in time."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], within)[0]:
            return None
        return self.process.stdout.readline().decode().strip()

    def ask(self, command: str) -> str | None:
        self.say(command)
        return self.heard()


def _nothing(key: str) -> None:
    """Damage nothing: it is in memory."""


@frozen
class Place:
    """Where a kind of store keeps its tokens."""

    open: Callable[[], BaseStore]
    damage: Callable[[str], None] = _nothing
    child: tuple[str, str] = ("", "")
    environment: Mapping[str, str] = field(factory=dict[str, str])

    @contextmanager
    def process(self) -> Iterator[Child]:
        """Another process at this place."""
        with subprocess.Popen(
            [sys.executable, str(CHILD), *self.child],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **self.environment},
        ) as process:
            try:
                made = Child(process)
                assert made.heard() == "ready"
                yield made
            finally:
                process.kill()


def claimed(store: BaseStore, key: str) -> Token | None:
    with store.claim(key) as entry:
        return entry.token


def is_taken(store: BaseStore, key: str) -> bool:
    with store.claim(key, wait=False) as entry:
        return entry is None


def together(*actions: Callable[[], None]) -> None:
    """Run in as many threads, at the same moment."""
    gate = threading.Barrier(len(actions))

    def run(action: Callable[[], None]) -> None:
        gate.wait()
        action()

    with ThreadPoolExecutor(len(actions)) as pool:
        for ended in [pool.submit(run, action) for action in actions]:
            ended.result()


class StoreContract:
    """The promises among threads."""

    @contract
    @given(saved=tokens)
    def test_what_is_saved_is_read(self, place: Place, saved: Token) -> None:
        place.open().save("key", saved)
        assert place.open().read("key") == saved

    def test_what_is_unknown_is_none(self, place: Place) -> None:
        assert place.open().read("unknown") is None
        assert claimed(place.open(), "unknown") is None

    def test_the_last_one_saved_counts(self, place: Place) -> None:
        store = place.open()
        for text in ("one", "two", "three"):
            store.save("key", token(text))
            assert store.read("key") == token(text)

    def test_a_long_token_and_a_short_one_after_it(self, place: Place) -> None:
        store = place.open()
        long = Token(access_token="a" * 10_000, refresh_token="r" * 10_000)
        for saved in (long, token("short"), long, long):
            store.save("key", saved)
            assert place.open().read("key") == saved
        store.forget("key")
        assert store.read("key") is None

    def test_what_is_forgotten_is_gone_and_may_be_forgotten_again(self, place: Place) -> None:
        store = place.open()
        store.save("key", FULL)
        store.save("other", FULL)
        store.forget("key")
        store.forget("key")
        store.forget("unknown")
        assert store.read("key") is None
        assert store.read("other") == FULL

    def test_keys_are_listed_in_order(self, place: Place) -> None:
        store = place.open()
        assert store.keys() == []
        for key in ("b", "c", "a"):
            store.save(key, FULL)
        store.forget("c")
        assert place.open().keys() == ["a", "b"]

    @pytest.mark.parametrize("key", ["a/b", "..", "../../x", "", " ", "a:lock", "K", "é%2F", "*?["])
    def test_a_key_may_be_anything(self, place: Place, key: str) -> None:
        store = place.open()
        store.save("plain", token("plain"))
        with store.claim(key) as entry:
            entry.save(token("odd"))
        assert store.keys() == sorted([key, "plain"])
        assert store.read(key) == token("odd")
        store.forget(key)
        assert store.keys() == ["plain"]

    def test_all_can_be_cleared(self, place: Place) -> None:
        store = place.open()
        for key in ("a", "b"):
            store.save(key, FULL)
        store.clear()
        store.clear()
        assert store.keys() == []
        assert [store.read(key) for key in ("a", "b")] == [None, None]

    def test_a_claim_gives_what_is_stored(self, place: Place) -> None:
        store = place.open()
        store.save("key", FULL)
        assert claimed(store, "key") == FULL

    def test_a_claim_may_save_forget_and_save_again(self, place: Place) -> None:
        store = place.open()
        with store.claim("key") as entry:
            assert entry.token is None
            entry.save(token("one"))
            assert entry.token == store.read("key") == token("one")
            entry.save(token("two"))
            assert entry.token == store.read("key") == token("two")
            entry.forget()
            entry.forget()
            assert entry.token is store.read("key") is None
            entry.save(token("three"))
        assert store.read("key") == token("three")

    def test_a_claim_belongs_to_no_thread(self, place: Place) -> None:
        store = place.open()
        with ThreadPoolExecutor(1) as pool:
            held = store.claim("key")
            entry = pool.submit(held.__enter__).result(SOON)
            entry.save(token("here"))
            assert is_taken(store, "key")
            pool.submit(entry.save, token("there")).result(SOON)
            held.__exit__(None, None, None)
        assert claimed(store, "key") == token("there")

    def test_a_claim_that_is_dropped_frees_the_lock(self, place: Place) -> None:
        store = place.open()
        held = store.claim("key")
        held.__enter__()
        assert is_taken(store, "key")
        del held
        assert not is_taken(store, "key")

    def test_a_claim_ends_with_an_error(self, place: Place) -> None:
        store = place.open()

        def crash() -> None:
            with store.claim("key"):
                raise KeyError("crashed")

        with pytest.raises(KeyError, match="crashed"):
            crash()
        together(lambda: store.save("key", token("after")))
        assert store.read("key") == token("after")

    def test_a_claim_keeps_other_threads_out(self, place: Place) -> None:
        store = place.open()
        inside: list[str] = []

        def work() -> None:
            for _ in range(5):
                with store.claim("key") as entry:
                    inside.append("in")
                    found = entry.token
                    number = 0 if found is None else int(found.access_token.reveal())
                    entry.save(token(str(number + 1)))
                    inside.append("out")

        together(*[work] * 6)
        assert inside == ["in", "out"] * 30
        assert store.read("key") == token("30")

    def test_a_save_waits_for_a_claim(self, place: Place) -> None:
        store = place.open()
        store.save("key", token("before"))
        with ThreadPoolExecutor(1) as pool:
            with store.claim("key"):
                saving = pool.submit(store.save, "key", token("after"))
                with pytest.raises(TimeoutError):
                    saving.result(0.2)
                assert store.read("key") == token("before")
            saving.result(SOON)
        assert store.read("key") == token("after")

    def test_a_read_does_not_wait_for_a_claim(self, place: Place) -> None:
        store = place.open()
        store.save("key", FULL)
        with ThreadPoolExecutor(1) as pool, store.claim("key"):
            assert pool.submit(store.read, "key").result(SOON) == FULL

    def test_a_lock_that_is_taken_is_told_at_once(self, place: Place) -> None:
        store = place.open()
        store.save("key", FULL)
        with ThreadPoolExecutor(1) as pool:
            with store.claim("key"):
                assert is_taken(store, "key")
                assert is_taken(place.open(), "key")
                assert pool.submit(is_taken, store, "key").result(SOON)
            with store.claim("key", wait=False) as entry:
                assert entry is not None
                assert entry.token == FULL
                assert pool.submit(is_taken, store, "key").result(SOON)
                entry.save(token("new"))
            assert pool.submit(claimed, store, "key").result(SOON) == token("new")

    def test_two_keys_do_not_wait_for_each_other(self, place: Place) -> None:
        store = place.open()
        meeting = threading.Barrier(2, timeout=SOON)

        def hold(key: str) -> None:
            with store.claim(key) as entry:
                meeting.wait()
                entry.save(token(key))

        together(lambda: hold("a"), lambda: hold("b"))
        assert store.keys() == ["a", "b"]

    def test_saves_at_the_same_time_lose_none(self, place: Place) -> None:
        keys = [f"key-{number}" for number in range(12)]

        def saving(key: str) -> Callable[[], None]:
            return lambda: place.open().save(key, token(key))

        together(*[saving(key) for key in keys])
        assert place.open().keys() == sorted(keys)
        assert [place.open().read(key) for key in keys] == [token(key) for key in keys]

    def test_nothing_shows_a_secret(self, place: Place, caplog: pytest.LogCaptureFixture) -> None:
        store = place.open()
        with caplog.at_level(logging.DEBUG):
            store.save("key", FULL)
            store.read("key")
            store.forget("key")
        assert "s3cret" not in f"{store!r} {store} {caplog.text}"


class SharedContract:
    """The promises among processes."""

    def test_a_claim_keeps_other_processes_out(self, place: Place) -> None:
        with place.process() as one, place.process() as two, place.process() as three:
            children = (one, two, three)
            for child in children:
                child.say("count key 10")
            assert [child.heard(60) for child in children] == ["done"] * 3
        assert place.open().read("key") == token("30")

    def test_a_lock_that_another_process_has_is_told_at_once(self, place: Place) -> None:
        store = place.open()
        with place.process() as child:
            child.say("claim key")
            assert child.heard() == "-"
            assert is_taken(store, "key")
            child.say("release")
            assert child.heard() is not None
            assert not is_taken(store, "key")

    def test_another_process_waits_and_then_sees_what_was_saved(self, place: Place) -> None:
        store = place.open()
        with place.process() as child:
            with store.claim("key") as entry:
                child.say("claim key")
                assert child.heard(0.3) is None
                entry.save(token("new"))
            assert child.heard() == "new"


class LastingContract:
    """The promises about what others did to the entries meanwhile."""

    def test_a_damaged_entry_is_told_and_the_others_live(
        self, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = place.open()
        store.save("whole", FULL)
        for look in (store.read, lambda key: claimed(store, key)):
            store.save("broken", FULL)
            place.damage("broken")
            caplog.clear()
            with caplog.at_level(logging.WARNING, "grantflow"):
                assert look("broken") is None
            [record] = caplog.records
            assert record.name == "grantflow"
            assert "broken" in record.getMessage()
            assert "kept" in record.getMessage()
            assert SECRET not in record.getMessage()
            assert store.read("broken") is None
        assert store.read("whole") == FULL
        store.save("broken", token("mended"))
        assert store.keys() == ["broken", "whole"]
        assert store.read("broken") == token("mended")

    def test_a_save_over_a_damaged_entry_tells_it_as_well(
        self, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = place.open()
        store.save("key", FULL)
        place.damage("key")
        with caplog.at_level(logging.WARNING, "grantflow"):
            store.save("key", token("new"))
        assert [record.name for record in caplog.records] == ["grantflow"]
        assert store.read("key") == token("new")
