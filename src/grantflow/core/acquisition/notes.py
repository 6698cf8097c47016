"""What there is to know about an acquisition besides its end, as values; ``describe`` says them."""

from __future__ import annotations

from typing import TypeAlias, assert_never, final

from attrs import frozen

from grantflow.core.flows.states import Expired, Failed
from grantflow.core.messages import sentence


@final
@frozen
class Adopted:
    """Another process renewed the token meanwhile, and its token is used."""


@final
@frozen
class NotRenewed:
    """Renewing failed; the token that is there serves a little longer."""

    problem: Expired | Failed


@final
@frozen
class SignInEnded:
    """The stored sign-in cannot be renewed any more; ``removed``: nor is it stored any more."""

    problem: Expired | Failed
    removed: bool = False


@final
@frozen
class StoreUnusable:
    """The store can be neither read nor locked; the acquisition went on without it."""

    reason: str


@final
@frozen
class NotSaved:
    """The new token could not be stored; it is handed out all the same."""

    reason: str


@final
@frozen
class NotRemoved:
    """A token that is dead could not be removed from the store."""

    reason: str


@final
@frozen
class NotRevoked:
    """The server was not told of a logout: the provider has no revocation endpoint."""


@final
@frozen
class Dropped:
    """Optional members of the token's answer that could not be used."""

    members: tuple[str, ...]


Note: TypeAlias = (
    Adopted
    | NotRenewed
    | SignInEnded
    | StoreUnusable
    | NotSaved
    | NotRemoved
    | NotRevoked
    | Dropped
)
Notes: TypeAlias = tuple[Note, ...]


def describe(note: Note) -> str:
    """Return a note as a sentence.

    >>> describe(NotSaved("no space left on device"))
    'the token could not be saved: no space left on device'
    """
    match note:
        case Adopted():
            return "another process renewed the token meanwhile"
        case NotRenewed(problem):
            return f"the token was not renewed: {sentence(problem)}"
        case SignInEnded(problem, removed=removed):
            ended = "is no longer valid" if removed else "could not be renewed"
            return f"the stored sign-in {ended}: {sentence(problem)}"
        case StoreUnusable(reason):
            return f"the store cannot be used: {reason}"
        case NotSaved(reason):
            return f"the token could not be saved: {reason}"
        case NotRemoved(reason):
            return f"the token could not be removed: {reason}"
        case NotRevoked():
            return "the provider has no revocation endpoint, so the server was not told"
        case Dropped(members):
            return f"the server's {', '.join(members)} could not be used, and was dropped"
        case _:
            assert_never(note)
