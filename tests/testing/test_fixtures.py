"""The fixtures that come along: what an application takes by default is the test's."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    DeviceFlow,
    Failed,
    FileStore,
    Request,
    Response,
    SystemClock,
    TokenSource,
    run,
    shell,
)
from grantflow.shell import aio, http
from grantflow.shell.http.httpx import HttpxTransport
from grantflow.shell.http.requests import RequestsTransport
from grantflow.testing import Loopback, Script, ScriptedServer
from grantflow.testing.scripted import PlayError
from tests.support.samples import ACME, seconds

pytest_plugins = ["grantflow.testing.fixtures"]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(autouse=True)
def nobody_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    def woken(span: float) -> None:
        raise AssertionError(f"somebody wanted to sleep for {span} s")

    monkeypatch.setattr(time, "sleep", woken)


def test_the_blocking_driver_takes_it_by_default(grantflow_server: ScriptedServer) -> None:
    grantflow_server.approve(after=seconds(12))
    assert isinstance(run(DeviceFlow(grantflow_server.client)), Authorized)
    assert grantflow_server.clock.slept == [seconds(5)] * 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_async_driver_takes_it_by_default(
    grantflow_server: ScriptedServer, backend: str
) -> None:
    async def main() -> object:
        return await aio.run(DeviceFlow(grantflow_server.client))

    assert isinstance(anyio.run(main, backend=backend), Authorized)
    assert grantflow_server.clock.slept == [seconds(5)]


def test_the_front_door_takes_it_by_default(
    grantflow_server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    grantflow_server.plays(ACME)
    source = TokenSource(Client(provider=ACME, client_id="app"))
    first = source.token()
    assert f"{grantflow_server.issuer}/activate" in capsys.readouterr().err
    grantflow_server.clock.advance(timedelta(hours=2))
    assert source.token().access_token != first.access_token
    assert grantflow_server.server.counts == {"device": 1, "poll": 1, "refresh": 1}


def test_a_source_that_was_made_before_reaches_the_same_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path / "the user's own"))
    source = TokenSource(Client(provider=ACME, client_id="app"), "client_credentials")
    server: ScriptedServer = request.getfixturevalue("grantflow_server")
    server.plays(ACME)
    source.token()
    assert server.server.counts == {"client_credentials": 1}
    assert not (tmp_path / "the user's own").exists()


def test_the_user_s_files_and_environment_are_left_alone(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRANTFLOW_TOKEN", "the user's own")
    store = FileStore()
    server: ScriptedServer = request.getfixturevalue("grantflow_server")
    assert "GRANTFLOW_TOKEN" not in os.environ
    assert store.directory == FileStore().directory == tmp_path / "grantflow" / "tokens"
    TokenSource(server.client).token()
    assert len(store.keys()) == 1


def every(package: ModuleType, method: str) -> list[type]:
    """Each class of a package that has the method itself, but for protocols."""
    found: list[type] = []
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        loaded = importlib.import_module(module.name)
        found += [
            each
            for _, each in inspect.getmembers(loaded, inspect.isclass)
            if each.__module__ == module.name
            and method in vars(each)
            and not getattr(each, "_is_protocol", False)
        ]
    return found


def every_port() -> dict[tuple[type, str], object]:
    """What sends and what waits, in all of this library."""
    transports = [(each, "__call__") for each in every(http, "__call__")]
    clocks = [(each, "sleep_until") for each in every(shell, "sleep_until")]
    return {(each, name): vars(each)[name] for each, name in transports + clocks}


def test_no_transport_and_no_clock_of_this_library_is_forgotten(
    request: pytest.FixtureRequest,
) -> None:
    before = every_port()
    assert {each for each, _ in before} > {RequestsTransport, HttpxTransport, SystemClock}
    request.getfixturevalue("grantflow_server")
    left = [each.__name__ for (each, name), old in before.items() if vars(each)[name] is old]
    assert left == []


@pytest.mark.parametrize("make", [RequestsTransport, HttpxTransport])
def test_a_transport_that_the_application_made_itself_sends_nothing(
    grantflow_server: ScriptedServer, make: Callable[[], Callable[[Request], object]]
) -> None:
    reply = make()(Request(f"{grantflow_server.issuer}/token", form={"client_id": "app"}))
    assert isinstance(reply, Response)
    with pytest.raises(PlayError, match=r"nothing plays https://acme\.example/token"):
        make()(Request(ACME.token_endpoint))


def test_everything_is_as_before_when_the_test_is_over() -> None:
    assert SystemClock.now.__module__ == "grantflow.shell.clock"
    for (each, _), port in every_port().items():
        assert inspect.getmodule(port) is inspect.getmodule(each)
    real = SystemClock().now()
    assert SystemClock().now().mono > real.mono


def test_what_the_server_was_asked_is_kept(grantflow_server: ScriptedServer) -> None:
    assert isinstance(run(ClientCredentialsFlow(grantflow_server.client)), Authorized)
    (request,) = grantflow_server.requests
    assert dict(request.form)["grant_type"] == "client_credentials"


class TestWithAScriptOfTheirOwn:
    @pytest.fixture
    def grantflow_script(self) -> Script:
        return Script(clients={"my-app": "s3cret-word"})

    def test_the_server_follows_it(self, grantflow_server: ScriptedServer) -> None:
        final = run(DeviceFlow(grantflow_server.client))
        assert isinstance(final, Failed)
        assert "invalid_client" in str(final.error)

    def test_so_does_the_one_on_loopback(self, grantflow_loopback: Loopback) -> None:
        client = Client(provider=grantflow_loopback.provider, client_id="my-app")
        final = run(ClientCredentialsFlow(client))
        assert isinstance(final, Failed)
        assert "invalid_client" in str(final.error)


def test_the_one_on_loopback_is_polled_every_second(grantflow_loopback: Loopback) -> None:
    assert grantflow_loopback.server.script.interval == seconds(1)
    assert grantflow_loopback.issuer.startswith("http://127.0.0.1:")


def test_importing_the_test_tools_needs_no_pytest() -> None:
    code = "import grantflow.testing, sys; grantflow.testing.ScriptedServer; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pytest" not in ended.stdout.split()


def test_no_entry_point_loads_them_for_everybody() -> None:
    from importlib.metadata import entry_points

    assert [each for each in entry_points(group="pytest11") if "grantflow" in each.value] == []


def test_the_example_in_the_docs_passes_as_somebody_copies_it(tmp_path: Path) -> None:
    for name in ("app.py", "test_app.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "--rootdir", str(tmp_path), "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "7 passed" in ended.stdout
