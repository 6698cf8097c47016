"""What the stores of this package share: the two forms of ``claim``, and what follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Literal, overload

from grantflow.core.values.token import Token
from grantflow.shell.ports import Claim


class BaseStore(ABC):
    """A ``Store`` that can also list its keys; a subclass says how an entry is locked and read."""

    blocking: bool = True

    @abstractmethod
    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key, without a lock."""

    @abstractmethod
    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""

    @abstractmethod
    def _claimed(self, key: str, *, wait: bool) -> AbstractContextManager[Claim | None]:
        """Hold the key's lock; ``None`` without ``wait`` where another owner has it."""

    @overload
    def claim(self, key: str, /, wait: Literal[True] = ...) -> AbstractContextManager[Claim]: ...

    @overload
    def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

    def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
        """Hold the key's lock; ``None`` without ``wait`` where another owner has it."""
        return self._claimed(key, wait=wait)

    def save(self, key: str, token: Token, /) -> None:
        """Store a token under the key's lock."""
        with self.claim(key) as held:
            held.save(token)

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is."""
        with self.claim(key) as held:
            held.forget()

    def clear(self) -> None:
        """Remove everything that is stored."""
        for key in self.keys():
            self.forget(key)
