"""A sign-in that begins at an MCP server, with the real SDK and a real authorization server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from .conftest import demand
from .process import Process, free_port
from .servers import RealServer, interop_cache

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
PYTHON = interop_cache() / "mcp" / "bin" / "python"

pytestmark = pytest.mark.interop


@attrs.frozen
class World:
    """An MCP server at ``url``, the server that issues its tokens, and a home of our own."""

    url: str
    server: RealServer
    home: Path
    refused: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if "GRANTFLOW" not in name}
        return kept | {"GRANTFLOW_HOME": str(self.home), "PYTHONPATH": str(SOURCE)}

    def command(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grantflow", *argv],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=120,
            check=False,
        )

    def sign_in(self, *argv: str) -> None:
        """``grantflow login URL``, and a person who approves."""
        command = [sys.executable, "-m", "grantflow", "login", self.url, "--json", *argv]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        ) as login:
            assert login.stdout is not None
            line = login.stdout.readline()
            code = json.loads(line or "{}").get("user_code")
            if code is not None:
                self.server.approve(code)
            out, err = login.communicate(timeout=120)
        assert login.returncode == 0, line + out + err

    def calls(self, way: str, stdin: str = "") -> Mapping[str, object]:
        """Call the tool with the SDK's client."""
        ran = subprocess.run(
            [str(PYTHON), str(HERE / "mcp" / "client.py"), self.url, way],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=120,
            check=False,
        )
        assert ran.stdout, ran.stderr[-2000:]
        found: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])
        return found

    def profile(self) -> dict[str, object]:
        [found] = json.loads((self.home / "profiles.json").read_text())["profiles"].values()
        return dict(found)

    def refuse(self, token: str) -> None:
        """Let the MCP server refuse a token; oidc-provider would end the whole grant with it."""
        with self.refused.open("a") as file:
            file.write(f"{token}\n")


@contextmanager
def serving(server: RealServer, home: Path, *scopes: str) -> Iterator[World]:
    port, secret = free_port(), server.clients["cc-basic"].client_secret
    with tempfile.TemporaryDirectory(prefix="grantflow-mcp-") as folder:
        ready = Path(folder) / "ready"
        command = [
            *(str(PYTHON), str(HERE / "mcp" / "server.py"), f"--port={port}"),
            *(f"--issuer={server.issuer}", f"--ready={ready}"),
            f"--refused={Path(folder) / 'refused'}",
            *("--client-id=cc-basic", *(f"--scope={each}" for each in scopes)),
            f"--introspection={server.endpoints['introspection_endpoint']}",
        ]
        os.environ["MCP_SECRET"] = secret or ""
        process = Process(command, ready, Path(folder) / "log")
        try:
            process.start()
        finally:
            del os.environ["MCP_SECRET"]
        try:
            yield World(f"http://127.0.0.1:{port}/mcp", server, home, Path(folder) / "refused")
        finally:
            process.stop()


@pytest.fixture
def world(oidc_provider: RealServer, tmp_path: Path) -> Iterator[World]:
    demand(None if PYTHON.exists() else f"no MCP SDK at {PYTHON}: run {HERE / 'install.sh'}")
    with serving(oidc_provider, tmp_path / "home", "api:read") as made:
        yield made


def token(world: World) -> str:
    ran = world.command("token", "--for", world.url)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_a_url_is_enough_to_call_a_tool(world: World) -> None:
    world.sign_in("--scope", "api:read offline_access")
    profile = world.profile()
    assert profile["resource"] == [world.url]
    assert profile["registration"]
    assert world.calls("library") == {"answer": {"result": 5}}
    headers = world.command("token", "--for", world.url, "--format", "headers-json")
    assert world.calls("headers", headers.stdout) == {"answer": {"result": 5}}


def test_a_refused_token_is_renewed_once(world: World) -> None:
    world.sign_in("--scope", "api:read offline_access")
    refused, before = token(world), world.server.stats()
    world.refuse(refused)
    headers = json.dumps({"Authorization": f"Bearer {refused}"})
    assert "error" in world.calls("headers", headers)
    assert world.calls("library") == {"answer": {"result": 5}}
    assert world.server.stats().since(before).grants == {"refresh_token": 1}
    assert token(world) != refused
    world.refuse(token(world))
    again = world.command("token", "--for", world.url, "--renew", "--format", "headers-json")
    assert world.calls("headers", again.stdout) == {"answer": {"result": 5}}


def test_a_token_of_another_resource_is_refused(world: World) -> None:
    world.sign_in("--scope", "api:read", "--resource", "http://127.0.0.1:1/other")
    headers = json.dumps({"Authorization": f"Bearer {token(world)}"})
    assert "error" in world.calls("headers", headers)


def test_what_is_missing_is_a_value_and_one_sign_in_brings_it(
    oidc_provider: RealServer, world: World, tmp_path: Path
) -> None:
    with serving(oidc_provider, tmp_path / "more", "api:read", "api:write") as strict:
        strict.sign_in("--scope", "api:read offline_access")
        found = strict.calls("library")
        assert "insufficient_scope" in str(found["missing"])
        strict.sign_in("--scope", "api:read api:write offline_access")
        assert strict.calls("library") == {"answer": {"result": 5}}


def test_a_machine_signs_itself_in(world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(world.server.clients["cc-basic"].client_secret or "")
    argv = ("--grant", "client_credentials", "--client-id", "cc-basic", "--client-secret-file")
    ran = world.command("login", world.url, *argv, str(secret), "--scope", "api:read")
    assert ran.returncode == 0, ran.stderr
    assert world.calls("library") == {"answer": {"result": 5}}
