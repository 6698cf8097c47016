"""The command in this process: its own home, virtual time, and a scripted server without HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, final

import pytest
from attrs import evolve, frozen

from grantflow.__main__ import main
from grantflow.cli import context
from grantflow.cli.context import Context
from grantflow.shell.ports import Transport
from grantflow.testing import Script, Server, ServerTransport, VirtualClock

ISSUER = "https://server.test"


@final
class Terminal(io.StringIO):
    """A standard stream that a person sits at."""

    def isatty(self) -> bool:
        return True


class Person(context.Terminal):
    """A terminal as a test wants it; what is not said is as the streams are."""

    def __init__(
        self,
        *,
        shows: bool | None = None,
        display: bool | None = None,
        types: str | None = None,
        browser: bool = True,
    ) -> None:
        self._shows = shows
        self._display = display
        self._types = types
        self._browser = browser
        self.opened: list[str] = []
        self.asked: list[str] = []

    def shows(self) -> bool:
        return super().shows() if self._shows is None else self._shows

    def has_display(self) -> bool:
        return super().has_display() if self._display is None else self._display

    def open(self, link: str) -> bool:
        self.opened.append(link)
        return self._browser

    def read_secret(self, label: str) -> str:
        self.asked.append(label)
        return super().read_secret(label) if self._types is None else self._types


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


def edited(text: str, **members: object) -> dict[str, object]:
    """Return a stored token with other members, and without its checksum."""
    document: dict[str, object] = json.loads(text)
    del document["crc32"]
    return document | members


@final
class Stage:
    """Where a command plays: ``run`` it, then look at ``server``, ``clock`` and ``home``."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = folder / "home"
        self.context = Context(terminal=Person())
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
        server = Server(script or Script(approve_after=timedelta(seconds=12)))
        self.transport = ServerTransport(server, self.clock)
        self.has(clock=self.clock)
        self.answers_with(self.transport)

    def answers_with(self, transport: Transport) -> None:
        self.has(transports=lambda _: transport)

    def has(self, **parts: Any) -> None:
        """Put a part of the world around the command in place."""
        self.context = evolve(self.context, **parts)

    def moves(self, name: str) -> None:
        """Go on with another home."""
        self.home = self.folder / name
        self.monkeypatch.setenv("GRANTFLOW_HOME", str(self.home))

    def now(self) -> float:
        return self.context.clock.now().wall.timestamp()

    @property
    def counts(self) -> Mapping[str, int]:
        return self.transport.server.counts

    def run(self, *argv: str, stdin: str = "", terminal: bool = False) -> Ran:
        self.monkeypatch.setattr("sys.stdin", Terminal(stdin) if terminal else io.StringIO(stdin))
        self._capsys.readouterr()
        code = main(list(argv), self.context)
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

    def token_key(self, profile: str) -> str:
        """The key of a profile's token, which names a file."""
        key = str(self.profiles()[profile]["token_key"])
        assert (self.home / "tokens" / f"{key}.json").exists()
        return key

    def rewrites_token(self, **members: object) -> None:
        """Change the only stored token by hand, which leaves it without a checksum."""
        [path] = (self.home / "tokens").glob("*.json")
        path.write_text(json.dumps(edited(path.read_text(), **members)))

    def tokens(self) -> list[dict[str, object]]:
        return [json.loads(path.read_text()) for path in (self.home / "tokens").glob("*.json")]
