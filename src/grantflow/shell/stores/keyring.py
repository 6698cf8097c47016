"""Tokens in sealed files, whose key is in the operating system's keyring.

Rules:

1. A keyring that is absent, switched off, locked or not encrypted is told by a ``StoreError`` that
   names it and says what to do (``keyring_entries``). No other place is taken in its stead.
2. The keyring holds one entry, a random key of 256 bits. Each token is a file (``file``) that is
   encrypted and authenticated by it (JWE, ``dir`` with ``A256GCM``). So a token of any length fits,
   what was half written is never read, and the tokens can be listed.
3. A file names its key. Where the keyring does not have that (any more), the report says so, and
   the file is kept aside as a damaged one is.
4. The key is made under a lock, and is in the keyring before anything is sealed with it.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, final

from grantflow.core.values.secret import Secret
from grantflow.shell.environment import home
from grantflow.shell.ports import StoreError
from grantflow.shell.stores.file import FileStore
from grantflow.shell.stores.keyring_entries import Backend, KeyringEntry, usable_backend
from grantflow.shell.stores.private_file import PrivateFile
from grantflow.shell.stores.token_document import (
    NewerDocument,
    TokenDocument,
    name_of,
    read_document,
    write_document,
)

_KEY_BYTES: Final = 32
_LOST: Final = (
    "it was sealed with a key that the keyring does not have (any more): sign in again, or bring "
    "back the keyring of before"
)


@final
class KeyringStore(FileStore):
    """A ``Store`` of files that only the keyring's key opens.

    ``directory`` is by default ``keyring/SERVICE`` under ``GRANTFLOW_HOME`` or the user's data. The
    ``backend`` is by default the one that ``keyring`` finds. Raises ``StoreError`` at once where
    there is no keyring that keeps a secret.
    """

    _suffix = ".jwe"

    def __init__(
        self,
        service: str = "grantflow",
        directory: str | Path | None = None,
        *,
        backend: Backend | None = None,
    ) -> None:
        super().__init__(directory)
        self.service = service
        self._entry = KeyringEntry(usable_backend(backend), service)
        self._known_key: Secret | None = None
        _joserfc()

    @property
    def directory(self) -> Path:
        """Return the folder. Where none was given, the environment is asked at every use."""
        if self._directory is not None:
            return self._directory
        return home() / "keyring" / name_of(self.service)

    def __repr__(self) -> str:
        return f"KeyringStore({self.service!r}, backend=<{self._entry.backend_name}>)"

    def sealed(self, document: TokenDocument) -> Secret:
        """Return the content of a file."""
        return _sealed(Secret(write_document(document)), self._key())

    def _parsed(self, data: bytes) -> TokenDocument | NewerDocument:
        key = self._stored_key()
        if key is None or _named_key(data) != _name(key):
            raise ValueError(_LOST)
        return read_document(_opened(data, key).reveal())

    def _stored_key(self) -> Secret | None:
        if self._known_key is None:
            with self._key_file().locked():
                self._known_key = self._entry.get()
        return self._known_key

    def _key(self) -> Secret:
        """Return the key; where there is none, one is made."""
        if self._known_key is None:
            with self._key_file().locked():
                found = self._entry.get()
                if found is None:
                    found = Secret(urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode())
                    self._entry.set(found)
                    if self._entry.get() != found:
                        raise StoreError(
                            f"the keyring {self._entry.backend_name} does not keep what it is given"
                        )
                self._known_key = found
        return self._known_key

    def _key_file(self) -> PrivateFile:
        # It is never written: only its lock is used.
        return PrivateFile(home() / "keyring" / f"{name_of(self.service)}.key")


def _joserfc() -> None:
    try:
        import joserfc  # noqa: F401
    except ImportError as error:
        raise StoreError(
            "KeyringStore needs the joserfc library: pip install 'grantflow[keyring]'"
        ) from error


def _name(key: Secret) -> str:
    return sha256(b"grantflow keyring key " + key.reveal().encode()).hexdigest()[:16]


def _sealed(text: Secret, key: Secret) -> Secret:
    from joserfc import jwe
    from joserfc.jwk import OctKey

    header = {"alg": "dir", "enc": "A256GCM", "kid": _name(key)}
    octets = OctKey.import_key(urlsafe_b64decode(key.reveal()))
    return Secret(jwe.encrypt_compact(header, text.reveal(), octets))


def _named_key(data: bytes) -> str | None:
    """Return the name of the key that a file was sealed with; ``ValueError`` for no JWE."""
    try:
        head = data.split(b".", 1)[0]
        found: object = json.loads(urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("stored token: it is damaged")
    named = found.get("kid")
    return named if isinstance(named, str) else None


def _opened(data: bytes, key: Secret) -> Secret:
    from joserfc import jwe
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    octets = OctKey.import_key(urlsafe_b64decode(key.reveal()))
    found: bytes | None = None
    with suppress(JoseError, ValueError):
        found = jwe.decrypt_compact(data.strip(), octets).plaintext
    if found is None:
        raise ValueError("stored token: it is damaged")
    return Secret(found.decode("ascii", "replace"))
