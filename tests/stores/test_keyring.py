"""The keyring: parts that are whole or not at all, and a plain word where there is none."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from keyring.backends import chainer, fail, null
from keyring.errors import KeyringLocked

from grantflow import Token
from grantflow.shell.ports import StoreError
from grantflow.shell.stores import KeyringStore, parted
from tests.support.keyring_fake import MOST_BYTES, CrashError, DictKeyring
from tests.support.store_contract import FULL, token

SHORT = token("short")
LONG = Token(access_token="a" * 5_000, refresh_token="r" * 3_000)
LONGER = Token(access_token="b" * 9_000)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    return tmp_path


def crashes(ring: DictKeyring, action: Callable[[], None]) -> Iterator[int]:
    """Yield after each crash, one step later each time, until the action comes to its end."""
    whole = dict(ring.entries)
    steps = 0
    while True:
        ring.entries, ring.steps_left = dict(whole), steps
        try:
            action()
        except CrashError:
            ring.steps_left = None
            yield steps
        else:
            ring.steps_left = None
            return
        steps += 1


@pytest.mark.parametrize("new", [SHORT, LONG, LONGER], ids=["short", "long", "longer"])
@pytest.mark.parametrize(
    "old", [None, SHORT, LONG, LONGER], ids=["nothing", "short", "long", "longer"]
)
def test_a_crash_leaves_the_old_token_or_the_new(old: Token | None, new: Token) -> None:
    """At every single step of the writer."""
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    store.save("other", SHORT)
    alone = dict(ring.entries)
    if old is not None:
        store.save("key", old)
    seen: set[bool] = set()
    for _ in crashes(ring, lambda: store.save("key", new)):
        found = store.read("key")
        assert found in (old, new)
        seen.add(found == new)
        assert store.keys() == (["other"] if found is None else ["key", "other"])
        left = dict(ring.entries)
        store.forget("key")
        assert ring.entries == alone  # nothing that a crash left stays for ever
        ring.entries = dict(left)
        store.save("key", SHORT)
        assert len(ring.entries) == len(alone) + 1
        ring.entries = left
        store.save("key", LONG)
        assert store.read("key") == LONG
        store.clear()
        assert ring.entries == {}
    assert store.read("key") == new
    assert seen == {old == new, True}


@pytest.mark.parametrize("old", [SHORT, LONG], ids=["short", "long"])
def test_a_crash_while_forgetting_leaves_nothing_for_ever(old: Token) -> None:
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    store.save("key", old)
    for _ in crashes(ring, lambda: store.forget("key")):
        assert store.read("key") in (old, None)
        store.clear()
        assert ring.entries == {}
    assert ring.entries == {}


def test_a_long_token_is_split_and_leaves_no_old_parts() -> None:
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    for saved, entries in ((LONGER, 1 + 10), (LONG, 1 + 9), (SHORT, 1), (LONG, 1 + 9)):
        store.save("key", saved)
        assert len(ring.entries) == 1 + entries  # and the list of keys
        assert max(len(text.encode("utf-16-le")) for text in ring.entries.values()) <= MOST_BYTES


def test_a_short_token_costs_few_steps() -> None:
    """A keyring is slow, and gnome-keyring dies of many steps."""
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    store.save("key", SHORT)
    ring.steps_left = 4
    store.read("key")
    with store.claim("key"):
        store.save("key", FULL)
    assert ring.steps_left == 0


def test_a_reader_that_meets_a_writer_reads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    store.save("key", LONG)
    get = ring.get_password
    reads: list[str] = []

    def interrupted(service: str, username: str) -> str | None:
        found = get(service, username)
        reads.append(service)
        if len(reads) == 3:
            monkeypatch.undo()
            for saved in (LONGER, LONG, LONGER):
                store.save("key", saved)
        return found

    monkeypatch.setattr(ring, "get_password", interrupted)
    assert store.read("key") == LONGER
    assert len(reads) == 3


def test_a_writer_without_rest_is_not_waited_for_without_end() -> None:
    class Restless(DictKeyring):
        count = 0

        def get_password(self, service: str, username: str) -> str | None:
            self.count += 1
            if service.endswith("/key"):
                return f"parts 0 1 {self.count}"
            return super().get_password(service, username)

        def delete_password(self, service: str, username: str) -> None:
            self.entries.pop((service, username), None)

    ring = Restless()
    assert KeyringStore(backend=ring).read("key") is None
    assert ring.count < 1_000


def kept_aside(store: KeyringStore) -> str:
    found = parted.read(store._entries, "key/damaged")
    assert isinstance(found, parted.Stored)
    return str(json.loads(found.text)["damaged"])


@pytest.mark.parametrize(
    "damage",
    ["", "nonsense", "parts 0 x y", "parts 2 1 abc", "parts 0 2 abc", "{", '{"version": 2}', "{}"],
)
def test_what_is_damaged_is_kept_aside_once_for_each_key(
    damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    for _ in range(2):
        store.save("key", LONG)
        name = ("grantflow/key", "token")
        ring.entries[name] = damage
        caplog.clear()
        with caplog.at_level(logging.WARNING, "grantflow"):
            assert store.read("key") is None
        assert len(caplog.records) == 1
        assert caplog.messages[0].startswith("key: stored token: ")
        assert caplog.messages[0].endswith("; kept as grantflow/key/damaged")
        assert kept_aside(store).startswith(damage)
    assert store.keys() == []
    store.clear()
    assert ring.entries == {}


def test_a_missing_part_is_damage_and_the_others_are_kept_aside() -> None:
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    store.save("key", LONG)
    del ring.entries["grantflow/key/0/3", "token"]
    assert store.read("key") is None
    assert "r" * 900 in kept_aside(store)
    store.save("key", LONG)
    assert store.read("key") == LONG
    store.forget("key")
    assert ring.entries == {}


@pytest.mark.parametrize("damage", ["nonsense", "{", '{"keys": 1}', "parts 0 2 abc"])
def test_a_damaged_list_of_keys_loses_no_token(
    damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    store.save("a", FULL)
    store.save("b", FULL)
    ring.entries["grantflow//keys", "token"] = damage
    assert store.read("a") == FULL
    assert store.keys() == []
    store = KeyringStore(backend=ring)  # a new process
    with caplog.at_level(logging.WARNING, "grantflow"):
        store.save("a", SHORT)
        store.save("b", SHORT)
    [told] = caplog.messages
    assert "the list of keys" in told
    assert store.keys() == ["a", "b"]
    store.clear()
    assert ring.entries == {}


def test_unknown_members_are_kept() -> None:
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    store.save("key", SHORT)
    name = ("grantflow/key", "token")
    ring.entries[name] = json.dumps(json.loads(ring.entries[name]) | {"later": [1]})
    store.save("key", FULL)
    assert json.loads(ring.entries[name])["later"] == [1]


def test_services_are_apart() -> None:
    ring = DictKeyring()
    one, other = KeyringStore(backend=ring), KeyringStore("other", backend=ring)
    one.save("key", SHORT)
    other.save("key", FULL)
    one.clear()
    assert other.read("key") == FULL
    assert repr(other) == "KeyringStore('other', backend=<tests.support.keyring_fake.DictKeyring>)"


def test_locks_are_in_a_private_folder_of_their_own(home: Path) -> None:
    KeyringStore("a/b", backend=DictKeyring()).save("key", SHORT)
    assert sorted(path.name for path in home.joinpath("locks").iterdir()) == [
        "keyring-a%2Fb-key.lock",
        "keyring-a%2Fb.keys.lock",
        "keyring.lock",
    ]
    assert home.joinpath("locks").stat().st_mode & 0o777 == 0o700


def test_the_keyring_that_is_found_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = DictKeyring()
    monkeypatch.setattr("keyring.core._keyring_backend", ring)
    KeyringStore().save("key", SHORT)
    assert ring.entries


class PlaintextKeyring(DictKeyring):
    priority = 9.0


class NotRecommended(DictKeyring):
    priority = 0.5


class OfNoUse:
    def __getattr__(self, name: str) -> object:
        raise RuntimeError("not on this system")


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        (fail.Keyring(), ["there is no keyring here", "keyring.backends.fail.Keyring", "install"]),
        (null.Keyring(), ["switched off", "keyring.backends.null.Keyring"]),
        (PlaintextKeyring(), ["not encrypted", "PlaintextKeyring"]),
        (NotRecommended(), ["not recommended", "NotRecommended"]),
        (OfNoUse(), ["there is no keyring here", "OfNoUse"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_keeps_no_secret_is_told_at_once(
    ring: object, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyring.core._keyring_backend", ring)
    with pytest.raises(StoreError) as told:
        KeyringStore()
    assert all(word in str(told.value) for word in [*words, "FileStore()"])


def test_of_a_chain_the_first_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = DictKeyring()
    every: list[object] = [NotRecommended(), ring]
    monkeypatch.setattr("keyring.backend.get_all_keyring", lambda: every)
    chain = chainer.ChainerBackend()
    KeyringStore(backend=chain).save("key", SHORT)
    assert ring.entries
    every.append(PlaintextKeyring())
    with pytest.raises(StoreError, match="not encrypted"):
        KeyringStore(backend=chain)


def test_settings_that_name_no_backend_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no_such_module.Keyring")
    with pytest.raises(StoreError, match="No module named 'no_such_module'"):
        KeyringStore()


class Locked(DictKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("Failed to unlock the collection!")


class Leaky(DictKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"ring add {password}")


def test_a_locked_keyring_is_told() -> None:
    store = KeyringStore(backend=Locked())
    with pytest.raises(StoreError, match=r"keyring\.Locked is locked: unlock it"):
        store.read("key")
    with pytest.raises(StoreError, match="is locked"):
        store.save("key", SHORT)


def test_what_a_backend_says_may_hold_the_token_and_is_not_repeated() -> None:
    with pytest.raises(StoreError) as told:
        KeyringStore(backend=Leaky()).save("key", token("s3cret"))
    assert str(told.value).endswith("Leaky cannot write (RuntimeError)")
    assert told.value.__suppress_context__


def test_what_a_backend_cannot_do_is_told() -> None:
    class Full(DictKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            super().set_password(service, username, "x" * MOST_BYTES)

    with pytest.raises(StoreError, match="Full cannot write: too long"):
        KeyringStore(backend=Full()).save("key", SHORT)


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(StoreError, match=r"pip install 'grantflow\[keyring\]'"):
        KeyringStore()
