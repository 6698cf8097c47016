"""A real Secret Service: gnome-keyring, unlocked without a display."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing

import keyring.backends.SecretService
import pytest
import secretstorage

from grantflow import Token
from grantflow.shell.environment import home
from grantflow.shell.ports import StoreError
from grantflow.shell.stores import KeyringStore
from tests.support.store_contract import (
    FULL,
    LastingContract,
    Place,
    SharedContract,
    StoreContract,
    token,
)

from .servers import SecretService, start_secret_service

pytestmark = [
    pytest.mark.interop,
    # The keyring library leaves its socket open where a call fails.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    ),
]

LONG = Token(access_token="a" * 3_000)
Wide = keyring.backends.SecretService.Keyring


def placed(ring: Wide, service: str) -> Place:
    def damage(key: str) -> None:
        path = home() / "keyring" / service / f"{key}.jwe"
        path.write_bytes(path.read_bytes()[:-2])

    return Place(lambda: KeyringStore(service, backend=ring), damage, ("keyring", service))


@pytest.fixture
def place(secret_service: SecretService, unique: str) -> Place:
    return placed(Wide(), unique)


class TestSecretService(StoreContract, SharedContract, LastingContract):
    pass


def entries(service: str) -> list[str]:
    """What the keyring holds of a service, whoever put it there."""
    with closing(secretstorage.dbus_init()) as connection:
        items = secretstorage.get_default_collection(connection).get_all_items()
        found = [item.get_attributes() for item in items]
    return [each["username"] for each in found if each["service"] == service]


def test_the_keyring_holds_one_key(place: Place, unique: str) -> None:
    store = place.open()
    for key in ("a", "b"):
        store.save(key, LONG)
    assert entries(unique) == ["key"]


def test_the_keyring_is_found(place: Place) -> None:
    """By a process that knows nothing but its environment."""
    place.open().save("key", token("here"))
    with place.process() as child:
        assert child.ask("read key") == "here"


def test_a_locked_keyring_is_told(
    secret_service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_secret_service() as other:
        for name, value in other.environment.items():
            monkeypatch.setenv(name, value)
        store = KeyringStore(backend=Wide())
        store.save("key", FULL)
        with closing(secretstorage.dbus_init()) as connection:
            secretstorage.get_default_collection(connection).lock()
        new = KeyringStore(backend=Wide())  # another process: this one knows the key already
        calls = (lambda: new.read("key"), lambda: new.save("key", FULL))
        for call in calls:
            with pytest.raises(StoreError, match=r"SecretService\.Keyring is locked: unlock it"):
                call()


def test_a_keyring_that_went_away_is_told(
    secret_service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_secret_service() as other:
        for name, value in other.environment.items():
            monkeypatch.setenv(name, value)
        KeyringStore(backend=Wide()).save("key", FULL)
        store = KeyringStore(backend=Wide())
    with pytest.raises(StoreError, match=r"the keyring .*SecretService\.Keyring cannot read"):
        store.read("key")


def test_no_keyring_is_told(secret_service: SecretService) -> None:
    code = "from grantflow.shell.stores import KeyringStore; KeyringStore()"
    nowhere = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=nowhere, capture_output=True, text=True, check=False
    )
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("grantflow.shell.ports.StoreError: there is no keyring here")
    assert "FileStore()" in last
