"""``dagshub.auth``: tokens of DagsHub for calls to its API, and for what else wants one.

Rules, the first that applies:

1. ``DAGSHUB_USER_TOKEN`` is used as it is, for the configured deployment alone.
2. Of the tokens in DagsHub's own file, app tokens go before those of sign-ins. What has ended, or
   what DagsHub refuses with a 401, is removed; trouble in asking removes nothing.
3. A person is asked to sign in, one at a time; never with ``fail_if_no_token``.
"""

from __future__ import annotations

try:
    from grantflow.compat.dagshub.authenticator import DagshubAuthenticator
    from grantflow.compat.dagshub.errors import (
        InvalidTokenError,
        NoTokenError,
        OauthNonInteractiveShellException,
        UncheckedTokenError,
    )
    from grantflow.compat.dagshub.token_storage import TokenStorage
    from grantflow.compat.dagshub.tokens import (
        add_app_token,
        add_oauth_token,
        clear_token_cache,
        get_authenticator,
        get_token,
        get_token_object,
    )
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
