"""Where tokens are kept between runs."""

from grantflow.shell.ports import Claim, Store, StoreError
from grantflow.shell.stores import (
    FileStore,
    KeyringStore,
    MemoryStore,
    NotAFileError,
    PrivateFile,
    RedisStore,
)

__all__ = [
    "Claim",
    "FileStore",
    "KeyringStore",
    "MemoryStore",
    "NotAFileError",
    "PrivateFile",
    "RedisStore",
    "Store",
    "StoreError",
]
