"""Leaving a ``Result`` with its types."""

from __future__ import annotations

from typing import Final, TypeVar, final

from returns.result import Result


@final
class _Nothing: ...


_NOTHING: Final = _Nothing()


T = TypeVar("T")


E = TypeVar("E")


def either(result: Result[T, E]) -> T | E:
    """Leave the railway: matching on a ``Result`` would lose its types.

    >>> from returns.result import Success
    >>> either(Success(1))
    1
    """
    value = result.value_or(_NOTHING)
    return result.failure() if isinstance(value, _Nothing) else value
