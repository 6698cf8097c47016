"""A process that is forked while its parent's source is at work, and a source asked by itself."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import anyio
import pytest

from grantflow import (
    Client,
    FileStore,
    MemoryStore,
    Provider,
    Request,
    Response,
    Token,
    TokenSource,
)
from grantflow.aio import AsyncTokenSource
from grantflow.shell.stores.base import BaseStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is a fork")

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


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("way", ["blocking", "asyncio"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_starts_a_flight_of_its_own(
    phase: Phase, kind: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its parent is doing: it waits for no thread that it does not have."""
    gate = Gate(phase)
    store: BaseStore = MemoryStore() if kind == "memory" else FileStore(tmp_path)
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

    # A file's lock belongs to the parent, and the child waits for that as any process does.
    waits_for_parent = kind == "file" and phase in ("locked", "sending", "saving")
    parent = threading.Thread(target=get)
    parent.start()
    assert gate.reached.wait(60)
    if waits_for_parent:
        threading.Timer(0.3, gate.opened.set).start()
    assert child_ends_well(get)
    gate.opened.set()
    parent.join(60)


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
