"""One token request for any number of threads, sources and processes; no login is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from attrs import evolve

from grantflow import FileStore, GrantError, Secret, Token, TokenSource
from grantflow.shell.aio import AsyncTokenSource
from grantflow.shell.single_flight import SingleFlight
from grantflow.testing import Loopback, Script, serve
from tests.support.token_process import awaiting as awaiting_source
from tests.support.token_process import source as worker_source
from tests.support.token_process import tokens_of

pytestmark = pytest.mark.long

THREADS = 50
TASKS = 200
LOOPS = ["asyncio", "trio"]
DELAY = timedelta(milliseconds=50)
WORKER = Path(__file__).parents[1] / "support" / "token_process.py"


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A server with 50 ms delay, rotation, and reuse that kills the grant."""
    with serve(Script(latency=DELAY, interval=timedelta(milliseconds=1))) as found:
        yield found


def at_once(calls: list[Callable[[], Token]]) -> list[Token]:
    barrier = threading.Barrier(len(calls))

    def call(get: Callable[[], Token]) -> Token:
        barrier.wait()
        return get()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def expire(source: TokenSource, store: FileStore) -> Token:
    """Age what is stored, so that whoever looks must refresh."""
    token = store.read(source.key)
    assert token is not None
    assert token.issued_at is not None
    old = evolve(token, expires_at=token.issued_at - timedelta(hours=1))
    store.save(source.key, old)
    return old


def sign_in(server: Loopback, directory: Path) -> TokenSource:
    source = worker_source(server.issuer, str(directory), "device")
    source.interactive = True
    source._prompt = lambda code: server.approve(code.user_code)  # noqa: SLF001
    source.token()
    return worker_source(server.issuer, str(directory), "device")


def distinct(tokens: list[Token]) -> int:
    return len({token.access_token for token in tokens})


def test_threads_share_one_request(server: Loopback, tmp_path: Path) -> None:
    source = worker_source(server.issuer, str(tmp_path), "client_credentials")
    tokens = at_once([source.token] * THREADS)
    assert distinct(tokens) == 1
    assert server.server.counts == {"client_credentials": 1}


def test_sources_over_one_store_share_one_request(server: Loopback, tmp_path: Path) -> None:
    sources = [
        worker_source(server.issuer, str(tmp_path), "client_credentials") for _ in range(THREADS)
    ]
    tokens = at_once([source.token for source in sources])
    assert distinct(tokens) == 1
    assert server.server.counts == {"client_credentials": 1}


def test_threads_with_one_rotating_refresh_token_keep_the_login(
    server: Loopback, tmp_path: Path
) -> None:
    source, store = sign_in(server, tmp_path), FileStore(tmp_path)
    expire(source, store)
    tokens = at_once([source.token] * THREADS)
    assert distinct(tokens) == 1
    assert server.server.counts["refresh"] == 1
    expire(source, store)
    sources = [worker_source(server.issuer, str(tmp_path), "device") for _ in range(THREADS)]
    assert distinct(at_once([each.token for each in sources])) == 1
    assert server.server.counts["refresh"] == 2
    assert "reuse" not in server.server.counts
    expire(source, store)
    assert worker_source(server.issuer, str(tmp_path), "device").token() not in tokens


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("grant", ["client_credentials", "device"])
def test_tasks_share_one_request(server: Loopback, tmp_path: Path, grant: str, loop: str) -> None:
    if grant == "device":
        expire(sign_in(server, tmp_path), FileStore(tmp_path))
    source = awaiting_source(server.issuer, str(tmp_path), grant)
    tokens = anyio.run(tokens_of, source, TASKS, backend=loop)
    assert len(tokens) == TASKS
    assert distinct(tokens) == 1
    assert server.server.counts["refresh" if grant == "device" else grant] == 1


def test_loops_and_threads_over_one_store_share_one_request(
    server: Loopback, tmp_path: Path
) -> None:
    """Several sources of both kinds, in threads and on both event loops."""
    expire(sign_in(server, tmp_path), FileStore(tmp_path))
    blocking = [worker_source(server.issuer, str(tmp_path), "device") for _ in range(4)]
    shared = awaiting_source(server.issuer, str(tmp_path), "device")
    awaiting = [shared, shared, awaiting_source(server.issuer, str(tmp_path), "device")] * 2
    everybody = threading.Barrier(len(blocking) + len(awaiting))

    def block(source: TokenSource) -> list[Token]:
        everybody.wait(60)
        return [source.token()]

    def wait(source: AsyncTokenSource, loop: str) -> list[Token]:
        everybody.wait(60)
        return anyio.run(tokens_of, source, 20, backend=loop)

    with ThreadPoolExecutor(everybody.parties) as pool:
        ends = [pool.submit(block, source) for source in blocking]
        ends += [
            pool.submit(wait, each, loop) for each, loop in zip(awaiting, LOOPS * 3, strict=True)
        ]
        tokens = [token for end in ends for token in end.result(30)]
    assert len(tokens) == 4 + 6 * 20
    assert distinct(tokens) == 1
    assert server.server.counts["refresh"] == 1
    assert "reuse" not in server.server.counts


