"""A process that is forked while its parent's source is at work, and a source asked by itself."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from grantflow import (
    Client,
    DeviceAuthorization,
    FileStore,
    MemoryStore,
    Request,
    Response,
    TokenSource,
)
from grantflow.aio import AsyncTokenSource
from grantflow.shell.stores import KeyringStore
from grantflow.shell.stores.base import BaseStore
from grantflow.testing import Script, Server, ServerTransport, VirtualClock
from tests.support.forking import CLIENT, PHASES, Phase, fork_in
from tests.support.keyring_fake import DictKeyring

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is a fork")


@pytest.mark.parametrize("kind", ["memory", "file", "keyring"])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("way", ["blocking", "asyncio"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_starts_a_flight_of_its_own(
    phase: Phase, kind: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its parent is doing: it waits for no thread that it does not have."""
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path))
    stores: dict[str, BaseStore] = {
        "memory": MemoryStore(),
        "file": FileStore(tmp_path),
        "keyring": KeyringStore(backend=DictKeyring()),
    }
    fork_in(phase, way, stores[kind], monkeypatch, shared=kind != "memory")


def test_a_source_that_is_asked_by_its_own_callback_says_so() -> None:
    """In the prompt, in the function that makes the client, and in the transport."""
    raised: list[str] = []

    def ask() -> None:
        with pytest.raises(RuntimeError, match="asked from within its own callback") as told:
            source.token()
        raised.append(str(told.value))

    def send(request: Request) -> Response:
        ask()
        return Response(200, {}, b'{"access_token": "a1"}')

    source = TokenSource(CLIENT, "client_credentials", store=MemoryStore(), transport=send)
    assert source.token().access_token.reveal() == "a1"
    assert len(raised) == 1
    assert source.token().access_token.reveal() == "a1", "a later call is none of its callbacks"


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_so_does_one_that_awaits(loop: str) -> None:
    raised: list[str] = []

    async def send(request: Request) -> Response:
        with pytest.raises(RuntimeError, match="asked from within its own callback") as told:
            await source.token()
        raised.append(str(told.value))
        return Response(200, {}, b'{"access_token": "a1"}')

    source = AsyncTokenSource(CLIENT, "client_credentials", store=MemoryStore(), transport=send)
    assert anyio.run(source.token, backend=loop).access_token.reveal() == "a1"
    assert len(raised) == 1


def test_so_does_one_whose_prompt_or_log_handler_asks() -> None:
    asked: list[str] = []

    def ask(by: str) -> None:
        with pytest.raises(RuntimeError, match="asked from within its own callback"):
            source.token()
        asked.append(by)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ask("handler")

    def prompt(_: DeviceAuthorization) -> None:
        ask("prompt")

    server = Server(Script(approve_after=timedelta()))
    clock = VirtualClock()
    source = TokenSource(
        Client(provider=server.provider, client_id="app"),
        store=MemoryStore(),
        transport=ServerTransport(server, clock),
        clock=clock,
        prompt=prompt,
    )
    log, handler = logging.getLogger("grantflow"), Handler(logging.INFO)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        source.token()
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
    assert set(asked) == {"prompt", "handler"}
