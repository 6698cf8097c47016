"""``grantflow demo``: a whole sign-in, from the server to the logout, in a few seconds.

It stores its token in a temporary directory: the user's own files are neither read nor written.
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

from attrs import frozen

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError
from grantflow.cli.output import expiry, spoken, tell
from grantflow.cli.parser import Parser
from grantflow.cli.problems import ended
from grantflow.cli.progress.prompt import best_screen
from grantflow.core.acquisition.freshness import renewed
from grantflow.core.client.client import Client
from grantflow.core.client.identity import key_of
from grantflow.core.flows.device import DeviceFlow
from grantflow.core.flows.refresh import RefreshFlow
from grantflow.core.flows.states import Authorized, Expired, Failed
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Response
from grantflow.core.values.token import Token
from grantflow.shell.blocking import run
from grantflow.shell.ports import Transport
from grantflow.shell.stores import FileStore
from grantflow.testing import Script, serve

_EXAMPLES: Final = ("grantflow demo",)

_INTERVAL: Final = timedelta(seconds=1)
_ALONE: Final = timedelta(seconds=2)
_WATCHED: Final = timedelta(seconds=10)


def parser() -> Parser:
    """Return the command's parser."""
    return Parser(
        "demo", "Run a complete sign-in on this machine; nothing else is touched.", _EXAMPLES
    )


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    parser().read(argv, Namespace())
    wait = _WATCHED if context.terminal.asks() else _ALONE
    began = time.monotonic()
    script = Script(interval=_INTERVAL, approve_after=wait)
    with TemporaryDirectory(prefix="grantflow-demo-") as folder, serve(script) as server:
        client = Client(provider=server.provider, client_id="demo", scope="profile")
        act = _Act(client, context, context.transport(), FileStore(Path(folder)))
        tell("A complete sign-in, with an authorization server on this machine.")
        tell()
        _step(1, "server", f"it listens on {server.issuer}")
        _step(2, "login", f"approve it yourself, or wait {spoken(wait)}")
        tell()
        token = act.sign_in()
        tell()
        _step(3, "token", f"received, expires {expiry(token.expires_at, act.now)}")
        _step(4, "call", act.call(token, expected=200))
        token = act.refresh(token)
        _step(5, "refresh", "refreshed; refresh token rotated")
        _step(6, "call", act.call(token, expected=200))
        act.sign_out(token)
        _step(7, "logout", "revoked at the server, removed here")
        _step(8, "call", act.call(token, expected=401))
    tell()
    took = spoken(timedelta(seconds=time.monotonic() - began))
    tell(f"Done in {took}; nothing is left behind.")
    return 0


def _step(number: int, what: str, result: str) -> None:
    tell(f"{number}  {what:<8}  {result}")


@final
@frozen
class _Act:
    """The steps, each against the real server over HTTP."""

    client: Client
    context: Context
    send: Transport
    store: FileStore

    @property
    def key(self) -> str:
        """Return where the token is stored."""
        return key_of(self.client, "device")

    @property
    def now(self) -> datetime:
        """Return the wall time."""
        return self.context.clock.now().wall

    def sign_in(self) -> Token:
        """Sign in by the device grant, with the link and the code on the screen."""
        with best_screen(self.context) as view:
            end = run(DeviceFlow(self.client), self.send, self.context.clock, view)
        return self._keep(end)

    def refresh(self, token: Token) -> Token:
        """Use the refresh token for a new token."""
        if token.refresh_token is None:
            raise _surprise("no refresh token was sent")
        end = run(RefreshFlow(self.client, token.refresh_token), self.send, self.context.clock)
        return renewed(token, self._keep(end))

    def call(self, token: Token, *, expected: int) -> str:
        """Call the protected resource, and return the result."""
        where = self.client.provider.userinfo_endpoint or ""
        bearer = (("Authorization", token.authorization),)
        reply = self._ask(Request(where, method="GET", headers=bearer), expected)
        if reply.status == 200:
            return f"GET /userinfo: 200, you are {json.loads(reply.body)['sub']}"
        return f"GET /userinfo: {reply.status}, token rejected, as expected"

    def sign_out(self, token: Token) -> None:
        """Revoke the token at the server (RFC 7009), then remove it here."""
        where = self.client.provider.revocation_endpoint or ""
        revoked = token.refresh_token or token.access_token
        self._ask(self.client.request(where, (("token", revoked),)), 200)
        self.store.forget(self.key)

    def _keep(self, end: Authorized | Expired | Failed) -> Token:
        match end:
            case Authorized(token):
                self.store.save(self.key, token)
                return token
            case Expired() | Failed():
                raise ended(end, where=self.client.provider.name)

    def _ask(self, request: Request, expected: int) -> Response:
        match self.send(request):
            case Response() as reply if reply.status == expected:
                return reply
            case Response(status=status):
                raise _surprise(f"{request.url} answered {status} instead of {expected}")
            case Fault(detail=detail):
                raise _surprise(f"{request.url} did not answer: {detail}")


def _surprise(what: str) -> CommandError:
    return CommandError(f"the demo failed: {what}", "is a proxy in between?")
