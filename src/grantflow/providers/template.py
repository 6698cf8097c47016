"""A provider with variables: its URLs and parameters have gaps ``{name}``, which values fill.

Rules:

1. A gap in a URL is a name alone. In a parameter, a header or a scope, braces around anything but
   a name are text.
2. A value is checked before it is put in, so that no value turns a URL to another host than the
   one that it names: a host has no slash, user name or query, a word has no slash, a path has no
   ``..``, and what ends a host name is one of a few choices.
3. The constructor of ``Provider`` checks the finished URLs once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from string import Formatter
from typing import Final, Literal, Never, TypeAlias, cast, final

from attrs import Attribute, evolve, field, fields, frozen
from returns.result import Failure, Result, Success

from grantflow.core.client.dialect import RequestFormat
from grantflow.core.client.identity import Grant
from grantflow.core.client.provider import Provider, endpoint_problem
from grantflow.core.structure import held, unusual
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.validators import ArgumentError

Kind: TypeAlias = Literal["host", "word", "label", "path", "text", "url"]
"""What a value may be: a host with an optional port, a word of a path, a word of a host, a path,
a line of text, an https URL."""

Verified: TypeAlias = Literal["recorded", "server code", "SDK", "documentation", "client code"]
"""Against what an entry was checked, the strongest first: exchanges that were recorded, the code of
the server, the vendor's own SDK or schema, the vendor's pages, the code of other clients."""

URLS: Final = (
    *(each.name for each in fields(Provider) if each.name.endswith("_endpoint")),
    "issuer",
)
"""The fields of a provider that hold URLs."""

_TEXTS: Final = ("audience", "assertion_audience", "verification_uri")
_GAP: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

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
    "text": (re.compile(r"[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,1023})"), "a line of text"),
    "url": (re.compile(r"https://\S{1,1000}"), "an https URL"),
}


@final
@frozen
class Variable:
    """A value that a template needs: its name, what it is, and what it is by default.

    ``hint`` says where a person finds it. ``environment`` is the variable in which the provider's
    own programs look for it, as a URL or a bare value: the command looks there as well, the library
    never. ``follows`` names another variable whose beginning decides the default: the first of
    ``prefixes`` that fits.

    >>> Variable("realm", "word").checked("a/b")
    Traceback (most recent call last):
    grantflow.ArgumentError: realm: one word of letters, digits and . _ ~ - \
