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
from typing import Final, Literal, Never, TypeAlias, cast, final

from attrs import evolve, fields, frozen

from grantflow.core.client.identity import Grant
from grantflow.core.client.provider import Provider

Kind: TypeAlias = Literal["host", "word", "label", "path"]
"""What a value may be: a host with an optional port, a word of a path, a word of a host, a path."""

URLS: Final = (
    *(each.name for each in fields(Provider) if each.name.endswith("_endpoint")),
    "issuer",
)
"""The fields of a provider that may hold gaps."""

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
class Variable:
    """A value that a template needs: its name, what it is, and what it is by default.

    ``environment`` is the variable in which the provider's own programs look for it, as a URL or a
    bare value: the command looks there as well, the library never.

    >>> Variable("host").checked("evil.example/x")
    Traceback (most recent call last):
    ValueError: host: a host name with an optional port, such as id.example.com is needed, not \
'evil.example/x'
    """

    name: str
    kind: Kind = "host"
    default: str | None = None
    choices: tuple[str, ...] = ()
    environment: str | None = None

    @property
    def phrase(self) -> str:
        """Return in words what a value may be."""
        return f"one of {', '.join(self.choices)}" if self.choices else _SHAPES[self.kind][1]

    def checked(self, value: str) -> str:
        """Return the value if it may stand in a URL; ``ValueError`` names it otherwise."""
        if self.choices:
            if value not in self.choices:
                raise ValueError(f"{self.name}: {self.phrase}, not {value!r}")
            return value
        if _SHAPES[self.kind][0].fullmatch(value) is None:
            raise ValueError(f"{self.name}: {self.phrase} is needed, not {value!r}")
        return value


@final
@frozen
class Template:
    """One known provider: what it is called, where that is written, and what must be filled in.

    The URLs of ``provider`` are format strings, such as ``https://{host}/token``.
    ``client_credentials`` says whether its sources show that grant; where they do not say, a
    provider that signs nobody in is there for it. ``client_id`` is that of the provider's own
    public client, for those who have none of their own.
    """

    title: str
    source: str
    provider: Provider
    needs: tuple[Variable, ...] = ()
    aliases: tuple[str, ...] = ()
    client_credentials: bool | None = None
    client_id: str | None = None

    @property
    def name(self) -> str:
        """Return the name by which it is found."""
        return self.provider.name

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Return the grants that its sources show; another one may work too.

        What a person approves counts as the device grant, whatever its flow.
        """
        provider, machines = self.provider, self.client_credentials
        people = provider.device_authorization_endpoint is not None or provider.flow != "device"
        return (
            *(("device",) if people else ()),
            *(("client_credentials",) if (not people if machines is None else machines) else ()),
        )

    def filled(self, values: Mapping[str, str]) -> Provider:
        """Return the provider with these values; ``ValueError`` names what is wrong with them."""
        names = [need.name for need in self.needs]
        for given in values:
            if given not in names:
                raise ValueError(
                    f"{given}: provider {self.name!r} takes no such value{nearest(given, names)}"
                )
        chosen = {need.name: self._value(need, values) for need in self.needs}
        urls = {name: _filled(getattr(self.provider, name), chosen) for name in URLS}
        twins = self.provider.mtls_endpoint_aliases
        # No checker follows a name through a dictionary; the constructor checks every URL.
        return evolve(
            self.provider,
            mtls_endpoint_aliases=tuple(
                (at.format_map(chosen), twin.format_map(chosen)) for at, twin in twins
            ),
            **cast("dict[str, Never]", urls),
        )

    def _value(self, need: Variable, values: Mapping[str, str]) -> str:
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


def _filled(url: str | None, values: Mapping[str, str]) -> str | None:
    return None if url is None else url.format_map(values)
