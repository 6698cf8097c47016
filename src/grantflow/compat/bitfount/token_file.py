"""Bitfount's own file of tokens, as a store: one person's, for one set of inputs.

Rules:

1. ``.token`` is what the original reads and writes: the tokens and the four inputs that they were
   asked for with. Members that are not known here are kept.
2. What it holds for other inputs is not overwritten: it moves to a file named after those, and back
   when ``.token`` is free. Where both have tokens for the same inputs, the later end counts.
3. The file is private, replaced whole, and locked from the first look until the tokens are saved.
   What it holds is in ``Members`` here, which do not show it.
4. A file that cannot be read, or holds another user's tokens, is moved aside with a warning.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, final, overload

from attrs import asdict, field, frozen

from grantflow import Secret, StoreError, Token
from grantflow.codec import Members, dump_token, load_token, plain
from grantflow.compat.bitfount.errors import AuthenticatedUserError
from grantflow.flows import escaped
from grantflow.stores import Claim, PrivateFile

_GONE: Final = {
    "access_token": None,
    "refresh_token": None,
    "id_token": None,
    "access_token_expires_at": 0,
    "access_token_issued_at": None,
    "refresh_sent": None,
}
_OWN: Final = ("access_token_issued_at", "refresh_sent")
"""Members that the original does not know: left out where they would say nothing.

The first distinguishes a short lifetime from a token near its end; the second marks a refresh whose
outcome is not known.
"""


@final
@frozen
class Inputs:
    """What tokens are asked for with; they fit no session with other inputs."""

    auth_domain: str
    client_id: str
    scopes: str
    audience: str

    @property
    def name(self) -> str:
        """Return a name that is the same for the same inputs; the scopes count as a set."""
        words = sorted(set(self.scopes.split()))
        text = json.dumps([self.auth_domain, self.client_id, words, self.audience])
        return sha256(text.encode()).hexdigest()[:16]

    @staticmethod
    def of(document: Mapping[str, object]) -> Inputs | None:
        """Read the inputs that a file names."""
        match document:
            case {
                "auth_domain": str(auth_domain),
                "client_id": str(client_id),
                "scopes": str(scopes),
                "audience": str(audience),
            }:
                return Inputs(auth_domain, client_id, scopes, audience)
            case _:
                return None


@final
@frozen
class Document:
    """The members of a file. Not a mapping itself: error reporters look into those."""

    members: Members = field(factory=Members)

    def with_(self, changes: Mapping[str, object]) -> Document:
        """Return it with other values under some names."""
        made = {**self.members, **changes}
        return Document(Members({n: v for n, v in made.items() if v is not None or n not in _OWN}))


@final
class TokenFile:
    """A ``Store`` of one entry, that of ``key``.

    ``foreign`` returns the user of a token that is another one's; ``refused`` has a line for each.
    ``others`` turns true when the file was found to hold tokens for other inputs.
    """

    def __init__(
        self, folder: Path, inputs: Inputs, key: str, foreign: Callable[[Token], str | None]
    ) -> None:
        self._folder = folder
        self._inputs = inputs
        self._key = key
        self._foreign = foreign
        self.others: bool = False
        self.refused: list[str] = []

    @property
    def path(self) -> Path:
        """Return the file that holds these tokens, or will."""
        aside = self._beside(self._inputs)
        if not aside.exists():
            return self._first
        own = _end(self._first, self._inputs, unknown=math.inf)
        other = _end(aside, self._inputs, unknown=0)
        return self._first if own is not None and own >= (other or 0) else aside

    @overload
    def claim(self, key: str, /, wait: Literal[True] = ...) -> AbstractContextManager[Claim]: ...

    @overload
    def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

    def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
        """Hold the lock of the person's files."""
        return self._claimed(key, wait=wait)

    @contextmanager
    def _claimed(self, key: str, *, wait: bool) -> Iterator[_Entry | None]:
        with self._file(self._first).locked(wait=wait) as mine:
            if not mine:
                yield None
                return
            self._settle()
            yield _Entry(self, key)

    def read(self, key: str, /, *, held: bool = False) -> Token | None:
        """Return what is stored; a file that cannot be read is moved aside."""
        if key != self._key:
            return None
        return self._file(self.path).load(self._parsed, held=held)

    def write(self, key: str, token: Token) -> None:
        """Store a token beside what else is in the file, under the lock.

        Raises ``AuthenticatedUserError`` for another user's. It is no ``StoreError``: such a token
        is not used, not even once, and the right user can sign in next.
        """
        if key != self._key:
            raise StoreError(f"{self._first} holds no other tokens than those of sign-ins")
        if (who := self._foreign(token)) is not None:
            with suppress(StoreError):
                self.remove(key)
            self.refused.append(
                f"{escaped(who)!r} signed in, but this session is for {self._folder.name!r}"
            )
            raise AuthenticatedUserError(self.refused[-1])
        before = self._document() or Document()
        owner = Inputs.of(before.members)
        if owner is not None and owner.name != self._inputs.name:
            self._keep_for(owner)
            before = Document()
        self._write(before.with_(_members(token) | asdict(self._inputs)))

    def remove(self, key: str) -> None:
        """Take the tokens out of the file, under the lock, and leave what else is in it."""
        if self.read(key, held=True) is not None:
            self._write((self._document() or Document()).with_(_GONE))

    @property
    def _first(self) -> Path:
        return self._folder / ".token"

    def _beside(self, inputs: Inputs) -> Path:
        return self._folder / f".token-{inputs.name}"

    def _settle(self) -> None:
        """Leave one file for these inputs, ``.token`` unless that holds something else."""
        aside = self._beside(self._inputs)
        if not aside.exists():
            return
        try:
            if self.path != aside:
                aside.unlink()
            elif not self._first.exists() or _end(self._first, self._inputs, unknown=0) is not None:
                aside.replace(self._first)
        except OSError as error:
            raise StoreError(f"cannot put {aside} in order: {error.strerror or error}") from error

    def _keep_for(self, owner: Inputs) -> None:
        """Move what others have in ``.token`` to their own file, unless that is newer."""
        aside = self._beside(owner)
        theirs = _end(self._first, owner, unknown=math.inf) or 0
        if not aside.exists() or theirs >= (_end(aside, owner, unknown=0) or 0):
            self._first.replace(aside)

    def _write(self, document: Document) -> None:
        self._file(self.path).write(Secret(json.dumps(plain(document.members))))

    def _file(self, path: Path) -> PrivateFile:
        return PrivateFile(path, lock_of=self._first)

    def _document(self) -> Document | None:
        """Return what the file holds; ``ValueError`` for what is no JSON object."""
        return _document(self.path)

    def _parsed(self, data: bytes) -> Token | None:
        """Return the tokens of a file; ``ValueError`` says what is wrong with it."""
        members = _read(data).members
        inputs = Inputs.of(members)
        if inputs is None:
            raise ValueError("it does not say what its tokens are for")
        self.others = inputs.name != self._inputs.name
        if self.others or members.get("access_token") is None:
            return None
        token = load_token(_stored(members, inputs)).value_or(None)
        if not isinstance(token, Token):
            raise ValueError("its tokens cannot be read")
        who = self._foreign(token)
        if who is not None:
            raise ValueError(f"its tokens are those of {who!r}")
        return token


