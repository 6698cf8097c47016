"""The keys of tokens from the known providers: changing one makes every user sign in again."""

from __future__ import annotations

import tomllib
from pathlib import Path

from grantflow import Client, providers
from grantflow.core.client.identity import key_of
from tests.support.provider_cases import FILES

PINNED = Path(__file__).parent / "keys.toml"


def keys() -> dict[str, str]:
    found = {}
    for name in providers.names():
        template = providers.template(name)
        given = FILES[name].get("asked", {}).get("values", {})
        client = Client(provider=template.filled(given), client_id="app", scope=("read", "write"))
        grant = template.grants[0] if template.grants else "app_token"
        found[name] = key_of(client, grant)
    return found


def test_no_key_of_a_known_provider_changes() -> None:
    """From the first release on, a change here is a breaking one, and has to be told as that."""
    assert keys() == tomllib.loads(PINNED.read_text(encoding="utf-8"))
