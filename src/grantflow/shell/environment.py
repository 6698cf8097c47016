"""What the environment says: where files are stored, and which token or secret it holds.

``data_folder`` imports nothing on Linux: ``grantflow token`` runs in front of other commands.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from grantflow.core.values.secret import Secret


def data_folder() -> str:
    """Return the data directory: ``GRANTFLOW_HOME``, else this platform's place for user data.

    Raises ``StoreError`` if there is no home directory.
    """
    named = os.environ.get("GRANTFLOW_HOME")
    if named:
        found = os.path.expanduser(named)
        return _no_home() if found.startswith("~") else found
    data = os.environ.get("XDG_DATA_HOME", "")
    user = os.environ.get("HOME", "")
    # What is unusual is platformdirs' to say: it knows every platform.
    if sys.platform == "linux" and "ANDROID_DATA" not in os.environ:
        if data.startswith("/"):
            return os.path.join(data, "grantflow")
        if not data and user.startswith("/"):
            return os.path.join(user, ".local", "share", "grantflow")
    from platformdirs import user_data_dir

    try:
        return user_data_dir("grantflow", appauthor=False)
    except RuntimeError:
        return _no_home()


def home() -> Path:
    """Return the data directory as a path."""
    from pathlib import Path

    return Path(data_folder())


def _no_home() -> str:
    from grantflow.shell.ports import StoreError

    raise StoreError(
        "there is no home directory to store anything in: set HOME, or GRANTFLOW_HOME, to a folder"
    )


def token_given(profile: str | None = None) -> Secret | None:
    """Return the access token of ``GRANTFLOW_TOKEN_<PROFILE>``, else of ``GRANTFLOW_TOKEN``."""
    from grantflow.core.values.secret import Secret

    name = token_variable(profile)
    return None if name is None else Secret(os.environ[name].strip())


def token_variable(profile: str | None = None) -> str | None:
    """Return the variable that holds a token of this profile, if one is set."""
    return next((name for name in variables_of(profile) if os.environ.get(name, "").strip()), None)


def variables_of(profile: str | None = None) -> tuple[str, ...]:
    """Return the variables that may hold a token of this profile; the first one set wins."""
    if not profile:
        return ("GRANTFLOW_TOKEN",)
    return (f"GRANTFLOW_TOKEN_{_variable(profile)}", "GRANTFLOW_TOKEN")


def client_secret_given() -> Secret | None:
    """Return the client secret of ``GRANTFLOW_CLIENT_SECRET``, without the blanks around it.

    A line break at its end comes from the file that it was read from (RFC 6749 appendix A.2 has no
    such character).
    """
    from grantflow.core.values.secret import Secret

    text = os.environ.get("GRANTFLOW_CLIENT_SECRET", "").strip()
    return Secret(text) if text else None


def _variable(profile: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in profile.upper())
