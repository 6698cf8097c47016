"""Real places for tokens as fixtures."""

from __future__ import annotations

import gc
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from redis import Redis

from tests.interop.conftest import demand

from .servers import (
    RedisServer,
    SecretService,
    missing_redis,
    missing_secret_service,
    start_redis,
    start_secret_service,
)

TRIES = 3


def drop_sockets() -> None:
    """Close what the keyring library left open where a call failed; no other test is to blame."""
    sys.last_value = sys.last_traceback = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def needs_redis() -> None:
    """For tests that start a redis-server themselves."""
    demand(missing_redis())


@pytest.fixture(scope="session")
def redis_server(needs_redis: None) -> Iterator[RedisServer]:
    with start_redis() as server:
        yield server


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Redis]:
    """An empty server."""
    with redis_server.client() as client:
        client.flushall()
        yield client


class Keyring:
    """The Secret Service of the whole session, started when it is needed, and when it died."""

    def __init__(self) -> None:
        self.held = ExitStack()
        self.service: SecretService | None = None

    @property
    def died(self) -> bool:
        return self.service is not None and self.service.died

    def alive(self) -> SecretService:
        if self.service is None or self.service.died:
            self.held.close()
            self.service = self.held.enter_context(start_secret_service())
        return self.service


KEYRING = Keyring()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test again if gnome-keyring itself ended in it, which says nothing about us.

    Version 42 runs into an assertion of GLib about once in some thousand connections, and the
    keyring library makes one for every call.
    """
    if not isinstance(item, pytest.Function) or "secret_service" not in item.fixturenames:
        return None
    for left in reversed(range(TRIES)):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if not left or not KEYRING.died or all(not report.failed for report in reports):
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            break
        drop_sockets()
        item._initrequest()  # noqa: SLF001
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture(scope="session")
def _keyring() -> Iterator[Keyring]:
    demand(missing_secret_service())
    with KEYRING.held:
        yield KEYRING


@pytest.fixture
def secret_service(
    _keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretService]:
    """The keyring of this process, as of any child; and a home for its locks."""
    service = _keyring.alive()
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))
    yield service
    drop_sockets()


@pytest.fixture
def unique() -> str:
    """A name that no other test has."""
    return uuid.uuid4().hex
