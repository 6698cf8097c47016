"""``dagshub.auth.tokens``: its functions, each for the tokens of one file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grantflow import Secret
from grantflow.compat.dagshub import config
from grantflow.compat.dagshub.authenticator import DagshubAuthenticator
from grantflow.compat.dagshub.errors import InvalidTokenError, NoTokenError
from grantflow.compat.dagshub.screen import agreed
from grantflow.compat.dagshub.token_auth import (
    AppDagshubToken,
    DagshubTokenABC,
    EnvVarDagshubToken,
    HTTPBearerAuth,
    OAuthDagshubToken,
    TokenDeserializationError,
)
from grantflow.compat.dagshub.token_storage import TokenStorage, storage_at, unused

__all__ = [
    "APP_TOKEN_TYPE",
    "AppDagshubToken",
    "DagshubAuthenticator",
    "DagshubTokenABC",
    "EnvVarDagshubToken",
    "HTTPBearerAuth",
    "InvalidTokenError",
    "NoTokenError",
    "OAuthDagshubToken",
    "TokenDeserializationError",
    "TokenStorage",
    "add_app_token",
    "add_oauth_token",
    "clear_token_cache",
    "get_authenticator",
    "get_token",
    "get_token_object",
]

APP_TOKEN_TYPE: Final = AppDagshubToken.token_type
"""The kind of a token that a person made by hand."""


def get_token(
    *,
    fail_if_no_token: bool | None = False,
    cache_location: str | Path | None = None,
    host: str | None = None,
    **unknown: object,
) -> str:
    """Return the text of a valid token, after a sign-in if there is none.

    With ``fail_if_no_token`` there is no prompt. Raises ``NoTokenError`` (a ``RuntimeError``), and
    ``ValueError`` for a ``host`` that cannot be used.
    """
    unused(unknown)
    return _storage(cache_location).get_token(host, bool(fail_if_no_token))


def get_token_object(
    *,
    fail_if_no_token: bool | None = False,
    cache_location: str | Path | None = None,
    host: str | None = None,
    **unknown: object,
) -> DagshubTokenABC:
    """Return what ``get_token`` returns, with its kind and its end."""
    unused(unknown)
    return _storage(cache_location).get_token_object(host, bool(fail_if_no_token))


def get_authenticator(
    *,
    fail_if_no_token: bool | None = False,
    cache_location: str | Path | None = None,
    host: str | None = None,
    **unknown: object,
) -> DagshubAuthenticator:
    """Return an ``auth`` for requests of ``httpx`` and of ``requests``; raises as ``get_token``.

    After a 401 it tries the next token of the file, then a sign-in, and sends the request again,
    once; with ``fail_if_no_token`` without a prompt.
    """
    unused(unknown)
    return _storage(cache_location).get_authenticator(host, bool(fail_if_no_token))


def add_app_token(
    token: str | Secret,
    host: str | None = None,
    *,
    cache_location: str | Path | None = None,
    **unknown: object,
) -> None:
    """Store a long-lived token, which a person made in the settings, if DagsHub takes it.

    Raises ``InvalidTokenError`` where DagsHub refuses it, ``UncheckedTokenError`` where that could
    not be asked, and ``StoreError`` (an ``OSError``) where it cannot be stored.
    """
    unused(unknown)
    token = Secret(token.strip()) if isinstance(token, str) else token
    _storage(cache_location).add_token(token, host)


def add_oauth_token(
    host: str | None = None,
    referrer: str | None = None,
    *,
    cache_location: str | Path | None = None,
    **unknown: object,
) -> None:
    """Ask a person to sign in now, and store the token; ``referrer`` becomes a part of the link.

    Raises ``NoTokenError``, and ``StoreError`` (an ``OSError``).
    """
    unused(unknown)
    _storage(cache_location).add_oauth_token(host, referrer)


def clear_token_cache(force: bool = False, *, cache_location: str | Path | None = None) -> None:
    """Remove the file with all tokens of all deployments; asks before, unless ``force``."""
    storage = _storage(cache_location)
    if not force and not agreed(storage.cache_location):
        print("Nothing was removed")
        return
    found = storage.clear()
    print(f"Removed {storage.cache_location}" if found else "There is no token cache to remove")


def _storage(location: str | Path | None) -> TokenStorage:
    return storage_at(config.cache_of(location))
