"""A process that is forked while its parent's source is at work in one of its phases."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Literal

import anyio
import pytest

from grantflow import Client, Provider, Request, Response, Token, TokenSource
from grantflow.aio import AsyncTokenSource
from grantflow.shell.stores.base import BaseStore

Phase = Literal["reading", "locked", "sending", "saving"]
PHASES: tuple[Phase, ...] = ("reading", "locked", "sending", "saving")
PROVIDER = Provider(
    name="x",
    token_endpoint="https://x.example/t",
    device_authorization_endpoint="https://x.example/d",
)
CLIENT = Client(provider=PROVIDER, client_id="app")


class Gate:
    """Holds one thread of the parent at one phase."""

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.parent = os.getpid()
        self.reached = threading.Event()
        self.opened = threading.Event()

    def at(self, phase: Phase) -> None:
        if phase == self.phase and os.getpid() == self.parent and not self.reached.is_set():
            self.reached.set()
            assert self.opened.wait(60)

    def send(self, request: Request) -> Response:
        self.at("sending")
        body = b'{"access_token": "a1", "refresh_token": "r1", "expires_in": 3600}'
        return Response(200, {}, body)

    async def send_async(self, request: Request) -> Response:
        return await anyio.to_thread.run_sync(self.send, request)

    def watched(self, store: BaseStore, monkeypatch: pytest.MonkeyPatch) -> BaseStore:
        """Return the store with gates around what it does."""
        kind = type(store)
        read, claimed = kind.read, kind.claim

        def gated_read(self_: BaseStore, key: str, /) -> Token | None:
            self.at("reading")
            return read(self_, key)

        def gated_claim(
            self_: BaseStore, key: str, /, wait: bool = True
        ) -> AbstractContextManager[object]:
            return _Held(claimed(self_, key, wait), self)

        monkeypatch.setattr(kind, "read", gated_read)
        monkeypatch.setattr(kind, "claim", gated_claim)
        return store


class _Held:
    def __init__(self, held: AbstractContextManager[object], gate: Gate) -> None:
        self._held = held
        self._gate = gate

    def __enter__(self) -> object:
        entry = self._held.__enter__()
        self._gate.at("locked")
        return None if entry is None else _Entry(entry, self._gate)

    def __exit__(self, *error: object) -> None:
        self._held.__exit__(*error)  # type: ignore[arg-type]


class _Entry:
    def __init__(self, entry: object, gate: Gate) -> None:
        self._entry = entry
        self._gate = gate

    def __getattr__(self, name: str) -> object:
        if name == "save":
            self._gate.at("saving")
        return getattr(self._entry, name)


def child_ends_well(action: Callable[[], object]) -> bool:
    """Fork, and tell whether the child got through the action in time."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            action()
        except BaseException:  # noqa: BLE001 - whatever it is, the child ends here
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def fork_in(
    phase: Phase, way: str, store: BaseStore, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    """Fork while a thread of the parent is in a phase, and ask in the child as well.

    A lock that is ``shared`` belongs to the parent, and the child waits for it as any process does.
    """
    gate = Gate(phase)
    now = datetime.now(UTC)
    ended = Token(
        access_token="a0",
        refresh_token="r0",
        issued_at=now - timedelta(hours=2),
        expires_at=now - timedelta(hours=1),
    )
    source = TokenSource(CLIENT, store=store, interactive=False, transport=gate.send)
    awaiting = AsyncTokenSource(CLIENT, store=store, interactive=False, transport=gate.send_async)
    store.save(source.key, ended)
    gate.watched(store, monkeypatch)

    def get() -> object:
        return source.token() if way == "blocking" else anyio.run(awaiting.token)

    parent = threading.Thread(target=get)
    parent.start()
    assert gate.reached.wait(60)
    if shared and phase != "reading":
        threading.Timer(0.3, gate.opened.set).start()
    try:
        assert child_ends_well(get)
    finally:
        gate.opened.set()
        parent.join(60)
