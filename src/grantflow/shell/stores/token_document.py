"""What every store that outlives the process keeps: a token as JSON, under a key that it spells.

Rules:

1. Members that this version does not know are kept when a token is written over them.
2. A checksum (CRC-32) tells damage; a text without one is taken as it is.
3. A document of a newer version is no damage: it is left alone.
4. A key may hold anything; its name holds letters, digits and ``_.-~%``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import final
from urllib.parse import quote, unquote

from attrs import field, frozen

from grantflow.core.codec import MEMBERS, VERSION, dump_token, load_token
from grantflow.core.values.result import either
from grantflow.core.values.token import Token
from grantflow.shell import checksum


@final
@frozen
class TokenDocument:
    """A stored token, and the members beside it that this version does not know."""

    token: Token
    rest: Mapping[str, object] = field(factory=dict[str, object], repr=False)


@final
@frozen
class NewerDocument:
    """Written by a newer version of grantflow: it may hold anything."""

    version: int

    @property
    def problem(self) -> str:
        """Say what it is, and what helps."""
        return (
            f"a newer version of grantflow wrote it (format {self.version}, here {VERSION}): it is "
            "left as it is; upgrade grantflow, or let GRANTFLOW_HOME name another folder"
        )


def read_document(data: bytes | str) -> TokenDocument | NewerDocument:
    """Read what ``write_document`` made; ``ValueError`` says what is damaged, without the text.

    >>> read_document('{"version": 1, "access_token": "at"')
    Traceback (most recent call last):
    ...
    ValueError: stored token: it is damaged
    """
    found = _object(data)
    version = found.get("version")
    if isinstance(version, int) and version > VERSION:
        return NewerDocument(version)
    said = found.pop(checksum.NAME, None)
    if said is not None and said != checksum.checksum(found):
        raise ValueError("stored token: it is damaged (its checksum does not fit)")
    match either(load_token(found)):
        case Token() as token:
            rest = {name: found[name] for name in found if name not in MEMBERS}
            return TokenDocument(token, rest)
        case unreadable:
            raise ValueError(unreadable.problem)


def write_document(document: TokenDocument, *, indent: int | None = None) -> str:
    """Return the text to keep: plain ASCII, and secret.

    >>> print(write_document(TokenDocument(Token(access_token="at"), {"later": True})))
    {"later": true, "version": 1, "access_token": "at", "token_type": "Bearer", "crc32": 1296355756}
    """
    members = {**document.rest, **dump_token(document.token)}
    return json.dumps({**members, checksum.NAME: checksum.checksum(members)}, indent=indent)


def _object(data: bytes | str) -> dict[str, object]:
    found: object = None
    damaged = False
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        damaged = True  # raised outside: the parser's own error holds the text
    if damaged:
        raise ValueError("stored token: it is damaged")
    if not isinstance(found, dict):
        raise ValueError("stored token: it is no JSON object")
    return found


def name_of(key: str) -> str:
    """Return a key as a name for a file or an entry.

    >>> name_of("a/b:c"), key_of(name_of("a/b:c"))
    ('a%2Fb%3Ac', 'a/b:c')
    """
    return quote(key, safe="", errors="surrogatepass")


def key_of(name: str) -> str:
    """Return the key of a name."""
    return unquote(name, errors="surrogatepass")
