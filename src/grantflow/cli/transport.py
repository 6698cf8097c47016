"""Whom a transport asked last: an error names the endpoint that failed, not the one that is due."""

from __future__ import annotations

from typing import final

from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.shell.ports import Transport


@final
class Traced:
    """A transport that knows whom it asked; ``asked`` is empty before anybody was."""

    def __init__(self, transport: Transport) -> None:
        self._transport: Transport = transport
        self.asked: str = ""

    def __call__(self, request: Request, /) -> Reply:
        """Send it, and remember where to."""
        # Without the query: some providers want more there than anybody else should read.
        self.asked = request.url.partition("?")[0]
        return self._transport(request)
