"""What is printed: the link of a sign-in, who is signed in, and a question."""

from __future__ import annotations

import sys
from typing import Final

from grantflow import DeviceAuthorization
from grantflow.compat.browser import open_link
from grantflow.compat.dagshub import config
from grantflow.flows import escaped


def show_link(authorization: DeviceAuthorization) -> None:
    """Print the link, alone on its line, to standard error, then open it."""
    link = authorization.verification_uri
    lines = (
        "AUTHORIZATION REQUIRED",
        "",
        "Open the following link in your browser to authorize the client:",
        escaped(link),
        "",
    )
    for line in lines:
        print(line, file=sys.stderr, flush=True)
    open_link(link)


greeted: Final[set[str]] = set()


def greet(name: str) -> None:
    """Print once in a process who is signed in."""
    if not greeted and not config.quiet():
        print(f"Accessing as {escaped(name)}", file=sys.stderr)
    greeted.add(name)


def agreed(path: str) -> bool:
    """Ask whether a file may be removed with all its tokens."""
    try:
        said = input(f"Remove ALL tokens of {path}? [y/(N)] ")
    except EOFError:  # there is no terminal
        return False
    return said.strip().lower() in ("y", "yes")