@final
class _Entry:
    """The tokens of a file, while its lock is held."""

    def __init__(self, file: TokenFile, key: str) -> None:
        self._file = file
        self._key = key

    @property
    def token(self) -> Token | None:
        return self._file.read(self._key, held=True)

    def save(self, token: Token, /) -> None:
        self._file.write(self._key, token)

    def forget(self) -> None:
        self._file.remove(self._key)


def _document(path: Path) -> Document | None:
    data = PrivateFile(path).read()
    return None if data is None else _read(data)


def _read(data: bytes) -> Document:
    found: object = None
    with suppress(ValueError, RecursionError):  # the parser's own error would hold the text
        found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("it is damaged")
    return Document(Members(found))


def _end(path: Path, inputs: Inputs, *, unknown: float) -> float | None:
    """Return when a file's token expires; ``None`` if it has none for these inputs."""
    try:
        document = _document(path) or Document()
    except (ValueError, RecursionError, OSError):
        return None
    owner = Inputs.of(document.members)
    if owner is None or owner.name != inputs.name:
        return None
    said = document.members.get("access_token_expires_at")
    return said if isinstance(said, (int, float)) else unknown


def _members(token: Token) -> dict[str, object]:
    plain = dump_token(token)
    return {
        "access_token": plain["access_token"],
        "refresh_token": plain.get("refresh_token"),
        "id_token": plain.get("id_token"),
        "access_token_expires_at": token.expires_at and token.expires_at.timestamp(),
        "access_token_issued_at": token.issued_at and token.issued_at.timestamp(),
        "refresh_sent": token.refresh_sent or None,
    }


def _stored(document: Mapping[str, object], inputs: Inputs) -> dict[str, object]:
    return {
        "version": 1,
        "access_token": document["access_token"],
        "refresh_token": document.get("refresh_token"),
        "id_token": document.get("id_token"),
        "expires_at": document.get("access_token_expires_at"),
        "issued_at": document.get("access_token_issued_at"),
        "refresh_sent": document.get("refresh_sent"),
        "scope": inputs.scopes,
    }
