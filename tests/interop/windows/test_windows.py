"""The windows of the examples against a real server: seen, read by a phone, clicked, closed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from grantflow import Response
from grantflow.testing import Loopback, Outage, Script, VirtualClock, serve
from tests.interop.conftest import demand
from tests.support.samples import seconds

from .conftest import Open
from .screen import SECONDS, Box, Look, Toolkit, decoded, missing
from .stage import EXAMPLES, LONG_CODE, LONG_LINK

T = TypeVar("T")
pytestmark = pytest.mark.interop

# A poll a second is the fastest that a client asks.
EVERY_SECOND = Script(interval=seconds(1))


def until(look: Callable[[], T]) -> T:
    """Look until there is something to be seen."""
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def has_code(look: Look) -> bool:
    return "code" in look.boxes


def colours(file: Path, box: Box) -> dict[tuple[int, ...], int]:
    from PIL import Image

    x, y, width, height = box
    with Image.open(file) as picture:
        part = picture.convert("RGB").crop((x, y, x + width, y + height))
        return {colour: count for count, colour in part.getcolors(1 << 24)}


def dark(file: Path, box: Box) -> float:
    """How much of a part of a picture is ink."""
    found = colours(file, box)
    return sum(n for colour, n in found.items() if sum(colour) < 250) / sum(found.values())


def test_a_person_is_shown_the_way_and_signs_in(open_window: Open, tmp_path: Path) -> None:
    with serve(EVERY_SECOND) as server:
        window = open_window(server.issuer)
        look = window.until(has_code)
        file = tmp_path / "waiting.png"
        window.picture(file)
        assert len(colours(file, look.box("window"))) > 16
        assert 0.03 < dark(file, look.box("code")) < 0.5
        assert 0.1 < dark(file, look.box("canvas")) < 0.6
        link = f"{server.issuer}/activate"
        code = look.texts["code"]
        assert decoded(file) == [f"{link}?user_code={code}"]
        assert link in look.texts["link"]
        assert look.texts["said"] == "Waiting for you to approve …"
        before = look.texts["left"]
        assert re.fullmatch(r"The code lives for another (10:00|9:\d\d)\.", before)
        window.until(lambda look: look.texts["left"] != before)
        assert look.clipped == []

        window.click("copy")
        assert window.until(lambda look: look.clipboard == code)
        server.approve(code)
        look = window.until_said("You are signed in.")
        assert set(look.boxes) >= {"said", "button", "window"}
        assert not set(look.boxes) & {"code", "link", "canvas", "copy"}
        assert look.texts["left"] == ""
        file = tmp_path / "done.png"
        window.picture(file)
        assert len(colours(file, window.look().box("window"))) > 16
        assert look.texts["button"] == "Close"
        window.click("button")
        assert window.ended() == (1, "Authorized")
        assert server.server.counts["poll"] >= 1


def test_the_link_opens_a_browser(open_window: Open) -> None:
    with serve(EVERY_SECOND) as server:
        window = open_window(server.issuer)
        look = window.until(has_code)
        window.click("link")
        wanted = [f"{server.issuer}/activate?user_code={look.texts['code']}"]
        assert window.until(lambda _: window.opened() == wanted)
        window.close()
        assert window.ended() == (0, "Cancelled")


def test_trouble_and_haste_are_said_in_words(open_window: Open, tmp_path: Path) -> None:
    """The server's time stands still until it is moved: trouble for one second, then haste."""
    clock = VirtualClock()
    busy = Outage(seconds(0), seconds(1), Response(503, {}, b""))
    with serve(Script(interval=seconds(1), outages=(busy,)), clock=clock) as server:
        window = open_window(server.issuer)
        window.until_said("The server does not answer. Trying again …")
        window.picture(tmp_path / "trouble.png")
        clock.advance(seconds(1))
        window.until_said("Waiting for you to approve …")
        window.until_said("at the server's pace …")
        window.picture(tmp_path / "slow.png")
        assert window.look().clipped == []
        window.click("button")
        window.until_said("Cancelled.")
        window.close()
        assert window.ended() == (0, "Cancelled")


def test_a_denial_is_said(open_window: Open) -> None:
    with serve(Script(interval=seconds(1), deny_after=seconds(0))) as server:
        window = open_window(server.issuer)
        look = window.until_said("The sign-in was denied.")
        assert (look.texts["button"], has_code(look)) == ("Close", False)
        window.close()
        assert window.ended() == (0, "Denied")


def test_a_code_that_ran_out_is_shown_no_more(open_window: Open) -> None:
    with serve(Script(interval=seconds(1), lifetime=seconds(2))) as server:
        window = open_window(server.issuer)
        look = window.until_said("The code ran out before anybody approved.")
        assert (look.texts["button"], has_code(look)) == ("Close", False)
        window.close()
        assert window.ended() == (0, "Expired")


APPROVED = Script(interval=seconds(1), approve_after=seconds(0))