def start(
    issuer: str, directory: Path, grant: str, *, loop: str | None = None
) -> subprocess.Popen[str]:
    loops = () if loop is None else (loop,)
    return subprocess.Popen(
        [sys.executable, str(WORKER), issuer, str(directory), grant, *loops],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begin(*processes: subprocess.Popen[str]) -> None:
    """Let them go on, when all of them have come this far."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return [out.strip() for out, _ in outputs]


@pytest.mark.parametrize("grant", ["client_credentials", "device"])
def test_processes_share_one_request(server: Loopback, tmp_path: Path, grant: str) -> None:
    if grant == "device":
        expire(sign_in(server, tmp_path), FileStore(tmp_path))
    loops = [None, None, *LOOPS, *LOOPS]
    processes = [start(server.issuer, tmp_path, grant, loop=loop) for loop in loops]
    begin(*processes)
    outputs = ended(processes)
    assert len(set(outputs)) == 1
    assert len(outputs[0].split()) == 1
    counted = "refresh" if grant == "device" else "client_credentials"
    assert server.server.counts[counted] == 1
    assert "reuse" not in server.server.counts


@contextmanager
def deaf_server() -> Iterator[tuple[str, threading.Event]]:
    """A server that takes a request and never answers; the event says that it has one."""
    heard = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as open_ones:

        def listen() -> None:
            with suppress(OSError):
                open_ones.enter_context(listening.accept()[0])
                heard.set()

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        thread.join(60)


@pytest.mark.parametrize("loop", [None, *LOOPS])
def test_an_owner_killed_in_the_middle_of_a_refresh_holds_nobody_up(
    tmp_path: Path, loop: str | None
) -> None:
    store = FileStore(tmp_path)
    with deaf_server() as (issuer, heard):
        source = worker_source(issuer, str(tmp_path), "device")
        now = datetime.now(UTC)
        dead = Token(access_token="dead", expires_at=now - timedelta(hours=1), refresh_token="rt")
        fresh = Token(access_token="fresh", expires_at=now + timedelta(hours=1))
        store.save(source.key, dead)
        owner = start(issuer, tmp_path, "device", loop=loop)
        begin(owner)
        assert heard.wait(60)
        waiting = threading.Thread(target=lambda: FileStore(tmp_path).save(source.key, fresh))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive(), "a slow owner's lock is not stolen"
        owner.send_signal(signal.SIGKILL)
        waiting.join(60)
        assert not waiting.is_alive(), "a dead owner's lock is free"
        owner.communicate()
    assert source.token() == fresh


@pytest.mark.parametrize("loop", LOOPS)
def test_an_interrupted_process_saves_the_refresh_that_it_has_sent(
    tmp_path: Path, loop: str
) -> None:
    with serve(Script(latency=8 * DELAY, interval=timedelta(milliseconds=1))) as server:
        source, store = sign_in(server, tmp_path), FileStore(tmp_path)
        expire(source, store)
        owner = start(server.issuer, tmp_path, "device", loop=loop)
        begin(owner)
        while "refresh" not in server.server.counts:
            time.sleep(0.01)
        owner.send_signal(signal.SIGINT)  # the answer is on its way
        _, said = owner.communicate(timeout=60)
        assert "KeyboardInterrupt" in said
        [grant] = server.server.grants.values()
        stored = store.read(source.key)
        assert stored is not None
        assert grant.refresh_token is not None
        assert stored.refresh_token == Secret(grant.refresh_token)
        assert not grant.revoked


def test_a_failure_is_shared_by_those_who_waited_for_it(tmp_path: Path) -> None:
    with serve(Script(latency=10 * DELAY, clients={"app": "secret"})) as server:
        source = worker_source(server.issuer, str(tmp_path), "client_credentials")
        failures: list[str] = []

        def fail() -> Token:
            try:
                return source.token()
            except GrantError as error:
                failures.append(str(error))
                return Token(access_token="none")

        at_once([fail] * THREADS)
        assert len(failures) == THREADS
        assert server.server.counts["refused"] == 1


def test_whoever_comes_later_flies_anew() -> None:
    flights: SingleFlight[int] = SingleFlight()
    assert flights.share(lambda: 1) == 1
    assert flights.share(lambda: 2) == 2
    assert flights.alone(lambda: 3) == 3
    assert flights.share(lambda: flights.alone(lambda: 4) or 5) == 5, "one flies already"


def test_a_flight_that_crashes_is_taken_over() -> None:
    flights: SingleFlight[int] = SingleFlight()
    begun, crash = threading.Event(), threading.Event()

    def crashing() -> int:
        begun.set()
        crash.wait()
        raise KeyboardInterrupt

    def pilot() -> None:
        with pytest.raises(KeyboardInterrupt):
            flights.share(crashing)

    first = threading.Thread(target=pilot)
    first.start()
    begun.wait()
    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(flights.share, lambda: 7)
        crash.set()
        assert later.result(60) == 7
    first.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX resource limits")
def test_a_full_disk_costs_a_note_and_not_the_token(server: Loopback, tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv.pop());"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from token_process import source; made = source(*sys.argv[1:4]);"
        "token = made.token(); sys.stderr.write(made.notes[0]); sys.stderr.flush()"
    )
    arguments = [server.issuer, str(tmp_path), "client_credentials", str(WORKER.parent)]
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "the token could not be saved: cannot write" in ran.stderr
    assert list(tmp_path.glob("*.tmp")) == []
    assert FileStore(tmp_path).keys() == []
