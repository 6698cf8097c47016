"""What the windows of ``tk_window.py`` and ``qt_window.py`` share: nothing here knows a toolkit."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import assert_never

from grantflow import (
    Authorized,
    Cancelled,
    Client,
    Denied,
    DeviceFlow,
    DeviceState,
    Expired,
    Failed,
    FileStore,
    GrantError,
    Moment,
    Pending,
    Provider,
    SlowDown,
    Started,
    Token,
    TokenSource,
    providers,
)
from grantflow.testing import Script, serve

PAPER, INK, FAINT, LINK = "#ffffff", "#1f2328", "#59636e", "#0a58ca"
CALM, WORRIED, GOOD, BAD = INK, "#9a6700", "#1a7f37", "#cf222e"


def words(state: DeviceState) -> tuple[str, str]:
    """Return what to say of a state, and in which colour."""
    match state:
        case Started() | Pending() | SlowDown() if state.faults:
            return "The server does not answer. Trying again …", WORRIED
        case Started():
            return "RequestFormat for a code …", CALM
        case Pending():
            return "Waiting for you to approve …", CALM
        case SlowDown():
            return "Waiting for you to approve, at the server's pace …", CALM
        case Authorized():
            return "You are signed in.", GOOD
        case Expired():
            return "The code ran out before anybody approved.", BAD
        case Failed(Denied()):
            return "The sign-in was denied.", BAD
        case Failed(Cancelled()):
            return "Cancelled.", FAINT
        case Failed():
            return f"That did not work: {GrantError(state)}.", BAD
        case _:
            assert_never(state)


def countdown(state: DeviceState, now: Moment) -> str:
    """Return how long the code will live, while it is waited for."""
    if not isinstance(state, (Pending, SlowDown)):
        return ""
    left = state.authorization.expires_at - now.mono
    minutes, seconds = divmod(max(math.ceil(left.total_seconds()), 0), 60)
    return f"The code lives for another {minutes}:{seconds:02}."


def printable(text: str) -> str:
    """Return what a server sent without anything that would turn or hide the text around it."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def picture(link: str) -> list[list[bool]]:
    """Return the rows of a QR code with its margin, or none where segno is not installed."""
    try:
        import segno
    except ImportError:
        return []
    try:
        rows = segno.make(link, error="m", micro=False).matrix_iter(border=4)
    except segno.DataOverflowError:  # a link of more than two thousand letters
        return []
    return [[bool(module) for module in row] for row in rows]


@contextmanager
def arranged() -> Iterator[tuple[Client, Callable[[Token], None]]]:
    """Give the client of the command line, and what to do with its token; then say how it went.

    The window signs in. The source finds the token in the store, and renews it from then on.
    """
    client, store = _asked(), FileStore()
    with ExitStack() as held:
        if client is None:
            script = Script(approve_after=timedelta(seconds=12), interval=timedelta(seconds=2))
            server = held.enter_context(serve(script))
            client = Client(provider=server.provider, client_id="window", scope="read")
            store = FileStore(held.enter_context(TemporaryDirectory()))
        source = TokenSource(client, store=store, interactive=False)
        yield client, lambda token: store.save(source.key, token)
        try:
            print("Signed in, for:", *source.token().scope)
        except GrantError:  # the window said why
            sys.exit("Not signed in.")


def _asked() -> Client | None:
    """Return the client that the command line describes, or ``None`` where it describes none."""
    parser = argparse.ArgumentParser(description="Sign in, in a window.")
    parser.add_argument("provider", nargs="?", help="a provider that grantflow knows")
    parser.add_argument("--device-endpoint", metavar="URL")
    parser.add_argument("--token-endpoint", metavar="URL")
    parser.add_argument("--client-id", metavar="ID")
    parser.add_argument("--scope", default="")
    said = parser.parse_args()
    if said.client_id is None:
        if said.provider or said.token_endpoint:
            parser.error("--client-id is needed: the provider gave one at registration")
        return None
    try:
        if said.token_endpoint is None:
            provider = providers.find(said.provider or "")
        else:
            provider = Provider(
                name=said.provider or "the server",
                device_authorization_endpoint=said.device_endpoint,
                token_endpoint=said.token_endpoint,
            )
        client = Client(provider=provider, client_id=said.client_id, scope=said.scope)
        DeviceFlow(client)
    except (LookupError, ValueError) as error:
        parser.error(str(error))
    return client
