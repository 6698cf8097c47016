"""Checks of a programmer's arguments: the error names the argument and what is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from attrs import Attribute

V = TypeVar("V", bound=str)

_TCHAR: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def one_of(*options: str) -> Callable[[object, Attribute[V], V], None]:
    """Return a validator that takes one of these words.

    >>> from attrs import field, frozen
    >>> @frozen
    ... class Door:
    ...     state: str = field(validator=one_of("open", "shut"))
    >>> Door("ajar")
    Traceback (most recent call last):
    ValueError: state: one of open, shut is needed, not 'ajar'
    """

    def check(_: object, attribute: Attribute[V], value: V) -> None:
        if value not in options:
            names = ", ".join(options)
            raise ValueError(f"{attribute.name}: one of {names} is needed, not {value!r}")

    return check


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
