"""Ctrl-C in the thread that waits for a token: what was sent is saved, then it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType

import pytest

from grantflow import Fault, FileStore, Instant, Request, Token, TokenSource
from grantflow.core.client.identity import Grant
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Moment
from grantflow.shell.finish import Work
from tests.support.interruptions import Points, Stage, WatchedStore, nothing_is_left
from tests.support.samples import unmarked
from tests.support.token_process import source as source_of
from tests.support.token_server import TokenServer

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
    pytest.mark.timeout(60, method="thread"),
]


class SignalPoints(Points):
    """Sends SIGINT to the main thread at these points, and waits until it was felt there."""

    playing = False

    def there(self, name: str) -> None:
        if not self.playing:
            return
        self.names.append(name)
        if len(self.names) in self.numbers:
            interrupt()


_felt = threading.Event()
_left: list[int] = []
"""How many interrupts are raised: a third one would strike the test."""


def interrupt() -> None:
    """Interrupt the main thread, and return when its handler ran, unless it is this thread."""
    main = threading.main_thread().ident
    assert main is not None
    _felt.clear()
    signal.pthread_kill(main, signal.SIGINT)
    assert _felt.wait(20), "the thread that waits cannot be interrupted"


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    def struck(_: int, __: FrameType | None) -> None:
        _felt.set()
        if _left:
            _left.pop()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, struck)
    yield
    signal.signal(signal.SIGINT, before)


class BlockingStage(Stage):
    """The same server and store, and a blocking source with points all around it."""

    def watched(self) -> TokenSource:
        return TokenSource(
            self.client,
            self.grant,
            store=WatchedStore(self.store, self.points),
            transport=self._sent,
            clock=_WatchedClock(self),
            prompt=lambda code: self.shown.append(code),
        )

    def _sent(self, request: Request) -> Reply:
        self.points.there("to send")
        reply = self.transport(request)
        self.points.there("answered")
        return reply


class _WatchedClock:
    def __init__(self, stage: BlockingStage) -> None:
        self._stage = stage

    def now(self) -> Moment:
        return self._stage.clock.now()

    def sleep_until(self, at: Instant, /) -> None:
        self._stage.points.there("to sleep")
        self._stage.clock.sleep_until(at)
        self._stage.points.there("slept")


@contextmanager
def playing(points: SignalPoints) -> Iterator[None]:
    points.playing = True
    try:
        yield
    finally:
        for thread in threading.enumerate():
            if thread.name == "grantflow-send":  # left by a second interrupt
                while thread.is_alive():
                    thread.join(0.05)  # it waits until its interrupts are felt here
        points.playing = False


def swept(play: Callable[[SignalPoints], None], *, twice: bool) -> list[str]:
    number = 1
    while True:
        points = SignalPoints(number)
        play(points)
        if len(points.names) < number:
            return points.names
        if twice:
            play(SignalPoints(*range(number, number + 50)))
        number += 1


def interrupted(source: TokenSource) -> bool:
    _left[:] = [1, 2]
    try:
        source.token()
    except KeyboardInterrupt:
        return True
    return False


strikes = pytest.mark.parametrize("twice", [False, True], ids=["once", "again and again"])


@strikes
def test_a_refresh_is_finished_and_saved(twice: bool) -> None:
    saved: list[bool] = []

    def play(points: SignalPoints) -> None:
        stage = BlockingStage(points)
        old = stage.signed_in()
        source = stage.watched()
        with playing(points):
            was_interrupted = interrupted(source)
        assert was_interrupted == (len(points.names) >= points.numbers[0]), "it is raised"
        stored = stage.store.read(source.key)
        assert stage.counts.get("refresh", 0) == (unmarked(stored) != old), "what was sent is saved"
        saved.append(was_interrupted and unmarked(stored) != old)
        nothing_is_left(stage)
        again = stage.blocking()
        assert isinstance(again.renew(again.token()), Token)
        assert "reuse" not in stage.counts

    names = swept(play, twice=twice)
    assert {"to claim", "claimed", "to save", "saved", "to sleep", "to send", "answered"} <= set(
        names
    )
    assert {True, False} == set(saved)


@strikes
@pytest.mark.parametrize("grant", ["device", "client_credentials"])
def test_a_sign_in_keeps_what_a_poll_brought(grant: Grant, twice: bool) -> None:
    def play(points: SignalPoints) -> None:
        stage = BlockingStage(points, grant)
        source = stage.watched()
        with playing(points):
            interrupted(source)
        stored = stage.store.read(source.key)
        grants = list(stage.transport.server.grants.values())
        if grant == "device":
            assert len(grants) == (stored is not None), "an issued token is stored"
        nothing_is_left(stage)
        assert isinstance(stage.blocking(interactive=True).token(), Token)

    assert {"to send", "answered", "to save"} <= set(swept(play, twice=twice))


def test_a_thread_that_others_wait_for_leaves_them_a_token() -> None:
    points = SignalPoints()
    stage = BlockingStage(points)
    stage.signed_in()
    others: list[Token] = []
    asking = threading.Event()

    def interrupting(request: Request) -> Reply:
        other.start()
        asking.wait(20)
        interrupt()
        return stage.transport(request)

    def ask() -> None:
        asking.set()
        others.append(source.token())

    other = threading.Thread(target=ask)
    source = TokenSource(
        stage.client,
        store=stage.store,
        transport=interrupting,
        clock=stage.clock,
        interactive=False,
    )
    assert interrupted(source)
    other.join(20)
    assert others == [stage.store.read(source.key)]
    assert stage.counts["refresh"] == 1


def test_a_second_interrupt_leaves_at_once_and_keeps_the_lock_until_it_is_saved() -> None:
    points = SignalPoints()
    stage = BlockingStage(points)
    old = stage.signed_in()
    left, both = threading.Event(), threading.Event()

    def slow(request: Request) -> Reply:
        interrupt()
        interrupt()
        both.set()
        assert left.wait(20), "the second interrupt is raised while the request is under way"
        return stage.transport(request)

    source = TokenSource(
        stage.client, store=stage.store, transport=slow, clock=stage.clock, interactive=False
    )
    assert interrupted(source)
    assert both.wait(20)
    with stage.store.claim(source.key, wait=False) as entry:
        assert entry is None, "whoever comes now waits for what was sent"
    left.set()
    with stage.store.claim(source.key) as entry:
        assert unmarked(entry.token) != old


def test_an_interrupt_before_the_work_began_prevents_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def never(_: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", never)
    with pytest.raises(KeyboardInterrupt):
        Work(lambda: done.append(1)).result()
    assert done == []


def test_what_fails_in_the_work_is_raised_where_it_is_waited_for() -> None:
    def broken(_: Request) -> Fault:
        raise SystemExit(3)

    stage = BlockingStage(SignalPoints())
    stage.signed_in()
    source = TokenSource(
        stage.client, store=stage.store, transport=broken, clock=stage.clock, interactive=False
    )
    with pytest.raises(SystemExit):
        source.token()
    nothing_is_left(stage)


_PROGRAM = {
    "blocking": "source(*sys.argv[1:4]).token()",
    "asyncio": "asyncio.run(tokens_of(awaiting(*sys.argv[1:4]), 3))",
    "trio": "anyio.run(tokens_of, awaiting(*sys.argv[1:4]), 3, backend='trio')",
}


@pytest.mark.parametrize("kind", _PROGRAM)
def test_a_process_that_gets_ctrl_c_saves_what_it_sent(kind: str, tmp_path: Path) -> None:
    with TokenServer() as server:
        source = source_of(server.issuer, str(tmp_path), "device")
        FileStore(tmp_path).save(source.key, server.old_token(timedelta(hours=-1)))
        code = (
            "import asyncio, sys, anyio\n"
            "from tests.support.token_process import awaiting, source, tokens_of\n" + _PROGRAM[kind]
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, server.issuer, str(tmp_path), "device"],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            server.wait_for("refresh_token")
            process.send_signal(signal.SIGINT)
            server.held.set()
            _, err = process.communicate(timeout=30)
        assert process.returncode in (-signal.SIGINT, 1, 130), err
        assert "KeyboardInterrupt" in err
        stored = FileStore(tmp_path).read(source.key)
        assert stored is not None
        assert stored.refresh_token is not None
        assert stored.refresh_token.reveal() == server.refresh_token, "the rotated one"
