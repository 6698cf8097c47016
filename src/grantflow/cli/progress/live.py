"""One line that is redrawn while a sign-in runs: the code, the time left, what is waited for."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import timedelta
from typing import final

from rich import live
from rich.console import Console
from rich.spinner import Spinner
from rich.text import Text

from grantflow.cli.output import has_bold
from grantflow.cli.progress.screen import Prompt, Screen
from grantflow.core.flows.states import AnyState
from grantflow.core.values.text import escaped
from grantflow.core.values.token import DeviceAuthorization
from grantflow.shell.ports import Clock


@final
class Live(Screen):
    """A ``Screen`` on a terminal; its line is gone when the run is over."""

    def __init__(self, prompt: Prompt, clock: Clock) -> None:
        super().__init__(clock)
        self._prompt = prompt
        self._state: AnyState | None = None
        self._console = Console(file=sys.stderr, highlight=False)
        self._plain = not self._console.encoding.startswith("utf")
        self._strong = "bold" if has_bold(sys.stderr) else ""
        self._spinner = Spinner("line" if self._plain else "dots")
        self._line = live.Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
        )

    def __exit__(self, *_: object) -> None:
        """Remove the line."""
        with suppress(OSError):  # after SIGHUP, nobody may have the terminal any more
            self._line.stop()

    def prompt(self, code: DeviceAuthorization) -> None:
        """Prompt, with no line in the way."""
        self._line.stop()
        self._prompt(code)

    def show(self, state: AnyState, *, is_new: bool) -> None:  # noqa: ARG002
        """Let the line show it: it redraws itself as time passes."""
        self._state = state
        if self.describe(state) is not None:
            self._line.start(refresh=True)

    def _draw(self) -> Text:
        parts: list[str | tuple[str, str]] = [self._frame(), " "]
        if self.code is not None:
            if self.code.user_code:
                parts += ["code ", (escaped(self.code.user_code), self._strong), "  "]
            parts.append(f"{_clock(self.until(self.code.expires_at))} left  ")
        wait = None if self._state is None else self.describe(self._state)
        if wait is not None:
            parts.append(wait.words)
        # One line, however narrow the terminal is; the most important comes first.
        return Text.assemble(*parts, no_wrap=True, overflow="crop" if self._plain else "ellipsis")

    def _frame(self) -> str:
        return str(self._spinner.render(self._console.get_time()))


def _clock(span: timedelta) -> str:
    """Return a span as a clock shows it."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
