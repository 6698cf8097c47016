"""One line that lives while a sign-in runs: what is waited for, the code, the time left."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import TracebackType
from typing import Self, final

from rich import live
from rich.console import Console
from rich.spinner import Spinner
from rich.text import Text

from grantflow.cli.invite import Invite
from grantflow.cli.screen import AnyState, waiting
from grantflow.core.display import escaped
from grantflow.core.states import Pending, SlowDown
from grantflow.core.values import DeviceAuthorization
from grantflow.shell.ports import Clock


@final
class Live:
    """A ``Screen`` on a terminal; its line is gone when the run is over."""

    def __init__(self, invite: Invite, clock: Clock) -> None:
        self._invite = invite
        self._clock = clock
        self._code: DeviceAuthorization | None = None
        self._state: AnyState | None = None
        self._spinner = Spinner("dots")
        self._line = live.Live(
            get_renderable=self._drawn,
            console=Console(file=sys.stderr, highlight=False),
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.stop()

    def __call__(self, state: AnyState) -> None:
        """Invite once for each code; the line shows the rest by itself."""
        if not isinstance(state, (Pending, SlowDown)):
            return
        self._state = state
        if state.authorization is not None and state.authorization != self._code:
            self._code = state.authorization
            self._invite(self._code)
        self._line.start(refresh=True)

    def _drawn(self) -> Spinner:
        parts: list[str | tuple[str, str]] = []
        if self._state is not None:
            parts.append(waiting(self._state, self._clock) or "")
        if self._code is not None:
            left = max(self._code.expires_at - self._clock.now().mono, timedelta())
            if self._code.user_code:
                parts += ["  code ", (escaped(self._code.user_code), "bold")]
            parts.append(f"  {_clocked(left)} left")
        self._spinner.update(text=Text.assemble(*parts))
        return self._spinner


def _clocked(span: timedelta) -> str:
    """Return a span as a clock shows it."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
