"""The sign-in for programs: one JSON object a line. Never a token, a device code or a secret."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TypeAlias, final

from grantflow.cli.errors import CommandError
from grantflow.cli.login import timeout as limit
from grantflow.cli.output import answer
from grantflow.cli.progress.screen import AnyState, Screen
from grantflow.core.flows.states import Pending, SlowDown
from grantflow.core.values.text import escaped
from grantflow.core.values.token import DeviceAuthorization, Token
from grantflow.shell.ports import Clock

Value: TypeAlias = str | int | float | bool | None


@final
class Events(Screen):
    """A ``Screen`` that prints ``code_issued``, ``pending`` and ``slow_down``."""

    _told = False
    """Whether the state that comes next brought the code, and is told by that."""

    def issued(self, code: DeviceAuthorization) -> None:
        """Print what a person needs."""
        issued(code, self.clock)
        self._told = True

    def shown(self, state: AnyState) -> None:
        """Print the state, if it waits; how it ended is told when everything is stored."""
        if isinstance(state, (Pending, SlowDown)) and not self._told:
            _said(
                "slow_down" if isinstance(state, SlowDown) else "pending",
                interval=_seconds(state.interval),
                polls=state.polls,
                faults=state.faults,
            )
        self._told = False


def issued(code: DeviceAuthorization, clock: Clock, **more: Value) -> None:
    """Print what a person needs; never the device code, which fetches the token."""
    left = code.expires_at - clock.now().mono
    _said(
        "code_issued",
        user_code=code.user_code or None,
        verification_uri=code.verification_uri,
        verification_uri_complete=code.verification_uri_complete,
        expires_in=round(left.total_seconds()),
        interval=_seconds(code.interval),
        **more,
    )


def authorized(profile: str, token: Token) -> None:
    """Print that the sign-in is done and stored."""
    expires_at = None if token.expires_at is None else token.expires_at.isoformat()
    _said("authorized", profile=profile, scope=" ".join(token.scope), expires_at=expires_at)


def ended(error: CommandError) -> None:
    """Print why the sign-in ended without a token."""
    kind = "expired" if error.word in ("expired", limit.WORD) else "failed"
    _said(kind, error=error.word, message=escaped(str(error)))


def _seconds(span: timedelta) -> float:
    seconds = span.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _said(event: str, **values: Value) -> None:
    answer(json.dumps({"event": event, **values}))
