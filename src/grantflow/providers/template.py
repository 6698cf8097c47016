"""A known provider with its gaps: a ``Provider`` whose URLs are format strings, and their values.

Rules:

1. A value is checked before it is put in, so that no value turns a URL to another host than the
   one that it names: a host has no slash, user name or query, a word has no slash, a path has no
   ``..``, and what ends a host name is one of a few choices.
2. The constructor of ``Provider`` checks the finished URLs once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, Literal, TypeAlias, final

from attrs import evolve, frozen

from grantflow.core.provider import Provider

Kind: TypeAlias = Literal["host", "word", "label", "path"]
"""What a value may be: a host with an optional port, a word of a path, a word of a host, a path."""

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_WORD: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9._~-]{0,126}[A-Za-z0-9_~-])?"
_SHAPES: Final[dict[Kind, tuple[re.Pattern[str], str]]] = {
    "host": (
        re.compile(rf"(?=.{{1,259}}\Z)(?:{_LABEL}\.)*{_LABEL}(?::[0-9]{{1,5}})?"),
        "a host name with an optional port, such as id.example.com",
    ),
    "word": (re.compile(_WORD), "one word of letters, digits and . _ ~ -"),
    "label": (re.compile(_LABEL), "one word of letters, digits and -"),
    "path": (re.compile(rf"(?:/{_WORD}){{0,8}}"), "empty or a path such as /auth"),
}


@final
@frozen
class Need:
    """A value that a template needs: its name, what it is, and what it is by default.

    >>> Need("host").checked("evil.example/x")
    Traceback (most recent call last):
    ValueError: host: a host name with an optional port, such as id.example.com is needed, not \
'evil.example/x'
    """

    name: str
    kind: Kind = "host"
    default: str | None = None
    choices: tuple[str, ...] = ()

    def checked(self, value: str) -> str:
        """Return the value if it may stand in a URL; ``ValueError`` names it otherwise."""
        if self.choices:
            if value not in self.choices:
                raise ValueError(f"{self.name}: one of {', '.join(self.choices)}, not {value!r}")
            return value
        shape, said = _SHAPES[self.kind]
        if shape.fullmatch(value) is None:
            raise ValueError(f"{self.name}: {said} is needed, not {value!r}")
        return value


@final
@frozen
class Template:
    """One known provider: what it is called, where that is written, and what must be filled in.

    The URLs of ``provider`` are format strings, such as ``https://{host}/token``.
    """

    title: str
    source: str
    provider: Provider
    needs: tuple[Need, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name by which it is found."""
        return self.provider.name

    def filled(self, values: Mapping[str, str]) -> Provider:
        """Return the provider with these values; ``ValueError`` names what is wrong with them."""
        names = [need.name for need in self.needs]
        for given in values:
            if given not in names:
                raise ValueError(
                    f"{given}: provider {self.name!r} takes no such value{nearest(given, names)}"
                )
        chosen = {need.name: self._value(need, values) for need in self.needs}
        return evolve(
            self.provider,
            token_endpoint=self.provider.token_endpoint.format_map(chosen),
            device_authorization_endpoint=_url(self.provider.device_authorization_endpoint, chosen),
            authorization_endpoint=_url(self.provider.authorization_endpoint, chosen),
            registration_endpoint=_url(self.provider.registration_endpoint, chosen),
            poll_endpoint=_url(self.provider.poll_endpoint, chosen),
            refresh_endpoint=_url(self.provider.refresh_endpoint, chosen),
            revocation_endpoint=_url(self.provider.revocation_endpoint, chosen),
            introspection_endpoint=_url(self.provider.introspection_endpoint, chosen),
            userinfo_endpoint=_url(self.provider.userinfo_endpoint, chosen),
            issuer=_url(self.provider.issuer, chosen),
        )

    def _value(self, need: Need, values: Mapping[str, str]) -> str:
        value = values.get(need.name, need.default)
        if value is None:
            raise ValueError(f"{need.name}: provider {self.name!r} needs it")
        return need.checked(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names what may have been meant.

    >>> nearest("tennant", ["tenant", "host"]), nearest("x", [])
    ('; did you mean tenant?', '')
    """
    names = tuple(known)
    close = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; it takes {', '.join(names)}" if names and len(names) <= 6 else ""


def _url(template: str | None, values: Mapping[str, str]) -> str | None:
    return None if template is None else template.format_map(values)