def test_cancelled_while_the_token_is_in_the_air(open_window: Open) -> None:
    """What comes late changes nothing, and nobody gets the token."""
    with serve(APPROVED) as server:
        window = open_window(server.issuer, "held")
        until(lambda: "poll" in server.server.counts)  # answered, and held back on the way
        assert window.look().texts["said"] == "Waiting for you to approve …"
        window.click("button")
        look = window.until_said("Cancelled.")
        assert (look.texts["button"], has_code(look)) == ("Close", False)
        window.say("release")
        for _ in range(10):
            assert window.look().texts["said"] == "Cancelled."
        window.click("button")
        assert window.ended() == (0, "Cancelled")
        assert server.server.counts == {"device": 1, "poll": 1}


def test_closed_while_the_token_is_in_the_air(open_window: Open) -> None:
    """The answer finds no window, and says so to nobody: the process is still there to see it."""
    with serve(APPROVED) as server:
        window = open_window(server.issuer, "held")
        until(lambda: "poll" in server.server.counts)
        window.close()
        assert window.ended() == (0, "Cancelled")
        assert server.server.counts == {"device": 1, "poll": 1}


def test_without_segno_there_is_no_picture(open_window: Open, tmp_path: Path) -> None:
    with serve(EVERY_SECOND) as server:
        window = open_window(server.issuer, "no-segno")
        look = window.until(has_code)
        file = tmp_path / "without.png"
        window.picture(file)
        assert decoded(file) == []
        assert dark(file, look.box("code")) > 0.03
        window.close()
        assert window.ended() == (0, "Cancelled")


def test_nothing_is_cut_off_where_texts_are_long(open_window: Open, tmp_path: Path) -> None:
    with serve(EVERY_SECOND) as server:
        window = open_window(server.issuer, "long")
        look = window.until(has_code)
        window.picture(tmp_path / "long.png")
        assert look.texts["code"] == LONG_CODE
        assert decoded(tmp_path / "long.png") == [f"{LONG_LINK}?user_code={LONG_CODE}"]
        assert look.clipped == []
        _, _, width, height = look.boxes["window"]
        for part, (x, y, wide, high) in ((part, look.box(part)) for part in look.boxes):
            assert min(x, y) >= 0, part
            assert (x + wide <= width, y + high <= height) == (True, True), part
        window.close()
        assert window.ended() == (0, "Cancelled")


# As they are, from the command line

CLOSED_AT_THE_END = """
import sys
import qt_window
from grantflow import Authorized
from PySide6.QtCore import QTimer

shown = qt_window.SignInWindow.watch


def watch(self, state):
    shown(self, state)
    if isinstance(state, Authorized):
        QTimer.singleShot(0, self.close)


qt_window.SignInWindow.watch = watch
qt_window.main()
"""


def command(server: Loopback) -> list[str]:
    found = {"--device-endpoint": "device", "--token-endpoint": "token"}
    urls = [text for name, path in found.items() for text in (name, f"{server.issuer}/{path}")]
    return [*urls, "--client-id", "window", "--scope", "read write"]


def alone(home: Path, display: str = "") -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "GRANTFLOW_HOME": str(home),
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "offscreen",
    }


def test_tk_s_window_as_a_person_meets_it(screen: str, tmp_path: Path) -> None:
    """Nothing looks inside: the picture is read, as a phone would, and the window is closed."""
    file = tmp_path / "screen.png"

    from PIL import ImageGrab

    def seen() -> list[str]:
        ImageGrab.grab(xdisplay=screen).save(file)
        return decoded(file)

    with (
        serve(EVERY_SECOND) as server,
        subprocess.Popen(
            [sys.executable, str(EXAMPLES / "tk_window.py"), *command(server)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=alone(tmp_path, screen),
        ) as process,
    ):
        try:
            (link,) = until(seen)
            server.approve(parse_qs(urlsplit(link).query)["user_code"][0])
            until(lambda: not seen())  # a dead code is shown no more
            subprocess.run(["wmctrl", "-F", "-c", "Sign in"], env=alone(tmp_path, screen))
            out, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (process.returncode, out, errors) == (0, "Signed in, for: read write\n", "")
    assert len(list(tmp_path.glob("tokens/*.json"))) == 1


def test_qt_s_window_from_the_command_line(tmp_path: Path) -> None:
    demand(missing("qt"))
    with serve(Script(approve_after=seconds(0), interval=seconds(1))) as server:
        ended = subprocess.run(
            [sys.executable, "-c", CLOSED_AT_THE_END, *command(server)],
            capture_output=True,
            text=True,
            env=alone(tmp_path) | {"PYTHONPATH": str(EXAMPLES)},
        )
    assert (ended.returncode, ended.stdout) == (0, "Signed in, for: read write\n"), ended.stderr
    assert len(list(tmp_path.glob("tokens/*.json"))) == 1


def test_a_wrong_word_is_told_in_one_line(toolkit: Toolkit, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{toolkit}_window.py"), "githup", "--client-id", "x"],
        capture_output=True,
        text=True,
        env=alone(tmp_path),
    )
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"{toolkit}_window.py: error: unknown provider 'githup'; did you mean")


def test_qt_s_window_type_checks(tmp_path: Path) -> None:
    """Here, for PySide6 is no dependency of ours; the other examples are checked with the rest."""
    demand(missing("qt"))
    files = [str(EXAMPLES / name) for name in ("qt_window.py", "window_parts.py")]
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), *files],
        cwd=EXAMPLES.parents[1],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
