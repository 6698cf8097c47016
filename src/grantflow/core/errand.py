"""The vocabulary of a session: its states, what is due, and what may happen (see ``session``)."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias, final

from attrs import frozen

from grantflow.core.effects import Send
from grantflow.core.events import GaveUp
from grantflow.core.flow import Run
from grantflow.core.precedence import Origin, Sources, Use
from grantflow.core.problems import Problem
from grantflow.core.states import DeviceState, Expired, Failed, GrantState
from grantflow.core.values import Moment, Reply, Token

Notes: TypeAlias = tuple[str, ...]


@final
@frozen
class Tried:
    """A refresh that failed: of which token, and why."""

    token: Token
    problem: Expired | Failed


@final
@frozen
class Looking:
    """About to look into the store without a lock: most often, a token is there and good."""


@final
@frozen
class Consulting:
    """About to look into the store under the lock.

    ``spare`` is what serves instead while somebody else has the lock; ``tried`` is the refresh
    that failed before; ``seen`` is what was stored, as far as one saw without the lock.
    """

    tried: Tried | None = None
    notes: Notes = ()
    spare: Use | None = None
    seen: Token | None = None


@final
@frozen
class Obtaining:
    """A flow is under way; ``old`` is the token that it renews.

    ``send`` is what the run has due, settled when the state is made.
    """

    run: Run[DeviceState] | Run[GrantState]
    send: Send
    found: Sources
    old: Token | None = None
    notes: Notes = ()


@final
@frozen
class Keeping:
    """A new token is there, and not yet safe."""

    token: Token
    notes: Notes = ()


@final
@frozen
class Clearing:
    """What is stored is dead; afterwards ``found`` says what is left to try."""

    found: Sources
    because: str
    notes: Notes = ()


@final
@frozen
class Ready:
    """A token that may be used, where it came from, and what there is to know about it.

    ``pause`` is for how long the server asked to be left alone, where renewing failed.
    """

    token: Token
    origin: Origin = "stored"
    notes: Notes = ()
    pause: timedelta | None = None


@final
@frozen
class Stuck:
    """No token."""

    problem: Problem
    notes: Notes = ()


SessionState: TypeAlias = Looking | Consulting | Obtaining | Keeping | Clearing | Ready | Stuck


@final
@frozen
class Look:
    """Read what is stored, without a lock."""

    key: str


@final
@frozen
class Claim:
    """Hold the key's lock until the session ends, unless it is held already; then read.

    Without ``wait``, a lock that somebody else has is ``Busy``, where the store can tell.
    """

    key: str
    wait: bool = True


@final
@frozen
class Save:
    """Store the token durably."""

    key: str
    token: Token


@final
@frozen
class Forget:
    """Remove what is stored."""

    key: str


SessionDue: TypeAlias = Look | Claim | Send | Save | Forget | Ready | Stuck


@final
@frozen
class Looked:
    """This is stored, as far as one sees without the lock: a token of this ask, an app token."""

    stored: Token | None
    app: Token | None
    now: Moment


@final
@frozen
class Busy:
    """Somebody else has the lock, and was not waited for."""


@final
@frozen
class Claimed:
    """The lock is held; this is stored: a token of this ask, and an app token."""

    stored: Token | None
    app: Token | None
    now: Moment


@final
@frozen
class NotClaimed:
    """The store cannot be used; the session goes on without it."""

    problem: str
    now: Moment


@final
@frozen
class Heard:
    """The reply to what was sent."""

    reply: Reply
    now: Moment


@final
@frozen
class Kept:
    """The token is safe."""


@final
@frozen
class NotKept:
    """The token could not be stored."""

    problem: str


@final
@frozen
class Forgotten:
    """What was stored is gone, or could not be removed, and then ``problem`` says why."""

    now: Moment
    problem: str | None = None


SessionEvent: TypeAlias = (
    Looked | Busy | Claimed | NotClaimed | Heard | Kept | NotKept | Forgotten | GaveUp
)
