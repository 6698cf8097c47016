"""What a ``WWW-Authenticate`` header says (RFC 9110 section 11.6.1), in one pass over its text."""

from __future__ import annotations

from typing import Final, final

from attrs import field, frozen

from grantflow.core.values.pairs import Pairs, as_pairs

_TOKEN: Final = frozenset(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/"
)
_LONGEST: Final = 16 * 1024


@final
@frozen
class Challenge:
    """One challenge of a server: its scheme, and its parameters as they came.

    ``error`` is ``invalid_token`` where a renewal helps (RFC 6750 section 3.1). It does not where
    more is wanted: ``insufficient_scope`` (``scope`` says which), ``insufficient_claims``, or
    ``insufficient_user_authentication`` (``acr_values`` and ``max_age``, RFC 9470).

    >>> [found] = challenges('Bearer error="insufficient_scope", scope="read write"')
    >>> found.scheme, found.error, found.get("scope")
    ('Bearer', 'insufficient_scope', 'read write')
    """

    scheme: str
    parameters: Pairs = field(default=(), converter=as_pairs)

    def get(self, name: str) -> str | None:
        """Return the first parameter of a name, which is compared without case."""
        for each, value in self.parameters:
            if each.lower() == name and isinstance(value, str):
                return value
        return None

    @property
    def error(self) -> str | None:
        """Return the error code, if there is one."""
        return self.get("error")

    @property
    def resource_metadata(self) -> str | None:
        """Return where the resource describes itself (RFC 9728 section 5.1)."""
        return self.get("resource_metadata")


def challenges(header: str | None) -> tuple[Challenge, ...]:
    r"""Read the challenges of a header; what is no challenge is passed over.

    >>> header = 'Negotiate, Bearer realm="a, b=\\"c\\"", DPoP algs="x"'
    >>> [each.scheme for each in challenges(header)]
    ['Negotiate', 'Bearer', 'DPoP']
    """
    text = (header or "")[:_LONGEST]
    found: list[tuple[str, list[tuple[str, str]]]] = []
    at = 0
    while at < len(text):
        if text[at] not in _TOKEN:
            at += 1
            continue
        start, at = at, _end_of_token(text, at)
        word, after = text[start:at], _end_of_blanks(text, at)
        if text[after : after + 1] != "=":
            found.append((word, []))
            continue
        value, at = _value(text, _end_of_blanks(text, after + 1))
        if not found:
            found.append(("", []))
        found[-1][1].append((word, value))
    return tuple(Challenge(scheme, tuple(parameters)) for scheme, parameters in found)


def _end_of_token(text: str, at: int) -> int:
    while at < len(text) and text[at] in _TOKEN:
        at += 1
    return at


def _end_of_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _value(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        start = at
        while at < len(text) and text[at] not in ' \t,"':
            at += 1
        return text[start:at], at
    at += 1
    value: list[str] = []
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\"
        value.append(text[at : at + 1])
        at += 1
    return "".join(value), at + 1


def challenge_for(header: str | None, scheme: str) -> Challenge | None:
    """Return the challenge for the scheme that was sent; else the first that names an error.

    >>> both = 'Bearer error="invalid_token", DPoP error="use_dpop_nonce"'
    >>> found = challenge_for(both, "dpop")
    >>> found.error if found else None
    'use_dpop_nonce'
    """
    found = challenges(header)
    own = [each for each in found if each.scheme.lower() == scheme.lower()]
    told = [each for each in (*own, *found) if each.error is not None]
    return next(iter((*told, *own)), None)
