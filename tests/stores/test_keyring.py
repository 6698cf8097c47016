"""The keyring: one key for sealed files, and a plain word where there is none."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from keyring.backends import chainer, fail, null
from keyring.errors import KeyringLocked

from grantflow import Token
from grantflow.shell.ports import StoreError
from grantflow.shell.stores import KeyringStore
from tests.support.keyring_fake import MOST_BYTES, CrashError, DictKeyring
from tests.support.store_contract import FULL, together, token

SHORT = token("short")
LONG = Token(access_token="a" * 5_000, refresh_token="r" * 3_000)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    return tmp_path


def path_of(home: Path, key: str = "key", service: str = "grantflow") -> Path:
    return home / "keyring" / service / f"{key}.jwe"


def test_the_keyring_holds_one_key_and_files_hold_the_tokens(home: Path) -> None:
    ring = DictKeyring()
    store = KeyringStore(backend=ring)
    for key, saved in (("a", SHORT), ("b", LONG)):
        store.save(key, saved)
    assert list(ring.entries) == [("grantflow", "key")]
    [entry] = ring.entries.values()
    assert len(entry.encode("utf-16-le")) <= MOST_BYTES
    assert KeyringStore(backend=ring).read("b") == LONG
    sealed = path_of(home, "b").read_bytes()
    assert b"aaaa" not in sealed
    assert b"access_token" not in sealed
    assert path_of(home).parent.stat().st_mode & 0o777 == 0o700
    assert path_of(home, "b").stat().st_mode & 0o777 == 0o600


def test_the_keyring_is_asked_once_in_a_process() -> None:
    """A keyring is slow, and gnome-keyring dies of many steps."""
    ring = DictKeyring()
    KeyringStore(backend=ring).save("key", SHORT)
    store = KeyringStore(backend=ring)
    ring.steps_left = 1
    assert store.read("key") == SHORT
    with store.claim("key") as entry:
        entry.save(FULL)
    assert store.read("key") == FULL
    assert ring.steps_left == 0


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_crash_while_the_key_is_made_costs_nothing(steps: int) -> None:
    ring = DictKeyring()
    ring.steps_left = steps
    with pytest.raises(CrashError):
        KeyringStore(backend=ring).save("key", SHORT)
    ring.steps_left = None
    KeyringStore(backend=ring).save("key", SHORT)
    assert KeyringStore(backend=ring).read("key") == SHORT


def test_several_that_need_a_key_make_one(home: Path) -> None:
    ring = DictKeyring()

    def saving(name: str) -> Callable[[], None]:
        return lambda: KeyringStore(backend=ring).save(name, token(name))

    names = [f"key-{number}" for number in range(8)]
    together(*map(saving, names))
    store = KeyringStore(backend=ring)
    assert [store.read(name) for name in names] == [token(name) for name in names]


@pytest.mark.parametrize("lost", ["removed", "another"])
def test_a_lost_key_is_told_as_what_it_is(
    lost: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ring = DictKeyring()
    KeyringStore(backend=ring).save("key", SHORT)
    before = dict(ring.entries)
    ring.entries.clear()
    if lost == "another":
        KeyringStore(backend=ring).save("other", SHORT)
    store = KeyringStore(backend=ring)
    with caplog.at_level(logging.WARNING, "grantflow"):
        assert store.read("key") is None
    [told] = caplog.messages
    assert "sealed with a key that the keyring does not have" in told
    [aside] = path_of(home).parent.glob("key.jwe.damaged-*")
    assert told.endswith(f"; kept as {aside.name}")
    store.save("key", FULL)
    assert KeyringStore(backend=ring).read("key") == FULL
    aside.rename(path_of(home))
    ring.entries = before
    assert KeyringStore(backend=ring).read("key") == SHORT, "nothing was destroyed"


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\xff.\xff", b"bnVsbA.a.b.c.d", b"{}"])
def test_what_is_no_sealed_token_is_kept_aside(
    damage: bytes, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = KeyringStore(backend=DictKeyring())
    store.save("key", LONG)
    path_of(home).write_bytes(damage)
    with caplog.at_level(logging.WARNING, "grantflow"):
        assert store.read("key") is None
    [told] = caplog.messages
    assert told.startswith("key.jwe: stored token: it is damaged")
    assert store.keys() == []


@pytest.mark.parametrize("part", range(2, 5))
def test_what_was_changed_is_not_believed(part: int, home: Path) -> None:
    store = KeyringStore(backend=DictKeyring())
    store.save("key", LONG)
    parts = path_of(home).read_text().split(".")
    parts[part] = ("A" if parts[part][0] != "A" else "B") + parts[part][1:]
    path_of(home).write_text(".".join(parts))
    assert store.read("key") is None


def test_a_keyring_that_keeps_nothing_is_told() -> None:
    class Forgetful(DictKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            return None

    with pytest.raises(StoreError, match="Forgetful does not keep what it is given"):
        KeyringStore(backend=Forgetful()).save("key", SHORT)


def test_a_folder_may_be_named(tmp_path: Path) -> None:
    ring = DictKeyring()
    KeyringStore("app", tmp_path / "here", backend=ring).save("key", SHORT)
    assert (tmp_path / "here" / "key.jwe").exists()
    assert KeyringStore("app", tmp_path / "here", backend=ring).read("key") == SHORT


def test_services_are_apart() -> None:
    ring = DictKeyring()
    one, other = KeyringStore(backend=ring), KeyringStore("other", backend=ring)
    one.save("key", SHORT)
    other.save("key", FULL)
    one.clear()
    assert other.read("key") == FULL
    assert repr(other) == "KeyringStore('other', backend=<tests.support.keyring_fake.DictKeyring>)"


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
    KeyringStore(backend=DictKeyring()).save("key", SHORT)
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
