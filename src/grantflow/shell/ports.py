"""What a driver needs from outside: anyone may bring their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeAlias, overload

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


class Claim(Protocol):
    """A key's lock while it is held, and the entry under it.

    The lock ends with the ``with`` block, and with the object: one that is dropped frees it. It
    belongs to no thread.
    """

    @property
    def token(self) -> Token | None:
        """What is stored: as it was when the lock was taken, or as ``save`` left it."""
        ...

    def save(self, token: Token, /) -> None:
        """Store a token durably; when this returns, a crash cannot lose it."""
        ...

    def forget(self) -> None:
        """Remove what is stored, if anything is."""
        ...


class Store(Protocol):
    """Where tokens live between runs, one under each key.

    A store that cannot be used raises ``StoreError``. An entry that cannot be read is moved aside
    with a warning, and counts as none. A store whose methods never wait for anything has an
    attribute ``blocking`` that is ``False``; any other is called in threads by the async driver.
    """

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key, without a lock."""
        ...

    @overload
    def claim(self, key: str, /, wait: Literal[True] = ...) -> AbstractContextManager[Claim]: ...

    @overload
    def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

    def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
        """Hold the key's lock; ``None`` without ``wait`` where another owner has it."""
        ...


class StoreError(OSError):
    """A store could not be used; the message says which, why and what to do."""
