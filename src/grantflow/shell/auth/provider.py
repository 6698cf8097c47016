"""Where an adapter gets its token: a source, or anything of the caller's with two methods."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast, final, runtime_checkable

from grantflow.core.values.token import Token

if TYPE_CHECKING:
    from grantflow.core.acquisition.unauthorized import TokenOrigin
    from grantflow.core.client.dpop import DPoP
    from grantflow.shell.ports import Readable


@runtime_checkable
class TokenProvider(Protocol):
    """Gives a token, and another one than a server refused; either raises ``GrantError``.

    ``TokenSource`` is one; a fake or a decorator of one's own needs no more than these two.
    """

    def token(self) -> Token:
        """Return a token that may be used now."""
        ...

    def renew(self, rejected: Token, /) -> Token:
        """Return another token than the refused one."""
        ...


@runtime_checkable
class AsyncTokenProvider(Protocol):
    """The same with ``await``, as ``AsyncTokenSource`` is."""

    def token(self) -> Awaitable[Token]:
        """Return a token that may be used now."""
        ...

    def renew(self, rejected: Token, /) -> Awaitable[Token]:
        """Return another token than the refused one."""
        ...


class _Source(Protocol):
    """What a source tells besides; a provider of the caller's need not."""

    scheme: str | None
    dpop: DPoP | None
    clock: Readable | None
    origins: frozenset[str] | None
    warm: Token | None
    current: Token | None
    origin: TokenOrigin


Provider: TypeAlias = TokenProvider | AsyncTokenProvider


@final
class Known:
    """What is known of a provider: of a source all, of another what it happens to have."""

    __slots__ = ("_provider",)

    def __init__(self, provider: object) -> None:
        self._provider = cast("_Source", provider)

    @property
    def scheme(self) -> str | None:
        """Return the word before the token, where the provider of the tokens wants another."""
        return getattr(self._provider, "scheme", None)

    @property
    def dpop(self) -> DPoP | None:
        """Return the key that the token is bound to."""
        return getattr(self._provider, "dpop", None)

    @property
    def clock(self) -> Readable | None:
        """Return the clock that proofs are dated by."""
        return getattr(self._provider, "clock", None)

    @property
    def origins(self) -> frozenset[str] | None:
        """Return where the tokens may go, if a profile says so."""
        return getattr(self._provider, "origins", None)

    @property
    def warm(self) -> Token | None:
        """Return a token that needs no thought."""
        return getattr(self._provider, "warm", None)

    @property
    def current(self) -> Token | None:
        """Return the token that the next call would carry, as far as it is known."""
        return getattr(self._provider, "current", None)

    @property
    def origin(self) -> TokenOrigin:
        """Return where the token came from; that of another provider may be renewed."""
        return getattr(self._provider, "origin", "stored")
