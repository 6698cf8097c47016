"""A driver of one's own: perform what is due once, then tell the run what happened.

``drive`` is all of it. ``send`` shows what a transport is, with nothing but the standard library.

    python own_driver.py    signs in, at a scripted server on this machine
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TypeVar
from urllib.parse import urlsplit

from grantflow import (
    Authorized,
    Client,
    Clock,
    DeviceFlow,
    DeviceState,
    Expired,
    Failed,
    Fault,
    Flow,
    Pending,
    Request,
    Response,
    Send,
    SlowDown,
    SystemClock,
    Transport,
    begin,
)
from grantflow.testing import Script, serve

S = TypeVar("S")

LARGEST_ANSWER = 1024 * 1024


def drive(
    flow: Flow[S], transport: Transport, clock: Clock, watch: Callable[[S], None]
) -> Authorized | Expired | Failed:
    """Run a flow to its end; ``watch`` sees every state."""
    run = begin(flow, clock.now())
    watch(run.phase)
    while isinstance(due := run.due, Send):
        clock.sleep_until(due.not_before)
        reply = transport(due.request)
        run = run.receive(due, reply, clock.now())
        watch(run.phase)
    return due


def send(request: Request) -> Response | Fault:
    """Send a request once. Follows no redirect, and raises for no trouble: that is a ``Fault``."""
    url = urlsplit(request.target())
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.netloc, timeout=30)
    path = f"{url.path or '/'}?{url.query}".removesuffix("?")
    try:
        connection.connect()
    except OSError as error:
        return Fault("refused", "no", str(error))  # it did not arrive: asking again is safe
    try:
        connection.request(request.method, path, request.body(), request.header_map())
        answer = connection.getresponse()
        return Response(answer.status, dict(answer.getheaders()), answer.read(LARGEST_ANSWER))
    except (OSError, HTTPException) as error:
        return Fault("other", "maybe", type(error).__name__)  # it may have arrived
    finally:
        connection.close()


def show(state: DeviceState) -> None:
    """Tell the person what to do; the code is in every state that waits."""
    if isinstance(state, (Pending, SlowDown)):
        code = state.authorization
        print(f"Open {code.verification_uri} and enter {code.user_code}  ({state.polls} polls)")
    else:
        print(type(state).__name__)


def main() -> None:
    """Sign in at a server whose person approves after two seconds."""
    script = Script(approve_after=timedelta(seconds=2), interval=timedelta(seconds=1))
    with serve(script) as server:
        client = Client(provider=server.provider, client_id="own-driver", scope="read")
        drive(DeviceFlow(client), send, SystemClock(), show)


if __name__ == "__main__":
    main()
