"""What ``import grantflow`` costs and offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import grantflow

HEAVY = ("requests", "asyncio", "platformdirs", "filelock", "httpx", "rich", "http.server")


def loaded_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(output.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_after("import grantflow") & set(HEAVY)


def test_the_core_s_names_load_nothing_heavy() -> None:
    names = "Client, DeviceFlow, Provider, RefreshFlow, Secret, Token, begin, outcome, run"
    code = f"from grantflow import {names}"
    assert not loaded_after(code) & set(HEAVY)


def test_a_script_against_the_scripted_server_loads_no_http() -> None:
    code = "from grantflow.testing import Script, Server, ServerTransport, VirtualClock, simulate"
    assert not loaded_after(code) & {"requests", "asyncio", "http.server"}


def test_the_async_side_loads_no_http_and_no_other_event_loop() -> None:
    code = "from grantflow.shell.aio import AsyncTokenSource, run"
    assert not loaded_after(code) & {"httpx", "requests", "platformdirs", "trio"}


def test_every_promised_name_is_there() -> None:
    for name in grantflow.__all__:
        assert getattr(grantflow, name) is not None
        assert name in dir(grantflow)
    assert len(set(grantflow.__all__)) == len(grantflow.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'DeviceFlo'"):
        _ = grantflow.DeviceFlo  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
