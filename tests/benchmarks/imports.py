"""What an import costs, over a Python that does nothing: whole processes, in turn."""

from __future__ import annotations

import sys

from measured import Part, Row, best, in_turn

OURS = {
    "grantflow": "import grantflow",
    "grantflow, the machine": "from grantflow import Client, DeviceFlow, Provider, begin, outcome",
    "grantflow, the front door": "from grantflow import Client, Provider, TokenAuth, TokenSource",
}
THEIRS = {
    "oauthlib, its device client": "from oauthlib.oauth2 import DeviceClient",
    "msal": "import msal",
    "msal-extensions": "import msal_extensions",
    "requests_oauth2client": "import requests_oauth2client",
    "authlib over requests": "from authlib.integrations.requests_client import OAuth2Session",
    "requests_oauthlib": "from requests_oauthlib import OAuth2Session",
    "google-auth": "from google.oauth2.credentials import Credentials",
    "google-auth over requests": (
        "from google.oauth2.credentials import Credentials; "
        "from google.auth.transport.requests import AuthorizedSession"
    ),
    "httpx_auth": "from httpx_auth import OAuth2ClientCredentials",
    "huggingface_hub, its token": "from huggingface_hub import get_token",
    "requests": "import requests",
}


def main() -> None:
    """Measure, and tell."""
    programs = {"pass": "pass", **OURS, **THEIRS}
    commands = {name: [sys.executable, "-c", code] for name, code in programs.items()}
    found = in_turn(commands, rounds=20)
    nothing = found.pop("pass")
    # What is below the noise is nothing.
    over = {name: max(0.0, taken - nothing) for name, taken in found.items()}
    # A library of HTTP is no peer, and stands in the table for comparison only.
    who, least = best(over, [*OURS, "requests"])
    part = Part(head=["Import", "ms over `pass`"])
    part.lines = [[name, f"{over[name]:.1f}"] for name in over]
    part.rows = [
        Row("`import grantflow`", over["grantflow"], least, who, 0.6, "ms"),
        Row(
            "import of the names that a program with `requests` needs",
            over["grantflow, the front door"],
            over["requests_oauthlib"],
            "requests_oauthlib",
            None,
            "ms",
        ),
    ]
    part.tell()


if __name__ == "__main__":
    main()
