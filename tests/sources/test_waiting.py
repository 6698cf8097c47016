"""Whoever waits for another owner of a token's lock is told whose token it is, after a second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from grantflow import FileStore, MemoryStore, Request, Response, Store, TokenSource, WaitingForOther
from grantflow.aio import AsyncTokenSource
from tests.support.forking import CLIENT


def send(_: Request) -> Response:
    return Response(200, {}, b'{"access_token": "a1", "expires_in": 3600}')


async def send_async(request: Request) -> Response:
    return send(request)


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("way", ["blocking", "asyncio", "trio"])
def test_who_waits_for_a_second_is_told(
    way: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "grantflow")
    store: Store = MemoryStore() if kind == "memory" else FileStore(tmp_path)
    held, told = threading.Event(), threading.Event()
    seen: list[object] = []

    def observe(event: object) -> None:
        seen.append(event)
        if isinstance(event, WaitingForOther):
            told.set()

    def hold(key: str) -> None:
        with store.claim(key):
            held.set()
            assert told.wait(60)

    get = source(way, store, observe)
    other = threading.Thread(target=hold, args=(get.key,))
    other.start()
    assert held.wait(60)
    ask(get, "trio" if way == "trio" else "asyncio")
    other.join(60)
    waited = [event for event in seen if isinstance(event, WaitingForOther)]
    assert [(each.key, each.client_id) for each in waited] == [(get.key, CLIENT.client_id)]
    assert [r.levelname for r in caplog.records if "another process" in r.getMessage()] == ["INFO"]


@pytest.mark.parametrize("way", ["blocking", "asyncio"])
def test_who_finds_the_lock_free_is_told_nothing(way: str) -> None:
    seen: list[object] = []
    ask(source(way, MemoryStore(), seen.append))
    assert not [event for event in seen if isinstance(event, WaitingForOther)]


def source(
    way: str, store: Store, observe: Callable[[object], None]
) -> TokenSource | AsyncTokenSource:
    if way == "blocking":
        return TokenSource(
            CLIENT, "client_credentials", store=store, transport=send, on_event=observe
        )
    return AsyncTokenSource(
        CLIENT, "client_credentials", store=store, transport=send_async, on_event=observe
    )


def ask(made: TokenSource | AsyncTokenSource, loop: str = "asyncio") -> None:
    if isinstance(made, TokenSource):
        made.token()
    else:
        anyio.run(made.token, backend=loop)
