"""What follows an answer, the same for every HTTP library.

Rules, the first that applies:

1. A call that left the token's origins is over: whoever sent it on must not have it come back
   with a token.
2. Where a redirect within the origins lost the token, the redirected request is sent again with
   it, unless that could do something twice.
3. After a 401 ``core.renewal`` decides: at most one renewal and one replay for a call.
"""

from __future__ import annotations

from typing import Final, assert_never, final

from attrs import frozen
from returns.io import IOResult
from returns.unsafe import unsafe_perform_io

from grantflow.core.acquisition.unauthorized import (
    ProveAndReplay,
    Rejection,
    RenewAndReplay,
    Replay,
    Surrender,
    Verdict,
    after_rejection,
)
from grantflow.core.flows.states import Problem
from grantflow.core.values.token import Token
from grantflow.shell.sources.base import BaseTokenSource
from grantflow.shell.sources.blocking import TokenSource

_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))  # RFC 9110 section 9.2.1


@final
@frozen(kw_only=True)
class Answer:
    """An answer, and how the call came to it.

    ``carried`` says that the request bore the token, ``lost`` that a redirect took it away (a
    caller's own header is neither). ``strayed``: some of the way was outside of the origins.
    """

    status: int
    method: str
    challenge: str | None
    replayable: bool
    carried: bool
    nonce: str | None = None
    lost: bool = False
    strayed: bool = False


def _may_repeat(answer: Answer) -> bool:
    """Tell whether a request may be sent again that went without its token."""
    on_its_way = 300 <= answer.status < 400
    nothing_done = answer.method in _SAFE or 400 <= answer.status < 500
    return answer.replayable and nothing_done and not on_its_way


class Exchange:
    """A call under way: the token that it bears, and whether it was renewed for."""

    def __init__(self, source: BaseTokenSource, token: Token) -> None:
        self.token: Token = token
        self._source = source
        self._renewals = 0
        self._proved = False

    def verdict(self, answer: Answer) -> Verdict:
        """Return what to do after an answer, 401 or not."""
        if answer.strayed:
            return Surrender()
        if answer.lost:
            return Replay(self.token) if _may_repeat(answer) else Surrender()
        if answer.status != 401 or not answer.carried:
            return Surrender()
        hit = Rejection(
            sent=self.token,
            origin=self._source.origin,
            current=self._source.current,
            challenge=answer.challenge,
            renewals=self._renewals,
            replayable=answer.replayable,
            nonce=answer.nonce,
            proved=self._proved,
        )
        verdict = after_rejection(hit)
        self._renewals += isinstance(verdict, (Replay, RenewAndReplay))
        self._proved = isinstance(verdict, ProveAndReplay)
        return verdict

    def again(self, verdict: Replay | ProveAndReplay | Surrender) -> Token | None:
        """Return the token to send the request again with, if that was said."""
        match verdict:
            case Replay(token):
                self.token = token
            case ProveAndReplay():
                pass
            case Surrender():
                return None
            case _:
                assert_never(verdict)
        return self.token

    def renewed(self, found: IOResult[Token, Problem]) -> Token | None:
        """Return the token of a renewal, to send the request again with."""
        token = unsafe_perform_io(found.value_or(None))
        if token is not None:
            self.token = token
        return token

    def over(self) -> None:
        """Forget the renewal: the next answer is another call's."""
        self._renewals = 0
        self._proved = False


@final
class Call(Exchange):
    """A call whose source blocks."""

    def __init__(self, source: TokenSource, token: Token) -> None:
        super().__init__(source, token)
        self._renew = source.renew

    def obey(self, verdict: Verdict) -> Token | None:
        """Return the token to send the request again with, after a renewal if that was said."""
        if isinstance(verdict, RenewAndReplay):
            return self.renewed(self._renew(self.token))
        return self.again(verdict)
