"""Where tokens live between runs. Each store loads on first use (PEP 562), with what it needs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grantflow.shell.stores.file import FileStore
    from grantflow.shell.stores.keyring import KeyringStore
    from grantflow.shell.stores.memory import MemoryStore
    from grantflow.shell.stores.private_file import NotAFileError, PrivateFile
    from grantflow.shell.stores.redis import RedisStore

__all__ = [
    "FileStore",
    "KeyringStore",
    "MemoryStore",
    "NotAFileError",
    "PrivateFile",
    "RedisStore",
]

_HOME = {
    "FileStore": "file",
    "KeyringStore": "keyring",
    "MemoryStore": "memory",
    "NotAFileError": "private_file",
    "PrivateFile": "private_file",
    "RedisStore": "redis",
}


if not TYPE_CHECKING:  # else a checker would take any name for a public one

    def __getattr__(name: str) -> object:
        """Load a store on first use and keep it."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
