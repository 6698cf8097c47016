"""A keyring that is a dictionary, as narrow as Windows' Credential Manager."""

from __future__ import annotations

from keyring.errors import PasswordDeleteError, PasswordSetError

MOST_BYTES = 2560


class CrashError(BaseException):
    """The process ends here."""


class DictKeyring:
    """No ``KeyringBackend``: those are found by every ``keyring`` of this process."""

    priority = 5.0

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.steps_left: int | None = None

    def get_password(self, service: str, username: str) -> str | None:
        self._step()
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._step()
        if len(password.encode("utf-16-le")) > MOST_BYTES:
            raise PasswordSetError("too long")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._step()
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError("not found")

    def _step(self) -> None:
        """Crash where the steps end."""
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise CrashError
            self.steps_left -= 1
