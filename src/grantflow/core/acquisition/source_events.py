"""What a source tells its observer, as values: ``observed`` reads them off an acquisition's states.

Every event says when it was, whose token it concerns, and what happened; none holds a token.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, TypeAlias, assert_never, final

from attrs import frozen

from grantflow.core.acquisition.notes import (
    Adopted,
    Dropped,
    Note,
    Notes,
    NotRemoved,
    NotRenewed,
    NotRevoked,
    NotSaved,
    SignInEnded,
    StoreUnusable,
    describe,
)
from grantflow.core.acquisition.states import (
    Acquired,
    AcquisitionState,
    Deleting,
    Locking,
    Marking,
    NotAcquired,
    ReadingCache,
    Requesting,
    Saving,
    Tried,
)
from grantflow.core.acquisition.unauthorized import TokenOrigin
from grantflow.core.flows.states import (
    AnyState,
    Authorized,
    Expired,
    Failed,
    Problem,
)
from grantflow.core.messages import sentence
from grantflow.core.values.token import DeviceAuthorization


@final
@frozen
class About:
    """Whose token it is: its key in the store, the provider's name, the client, the profile."""

    key: str
    provider: str
    client_id: str
    profile: str


@final
@frozen
class SourceStatus:
    """How a source is: times are aware wall times, and nothing in it is a secret.

    ``renews_at`` is when the token is looked at again, ``obtained_from`` where it came from; both
    are ``None`` while there is none in memory.
    """

    about: About
    expires_at: datetime | None
    renews_at: datetime | None
    last_problem: Problem | str | None
    last_problem_at: datetime | None
    obtained_from: TokenOrigin | None = None


@frozen
class _Happened:
    """``at`` is an aware wall time."""

    at: datetime
    about: About

    @property
    def key(self) -> str:
        """Where the token is stored."""
        return self.about.key

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.about.provider

    @property
    def client_id(self) -> str:
        """The client's identifier."""
        return self.about.client_id

    @property
    def profile(self) -> str:
        """The profile, or an empty text."""
        return self.about.profile


@final
@frozen
class TokenAcquired(_Happened):
    """A sign-in, or the client's own secret, brought a token.

    ``dropped`` names optional members of the answer that could not be used.
    """

    expires_at: datetime | None
    dropped: tuple[str, ...] = ()


@final
@frozen
class TokenRenewed(_Happened):
    """A refresh brought a token; ``dropped`` as in ``TokenAcquired``."""

    expires_at: datetime | None
    dropped: tuple[str, ...] = ()


@final
@frozen
class TokenAdopted(_Happened):
    """A token that was made elsewhere is used: another process renewed it, or it was given."""


@final
@frozen
class RenewalFailed(_Happened):
    """A token could not be renewed, and what comes ``then``.

    The old token serves a little longer, a person has to sign in, or the caller gets the problem.
    """

    problem: Problem
    then: Literal["old_token", "sign_in", "error"]


@final
@frozen
class SignInFailed(_Happened):
    """There is no token, and why."""

    problem: Problem


@final
@frozen
class TokenStored(_Happened):
    """A token is safe in the store."""


@final
@frozen
class StoreFailed(_Happened):
    """The store could not be used; ``reason`` names the operation and what went wrong."""

    reason: str


@final
@frozen
class PromptShown(_Happened):
    """A person was asked to sign in."""

    authorization: DeviceAuthorization


@final
@frozen
class WaitingForOther(_Happened):
    """Another process holds the lock of this token, and has for a second or more."""


@final
@frozen
class SignedOut(_Happened):
    """The token was removed; ``revoked``: the server was told to forget it as well."""

    revoked: bool


SourceEvent: TypeAlias = (
    TokenAcquired
    | TokenRenewed
    | TokenAdopted
    | RenewalFailed
    | SignInFailed
    | TokenStored
    | StoreFailed
    | PromptShown
    | WaitingForOther
    | SignedOut
)

_Meaningful: TypeAlias = (
    ReadingCache | Locking | Requesting | Saving | Deleting | Acquired | NotAcquired
)


