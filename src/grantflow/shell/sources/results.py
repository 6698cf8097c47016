"""What the methods of a source return or raise, and how one becomes the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, final

from returns.result import Failure, Result, Success

from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token

if TYPE_CHECKING:
    from returns.io import IOResult

    from grantflow.core.client.client import Client
    from grantflow.core.flows.states import Failed, Problem
    from grantflow.core.values.request import Request
    from grantflow.core.values.response import Reply
    from grantflow.core.values.time import Moment
    from grantflow.shell.ports import StoreError

T = TypeVar("T")
E = TypeVar("E")

Given: TypeAlias = Token | Secret | str
"""A token of the caller's own."""


@final
class GrantError(Exception):
    """No token; ``problem`` holds the value that says why."""

    def __init__(self, problem: Problem) -> None:
        from grantflow.core.messages import sentence

        super().__init__(sentence(problem))
        self.problem = problem

    def __reduce__(self) -> tuple[type[GrantError], tuple[Problem]]:
        # Made again from what it was made of: its ``args`` hold the sentence alone.
        return GrantError, (self.problem,)


def not_revoked(request: Request, client: Client, reply: Reply, now: Moment) -> Failed | None:
    """Return why a server could not be told to forget a token."""
    from grantflow.core.acquisition.revocation import revoked
    from grantflow.core.flows.states import Failed
    from grantflow.core.values.result import either

    told = either(revoked(request, client.provider, reply, now))
    return told if isinstance(told, Failed) else None


def question(client: Client, token: Token) -> Result[Request, Problem]:
    """Return the question whether a token is active, or why it cannot be asked."""
    from grantflow.core.acquisition.introspection import introspection

    request = introspection(client, token)
    if request is None:
        return Failure(failed("the provider has no introspection endpoint"))
    return Success(request)


def unusable(error: StoreError) -> Problem:
    """Return the problem of a store that cannot be used."""
    return failed(f"the store cannot be used: {error}")


def failed(why: str) -> Failed:
    """Return a failure that is told in these words."""
    from grantflow.core.flows.states import Failed
    from grantflow.core.values.errors import InvalidResponse

    return Failed(InvalidResponse(why))


def as_token(given: Given) -> Token:
    """Return a caller's own token as one."""
    return given if isinstance(given, Token) else Token(access_token=given)


def raised(result: Result[T, Problem]) -> T:
    """Return the value; raises ``GrantError``."""
    match result:
        case Success(value):
            found: T = value
            return found
        case _:
            raise GrantError(result.failure())


def settled(result: IOResult[T, E]) -> T | E:
    """Leave an ``IOResult`` with its types: what a ``try_`` method returned, or the problem.

    >>> from returns.io import IOSuccess
    >>> settled(IOSuccess(1))
    1
    """
    from returns.unsafe import unsafe_perform_io

    value = unsafe_perform_io(result.value_or(_NOTHING))
    return unsafe_perform_io(result.failure()) if isinstance(value, _Nothing) else value


@final
class _Nothing: ...


_NOTHING: Final = _Nothing()
