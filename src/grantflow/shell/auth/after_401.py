"""What follows an answer, the same for every HTTP library.

Rules, the first that applies:

1. A call that left the token's origins is over: whoever sent it on must not have it come back
   with a token.
2. Where a redirect within the origins lost the token, the redirected request is sent again with
   it, unless that could do something twice.
3. After a refusal ``core.acquisition.unauthorized`` decides: at most one renewal and one replay for
   a call. What a renewal cannot answer goes to ``on_challenge``, which may bring another token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, assert_never, final

from attrs import evolve, frozen

from grantflow.core.acquisition.challenge import Challenge
from grantflow.core.acquisition.unauthorized import (
    ProveAndReplay,
    Rejection,
    RenewAndReplay,
    Replay,
    Surrender,
    Verdict,
    after_rejection,
)
from grantflow.core.values.token import Token
from grantflow.shell.auth.provider import Known, TokenProvider
from grantflow.shell.sources.results import GrantError

_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))  # RFC 9110 section 9.2.1

OnChallenge: TypeAlias = Callable[[Challenge], Token | None]
"""Answers what a renewal cannot, such as a scope or a fresh sign-in that is wanted (step-up)."""


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

    def __init__(self, known: Known, token: Token) -> None:
        self.token: Token = token
        self._known = known
        self._renewals = 0
        self._proved = False

    def verdict(self, answer: Answer) -> Verdict:
        """Return what to do after an answer, whatever its status."""
        if answer.strayed:
            return Surrender()
        if answer.lost:
            return Replay(self.token) if _may_repeat(answer) else Surrender()
        # The end of a call pays for no more than this: most answers refuse nothing.
        refusing = answer.status == 401 or (answer.status >= 400 and answer.challenge is not None)
        if not refusing or not answer.carried:
            return Surrender()
        hit = Rejection(
            sent=self.token,
            origin=self._known.origin,
            current=self._known.current,
            status=answer.status,
            challenge=answer.challenge,
            renewals=self._renewals,
            replayable=answer.replayable,
            nonce=answer.nonce,
            proved=self._proved,
        )
        verdict = after_rejection(hit)
        self._renewals += isinstance(verdict, (Replay, RenewAndReplay))
        self._proved = isinstance(verdict, ProveAndReplay)
        if isinstance(verdict, Surrender) and not self._may_step_up(answer):
            return evolve(verdict, challenge=None)
        return verdict

    def _may_step_up(self, answer: Answer) -> bool:
        return answer.replayable and self._renewals == 0

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

    def stepped_up(self, token: Token | None) -> Token | None:
        """Return what answers a challenge, to send the request again with."""
        if token is not None:
            self._renewals += 1
            self.token = token
        return token

    def renewed(self, token: Token | None) -> Token | None:
        """Return the token of a renewal, to send the request again with."""
        if token is not None:
            self.token = token
        return token

    def over(self) -> None:
        """Forget the renewal: the next answer is another call's."""
        self._renewals = 0
        self._proved = False


@final
class Call(Exchange):
    """A call whose provider blocks."""

    def __init__(
        self,
        provider: TokenProvider,
        token: Token,
        on_challenge: OnChallenge | None = None,
    ) -> None:
        super().__init__(Known(provider), token)
        self._renew = provider.renew
        self._on_challenge = on_challenge

    def obey(self, verdict: Verdict) -> Token | None:
        """Return the token to send the request again with, after a renewal if that was said."""
        if isinstance(verdict, RenewAndReplay):
            return self.renewed(renewed(self._renew, self.token))
        if isinstance(verdict, Surrender) and verdict.challenge is not None:
            if self._on_challenge is None:
                return None
            return self.stepped_up(self._on_challenge(verdict.challenge))
        return self.again(verdict)


def renewed(renew: Callable[[Token], Token], rejected: Token) -> Token | None:
    """Return another token than a refused one; ``None`` leaves the caller with the answer."""
    try:
        return renew(rejected)
    except GrantError:
        return None
