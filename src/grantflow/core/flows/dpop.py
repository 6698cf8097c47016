"""Server nonces of proofs of possession (RFC 9449 section 8): who asks, and who remembers.

Rules:

1. The nonce that an answer brings goes into the next proof, whatever else the answer said.
2. A request that was refused for want of a nonce was not acted on, so it may be sent again, even a
   refresh. The first time is no attempt, for nobody could know the nonce; every other time is, so a
   server that is never content ends the run.
3. A first nonce is given at once where nobody else's rule forbids it (a poll waits its interval);
   where one was known, a grant asks less often, as after any other trouble.
"""

from __future__ import annotations

from typing import Final, TypeVar

from attrs import evolve

from grantflow.core.flows.events import (
    Event,
    FirstReply,
    GrantIssued,
    NonceAsked,
    SlowDownAsked,
    StillPending,
    Unanswered,
)
from grantflow.core.flows.states import Pending, SlowDown
from grantflow.core.values.errors import Refused
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.core.values.time import Moment

S = TypeVar("S")

_LONGEST: Final = 1024

_BRINGING: Final = (NonceAsked, StillPending, SlowDownAsked, Unanswered)

NEVER_CONTENT: Final = Refused(
    "use_dpop_nonce", "the server asked for another nonce each time", None, 400, "use_dpop_nonce"
)


def nonce_of(reply: Reply) -> str | None:
    """Return the nonce in an answer's ``DPoP-Nonce`` header (RFC 9449 section 8.2).

    >>> nonce_of(Response(400, {"DPoP-Nonce": "n-1"})), nonce_of(Response(400))
    ('n-1', None)
    """
    return usable(reply.header("dpop-nonce")) if isinstance(reply, Response) else None


def usable(nonce: str | None) -> str | None:
    """Return a nonce that can be sent back: short, and of visible ASCII (RFC 9449 section 8.1)."""
    if not nonce or len(nonce) > _LONGEST or not all("\x21" <= each <= "\x7e" for each in nonce):
        return None
    return nonce


def asked(request: Request, code: str | None, reply: Reply, now: Moment) -> NonceAsked | None:
    """Return that the server wants a nonce, if that is what it said and it gave one."""
    nonce = nonce_of(reply)
    if request.proof is None or code != "use_dpop_nonce" or nonce is None:
        return None
    return NonceAsked(now.mono, nonce, now.roll)


E = TypeVar("E", bound=FirstReply)


def told(event: E, reply: Reply) -> E:
    """Return the event with the nonce that came beside it."""
    if isinstance(event, (GrantIssued, StillPending, SlowDownAsked, Unanswered)):
        return evolve(event, nonce=nonce_of(reply))
    return event


def kept(after: S, event: Event, known: str | None) -> S:
    """Return the next state with the newest nonce there is."""
    if not isinstance(after, (Pending, SlowDown)):
        return after
    brought = event.nonce if isinstance(event, _BRINGING) else None
    return evolve(after, nonce=brought or known)
