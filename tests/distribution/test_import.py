"""What ``import grantflow`` costs and offers."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import requests

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


def test_a_warm_token_loads_nothing_that_gets_another_one(tmp_path: Path) -> None:
    provider = 'Provider(name="acme", token_endpoint=url, device_authorization_endpoint=url)'
    begin = f"""
from grantflow import Client, FileStore, Provider, Token, TokenSource
url = "https://acme.example/oauth"
client = Client(provider={provider}, client_id="app")
source = TokenSource(client, store=FileStore({str(tmp_path)!r}))
"""
    adopt = 'source.adopt(Token(access_token="at-1", refresh_token="r"))'
    subprocess.run([sys.executable, "-c", begin + adopt], check=True)
    loaded = loaded_after(begin + 'assert source.token().access_token.reveal() == "at-1"')
    assert not loaded & {*HEAVY, "returns.io", "logging", "filelock"}
    ours = {name for name in loaded if name.startswith("grantflow.")}
    assert not any(
        name.startswith(("grantflow.core.flows", "grantflow.shell.http", "grantflow.shell.signing"))
        for name in ours
    )
    assert not ours & {"grantflow.core.acquisition.machine", "grantflow.core.messages"}


def test_the_types_of_public_classes_resolve() -> None:
    for name in grantflow.__all__:
        kind = getattr(grantflow, name)
        if isinstance(kind, type) and not issubclass(kind, requests.Session):  # not ours
            assert isinstance(typing.get_type_hints(kind), dict), name


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


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    stub = Path(grantflow.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    typed = {
        alias.name: node.module
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert typed.keys() == set(grantflow.__all__)
    for name, module in typed.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(grantflow, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'DeviceFlo'"):
        _ = grantflow.DeviceFlo  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
