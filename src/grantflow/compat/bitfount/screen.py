"""What is printed during a sign-in at Bitfount, and the last device code."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import final

from attrs import evolve, frozen

from grantflow import (
    Clock,
    DeviceAuthorization,
    DeviceState,
    GrantState,
    Pending,
    Prompt,
    SlowDown,
)
from grantflow.compat.bitfount.errors import AuthenticatedUserError
from grantflow.compat.bitfount.token_file import TokenFile
from grantflow.compat.browser import open_link
from grantflow.flows import escaped


@final
@frozen
class Code:
    """A device code as it arrived, and how often the server may be asked about it."""

    authorization: DeviceAuthorization
    arrived: datetime
    lifetime: timedelta
    interval: timedelta


@final
class _Came(threading.local):
    """What this thread knew when it began to wait."""

    refused: int = 0


@final
class Screen:
    """Shows the user what to do, or lets ``show`` do it; ``code`` is the last one."""

    def __init__(self, clock: Clock, file: TokenFile, show: Prompt | None) -> None:
        self._clock = clock
        self._file = file
        self._show = show
        self._came = _Came()
        self.code: Code | None = None

    def expected(self) -> None:
        """Note that this thread wants a token from now on."""
        self._came.refused = len(self._file.refused)

    def prompt(self, code: DeviceAuthorization) -> None:
        """Print the code and the link, then open the browser."""
        # A thread that waited while another user signed in fails, or each would prompt in turn.
        meanwhile = self._file.refused[self._came.refused :]
        if meanwhile:
            raise AuthenticatedUserError(meanwhile[-1])
        if self._show is not None:
            self._show(code)
            return
        link = code.verification_uri_complete or code.verification_uri
        if self._file.others:
            print("Stored tokens are no longer valid, fresh authentication is necessary")
        print(f"Your confirmation code is: {escaped(code.user_code)}")
        print("A browser window will open, please log in to confirm your identity.")
        print("If no browser window opens, then please visit the following URL:")
        print(escaped(link), flush=True)
        open_link(link)

    def watch(self, state: DeviceState | GrantState) -> None:
        """Remember a new code; print how long until an old one is polled for."""
        if not isinstance(state, (Pending, SlowDown)) or state.authorization is None:
            return
        now, code = self._clock.now(), state.authorization
        if self.code is None or self.code.authorization != code:
            self.code = Code(code, now.wall, code.expires_at - now.mono, state.interval)
            return
        self.code = evolve(self.code, interval=state.interval)
        if self._show is not None:
            return
        seconds = round((state.not_before - now.mono).total_seconds())
        again = f"Will check again in {seconds} seconds."
        print(f"Awaiting authentication in browser. {again}", flush=True)
