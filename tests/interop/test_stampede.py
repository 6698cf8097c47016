"""The race that kills a login elsewhere: many callers, one expired token, one refresh token.

oidc-provider rotates refresh tokens and ends the whole grant when an old one comes back.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from grantflow import Client, FileStore, Token, TokenSource

from .library import Wire, client_of, signed_in, userinfo
from .servers import RealServer, start_oidc_provider

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_oidc_provider")]

THREADS = 50


@pytest.fixture(scope="module")
def slow() -> Iterator[RealServer]:
    with start_oidc_provider(token_delay_ms=50, interval=1) as found:
        yield found


def aged(token: Token) -> Token:
    assert token.issued_at is not None
    return evolve(token, expires_at=token.issued_at - timedelta(hours=1))


def at_once(calls: list[Callable[[], Token]]) -> set[str]:
    barrier = threading.Barrier(len(calls))

    def call(get: Callable[[], Token]) -> str:
        barrier.wait()
        return get().access_token.reveal()

    with ThreadPoolExecutor(len(calls)) as pool:
        return set(pool.map(call, calls))


def source(client: Client, directory: Path) -> TokenSource:
    return TokenSource(client, store=FileStore(directory), transport=Wire(), interactive=False)


def test_threads_and_sources_refresh_once_and_the_grant_lives(
    slow: RealServer, tmp_path: Path
) -> None:
    client = client_of(slow, "device-public")
    first = source(client, tmp_path)
    store = FileStore(tmp_path)
    store.save(first.key, aged(signed_in(slow, client)))
    before = slow.stats()
    assert len(at_once([first.token] * THREADS)) == 1
    assert slow.stats().since(before).grants["refresh_token"] == 1
    stored = store.read(first.key)
    assert stored is not None
    store.save(first.key, aged(stored))
    assert len(at_once([source(client, tmp_path).token for _ in range(THREADS)])) == 1
    assert slow.stats().since(before).grants["refresh_token"] == 2
    token = source(client, tmp_path).token()
    assert userinfo(client, token).status == 200, "the grant is alive afterwards"


PROGRAM = """
import json, sys, time
from pathlib import Path
from grantflow import Client, FileStore, Provider, TokenSource
said = json.loads(sys.argv[1])
provider = Provider(**said["provider"])
client = Client(provider=provider, client_id=said["client_id"], scope=said["scope"])
source = TokenSource(client, store=FileStore(Path(said["directory"])), interactive=False)
time.sleep(max(0, said["at"] - time.time()))
print(source.token().access_token.reveal())
"""


def test_processes_refresh_once_and_the_grant_lives(slow: RealServer, tmp_path: Path) -> None:
    client = client_of(slow, "device-public")
    mine = source(client, tmp_path)
    FileStore(tmp_path).save(mine.key, aged(signed_in(slow, client)))
    provider = client.provider
    said = {
        "provider": {
            "name": "real",
            "issuer": provider.issuer,
            "token_endpoint": provider.token_endpoint,
            "device_authorization_endpoint": provider.device_authorization_endpoint,
            "pkce_supported": provider.pkce_supported,
        },
        "client_id": client.client_id,
        "scope": list(client.scope),
        "directory": str(tmp_path),
        "at": time.time() + 3,
    }
    before = slow.stats()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(said)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, outputs
    assert len({out for out, _ in outputs}) == 1
    assert slow.stats().since(before).grants["refresh_token"] == 1
    assert userinfo(client, mine.token()).status == 200
