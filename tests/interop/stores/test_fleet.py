"""A fleet over one redis: one token request, and one refresh that nobody loses."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from attrs import evolve
from redis import Redis

from grantflow import Client, RedisStore, TokenSource
from grantflow.testing import Loopback, Script, serve

from .servers import RedisServer

pytestmark = pytest.mark.interop

PROGRAM = """
import sys, time
from grantflow import Client, Provider, RedisStore, TokenSource
issuer, url, grant, when = sys.argv[1:]
provider = Provider(
    name="test",
    issuer=issuer,
    token_endpoint=f"{issuer}/token",
    device_authorization_endpoint=f"{issuer}/device",
)
client = Client(provider=provider, client_id="app", scope="read")
source = TokenSource(client, grant, store=RedisStore(url), interactive=False)
time.sleep(max(0, float(when) - time.time()))
print(source.token().access_token.reveal())
"""


@pytest.fixture
def server() -> Iterator[Loopback]:
    script = Script(latency=timedelta(milliseconds=50), interval=timedelta(milliseconds=1))
    with serve(script) as found:
        yield found


def fleet(server: Loopback, redis: RedisServer, grant: str, size: int = 4) -> set[str]:
    when = str(time.time() + 3)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, server.issuer, redis.url, grant, when],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(size)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * size, outputs
    return {out for out, _ in outputs}


def test_a_fleet_asks_once(server: Loopback, redis_server: RedisServer, client: Redis) -> None:
    assert len(fleet(server, redis_server, "client_credentials")) == 1
    assert server.server.counts == {"client_credentials": 1}


def test_a_fleet_refreshes_once_and_keeps_the_login(
    server: Loopback, redis_server: RedisServer, client: Redis
) -> None:
    asking = Client(provider=server.provider, client_id="app", scope="read")
    store = RedisStore(redis_server.url)
    source = TokenSource(asking, store=store, prompt=lambda code: server.approve(code.user_code))
    token = source.token()
    assert token.issued_at is not None
    store.save(source.key, evolve(token, expires_at=token.issued_at - timedelta(hours=1)))
    assert len(fleet(server, redis_server, "device")) == 1
    assert server.server.counts["refresh"] == 1
    assert "reuse" not in server.server.counts
