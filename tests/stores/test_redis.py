"""What needs no Redis: where there is none. The rest is in ``interop/stores``."""

from __future__ import annotations

import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import timedelta

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from grantflow.shell.ports import StoreError
from grantflow.shell.stores import RedisStore
from grantflow.shell.stores.redis_lock import leased
from tests.support.store_contract import FULL, SOON


@pytest.fixture
def nobody() -> int:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_a_server_that_does_not_answer_is_told_without_the_password(
    nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis.retry.sleep", lambda pause: None)
    store = RedisStore(f"redis://user:s3cret@127.0.0.1:{nobody}/0")
    calls = (
        lambda: store.read("key"),
        lambda: store.save("key", FULL),
        lambda: store.forget("key"),
        lambda: store.keys(),
        lambda: store.clear(),
        lambda: store.claim("key").__enter__(),
    )
    for call in calls:
        with pytest.raises(StoreError) as raised:
            call()
        text = told(raised.value)
        assert f"cannot use Redis at 127.0.0.1:{nobody}: " in text
        assert "s3cret" not in text
    assert repr(store) == f"RedisStore(<127.0.0.1:{nobody}>, 'grantflow:')"


@pytest.mark.parametrize(
    "url",
    [
        "http://host/s3cret",
        "redis://user:s3/cret@host:6379",
        "redis://:s3cret#@host:1",
        "s3cret",
        "",
    ],
)
def test_what_is_no_url_is_told_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"client_or_url: this is no URL of a Redis") as raised:
        RedisStore(url)
    assert "s3" not in told(raised.value).replace(__file__, "").partition("ValueError")[2]


class Repeating:
    """A server that repeats what it does not know."""

    def execute_command(self, *args: str | bytes | int, **options: object) -> object:
        raise ResponseError(f"unknown command '{args[0]}', with args beginning with: {args[1:]}")

    def scan_iter(self, match: str | None = None, count: int | None = None) -> Iterator[object]:
        return iter(())


def test_what_a_server_repeats_is_not_told() -> None:
    store = RedisStore(Repeating(), "s3cret-prefix:")
    with pytest.raises(StoreError) as raised:
        store.read("key")
    assert str(raised.value) == "cannot use Redis at its servers: unknown command 'GET'"
    assert raised.value.__suppress_context__


def test_a_server_that_is_silent_is_asked_once() -> None:
    """Each attempt waits for the whole time limit, and the lock of a token is held meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SOON)
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StoreError, match=f"cannot use Redis at {place}: "):
            RedisStore(f"redis://{place}/0?socket_timeout=0.2").read("key")
        silent.accept()[0].close()
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_renewal_under_way_does_not_bring_a_released_lock_back() -> None:
    order: list[str] = []
    under_way, goes_on = threading.Event(), threading.Event()

    def ask(*command: str | bytes | int) -> object:
        if threading.current_thread() is not threading.main_thread():
            under_way.set()
            goes_on.wait(SOON)
            order.append("renewed")
        else:
            order.append("taken" if "SET" in str(command[1]) else "released")
        return 1

    with leased(ask, "lock", timedelta(seconds=1), wait=True):
        under_way.wait(SOON)
        threading.Timer(0.1, goes_on.set).start()
    assert order == ["taken", "renewed", "released"]


def test_a_lease_has_a_length() -> None:
    with pytest.raises(ValueError, match="lease: at least"):
        RedisStore(Redis(), lease=timedelta())


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.exceptions", None)
    with pytest.raises(StoreError, match=r"pip install 'grantflow\[redis\]'"):
        RedisStore("redis://host")
