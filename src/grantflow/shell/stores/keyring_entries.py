"""Which keyring to use, and its one entry. The one place that imports the ``keyring`` library.

The caller lets one thread of one process at a time ask the keyring: gnome-keyring 42 ends when
several do at once (seen after a hundred calls of six threads), and a person who unlocks a keyring
is asked once. Of a chain of keyrings the first alone is used, so that nothing falls through to a
lesser one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, final

from grantflow.core.values.secret import Secret
from grantflow.shell.ports import StoreError

_USER: Final = "key"
_INSTEAD: Final = "or keep tokens in private files with FileStore()"


class Backend(Protocol):
    """The part of a ``keyring`` backend that is used."""

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return a text."""
        ...

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Store a text."""
        ...


def usable_backend(given: Backend | None) -> Backend:
    """Return the backend to use, by default the one that is found, if it keeps secrets."""
    get_keyring = _library()
    backend = _found(get_keyring) if given is None else given
    if type(backend).__module__ == "keyring.backends.chainer":
        backend = _first(backend)
    name, module, priority = _name(backend), type(backend).__module__, _priority(backend)
    if module == "keyring.backends.null":
        raise StoreError(
            f"the keyring is switched off ({name}): choose another backend in "
            f"PYTHON_KEYRING_BACKEND or keyringrc.cfg, {_INSTEAD}"
        )
    if module == "keyring.backends.fail" or priority < 0:
        raise StoreError(
            f"there is no keyring here ({name}): install and unlock one, for example "
            f"gnome-keyring or KWallet, {_INSTEAD}"
        )
    if priority < 1 or any("plaintext" in each.__name__.lower() for each in type(backend).__mro__):
        raise StoreError(
            f"the keyring {name} does not keep secrets well (not encrypted, or not recommended by "
            f"the keyring library itself): install another backend, {_INSTEAD}"
        )
    return backend


@final
class KeyringEntry:
    """The entry of a service in a backend, whose troubles are ``StoreError``."""

    def __init__(self, backend: Backend, service: str) -> None:
        self._backend = backend
        self._service = service
        self.backend_name: str = _name(backend)

    def get(self) -> Secret | None:
        """Return what it holds."""
        with self._explained("read"):
            found = self._backend.get_password(self._service, _USER)
            return None if found is None else Secret(found)

    def set(self, text: Secret) -> None:
        """Replace what it holds."""
        with self._explained("write"):
            self._backend.set_password(self._service, _USER, text.reveal())

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        from keyring.errors import KeyringError, KeyringLocked

        try:
            yield
        except KeyringLocked as error:
            raise StoreError(
                f"the keyring {self.backend_name} is locked: unlock it and try again, {_INSTEAD}"
            ) from error
        except KeyringError as error:
            raise StoreError(f"the keyring {self.backend_name} cannot {what}: {error}") from error
        except Exception as error:  # noqa: BLE001 - backends raise what they like
            # Nor is it shown: some put the text they were given in it.
            kind = type(error).__name__
            raise StoreError(f"the keyring {self.backend_name} cannot {what} ({kind})") from None


def _library() -> Callable[[], Backend]:
    try:
        import keyring
    except ImportError as error:
        raise StoreError(
            "KeyringStore needs the keyring library: pip install 'grantflow[keyring]'"
        ) from error
    return keyring.get_keyring


def _found(get_keyring: Callable[[], Backend]) -> Backend:
    try:
        return get_keyring()
    except Exception as error:
        # What its settings name may be no backend, no module, or not for this system.
        raise StoreError(
            f"keyring cannot load the backend of its settings ({error}): correct "
            f"PYTHON_KEYRING_BACKEND or keyringrc.cfg, {_INSTEAD}"
        ) from error


def _first(chain: Backend) -> Backend:
    backends = getattr(chain, "backends", None)
    return backends[0] if isinstance(backends, list) and backends else chain


def _name(backend: Backend) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _priority(backend: Backend) -> float:
    try:
        priority = getattr(backend, "priority", 1)
    except Exception:  # noqa: BLE001 - it raises what it likes where it is of no use
        return -1
    return priority if isinstance(priority, (int, float)) else 1
