"""Windows as fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.interop.conftest import demand

from .screen import Toolkit, Window, missing, start_screen

Open = Callable[..., Window]


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    demand(missing("tk"))
    with start_screen() as display:
        yield display


@pytest.fixture(params=["tk", "qt"])
def toolkit(request: pytest.FixtureRequest) -> Toolkit:
    found: Toolkit = request.param
    demand(missing(found))
    return found


@pytest.fixture
def open_window(toolkit: Toolkit, request: pytest.FixtureRequest) -> Iterator[Open]:
    """``open_window(issuer, *options)``: on a real screen, or off it for Qt."""
    display = request.getfixturevalue("screen") if toolkit == "tk" else ""
    with ExitStack() as opened:

        def start(issuer: str, *options: str) -> Window:
            window = Window(toolkit, issuer, options, display)
            opened.callback(window.end)
            return window

        yield start
