"""Checks of a programmer's arguments: the error names the argument and what is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Final, TypeGuard, TypeVar, cast

from attrs import Attribute

from grantflow.core.values.secret import Secret

V = TypeVar("V", bound=str)
T = TypeVar("T")

_TCHAR: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


class ArgumentError(ValueError):
    """An argument is not usable: which one, and why.

    >>> ArgumentError("issuer", "must be https")
    ArgumentError('issuer: must be https')
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument}: {problem}")
        self.argument = argument
        self.problem = problem

    def __reduce__(self) -> tuple[type[ArgumentError], tuple[str, str]]:
        return type(self), (self.argument, self.problem)


# A traceback names it as its users import it.
ArgumentError.__module__ = "grantflow"


def one_of(*options: str) -> Callable[[object, Attribute[V], V], None]:
    """Return a validator that takes one of these words.

    >>> from attrs import field, frozen
    >>> @frozen
    ... class Door:
    ...     state: str = field(validator=one_of("open", "shut"))
    >>> Door("ajar")
    Traceback (most recent call last):
    grantflow.ArgumentError: state: one of open, shut is needed, not 'ajar'
    """

    def check(_: object, attribute: Attribute[V], value: V) -> None:
        is_a(str)(_, attribute, value)
        if value not in options:
            names = ", ".join(options)
            raise ArgumentError(attribute.name, f"one of {names} is needed, not {value!r}")

    return check


def is_a(
    *kinds: type, phrase: str | None = None, optional: bool = False
) -> Callable[[object, Attribute[T], T], None]:
    """Return a validator of a type: ``TypeError`` names the argument, and never shows the value.

    >>> from attrs import field, frozen
    >>> @frozen
    ... class Door:
    ...     width: int = field(validator=is_a(int))
    >>> Door("hunter2")
    Traceback (most recent call last):
    TypeError: width: int is needed, not str
    """
    needed = phrase or " or ".join(_PHRASES.get(each, each.__name__) for each in kinds)

    def check(_: object, attribute: Attribute[T], value: T) -> None:
        if not isinstance(value, kinds) and not (optional and value is None):
            raise TypeError(f"{attribute.name}: {needed} is needed, not {type(value).__name__}")

    return check


def are(kind: type, *, pairs: bool = False) -> Callable[[object, Attribute[T], T], None]:
    """Return a validator of a tuple of values, or of pairs of a name and a value."""
    needed = f"pairs of a name and {_PHRASES.get(kind, kind.__name__)}"
    several = needed if pairs else f"a list of {_PHRASES.get(kind, kind.__name__)}s"

    def check(_: object, attribute: Attribute[T], value: T) -> None:
        rows: tuple[object, ...] = value if isinstance(value, tuple) else (value,)
        fits = isinstance(value, tuple) and all(
            _is_pair(row, kind) if pairs else isinstance(row, kind) for row in rows
        )
        if not fits:
            ends = (row[1] if pairs and _is_row(row) else row for row in rows)
            wrong: object = next((each for each in ends if not isinstance(each, kind)), value)
            raise TypeError(f"{attribute.name}: {several} is needed, not {type(wrong).__name__}")

    return check


def _is_row(row: object) -> TypeGuard[tuple[object, object]]:
    return isinstance(row, tuple) and len(row) == 2


def _is_pair(row: object, kind: type) -> bool:
    return _is_row(row) and isinstance(row[1], (kind, Secret) if kind is str else kind)


_PHRASES: Final = {str: "text", bool: "True or False"}


def listed(value: Iterable[T]) -> tuple[T, ...]:
    """Return a tuple; what cannot be one is left to the validator, which names the argument."""
    if isinstance(value, Mapping):
        return cast("tuple[T, ...]", value)
    try:
        return tuple(value)
    except TypeError:
        return cast("tuple[T, ...]", value)


def encodable(text: str) -> bool:
    r"""Tell whether text can be sent at all: a lone surrogate cannot.

    >>> encodable("ä"), encodable("\ud800")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_http_token(text: str) -> bool:
    """Tell whether text is a ``token`` of HTTP, such as the name of a header (RFC 9110 5.6.2).

    >>> [is_http_token(each) for each in ("X-Api-Key", "x key", "x:", "")]
    [True, False, False, False]
    """
    return bool(text) and set(text.lower()) <= _TCHAR


def fits_a_header(text: str) -> bool:
    r"""Tell whether text can be the value of a header: one line, without blanks around it.

    Latin-1 is what HTTP/1.1 had for it, and what ``http.client`` sends (RFC 9110 section 5.5).

    >>> [fits_a_header(each) for each in ("Basic YTpi", "\u00e9", "secret\n", "\u2603", "a\x00b")]
    [True, True, False, False, False]
    """
    shown = text.isprintable() and text == text.strip()
    return shown and all(ord(each) < 0x100 for each in text)


def positive(_: object, attribute: Attribute[timedelta], value: timedelta) -> None:
    """Refuse a span that is not above zero."""
    if value <= timedelta():
        raise ArgumentError(attribute.name, "a span above zero is needed")
