"""Where tokens are kept between runs."""

from grantflow.shell.stores import FileStore, KeyringStore, MemoryStore, RedisStore

__all__ = ["FileStore", "KeyringStore", "MemoryStore", "RedisStore"]
