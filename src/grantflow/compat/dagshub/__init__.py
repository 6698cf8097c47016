"""``dagshub.auth``: tokens of DagsHub for calls to its API, and for what else wants one.

Rules, the first that applies:

1. ``DAGSHUB_USER_TOKEN`` is used as it is, for the configured deployment alone.
2. Of the tokens in DagsHub's own file, app tokens go before those of sign-ins. What has ended, or
   what DagsHub refuses with a 401, is removed; trouble in asking removes nothing.
3. A person is asked to sign in, one at a time; with ``fail_if_no_token`` nobody ever is.
"""

from __future__ import annotations

from pathlib import Path

from grantflow import Secret

try:
    from grantflow.compat.dagshub.authenticator import DagshubAuthenticator
    from grantflow.compat.dagshub.config import cache_of
    from grantflow.compat.dagshub.errors import (
        InvalidTokenError,
        NoTokenError,
        OauthNonInteractiveShellException,
        UncheckedTokenError,
    )
    from grantflow.compat.dagshub.token_auth import DagshubTokenABC
    from grantflow.compat.dagshub.tokens import TokenStorage, storage_at
except ModuleNotFoundError as _missing:
    if _missing.name in ("anyio", "httpx", "yaml"):
        raise ImportError(
            f"grantflow.compat.dagshub needs {_missing.name}: pip install 'grantflow[dagshub]'",
            name=_missing.name,
        ) from _missing
    raise

__all__ = [
    "DagshubAuthenticator",
    "InvalidTokenError",
    "NoTokenError",
    "OauthNonInteractiveShellException",
    "TokenStorage",
    "UncheckedTokenError",
    "add_app_token",
    "add_oauth_token",
    "clear_token_cache",
    "get_authenticator",
    "get_token",
    "get_token_object",
]


def get_token(
    *,
    fail_if_no_token: bool = False,
    cache_location: str | Path | None = None,
    host: str | None = None,
) -> str:
    """Return the text of a valid token, after a sign-in if there is none.

    With ``fail_if_no_token`` nobody is asked. Raises ``NoTokenError`` (a ``RuntimeError``), and
    ``ValueError`` for a ``host`` that cannot be used.
    """
    return _storage(cache_location).get_token(host, fail_if_no_token)


def get_token_object(
    *,
    fail_if_no_token: bool = False,
    cache_location: str | Path | None = None,
    host: str | None = None,
) -> DagshubTokenABC:
    """Return what ``get_token`` returns, with its kind and its end."""
    return _storage(cache_location).get_token_object(host, fail_if_no_token)


def get_authenticator(
    *,
    fail_if_no_token: bool = False,
    cache_location: str | Path | None = None,
    host: str | None = None,
) -> DagshubAuthenticator:
    """Return an ``auth`` for requests of ``httpx`` and of ``requests``; raises as ``get_token``.

    After a 401 it tries the next token of the file, then a sign-in, and sends the request again,
    once; with ``fail_if_no_token`` nobody is asked then, either.
    """
    return _storage(cache_location).get_authenticator(host, fail_if_no_token)


def add_app_token(
    token: str | Secret, host: str | None = None, *, cache_location: str | Path | None = None
) -> None:
    """Store a long-lived token, which a person made in the settings, if DagsHub takes it.

    Raises ``InvalidTokenError`` where DagsHub refuses it, ``UncheckedTokenError`` where that could
    not be asked, and ``StoreError`` (an ``OSError``) where it cannot be stored.
    """
    token = Secret(token.strip()) if isinstance(token, str) else token
    _storage(cache_location).add_token(token, host)


def add_oauth_token(
    host: str | None = None,
    referrer: str | None = None,
    *,
    cache_location: str | Path | None = None,
) -> None:
    """Ask a person to sign in now, and store the token; ``referrer`` becomes a part of the link.

    Raises ``NoTokenError``, and ``StoreError`` (an ``OSError``).
    """
    _storage(cache_location).add_oauth_token(host, referrer)


def clear_token_cache(force: bool = False, *, cache_location: str | Path | None = None) -> None:
    """Remove the file with all tokens of all deployments; asks before, unless ``force``."""
    storage = _storage(cache_location)
    if not force and not _agreed(storage.cache_location):
        print("Nothing was removed")
        return
    found = storage.clear()
    print(f"Removed {storage.cache_location}" if found else "There is no token cache to remove")


def _agreed(path: str) -> bool:
    try:
        said = input(f"Remove ALL tokens of {path}? [y/(N)] ")
    except EOFError:  # nobody is there
        return False
    return said.strip().lower() in ("y", "yes")


def _storage(location: str | Path | None) -> TokenStorage:
    return storage_at(cache_of(location))
