"""The stores that need no server: memory, files, and a keyring that is a dictionary."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantflow.shell import stores
from grantflow.shell.stores import FileStore, KeyringStore, MemoryStore
from tests.distribution.test_import import loaded_after
from tests.support.keyring_fake import DictKeyring
from tests.support.store_contract import LastingContract, Place, SharedContract, StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def place(self) -> Place:
        store = MemoryStore()
        return Place(lambda: store)


class TestFile(StoreContract, SharedContract, LastingContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        folder = tmp_path / "tokens"

        def damage(key: str) -> None:
            (folder / f"{key}.json").write_text('{"version": 1, "access_token": "s3cret-acc')

        return Place(lambda: FileStore(folder), damage, ("file", str(folder)))


class TestKeyring(StoreContract, LastingContract):
    """The real Secret Service is in ``interop/stores``."""

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
        monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))
        ring = DictKeyring()

        def damage(key: str) -> None:
            path = tmp_path / "keyring" / "grantflow" / f"{key}.jwe"
            path.write_bytes(path.read_bytes()[:-2])

        return Place(lambda: KeyringStore(backend=ring), damage)


def test_no_store_loads_what_another_needs(tmp_path: Path) -> None:
    heavy = {"keyring", "redis", "filelock"}
    every = "from grantflow.shell.stores import FileStore, KeyringStore, MemoryStore, RedisStore"
    assert not loaded_after(every) & heavy
    code = f"""
from grantflow import Token
from grantflow.shell.stores import FileStore, MemoryStore
for store in (MemoryStore(), FileStore({str(tmp_path)!r})):
    store.save("key", Token(access_token="at"))
"""
    assert not loaded_after(code) & heavy
    assert (tmp_path / "key.json").exists()


def test_every_store_is_listed() -> None:
    assert set(dir(stores)) >= set(stores.__all__)
    with pytest.raises(AttributeError, match="no attribute 'DiskStore'"):
        _ = stores.DiskStore  # pyright: ignore[reportAttributeAccessIssue]