is needed, not 'a/b'
    """

    name: str
    kind: Kind = "host"
    default: str | None = None
    choices: tuple[str, ...] = ()
    environment: str | None = None
    hint: str | None = None
    follows: str | None = None
    prefixes: tuple[tuple[str, str], ...] = ()

    @property
    def phrase(self) -> str:
        """Return in words what a value may be."""
        return f"one of {', '.join(self.choices)}" if self.choices else _SHAPES[self.kind][1]

    def checked(self, value: str) -> str:
        """Return the value if it may be put in; ``ValueError`` names the variable otherwise."""
        if self.choices:
            if value not in self.choices:
                raise ArgumentError(self.name, f"{self.phrase}, not {value!r}")
            return value
        fits = _SHAPES[self.kind][0].fullmatch(value) is not None
        if not fits or (self.kind == "url" and endpoint_problem(value) is not None):
            raise ArgumentError(self.name, f"{self.phrase} is needed, not {value!r}")
        return value

    def usual(self, values: Mapping[str, str]) -> str | None:
        """Return the default, which may follow from another value."""
        told = "" if self.follows is None else values.get(self.follows, "")
        return next((text for begin, text in self.prefixes if told.startswith(begin)), self.default)


WISHES: Final = ("scope", "audience", "resource")
"""What a client asks for."""


def _wishes(_: object, attribute: Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    for each in value:
        if each not in WISHES:
            problem = f"unknown name {each!r}{nearest(each, WISHES)}"
            raise ArgumentError(attribute.name, problem)


@final
@frozen
class Template:
    """A provider with gaps, and what a person wants to know of it.

    With ``discovers`` its endpoints come from the metadata of its issuer, and the rest from here.

    ``source`` are the public places that it was read from, ``verified`` against what it was
    checked. ``note`` says what a person has to do or know, ``required`` without what a request is
    refused: ``scope``, ``audience`` or ``resource``. ``client_credentials`` says whether its
    sources show that grant; ``None`` where it is the only one. ``machine_required`` is required of
    that one as well, and ``machine_methods`` are the methods that it takes, where they are not all
    of the provider's. ``client_id`` is that of the provider's own public client for programs of
    others; it may hold gaps. ``git_user`` is the user that its git server wants.
    """

    title: str
    source: tuple[str, ...]
    provider: Provider
    needs: tuple[Variable, ...] = ()
    aliases: tuple[str, ...] = ()
    client_credentials: bool | None = None
    client_id: str | None = None
    verified: Verified | None = None
    note: str | None = None
    required: tuple[str, ...] = field(default=(), validator=_wishes)
    machine_required: tuple[str, ...] = field(default=(), validator=_wishes)
    machine_methods: tuple[str, ...] = ()
    git_user: str | None = None
    discovers: bool = False

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
        people = people or self.discovers
        return (
            *(("device",) if people else ()),
            *(("client_credentials",) if (not people if machines is None else machines) else ()),
        )

    def required_for(self, grant: Grant) -> tuple[str, ...]:
        """Return what a client has to ask for, as far as the provider has no usual one."""
        asked = {*self.required, *(() if grant == "device" else self.machine_required)}
        usual = {"scope": self.provider.scope, "audience": self.provider.audience}
        return tuple(each for each in WISHES if each in asked and not usual.get(each))

    def methods_for(self, grant: Grant) -> tuple[str, ...]:
        """Return how a client may prove itself for this grant."""
        own = () if grant == "device" else self.machine_methods
        return own or self.provider.auth_methods

    def filled(self, values: Mapping[str, str]) -> Provider:
        """Return the provider with these values; ``ValueError`` names what is wrong with them.

        One that ``discovers`` has no endpoints before its issuer was asked: ``over``.
        """
        if self.discovers:
            problem = f"those of {self.name!r} come from its issuer: use template(...).over"
            raise ArgumentError("token_endpoint", problem)
        return filled(self.provider, self._chosen(values))

    def issuer(self, values: Mapping[str, str]) -> str:
        """Return the issuer to ask, with these values."""
        return filled(self.provider, self._chosen(values)).issuer or ""

    def over(self, found: Provider, values: Mapping[str, str]) -> Provider:
        """Return a discovered provider with all that is said here put over it.

        >>> from grantflow.providers import with_own
        >>> acme = {"acme": {"issuer": "https://acme.example", "pkce": True}}
        >>> found = Provider(name="?", token_endpoint="https://acme.example/token")
        >>> made = with_own(acme).template("acme").over(found, {})
        >>> made.name, made.token_endpoint, made.pkce
        ('acme', 'https://acme.example/token', True)
        """
        own = filled(self.provider, self._chosen(values))
        said = {name: value for name, value in held(own).items() if name in unusual(own)}
        for name in ("token_endpoint", "issuer"):
            said.pop(name)
        # No checker follows a name through a dictionary.
        return evolve(found, **cast("dict[str, Never]", said))

    def client_id_with(self, values: Mapping[str, str]) -> str | None:
        """Return the client id that the provider publishes, with these values."""
        text = self.client_id
        return None if text is None else _put(text, self._chosen(values))

    def _chosen(self, values: Mapping[str, str]) -> dict[str, str]:
        names = [need.name for need in self.needs]
        for given in values:
            if given not in names:
                raise ValueError(
                    f"{given}: provider {self.name!r} takes no such value{nearest(given, names)}"
                )
        return {need.name: self._value(need, values) for need in self.needs}

    def _value(self, need: Variable, values: Mapping[str, str]) -> str:
        value = values.get(need.name, need.usual(values))
        if value is None:
            where = "" if need.hint is None else f": {need.hint}"
            raise ArgumentError(need.name, f"provider {self.name!r} needs it{where}")
        return need.checked(value)


def filled(provider: Provider, values: Mapping[str, str]) -> Provider:
    """Return the provider with these values in its gaps; the constructor checks every URL."""
    changed: dict[str, object] = {}
    for each in fields(Provider):
        value: object = getattr(provider, each.name)
        if each.name in URLS and isinstance(value, str):
            changed[each.name] = value.format_map(values)
        elif each.name in _TEXTS and isinstance(value, str):
            changed[each.name] = _put(value, values)
        elif isinstance(value, RequestFormat) and value.fixed:
            changed[each.name] = evolve(value, fixed=_put_all(value.fixed, values))
    return evolve(
        provider,
        headers=_put_all(provider.headers, values),
        mtls_endpoint_aliases=tuple(
            (at.format_map(values), twin.format_map(values))
            for at, twin in provider.mtls_endpoint_aliases
        ),
        # No checker follows a name through a dictionary.
        **cast("dict[str, Never]", changed),
    )


def _put(text: str, values: Mapping[str, str]) -> str:
    return _GAP.sub(lambda gap: values.get(gap[1], gap[0]), text)


def _put_all(pairs: Pairs, values: Mapping[str, str]) -> Pairs:
    return tuple(
        (name, _put(text, values) if isinstance(text, str) else text) for name, text in pairs
    )


def nearest(name: str, known: Iterable[str], *, few: bool = True) -> str:
    """Return the end of a message that names what may have been meant, or all if they are few.

    >>> nearest("tennant", ["tenant", "host"]), nearest("x", [])
    ('; did you mean tenant?', '')
    """
    names = tuple(known)
    close = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; it takes {', '.join(names)}" if few and names and len(names) <= 6 else ""


# -- where the gaps are, and what each of them may hold


def urls_of(provider: Provider) -> tuple[tuple[str, str], ...]:
    """Return the URLs of a provider, each with the name of its field."""
    found: list[tuple[str, str | None]] = [(name, getattr(provider, name)) for name in URLS]
    twins = (
        ("mtls_endpoint_aliases", url) for pair in provider.mtls_endpoint_aliases for url in pair
    )
    return (*((name, url) for name, url in found if url is not None), *twins)


def texts_of(provider: Provider) -> tuple[str, ...]:
    """Return the other texts of a provider that may hold gaps."""
    formats = [getattr(provider, each.name) for each in fields(Provider)]
    pairs = (
        *provider.headers,
        *(pair for each in formats if isinstance(each, RequestFormat) for pair in each.fixed),
    )
    single = [getattr(provider, name, None) for name in _TEXTS]
    return tuple(text for text in (*(text for _, text in pairs), *single) if isinstance(text, str))


def gaps_in(url: str) -> Result[tuple[str, ...], str]:
    """Return the names of the gaps in a URL.

    >>> gaps_in("https://{tenant}.example/{realm}/token").unwrap()
    ('tenant', 'realm')
    >>> gaps_in("https://{tenant.x}.example").failure()
    'a gap is a name in braces, such as {host}'
    """
    wrong = Failure("a gap is a name in braces, such as {host}")
    try:
        parts = list(Formatter().parse(url))
    except ValueError:
        return wrong
    names: list[str] = []
    for _, name, form, conversion in parts:
        if name is not None:
            if not name.isidentifier() or form or conversion:
                return wrong
            names.append(name)
    return Success(tuple(names))


def gaps_in_text(text: str) -> tuple[str, ...]:
    """Return the names of the gaps in a text that is no URL.

    >>> gaps_in_text('{app}|{token}, {"json": {}}')
    ('app', 'token')
    """
    return tuple(_GAP.findall(text))


_HOST: Final = re.compile(r"[^:]*://([^/?#]*)")
_STRICTEST_FIRST: Final[tuple[Kind, ...]] = ("label", "host", "word")


def kind_of(name: str, urls: Iterable[str], paths: Iterable[str]) -> Kind | None:
    """Return what the gap ``name`` may hold, ``None`` where it ends a host name.

    ``paths`` are the gaps that hold paths: behind a host, they are no part of it. A gap that is in
    no URL holds text.

    >>> kind_of("host", ["https://{host}{path}/token"], ["path"])
    'host'
    >>> kind_of("region", ["https://{region}.example/token"], [])
    'label'
    >>> kind_of("top", ["https://login.{top}/token"], [])
    >>> kind_of("account", ["https://login.example/token"], [])
    'text'
    """
    gap, hollow = f"{{{name}}}", [f"{{{path}}}" for path in paths]
    found: set[Kind] = set()
    for url in (each for each in urls if gap in each):
        host = _host(url, hollow)
        if gap not in host:
            found.add("word")
        elif host.partition(":")[0] == gap:
            found.add("host")
        elif "." in host.rpartition(gap)[2]:
            found.add("label")
        else:
            return None
    for kind in _STRICTEST_FIRST:
        if kind in found:
            return kind
    return "text"


def _host(url: str, hollow: Iterable[str]) -> str:
    match = _HOST.match(url)
    host = "" if match is None else match[1]
    for gap in hollow:
        host = host.replace(gap, "")
    return host
