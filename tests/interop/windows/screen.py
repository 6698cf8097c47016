"""A screen that nobody sees, windows on it, and pictures of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import field, frozen

from tests.interop.stores.servers import missing as missing_programs
from tests.interop.stores.servers import running

if TYPE_CHECKING:
    from PIL.Image import Image

HERE = Path(__file__).parent
SECONDS = 120.0

Toolkit: TypeAlias = Literal["tk", "qt"]
Box: TypeAlias = tuple[int, int, int, int]

PROGRAMS = ("Xvfb", "openbox", "xdotool", "wmctrl", "zbarimg")
MODULES = {"tk": ("tkinter", "_tkinter", "PIL"), "qt": ("PySide6", "PIL")}
BROKEN_QT = "6.12."  # on Python 3.11 it loses references until the interpreter aborts


def missing(toolkit: Toolkit) -> str | None:
    """Why a window of this toolkit cannot be played, or None."""
    absent = [name for name in MODULES[toolkit] if find_spec(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}: run {HERE / 'install.sh'}"
    if toolkit == "qt" and _qt().startswith(BROKEN_QT):
        return f"PySide6 {_qt()} crashes: run {HERE / 'install.sh'}"
    reason = missing_programs(*(PROGRAMS if toolkit == "tk" else ("zbarimg",)))
    return reason and reason.replace("stores", "windows")


def _qt() -> str:
    try:
        return version("PySide6-Essentials")
    except PackageNotFoundError:
        return ""


@contextmanager
def start_screen() -> Iterator[str]:
    """A screen with a window manager, for X programs: the value of DISPLAY."""
    first = 100 + os.getpid() % 10_000
    sockets = (Path(f"/tmp/.X11-unix/X{number}") for number in range(first, first + 100))
    socket = next(each for each in sockets if not each.exists())
    display = socket.name.replace("X", ":")
    # Without -noreset it begins anew when its first client, the one that asks, is gone.
    server = ["Xvfb", display, "-screen", "0", "1000x900x24", "-nolisten", "tcp", "-noreset"]

    def answers(*command: str) -> Callable[[], bool]:
        """Whether the screen, or its window manager, is there: the socket alone says too little."""
        here = {**os.environ, "DISPLAY": display}
        return lambda: subprocess.run(command, env=here, capture_output=True).returncode == 0

    with (
        tempfile.TemporaryDirectory(prefix="grantflow-screen-") as home,
        running(server, answers("xdotool", "getdisplaygeometry")),
        running(["openbox"], answers("wmctrl", "-m"), DISPLAY=display, HOME=home),
    ):
        yield display


@frozen
class Look:
    """What a window shows at one moment."""

    texts: dict[str, str]
    boxes: dict[str, Box] = field(converter=lambda found: {k: tuple(v) for k, v in found.items()})
    clipped: list[str]
    clipboard: str
    opened: list[str] = field(factory=list)

    def box(self, part: str) -> Box:
        """Where a part is within its window."""
        x, y, width, height = self.boxes[part]
        left, top, *_ = self.boxes["window"]
        return x - left, y - top, width, height


class Window:
    """A window of the examples, in a process of its own."""

    def __init__(self, toolkit: Toolkit, issuer: str, options: Sequence[str], display: str) -> None:
        self.toolkit = toolkit
        self.display = display
        self.folder = tempfile.TemporaryDirectory(prefix="grantflow-window-")
        self.home = Path(self.folder.name)
        browser = self.home / "browser"
        browser.write_text(f'#!/bin/sh\necho "$1" >>{self.home / "opened"}\n')
        browser.chmod(0o700)
        self.errors = (self.home / "errors").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "stage.py"), toolkit, issuer, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "DISPLAY": display,
                "BROWSER": str(browser),
                "QT_QPA_PLATFORM": "offscreen",
            },
        )

    def say(self, *words: str) -> None:
        assert self.process.stdin is not None
        print(*words, file=self.process.stdin, flush=True)

    def heard(self) -> dict[str, object]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the window's process ended:\n{self.complaints()}"
        said: dict[str, object] = json.loads(line)
        return said

    def look(self) -> Look:
        self.say("look")
        return Look(**self.heard())

    def until(self, shown: Callable[[Look], bool]) -> Look:
        deadline = time.monotonic() + SECONDS
        while not shown(look := self.look()):
            assert time.monotonic() < deadline, look
            time.sleep(0.03)
        return look

    def until_said(self, words: str) -> Look:
        return self.until(lambda look: words in look.texts["said"])

    def click(self, part: str) -> None:
        if self.toolkit == "qt":
            self.say("click", part)
            return
        x, y, width, height = self.look().boxes[part]
        where = (str(x + width // 2), str(y + height // 2))
        self.on_screen("xdotool", "mousemove", *where, "click", "1")

    def close(self) -> None:
        """Close the window as its user does."""
        if self.toolkit == "qt":
            self.say("close")
        else:
            self.on_screen("wmctrl", "-F", "-c", "Sign in")

    def on_screen(self, *command: str) -> None:
        subprocess.run(command, env={**os.environ, "DISPLAY": self.display}, check=True)

    def picture(self, file: Path) -> Image:
        """A picture of the window, also in a file."""
        from PIL import Image, ImageGrab

        look = self.look()
        x, y, width, height = look.boxes["window"]
        if self.toolkit == "qt":
            self.say("shoot", str(file))
            self.look()
        else:
            grabbed = ImageGrab.grab((x, y, x + width, y + height), xdisplay=self.display)
            grabbed.save(file)
        return Image.open(file).convert("RGB")

    def opened(self) -> list[str]:
        """The links that went to a browser."""
        if self.toolkit == "qt":
            return self.look().opened
        file = self.home / "opened"
        return file.read_text().splitlines() if file.exists() else []

    def ended(self) -> tuple[object, object]:
        """Wait for the process to end by itself: how many tokens came, and the last state."""
        told = self.heard()
        assert self.process.wait(SECONDS) == 0, self.complaints()
        assert self.complaints() == ""
        return told["tokens"], told["ended"]

    def complaints(self) -> str:
        self.errors.seek(0)
        # What Qt says of every window that is off the screen.
        idle = "This plugin does not support propagateSizeHints()"
        return "".join(line for line in self.errors if idle not in line)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()
        self.folder.cleanup()


def decoded(file: Path) -> list[str]:
    """What the QR codes in a picture say."""
    told = subprocess.run(
        ["zbarimg", "--nodbus", "--raw", "-q", str(file)], capture_output=True, text=True
    )
    return told.stdout.splitlines()
