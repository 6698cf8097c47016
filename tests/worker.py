"""One process of a fleet: gets a token from a shared store, and prints what it got.

``python worker.py ISSUER DIRECTORY GRANT [LATEST_START]`` waits until the wall clock shows
LATEST_START, so that all of them begin together.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from grantflow import Client, FileStore, Provider, TokenSource


def source(issuer: str, directory: str, grant: str) -> TokenSource:
    provider = Provider(
        name="test",
        issuer=issuer,
        token_endpoint=f"{issuer}/token",
        device_authorization_endpoint=f"{issuer}/device",
    )
    client = Client(provider=provider, client_id="app", scope="read")
    kind = "client_credentials" if grant == "client_credentials" else "device"
    return TokenSource(client, kind, store=FileStore(Path(directory)), interactive=False)


if __name__ == "__main__":
    made = source(*sys.argv[1:4])
    if len(sys.argv) > 4:
        time.sleep(max(0.0, float(sys.argv[4]) - time.time()))
    print(made.token().access_token.reveal())
