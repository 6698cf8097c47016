"""What every store that outlives the process keeps: a token as JSON, under a key that it spells.

Rules:

1. Members that this version does not know are kept when a token is written over them.
2. What cannot be read is a value, ``InvalidResponse``; the store keeps it aside and says so.
3. A key may hold anything; its name holds letters, digits and ``_.-~%``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TypeAlias
from urllib.parse import quote, unquote

from returns.result import Failure, Result

from grantflow.core.codec import MEMBERS, dump_token, load_token
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.result import either
from grantflow.core.values.token import Token

Found: TypeAlias = Token | InvalidResponse | None
"""What lies under a key: ``None`` is nothing."""


def token_in(data: bytes | str) -> Token | InvalidResponse:
    """Read what ``written`` made.

    >>> token_in('{"version": 1, "access_token": "at"').problem
    'stored token: it is damaged'
    """
    return either(_document(data).bind(load_token))


def written(token: Token, over: bytes | str | None, *, indent: int | None = None) -> str:
    """Return the text of a token that replaces the text ``over``: plain ASCII.

    >>> from grantflow.core.values.token import Token
    >>> written(Token(access_token="at"), '{"version": 1, "later": true}')
    '{"later": true, "version": 1, "access_token": "at", "token_type": "Bearer"}'
    """
    known: Mapping[str, object] = {} if over is None else _document(over).value_or({})
    unknown = {name: known[name] for name in known if name not in MEMBERS}
    return json.dumps(unknown | dump_token(token), indent=indent)


def _document(data: bytes | str) -> Result[Mapping[str, object], InvalidResponse]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return Failure(InvalidResponse("stored token: it is damaged"))
    if not isinstance(found, dict):
        return Failure(InvalidResponse("stored token: it is no JSON object"))
    return Result.from_value(found)


def mended(
    look: Callable[[], Found],
    lock: Callable[[], AbstractContextManager[bool]],
    keep_aside: Callable[[str], None],
) -> Token | None:
    """Return what ``look`` finds; what is damaged is kept aside.

    Only under the lock: a sibling may just have written a good token in its place, which would be
    lost. A sibling that has the lock now has kept the damage aside, or is about to write over it.
    """
    found = look()
    if not isinstance(found, InvalidResponse):
        return found
    with lock() as mine:
        if mine:
            found = look()
        if not isinstance(found, InvalidResponse):
            return found
        if mine:
            keep_aside(found.problem)
    return None


def name_of(key: str) -> str:
    """Return a key as a name for a file or an entry.

    >>> name_of("a/b:c"), key_of(name_of("a/b:c"))
    ('a%2Fb%3Ac', 'a/b:c')
    """
    return quote(key, safe="", errors="surrogatepass")


def key_of(name: str) -> str:
    """Return the key of a name."""
    return unquote(name, errors="surrogatepass")
