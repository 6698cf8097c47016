"""Play a window of the examples in a process of its own, and tell what it shows.

``python stage.py tk|qt ISSUER [OPTION]...`` takes commands on standard input, one a line:

    look          answers with what the window says and where its parts are, as a line of JSON
    click PART    presses a part (Qt only, which has no screen here: on Tk's a test really clicks)
    shoot FILE    saves a picture (Qt only)
    close         closes the window (Qt only)
    release       lets the answer come that ``held`` holds back

The last line says how many tokens came, and in which state the sign-in ended. Options: ``long`` has
the server answer with a very long link and code; ``held`` holds the answers to polls back, until
they are released or the window is gone; ``no-segno`` hides segno.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Protocol

from grantflow import (
    Client,
    DeviceState,
    Failed,
    Provider,
    Request,
    Response,
    Token,
    Transport,
)
from grantflow.core.values.response import Reply
from grantflow.shell.http.requests import RequestsTransport
from grantflow.shell.timer import Loop, TimerDriver

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

LONG_CODE = "WXYZ-BCDF-GHJK"
LONG_LINK = "https://login.an-exceptionally-long-name.example/realms/the-main-one/device/activate"


class Windowed(Protocol):
    driver: TimerDriver[DeviceState]


class Stage(Protocol):
    """A window, and how to look at it and press it."""

    loop: Loop
    window: Windowed

    def __init__(
        self, client: Client, signed_in: Callable[[Token], None], transport: Transport
    ) -> None: ...

    def play(self) -> None:
        """Show the window until it is closed."""
        ...

    def look(self) -> dict[str, object]:
        """What the parts say, where those are that can be seen, and what has too little room."""
        ...

    def click(self, part: str) -> None: ...
    def shoot(self, file: str) -> None: ...
    def close(self) -> None: ...


def provider(issuer: str) -> Provider:
    return Provider(
        name="Acme",
        token_endpoint=f"{issuer}/token",
        device_authorization_endpoint=f"{issuer}/device",
    )


def lengthened(transport: Transport) -> Transport:
    """A server with a long name."""

    def send(request: Request) -> Reply:
        reply = transport(request)
        if isinstance(reply, Response) and request.url.endswith("/device"):
            told = json.loads(reply.body) | {
                "user_code": LONG_CODE,
                "verification_uri": LONG_LINK,
                "verification_uri_complete": f"{LONG_LINK}?user_code={LONG_CODE}",
            }
            return Response(reply.status, reply.headers, json.dumps(told).encode())
        return reply

    return send


def held(transport: Transport, released: threading.Event) -> Transport:
    """A network that is slow to bring the token."""

    def send(request: Request) -> Reply:
        reply = transport(request)
        if request.url.endswith("/token"):
            released.wait()
        return reply

    return send


def obey(stage: Stage, released: threading.Event, commands: Iterable[str]) -> None:
    """Perform each command on the loop's thread, in order."""

    def perform(command: str, *rest: str) -> None:
        if command == "look":
            print(json.dumps(stage.look()), flush=True)
        elif command == "release":
            released.set()
        else:
            getattr(stage, command)(*rest)

    for line in commands:
        stage.loop.post(partial(perform, *line.split()))


def main(toolkit: str, issuer: str, *options: str) -> None:
    sys.path.insert(0, str(EXAMPLES))
    if "no-segno" in options:
        sys.modules["segno"] = None  # type: ignore[assignment]
    module = importlib.import_module(f"{toolkit}_stage")
    transport: Transport = RequestsTransport()
    released = threading.Event()
    if "long" in options:
        transport = lengthened(transport)
    if "held" in options:
        transport = held(transport, released)
    tokens: list[Token] = []
    client = Client(provider=provider(issuer), client_id="window", scope="read")
    stage: Stage = module.Stage(client, tokens.append, transport)
    threading.Thread(target=obey, args=(stage, released, sys.stdin), daemon=True).start()
    stage.play()
    released.set()
    for thread in threading.enumerate():
        if thread.name == "grantflow":  # what is in the air comes to a window that is gone
            thread.join()
    run = stage.window.driver.run
    assert run is not None
    state = run.state
    ended = type(state.error if isinstance(state, Failed) else state).__name__
    print(json.dumps({"tokens": len(tokens), "ended": ended}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
