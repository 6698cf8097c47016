"""What the environment says: where files live, and which token or secret was handed over."""

from __future__ import annotations

import os
from pathlib import Path

from grantflow.core.values.secret import Secret


def home() -> Path:
    """Return the folder of all files: ``GRANTFLOW_HOME``, else this platform's place for data."""
    named = os.environ.get("GRANTFLOW_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("grantflow", appauthor=False)


def token_given(profile: str | None = None) -> Secret | None:
    """Return the access token of ``GRANTFLOW_TOKEN_<PROFILE>``, else of ``GRANTFLOW_TOKEN``."""
    names = variables_of(profile)
    return next((Secret(text) for name in names if (text := os.environ.get(name))), None)


def variables_of(profile: str | None = None) -> tuple[str, ...]:
    """Return the variables that may hold a token of this profile, the first one set wins."""
    if not profile:
        return ("GRANTFLOW_TOKEN",)
    return (f"GRANTFLOW_TOKEN_{_variable(profile)}", "GRANTFLOW_TOKEN")


def client_secret_given() -> Secret | None:
    """Return the client secret of ``GRANTFLOW_CLIENT_SECRET``."""
    text = os.environ.get("GRANTFLOW_CLIENT_SECRET")
    return Secret(text) if text else None


def _variable(profile: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in profile.upper())
