"""What a driver needs from outside: anyone may bring their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias, final, runtime_checkable

from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Response
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.token import DeviceAuthorization, Token

Transport: TypeAlias = Callable[[Request], Response | Fault]
"""Sends a request once. It never raises for trouble on the network: it returns a ``Fault``."""

Prompt: TypeAlias = Callable[[DeviceAuthorization], None]
"""Shows a person what to do."""


class Readable(Protocol):
    """A clock of either kind, as far as it is only read."""

    def now(self) -> Moment:
        """Read the clock."""
        ...


class Clock(Protocol):
    """Both clocks, and waiting."""

    def now(self) -> Moment:
        """Read the clocks and roll the dice, once."""
        ...

    def sleep_until(self, at: Instant, /) -> None:
        """Return when the monotonic clock shows ``at``, at once if it does already."""
        ...


class Store(Protocol):
    """Where tokens live between runs, one under each key.

    A store that cannot be used raises ``StoreError``; an entry that cannot be read is moved aside
    or dropped with a warning, and counts as none. ``save`` and ``forget`` take the key's lock
    unless the caller's thread holds it by ``claim``.
    """

    def claim(self, key: str, /) -> AbstractContextManager[Token | None]:
        """Hold the key's lock, and give what is stored under it."""
        ...

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key, without a lock."""
        ...

    def save(self, key: str, token: Token, /) -> None:
        """Store a token durably; when this returns, a crash cannot lose it."""
        ...

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is."""
        ...

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        ...

    def clear(self) -> None:
        """Remove everything that is stored."""
        ...


@runtime_checkable
class TryingStore(Store, Protocol):
    """A store that can tell that a lock is taken, and whose ``read`` is as good as its ``claim``.

    The four of ours are. With one that is not, every look into the store is a claim, and who renews
    a token early waits where another process does so already.
    """

    def try_claim(self, key: str, /) -> AbstractContextManager[Token | None]:
        """Like ``claim``, but raise ``LockedError`` at once if somebody else has the lock."""
        ...


class StoreError(OSError):
    """A store could not be used; the message says which, why and what to do."""


@final
class LockedError(StoreError):
    """Somebody else has the lock of the key that it was made with."""

    def __str__(self) -> str:
        return f"{self.args[0]}: somebody else has the lock"
