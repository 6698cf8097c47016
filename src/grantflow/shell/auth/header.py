"""Where a token goes: to which origins, in which header, after which word."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, final

from grantflow.core.acquisition.unauthorized import origins_of, token_origin
from grantflow.core.flows.states import Failed
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import SCHEMES, Token
from grantflow.core.values.validators import is_http_token
from grantflow.shell.sources.results import GrantError

_SENDABLE: Final = re.compile(r"[\x20-\x7e]+")

# As many as ``urllib.parse`` keeps: reading a URL again takes longer than the rest of a call.
_origin_of: Final = lru_cache(maxsize=128)(token_origin)


@final
class Origins:
    """The origins that a token is meant for; without a list, the first that is asked for.

    Https, or this machine: ``ValueError`` names any other.
    """

    __slots__ = ("_lock", "_origins")

    def __init__(self, urls: Iterable[str] | None) -> None:
        listed = (urls,) if isinstance(urls, str) else urls
        self._origins = None if listed is None else origins_of(listed)
        self._lock = threading.Lock()

    def admit(self, url: str) -> bool:
        """Tell whether a call may start at ``url``; the first call of all decides for the rest."""
        return _origin_of(url) in (self._origins or self._taken(url))

    def _taken(self, url: str) -> frozenset[str]:
        with self._lock:
            if self._origins is None:
                self._origins = origins_of((url,))
            return self._origins

    def __contains__(self, url: str) -> bool:
        return self._origins is not None and _origin_of(url) in self._origins


@final
class Spelling:
    """The header that carries a token, and the word before it (RFC 6750 section 2.1).

    ``scheme=None`` takes the token's own type, which has to be Bearer or DPoP; ``""`` is the bare
    token.
    """

    def __init__(self, header: str, scheme: str | None) -> None:
        if not is_http_token(header):
            raise ValueError(f"header: {header!r} is no header name")
        if scheme and not is_http_token(scheme):
            raise ValueError(f"scheme: {scheme!r} is not one word")
        self.header = header
        self._scheme = scheme
        self._last: tuple[Token, Secret] | None = None

    def text(self, token: Token) -> str:
        """Return the header's value; ``GrantError`` if the type is not understood, or no fit."""
        last = self._last  # read once: another thread may have another token
        if last is not None and last[0] is token:
            return last[1].reveal()
        if self._scheme is None and token.token_type.lower() not in SCHEMES:
            problem = f"token_type {token.token_type[:40]!r} is neither Bearer nor DPoP"
            raise GrantError(Failed(InvalidResponse(f"{problem}; scheme= says how it is sent")))
        text = self._spelt(token)
        if text is None:
            raise GrantError(Failed(InvalidResponse("the token cannot be sent in a header")))
        self._last = (token, Secret(text))
        return text

    def _spelt(self, token: Token) -> str | None:
        # A frame of its own: the one that raises must not hold the token in a local variable.
        if self._scheme is None:
            text = token.authorization.reveal()
        else:
            text = f"{self._scheme} {token.access_token.reveal()}".lstrip()
        # The HTTP libraries would refuse it, too, and quote the token in their message.
        return text if _SENDABLE.fullmatch(text) else None
