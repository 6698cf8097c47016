"""The vocabulary of a session: its states, what is due, and what may happen (see ``session``)."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias, final

from attrs import frozen

from grantflow.core.acquisition.candidates import Candidates
from grantflow.core.acquisition.notes import Notes
from grantflow.core.acquisition.serving import Origin, Use
from grantflow.core.flows.effects import Send
from grantflow.core.flows.events import GaveUp
from grantflow.core.flows.flow import Run
from grantflow.core.flows.states import DeviceState, Expired, Failed, GrantState, Problem
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token


@final
@frozen
class Tried:
    """A refresh that failed: of which token, and why."""

    token: Token
    problem: Expired | Failed


@final
@frozen
class ReadingCache:
    """About to look into the store without a lock: most often, a token is there and good."""


@final
@frozen
class Locking:
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
class Requesting:
    """A flow is under way; ``old`` is the token that it renews.

    ``send`` is what the run has due, settled when the state is made.
    """

    run: Run[DeviceState] | Run[GrantState]
    send: Send
    found: Candidates
    old: Token | None = None
    notes: Notes = ()


@final
@frozen
class Marking:
    """About to store ``token`` with another mark than before; afterwards comes ``then``.

    Before a refresh it is marked as sent, ``then`` is the refresh, and ``found`` says what is left
    to try where the mark cannot be stored. After one that the server did not act on, the mark is
    removed, and ``then`` looks into the store again.
    """

    token: Token
    then: Requesting | Locking
    found: Candidates


@final
@frozen
class Saving:
    """A new token is there, and not yet safe."""

    token: Token
    notes: Notes = ()


@final
@frozen
class Deleting:
    """What is stored is dead, and why; afterwards ``found`` says what is left to try."""

    found: Candidates
    because: Expired | Failed
    notes: Notes = ()


@final
@frozen
class Acquired:
    """A token that may be used, where it came from, and what there is to know about it.

    ``pause`` is for how long the server asked to be left alone, where renewing failed.
    """

    token: Token
    origin: Origin = "stored"
    notes: Notes = ()
    pause: timedelta | None = None


@final
@frozen
class NotAcquired:
    """No token."""

    problem: Problem
    notes: Notes = ()


AcquisitionState: TypeAlias = (
    ReadingCache | Locking | Marking | Requesting | Saving | Deleting | Acquired | NotAcquired
)


@final
@frozen
class ReadCache:
    """Read what is stored, without a lock."""

    key: str


@final
@frozen
class TakeLock:
    """Hold the key's lock until the session ends, unless it is held already; then read.

    Without ``wait``, a lock that somebody else has is ``Busy``, where the store can tell.
    """

    key: str
    wait: bool = True


@final
@frozen
class Mark:
    """Store the token, whose mark (``refresh_sent``) is new, before anything else happens."""

    key: str
    token: Token


@final
@frozen
class Save:
    """Store the token durably."""

    key: str
    token: Token


@final
@frozen
class Delete:
    """Remove what is stored, or put in its place what a store kept aside."""

    key: str


Effect: TypeAlias = ReadCache | TakeLock | Mark | Send | Save | Delete
AcquisitionDue: TypeAlias = Effect | Acquired | NotAcquired


@final
@frozen
class CacheRead:
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
class Locked:
    """The lock is held; this is stored: a token of this ask, and an app token."""

    stored: Token | None
    app: Token | None
    now: Moment


@final
@frozen
class StoreFailed:
    """The store cannot be used, or not written; the session goes on without it."""

    reason: str
    now: Moment


@final
@frozen
class Replied:
    """The reply to what was sent."""

    reply: Reply
    now: Moment


@final
@frozen
class Saved:
    """The token is safe, or its mark is."""


@final
@frozen
class SaveFailed:
    """The token could not be stored."""

    reason: str


@final
@frozen
class Deleted:
    """What was stored is gone, or could not be removed, and then ``reason`` says why.

    ``late`` is stored in its place: a token of an owner that had lost its lock, and was kept aside.
    """

    now: Moment
    reason: str | None = None
    late: Token | None = None


AcquisitionEvent: TypeAlias = (
    CacheRead | Busy | Locked | StoreFailed | Replied | Saved | SaveFailed | Deleted | GaveUp
)
