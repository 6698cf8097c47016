"""``grantflow demo``: a whole sign-in, from the server to the logout, in a few seconds.

It keeps its token in a temporary folder: the user's own files are neither read nor written.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

from attrs import frozen

from grantflow.cli import context as outside
from grantflow.cli import format as words
from grantflow.cli.errors import CommandError, ended
from grantflow.cli.output import is_terminal, tell
from grantflow.cli.parser import Parser
from grantflow.cli.progress.prompt import Invite
from grantflow.cli.progress.screen import screen
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
from grantflow.shell.ports import Clock, Transport
from grantflow.shell.stores import FileStore
from grantflow.testing import Script, serve

_EXAMPLES: Final = ("grantflow demo",)

_INTERVAL: Final = timedelta(seconds=1)
_ALONE: Final = timedelta(seconds=2)
_WATCHED: Final = timedelta(seconds=10)


def parser() -> Parser:
    """Return the command's parser."""
    return Parser(
        "demo", "Show a whole sign-in on this machine; nothing outside it is touched.", _EXAMPLES
    )


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    parser().read(argv, Namespace())
    patience = _WATCHED if is_terminal(sys.stdin) else _ALONE
    began = time.monotonic()
    script = Script(interval=_INTERVAL, approve_after=patience)
    with TemporaryDirectory(prefix="grantflow-demo-") as folder, serve(script) as server:
        client = Client(provider=server.provider, client_id="demo", scope="profile")
        act = _Act(client, outside.transport(), outside.clock(), FileStore(Path(folder)))
        tell("A whole sign-in, with an authorization server of its own on this machine.")
        tell()
        _step(1, "server", f"it listens on {server.issuer}")
        _step(2, "login", f"approve it yourself, or wait {words.spoken(patience)}")
        tell()
        token = act.signed_in()
        tell()
        _step(3, "token", f"it came, and expires {words.expiry(token.expires_at, act.now)}")
        _step(4, "call", act.called(token, expected=200))
        token = act.refreshed(token)
        _step(5, "refresh", "a new token came; the old refresh token is spent")
        _step(6, "call", act.called(token, expected=200))
        act.signed_out(token)
        _step(7, "logout", "revoked at the server, forgotten here")
        _step(8, "call", act.called(token, expected=401))
    tell()
    took = words.spoken(timedelta(seconds=time.monotonic() - began))
    tell(f"Done in {took}; nothing is left behind.")
    return 0


def _step(number: int, what: str, told: str) -> None:
    tell(f"{number}  {what:<8}  {told}")


@final
@frozen
class _Act:
    """The parts of the play, each against the real server over HTTP."""

    client: Client
    send: Transport
    clock: Clock
    store: FileStore

    @property
    def key(self) -> str:
        """Return where the token is stored."""
        return key_of(self.client, "device")

    @property
    def now(self) -> datetime:
        """Return the wall time."""
        return self.clock.now().wall

    def signed_in(self) -> Token:
        """Sign in by the device grant, with the link and the code on the screen."""
        invite = Invite(browser=False, picture=False)
        with screen(invite, self.clock) as view:
            end = run(DeviceFlow(self.client), self.send, self.clock, view)
        return self._kept(end)

    def refreshed(self, token: Token) -> Token:
        """Trade the refresh token for a new token."""
        if token.refresh_token is None:
            raise _surprise("no refresh token came")
        end = run(RefreshFlow(self.client, token.refresh_token), self.send, self.clock)
        return renewed(token, self._kept(end))

    def called(self, token: Token, *, expected: int) -> str:
        """Call the protected resource, and return how that went."""
        where = self.client.provider.userinfo_endpoint or ""
        bearer = (("Authorization", token.authorization),)
        reply = self._answered(Request(where, method="GET", headers=bearer), expected)
        if reply.status == 200:
            return f"GET /userinfo: 200, you are {json.loads(reply.body)['sub']}"
        return f"GET /userinfo: {reply.status}, this token is dead"

    def signed_out(self, token: Token) -> None:
        """Revoke the token at the server (RFC 7009), then forget it here."""
        where = self.client.provider.revocation_endpoint or ""
        revoked = token.refresh_token or token.access_token
        self._answered(self.client.request(where, (("token", revoked),)), 200)
        self.store.forget(self.key)

    def _kept(self, end: Authorized | Expired | Failed) -> Token:
        match end:
            case Authorized(token):
                self.store.save(self.key, token)
                return token
            case Expired() | Failed():
                raise ended(end, where=self.client.provider.name)

    def _answered(self, request: Request, expected: int) -> Response:
        match self.send(request):
            case Response() as reply if reply.status == expected:
                return reply
            case Response(status=status):
                raise _surprise(f"{request.url} answered {status} instead of {expected}")
            case Fault(detail=detail):
                raise _surprise(f"{request.url} did not answer: {detail}")


def _surprise(what: str) -> CommandError:
    return CommandError(f"the demo went wrong: {what}; is a proxy in between?")
