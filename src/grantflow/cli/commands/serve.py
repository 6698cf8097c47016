"""``grantflow serve``: a scripted authorization server on this machine, with its approval page."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError
from grantflow.cli.output import spoken, tell
from grantflow.cli.parser import Parser, port, span
from grantflow.testing import Script, serve


class Options(Namespace):
    """What the command line says."""

    port: int
    approve_after: timedelta | None


_EXAMPLES: Final = ("grantflow serve", "grantflow serve --port 8765 --approve-after 3")

_INTERVAL: Final = timedelta(seconds=1)


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        "serve", "Run a scripted authorization server on this machine, until Ctrl-C.", _EXAMPLES
    )
    made.add_argument(
        "--port", metavar="N", type=port, default=0, help="the port (default: any free one)"
    )
    made.add_argument(
        "--approve-after",
        metavar="S",
        type=span,
        help="approve every sign-in after S seconds, as a person would",
    )
    return made


def main(argv: Sequence[str], context: Context) -> int:  # noqa: ARG001
    """Run the command until it is interrupted."""
    options = parser().read(argv, Options())
    script = Script(interval=_INTERVAL, approve_after=options.approve_after)
    try:
        server = serve(script, port=options.port)
    except OSError as error:
        problem = error.strerror or error
        said = f"cannot listen on port {options.port}: {problem}"
        raise CommandError(said, "choose another --port") from None
    with server:
        for line in _lines(server.issuer, options.approve_after):
            tell(line)
        while True:
            # A wait without an end cannot be interrupted on Windows.
            threading.Event().wait(3600)


def _lines(issuer: str, approve_after: timedelta | None) -> tuple[str, ...]:
    approval = (
        "open the approval page to approve or deny"
        if approve_after is None
        else f"every sign-in is approved after {spoken(approve_after)}"
    )
    return (
        "A scripted authorization server is running. It accepts any client and stores nothing.",
        f"  issuer         {issuer}",
        f"  approval page  {issuer}/activate",
        "",
        f"Sign in from another terminal; {approval}:",
        f"  grantflow login --issuer {issuer} --client-id demo",
        "",
        "Press Ctrl-C to stop it.",
    )
