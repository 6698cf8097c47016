"""The examples in the docs: what people copy uses public names only, and works."""

from __future__ import annotations

import ast
import asyncio
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from grantflow import (
    Authorized,
    Client,
    ClientCredentialsFlow,
    DeviceFlow,
    DeviceState,
    Fault,
    Pending,
    Request,
    Response,
    SystemClock,
    run,
)
from grantflow.testing import (
    AsyncServerTransport,
    AsyncVirtualClock,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
    serve,
)
from tests.support.samples import seconds

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
# PySide6 is no dependency of ours: this one is checked where it is installed (interop/windows).
ELSEWHERE = {"qt_window.py"}

PUBLIC = (
    "grantflow",
    "grantflow.aio",
    "grantflow.codec",
    "grantflow.core.codec",
    "grantflow.flows",
    "grantflow.signing",
    "grantflow.stores",
    "grantflow.timer",
    "grantflow.providers",
    "grantflow.shell.aio",
    "grantflow.integrations.httpx",
    "grantflow.integrations.requests",
    "grantflow.shell.stores",
    "grantflow.shell.timer",
    "grantflow.testing",
)
"""The modules whose names are promised; everything else may move."""


def names_of(module: ModuleType) -> set[str]:
    """What a module offers: its ``__all__``, else what it defines itself and does not hide."""
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is not None:
        return set(listed)
    defined: set[str] = set()
    for node in ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                defined.add(name)
            case ast.AsyncFunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                defined.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                defined.add(name)
            case _:
                pass
    return {name for name in defined if not name.startswith("_")}


def ours(name: str) -> bool:
    return name.split(".")[0] == "grantflow"


def private(code: str) -> Iterator[str]:
    """What a program takes of this library without a promise that it stays."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=aliases):
                yield from (each.name for each in aliases if ours(each.name))
            case ast.ImportFrom(module=str(module), names=aliases) if ours(module):
                offered = names_of(importlib.import_module(module)) if module in PUBLIC else ()
                for each in aliases:
                    whole = f"{module}.{each.name}"
                    if each.name not in offered and whole not in PUBLIC:
                        yield whole
            case ast.Attribute(attr=name) if name.startswith("_") and not name.startswith("__"):
                if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                    yield name
            case _:
                pass


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_uses_public_names_only(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert list(private(code)) == []
    assert "from grantflow" in code


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (
            "from grantflow.core.values.result import either",
            ["grantflow.core.values.result.either"],
        ),
        ("from grantflow.shell.timer import TimerDriver, Loop", []),
        ("from grantflow.shell.timer import TimerDriver, signed", ["grantflow.shell.timer.signed"]),
        ("from grantflow.shell.aio import AsyncClock, AsyncTransport, run", []),
        ("from grantflow.testing import Script, serve", []),
        ("from grantflow.testing import loopback", ["grantflow.testing.loopback"]),
        ("from grantflow import providers, run", []),
        ("from grantflow.shell import aio", []),
        ("from grantflow.shell import blocking", ["grantflow.shell.blocking"]),
        ("import grantflow.core.flows.states", ["grantflow.core.flows.states"]),
        ("source._held", ["_held"]),
        ("self._held", []),
    ],
)
def test_a_private_name_would_be_found(code: str, found: list[str]) -> None:
    assert list(private(code)) == found


# The drivers of one's own


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An example, imported from its folder as its neighbours import it."""
    monkeypatch.syspath_prepend(str(EXAMPLES[0].parent))
    try:
        return importlib.import_module(name)
    finally:
        for each in EXAMPLES:
            sys.modules.pop(each.stem, None)


def device(server: Server) -> DeviceFlow:
    return DeviceFlow(Client(provider=server.provider, client_id="app", scope="a"))


SCRIPTS = {
    "approved": Script(approve_after=seconds(12), latency=seconds(1)),
    "denied": Script(deny_after=seconds(7)),
    "expired": Script(lifetime=seconds(60), slow_downs=2),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_driver_of_one_s_own_plays_as_ours_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(SCRIPTS[name])
    flow, seen, expected = device(server), list[DeviceState](), list[DeviceState]()
    clock = VirtualClock()
    final = loaded("own_driver", monkeypatch).drive(
        flow, ServerTransport(server, clock), clock, seen.append
    )
    clock = VirtualClock()
    assert final == run(flow, ServerTransport(server, clock), clock, expected.append)
    assert seen == expected
    assert len(seen) > 2


@pytest.mark.parametrize("name", SCRIPTS)
def test_so_does_an_async_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(SCRIPTS[name])
    flow, seen, expected = device(server), list[DeviceState](), list[DeviceState]()
    clock = VirtualClock()
    transport = AsyncServerTransport(ServerTransport(server, clock))
    own = loaded("own_async_driver", monkeypatch)
    final = asyncio.run(own.drive(flow, transport, AsyncVirtualClock(clock), seen.append))
    clock = VirtualClock()
    assert final == run(flow, ServerTransport(server, clock), clock, expected.append)
    assert seen == expected


@pytest.mark.timeout(20)
def test_both_sign_in_over_http_in_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    own = loaded("own_driver", monkeypatch)
    own_async = loaded("own_async_driver", monkeypatch)
    script = Script(approve_after=seconds(0), interval=seconds(1))

    async def together(flow: DeviceFlow, seen: list[DeviceState]) -> object:
        return await asyncio.gather(
            asyncio.to_thread(own.drive, flow, own.send, SystemClock(), seen.append),
            own_async.drive(flow, own_async.send_in_thread, own_async.LoopClock(), print),
        )

    with serve(script) as loopback:
        seen: list[DeviceState] = []
        finals = asyncio.run(together(device(loopback.server), seen))
        assert loopback.server.counts == {"device": 2, "poll": 2}
    assert isinstance(finals, list)
    assert [type(final) for final in finals] == [Authorized, Authorized]
    assert any(isinstance(state, Pending) for state in seen)


def test_the_transport_of_one_s_own_keeps_its_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    send = loaded("own_driver", monkeypatch).send
    with serve() as loopback:
        gone = loopback.issuer
        reply = send(Request(f"{gone}/userinfo?a=b", method="GET"))
        assert isinstance(reply, Response)
        assert (reply.status, "www-authenticate" in reply.headers) == (401, True)
        client = Client(provider=loopback.provider, client_id="app")
        assert isinstance(run(ClientCredentialsFlow(client), send), Authorized)
    refused = send(Request(f"{gone}/token", form={"client_id": "app"}))
    assert isinstance(refused, Fault)
    assert refused.reached == "no"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["own_driver.py", "own_async_driver.py"])
def test_they_run_as_they_are(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES[0].parent / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "Started"
    assert lines[-1] == "Authorized"
    assert any("/activate and enter" in line for line in lines)
