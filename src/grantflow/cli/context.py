"""What the command takes from outside, in one value: a test brings its own clock and server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final

from attrs import evolve, field, frozen

from grantflow.cli.output import is_terminal, warn
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Clock, Transport

if TYPE_CHECKING:
    from grantflow.shell.stores.file import FileStore

_SHORTEST_TIMEOUT: Final = 0.1

StoreName: TypeAlias = Literal["file", "keyring"]
STORES: Final[tuple[StoreName, ...]] = ("file", "keyring")
"""Where ``login --store`` puts a token."""


class Terminal:
    """The terminal of the person, if there is one."""

    def asks(self) -> bool:
        """Return whether a person can answer on stdin."""
        return is_terminal(sys.stdin)

    def shows(self) -> bool:
        """Return whether a person reads stderr on a terminal that can redraw a line."""
        return is_terminal(sys.stderr)

    def has_display(self) -> bool:
        """Return whether a browser can be opened where the person sees it."""
        if not (self.asks() and is_terminal(sys.stdout)):
            return False
        if any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")):
            return True
        # Over ssh these would open it on another screen.
        return sys.platform in ("darwin", "win32") and "SSH_CONNECTION" not in os.environ

    def open(self, link: str) -> bool:
        """Start opening a link in a browser; return whether there is one.

        Some browsers return only when they are closed, so this waits for none.
        """
        import threading
        import webbrowser

        try:
            browser = webbrowser.get()
        except webbrowser.Error:
            return False
        threading.Thread(target=_opened, args=(browser.open, link), daemon=True).start()
        return True

    def read_secret(self, label: str) -> str:
        """Ask for a secret without showing it."""
        from getpass import getpass

        try:
            return getpass(f"{label}: ")
        except EOFError:
            return ""


def _opened(browse: Callable[[str], object], link: str) -> None:
    import contextlib
    import webbrowser

    with contextlib.suppress(OSError, webbrowser.Error):
        browse(link)


@final
class Traced:
    """A transport that knows which endpoint it asked last; ``asked`` is empty before the first.

    With ``--verbose`` it reports each request and its result, without a query or a body.
    """

    def __init__(self, transport: Transport, *, verbose: bool = False) -> None:
        self._transport: Transport = transport
        self._verbose = verbose
        self.asked: str = ""

    def __call__(self, request: Request, /) -> Reply:
        """Send the request."""
        # Without the query: some providers want credentials there.
        self.asked = request.url.partition("?")[0]
        reply = self._transport(request)
        if self._verbose:
            result = f"{reply.kind} ({reply.detail})" if isinstance(reply, Fault) else reply.status
            warn(f"{request.method} {self.asked} -> {result}")
        return reply


def _over_requests(budget: timedelta | None) -> Transport:
    from grantflow.shell.http.requests import RequestsTransport
    from grantflow.shell.http.rules import CONNECT, WHOLE

    if budget is None:
        return RequestsTransport()
    most = max(budget.total_seconds(), _SHORTEST_TIMEOUT)
    return RequestsTransport(timeout=(min(CONNECT, most), min(WHOLE, most)))


def _store(name: str) -> FileStore:
    if name == "file":
        from grantflow.shell.stores.file import FileStore

        return FileStore()
    from grantflow.shell.profiles.source import store_of

    return store_of(name)


@final
@frozen(kw_only=True)
class Context:
    """The world around one run of the command.

    ``transports`` makes a transport in which no answer takes longer than a budget, ``stores`` a
    store by its name. ``verbose`` reports every request.
    """

    terminal: Terminal = field(factory=Terminal)
    clock: Clock = field(factory=SystemClock)
    transports: Callable[[timedelta | None], Transport] = _over_requests
    stores: Callable[[str], FileStore] = _store
    environment: Mapping[str, str] = field(factory=lambda: os.environ)
    verbose: bool = False

    def transport(self, budget: timedelta | None = None) -> Traced:
        """Return a transport; no answer takes longer than the ``budget``."""
        return Traced(self.transports(budget), verbose=self.verbose)

    def store(self, name: str = "file") -> FileStore:
        """Return a store by its name."""
        return self.stores(name)


def prepared(context: Context | None, *, verbose: bool) -> Context:
    """Return the context of a command, with the library's warnings on stderr."""
    log = logging.getLogger("grantflow")
    if _NOTES not in log.handlers:
        log.addHandler(_NOTES)
    made = context or Context()
    told = verbose or made.environment.get("GRANTFLOW_DEBUG", "") not in ("", "0")
    _NOTES.setLevel(logging.INFO if told else logging.WARNING)
    log.setLevel(logging.INFO if told else logging.NOTSET)
    return evolve(made, verbose=told)


@final
class _OnStderr(logging.Handler):
    """Prints the library's records like everything else that the command has to say."""

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "raised", False):  # the command's last line tells it
            warn(record.getMessage())


_NOTES: Final = _OnStderr(logging.WARNING)
