"""Tells those who look on: the person, a watcher of states, an observer of events, and the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final, final

from grantflow.core.acquisition.source_events import (
    About,
    PromptShown,
    RenewalFailed,
    SignInFailed,
    SourceEvent,
    StoreFailed,
    describe_event,
    observed,
    phase_of,
)
from grantflow.core.acquisition.states import AcquisitionState, ReadingCache
from grantflow.core.flows.states import AnyState, Pending, Problem, SlowDown
from grantflow.core.values.token import DeviceAuthorization
from grantflow.shell.ports import Prompt, Readable

_log: Final = logging.getLogger("grantflow")


@final
class Observer:
    """Tells what happens to the token that it is ``about``; ``trouble`` is the last of it."""

    def __init__(
        self,
        about: About,
        clock: Readable,
        prompt: Prompt | None,
        watch: Callable[[AnyState], None] | None,
        on_event: Callable[[SourceEvent], None] | None,
    ) -> None:
        self.about = about
        self.trouble: tuple[Problem | str | None, datetime | None] = (None, None)
        self._clock = clock
        self._prompt = prompt
        self._watch = watch
        self._on_event = on_event

    def show(self) -> Callable[[AcquisitionState], None]:
        """Return what sees the states of one acquisition: it prompts, once for a code."""
        before: AcquisitionState = ReadingCache()
        phase: AnyState | None = None
        codes: list[DeviceAuthorization] = []

        def see(state: AcquisitionState) -> None:
            nonlocal before, phase
            now = phase_of(before, state)
            if now is not None and now != phase:
                phase = now
                if self._watch is not None:
                    self._watch(now)
                if isinstance(now, (Pending, SlowDown)) and now.authorization is not None:
                    self._ask(now.authorization, codes)
            for event in observed(before, state, self.about, self._clock.now().wall):
                self.tell(event)
            before = state

        return see

    def tell(self, event: SourceEvent) -> None:
        """Log an event, remember trouble, and hand it to the observer."""
        level = logging.INFO
        match event:
            case RenewalFailed(problem=trouble) | SignInFailed(problem=trouble):
                self.trouble, level = (trouble, event.at), logging.WARNING
            case StoreFailed(reason=reason):
                self.trouble, level = (reason, event.at), logging.WARNING
            case _:
                pass
        if _log.isEnabledFor(level):
            _log.log(level, "%s", describe_event(event), extra=_members(event))
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception as error:  # noqa: BLE001 - who looks on breaks nothing
                _log.warning("on_event raised %s", type(error).__name__)

    def _ask(self, code: DeviceAuthorization, codes: list[DeviceAuthorization]) -> None:
        if code in codes:
            return
        codes.append(code)
        if self._prompt is None:
            from grantflow.shell.terminal import plain_prompt

            plain_prompt(code)
        else:
            self._prompt(code)
        self.tell(PromptShown(self._clock.now().wall, self.about, code))


def _members(event: SourceEvent) -> dict[str, object]:
    return {
        "event": type(event).__name__,
        "key": event.key,
        "provider": event.provider,
        "client_id": event.client_id,
        "profile": event.profile,
        # The caller gets it as an error as well, and may tell it there.
        "raised": isinstance(event, SignInFailed)
        or (isinstance(event, RenewalFailed) and event.then == "error"),
    }
