"""Where tokens live between runs."""

from grantflow.shell.stores.file import FileStore
from grantflow.shell.stores.memory import MemoryStore

__all__ = ["FileStore", "MemoryStore"]
