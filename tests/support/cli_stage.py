"""The command in this process: its own home, virtual time, and a scripted server without HTTP."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import final

import pytest
from attrs import frozen

from grantflow.__main__ import main
from grantflow.cli import context as outside
from grantflow.shell.ports import Transport
from grantflow.testing import Script, Server, ServerTransport, VirtualClock

ISSUER = "https://server.test"


@final
class Terminal(io.StringIO):
    """A standard stream that a person sits at."""

    def isatty(self) -> bool:
        return True


@final
@frozen
class Ran:
    """What a command left: its exit code and its two streams."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def kinds(self) -> list[object]:
        return [each["event"] for each in self.events]

    def complaint(self) -> str:
        """The one line of an error: nothing on standard output, and no traceback."""
        lines = self.err.splitlines()
        assert self.out == ""
        assert len(lines) == 1, self.err
        assert lines[0].startswith("grantflow: ")
        assert "Traceback" not in self.err
        return lines[0]


@final
class Stage:
    """Where a command plays: ``run`` it, then look at ``server``, ``clock`` and ``home``."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = folder / "home"
        self._plays = False
        self.folder = folder
        self.monkeypatch = monkeypatch
        self._capsys = capsys
        for name in ("TOKEN", "CLIENT_SECRET"):
            monkeypatch.delenv(f"GRANTFLOW_{name}", raising=False)
        monkeypatch.setenv("GRANTFLOW_HOME", str(self.home))
        monkeypatch.chdir(folder)

    def plays(self, script: Script | None = None) -> None:
        """Put a scripted server and virtual time around the command."""
        self.clock = VirtualClock()
        self._plays = True
        server = Server(script or Script(approve_after=timedelta(seconds=12)))
        self.transport = ServerTransport(server, self.clock)
        self.monkeypatch.setattr(outside, "clock", lambda: self.clock)
        self.answers_with(self.transport)

    def answers_with(self, transport: Transport) -> None:
        self.monkeypatch.setattr(outside, "transport", lambda budget=None: transport)

    def moves(self, name: str) -> None:
        """Go on with another home."""
        self.home = self.folder / name
        self.monkeypatch.setenv("GRANTFLOW_HOME", str(self.home))

    def now(self) -> float:
        return self.clock.now().wall.timestamp() if self._plays else time.time()

    @property
    def counts(self) -> Mapping[str, int]:
        return self.transport.server.counts

    def run(self, *argv: str, stdin: str = "", terminal: bool = False) -> Ran:
        self.monkeypatch.setattr("sys.stdin", Terminal(stdin) if terminal else io.StringIO(stdin))
        self._capsys.readouterr()
        code = main(list(argv), self.now)
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)

    def said(self) -> str:
        return self._capsys.readouterr().err

    def login(self, *more: str) -> Ran:
        ran = self.run("login", "--issuer", ISSUER, "--client-id", "app", *more)
        assert ran.code == 0, ran.err
        return ran

    def profiles(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = self.document()["profiles"]  # type: ignore[assignment]
        return found

    def document(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.home / "profiles.json").read_text())
        return found

    def tokens(self) -> list[dict[str, object]]:
        return [json.loads(path.read_text()) for path in (self.home / "tokens").glob("*.json")]
