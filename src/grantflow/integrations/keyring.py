"""A backend for the ``keyring`` library: pip, uv and twine ask it for the password of an index.

It is named where it is wanted, and never found by itself: it would come before the keyring in which
other programs, and ``KeyringStore``, keep what they store::

    PYTHON_KEYRING_BACKEND=grantflow.integrations.keyring.GrantflowKeyring

The password is the token of the profile whose origins name the index (``login --origin``).
"""

from __future__ import annotations

from typing import Final, final

from keyring.backend import KeyringBackend
from keyring.credentials import SimpleCredential
from keyring.errors import PasswordSetError

from grantflow.shell.auth.header import Spelling
from grantflow.shell.profiles.errors import ProfileError
from grantflow.shell.sources.blocking import TokenSource
from grantflow.shell.sources.results import GrantError

_BARE: Final = Spelling("Authorization", "")

USER: Final = "__token__"
"""The user name of a token at an index, unless the caller has another one."""


@final
class GrantflowKeyring(KeyringBackend):
    """Gives the tokens of profiles; it stores nothing, and never prompts."""

    priority = 1  # pyright: ignore[reportAssignmentType] - keyring's own way to say it

    def get_password(self, service: str, username: str) -> str | None:  # noqa: ARG002
        """Return the token for the index at a URL, or at a host; ``None`` if there is none."""
        url = service if "://" in service else f"https://{service}"
        try:
            source = TokenSource.for_url(url)
            return _BARE.text(source.token())
        except (ProfileError, GrantError):
            return None

    def get_credential(self, service: str, username: str | None) -> SimpleCredential | None:
        """Return the token with the user name that goes with it."""
        password = self.get_password(service, username or "")
        return None if password is None else SimpleCredential(username or USER, password)

    def set_password(self, service: str, username: str, password: str) -> None:  # noqa: ARG002
        """Store nothing: ``PasswordSetError``; nothing is deleted either."""
        raise PasswordSetError("grantflow stores no passwords; use grantflow login")