def observed(
    earlier: AcquisitionState, later: AcquisitionState, about: About, at: datetime
) -> Iterator[SourceEvent]:
    """Yield what one step of an acquisition means to an observer."""
    before, after = _seen(earlier), _seen(later)
    new = _notes(after)[len(_notes(before)) :]
    for note in new:
        yield from _of_note(note, about, at)
    dropped = tuple(name for each in new if isinstance(each, Dropped) for name in each.members)
    match before, after:
        case Requesting(old=None), Saving(token):
            yield TokenAcquired(at, about, token.expires_at, dropped)
        case Requesting(), Saving(token):
            yield TokenRenewed(at, about, token.expires_at, dropped)
        case Saving(), Acquired() if not any(isinstance(each, NotSaved) for each in new):
            yield TokenStored(at, about)
        case Locking(tried=tried), NotAcquired(problem) if tried is not None and not new:
            yield RenewalFailed(at, about, problem, "error")
        case (
            (ReadingCache() | Locking() | Requesting() | Deleting() | Saving()),
            NotAcquired(problem),
        ):
            yield SignInFailed(at, about, problem)
        case _:
            pass


def phase_of(before: AcquisitionState, state: AcquisitionState) -> AnyState | None:
    """Return the phase of the flow under way, or with which it just ended; ``None``: there is none.

    >>> phase_of(ReadingCache(), Locking())
    """
    match _seen(before), _seen(state):
        case _, Requesting(run):
            return run.phase
        case Requesting(), Saving(token):
            return Authorized(token)
        case Requesting(), Locking(Tried(problem=problem)) | NotAcquired(
            (Expired() | Failed()) as problem
        ):
            return problem
        case _:
            return None


def _seen(state: AcquisitionState) -> _Meaningful:
    # A mark in the store is a step of its own, between two that mean something.
    return state.then if isinstance(state, Marking) else state


def _notes(state: _Meaningful) -> Notes:
    return () if isinstance(state, ReadingCache) else state.notes


def _of_note(note: Note, about: About, at: datetime) -> Iterator[SourceEvent]:
    match note:
        case Adopted():
            yield TokenAdopted(at, about)
        case NotRenewed(problem):
            yield RenewalFailed(at, about, problem, "old_token")
        case SignInEnded(problem):
            yield RenewalFailed(at, about, problem, "sign_in")
        case StoreUnusable() | NotSaved() | NotRemoved():
            yield StoreFailed(at, about, describe(note))
        case NotRevoked() | Dropped():
            pass  # a logout tells it, and so does the event of the new token
        case _:
            assert_never(note)


def describe_event(event: SourceEvent) -> str:
    """Return an event as a sentence for a log.

    >>> from datetime import UTC
    >>> about = About("k", "acme", "app", "")
    >>> describe_event(TokenStored(datetime(2026, 1, 1, tzinfo=UTC), about))
    'the token was stored'
    """
    match event:
        case TokenAcquired(dropped=dropped):
            return f"a token was acquired{_without(dropped)}"
        case TokenRenewed(dropped=dropped):
            return f"the token was renewed{_without(dropped)}"
        case TokenAdopted():
            return "a token that was made elsewhere is used"
        case RenewalFailed(problem=problem, then="old_token"):
            return f"the token was not renewed: {sentence(problem)}"
        case RenewalFailed(problem=problem):
            return f"the sign-in could not be renewed: {sentence(problem)}"
        case SignInFailed(problem=problem):
            return f"no token: {sentence(problem)}"
        case TokenStored():
            return "the token was stored"
        case StoreFailed(reason=reason):
            return reason
        case PromptShown():
            return "a person is asked to sign in"
        case WaitingForOther():
            return "waiting for another process that is getting this token"
        case SignedOut(revoked=revoked):
            return "signed out" if revoked else "signed out; the server was not told"
        case _:
            assert_never(event)


def _without(dropped: tuple[str, ...]) -> str:
    return f", without its {', '.join(dropped)}, which could not be used" if dropped else ""
