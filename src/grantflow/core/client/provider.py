"""A provider is data: where its endpoints are and how it spells things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final, get_args
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen
from attrs.validators import optional
from returns.result import Failure, Result, Success

from grantflow.core.client.dialect import (
    Names,
    RequestFormat,
    ResponseFormat,
    SendClientId,
    is_an_audience,
    names,
    says_when,
)
from grantflow.core.values.pairs import Pairs, as_pairs
from grantflow.core.values.validators import (
    ArgumentError,
    are,
    fits_a_header,
    is_a,
    is_http_token,
    listed,
    one_of,
)

if TYPE_CHECKING:
    from grantflow.core.values.errors import InvalidResponse

_AUTHORITY: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w{}][\w.{}-]*)(?::[0-9]{0,5})?")
"""A host and a port that every parser of URLs reads alike; braces are a template's."""

FlowName: TypeAlias = Literal["device", "two_step", "link"]
"""How a provider signs people in (``flow_for``)."""


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is this machine, where http is allowed.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "example.org")]
    [True, True, True, False]
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain_authority(url: str) -> bool:
    """Tell whether every parser finds the same host in a URL; a name and a password may precede."""
    try:
        place = urlsplit(url).netloc
    except ValueError:
        return False
    plain = place.count("@") < 2 and "\\" not in place
    return plain and _AUTHORITY.fullmatch(place.rpartition("@")[2]) is not None


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of a URL (RFC 6454), or ``None`` where it has none.

    >>> origin_of("https://API.example/v1"), origin_of("https://api.example:443")
    ('https://api.example:443', 'https://api.example:443')
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    if not parts.hostname or usual is None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port or usual}"


def endpoint_problem(url: str) -> str | None:
    """Say why ``url`` must not be sent a secret, or ``None`` (RFC 6749 section 3.2).

    >>> endpoint_problem("https://as.example/token")
    >>> endpoint_problem("http://as.example/token")
    'must be https (http is only for loopback), not http://as.example'
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if any(ord(each) <= 0x20 or ord(each) == 0x7F for each in url):
        return "contains spaces or control characters"
    if not host or parts.scheme not in ("http", "https"):
        return "must be an absolute https URL"
    if "@" in parts.netloc:
        return "must not hold a user name or password"
    if not _AUTHORITY.fullmatch(parts.netloc):
        return "must name a host, and at most a port"
    if parts.fragment:
        return "must not hold a fragment"
    if parts.scheme == "http" and not is_loopback(host):
        return f"must be https (http is only for loopback), not http://{host}"
    return None


def _endpoint(_: object, attribute: Attribute[str], value: str) -> None:
    is_a(str)(_, attribute, value)
    problem = endpoint_problem(value)
    if problem is not None:
        raise ArgumentError(attribute.name, problem)


def _aliases(_: object, attribute: Attribute[Names], value: Names) -> None:
    for _standard, alias in value:
        if (problem := endpoint_problem(alias)) is not None:
            raise ArgumentError(attribute.name, problem)


def _https(_: object, attribute: Attribute[str | None], value: str | None) -> None:
    is_a(str, optional=True)(_, attribute, value)
    if value not in (None, "https"):
        raise ArgumentError(attribute.name, f"https is needed, not {value!r}")


def _sendable(_: object, __: object, value: Pairs) -> None:
    for name, text in value:
        if not is_http_token(name):
            raise ArgumentError("headers", f"{name!r} is no header name")
        if not fits_a_header(text if isinstance(text, str) else text.reveal()):
            raise ArgumentError(
                "headers", f"{name}: no header can hold its value; has it a line break?"
            )


_MAYBE_TEXT: Final = is_a(str, optional=True)


def _texts(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else listed(value)


_A_FORMAT: Final = is_a(RequestFormat)


@final
@frozen(kw_only=True)
class Provider:
    """Where an authorization server is and how it spells things.

    Endpoints are absolute https URLs (http on loopback only); anything else raises ``ValueError``
    with the name of the argument. ``encoding`` is that of the request bodies.

    ``scope`` and ``audience`` are asked for where the client names none. ``headers`` go with every
    request; ``device``, ``poll``, ``token``, ``refresh``, ``exchange``, ``revocation``,
    ``introspection`` and ``registration`` are the formats of the requests, ``answers`` that of the
    answers.
    ``send_client_id`` says when the client id is in a body: ``always``, ``never`` or ``if_needed``,
    where neither Basic nor an assertion names the client. By default that, and always at the device
    endpoint. ``public_basic`` is for
    those who want Basic with an empty secret of public clients. ``assertion_audience`` is whom a
    client's assertion is for: ``token_endpoint``, ``endpoint`` (the one that is asked) or a URL; by
    default the issuer, else the token endpoint.
    ``flow`` names the shape of a sign-in (``flow_for``), ``pkce`` wants RFC 7636 in it.
    ``poll_at`` names the member of the device answer that says where to poll (on the same origin,
    or it is refused), ``poll_host`` a host that a mirror passes through there: the mirror is polled
    in its place. ``poll_endpoint`` is for those who poll elsewhere than tokens are renewed.
    ``scope_separator=None`` sends a list. ``client_id_header`` names a header that tells the client
    id as well; ``mtls_endpoint_aliases`` maps endpoints to those for clients with a certificate
    (RFC 8705 section 5).
    ``link_scheme`` completes links that come without one; ``link_parameter`` builds the complete
    link where the server sends none, and ``link_needs_code`` says that the bare one is of no use;
    ``verification_uri`` is the link where the answer has none; ``shows_code=False`` is for those
    who show no code. ``interval`` and ``lifetime`` stand in for what is not sent (RFC 8628 section
    3.2 says 5 s; there must be an end). ``authorization_scheme`` is for APIs that want another word
    than the token type. ``pkce_supported``, ``scopes_supported`` and
    ``client_id_metadata_document_supported`` are what the metadata says of them, ``notes`` what in
    it could not be used.

    >>> Provider(name="acme", token_endpoint="acme.example/token")
    Traceback (most recent call last):
    grantflow.ArgumentError: token_endpoint: must be an absolute https URL
    """

    name: str = field(validator=is_a(str))
    token_endpoint: str = field(validator=_endpoint)
    device_authorization_endpoint: str | None = field(default=None, validator=optional(_endpoint))
    poll_endpoint: str | None = field(default=None, validator=optional(_endpoint))
    refresh_endpoint: str | None = field(default=None, validator=optional(_endpoint))
    authorization_endpoint: str | None = field(default=None, validator=optional(_endpoint))
    registration_endpoint: str | None = field(default=None, validator=optional(_endpoint))
    revocation_endpoint: str | None = field(default=None, validator=optional(_endpoint))
    introspection_endpoint: str | None = field(default=None, validator=optional(_endpoint))
    userinfo_endpoint: str | None = field(default=None, validator=optional(_endpoint))
    issuer: str | None = field(default=None, validator=_MAYBE_TEXT)
    encoding: Literal["form", "json"] = field(default="form", validator=one_of("form", "json"))
    auth_methods: tuple[str, ...] = field(default=(), converter=_texts, validator=are(str))
    send_client_id: SendClientId | None = field(default=None, validator=says_when)
    public_basic: bool = field(default=False, validator=is_a(bool))
    assertion_audience: str | None = field(default=None, validator=is_an_audience)
    headers: Pairs = field(
        default=(), converter=as_pairs, validator=[are(str, pairs=True), _sendable]
    )
    client_id_header: str | None = field(default=None, validator=_MAYBE_TEXT)
    mtls_endpoint_aliases: Names = field(
        default=(), converter=names, validator=[are(str, pairs=True), _aliases]
    )
    scope: tuple[str, ...] = field(default=(), converter=_texts, validator=are(str))
    scope_separator: str | None = field(default=" ", validator=_MAYBE_TEXT)
    audience: str | None = field(default=None, validator=_MAYBE_TEXT)
    device: RequestFormat = field(factory=RequestFormat, validator=_A_FORMAT)
    poll: RequestFormat = field(factory=RequestFormat, validator=_A_FORMAT)
    token: RequestFormat = field(factory=RequestFormat, validator=_A_FORMAT)
    refresh: RequestFormat = field(factory=RequestFormat, validator=_A_FORMAT)
    exchange: RequestFormat = field(factory=RequestFormat, validator=_A_FORMAT)
    revocation: RequestFormat = field(factory=RequestFormat, validator=_A_FORMAT)
    introspection: RequestFormat = field(factory=RequestFormat, validator=_A_FORMAT)
    registration: RequestFormat = field(
        default=RequestFormat(encoding="json"), validator=is_a(RequestFormat)
    )
    answers: ResponseFormat = field(factory=ResponseFormat, validator=is_a(ResponseFormat))
    poll_at: str | None = field(default=None, validator=_MAYBE_TEXT)
    poll_host: str | None = field(default=None, validator=_MAYBE_TEXT)
    verification_uri: str | None = field(default=None, validator=optional(_endpoint))
    link_scheme: str | None = field(default=None, validator=_https)
    link_parameter: str | None = field(default=None, validator=_MAYBE_TEXT)
    link_needs_code: bool = field(default=False, validator=is_a(bool))
    flow: FlowName = field(default="device", validator=one_of(*get_args(FlowName)))
    pkce: bool = field(default=False, validator=is_a(bool))
    shows_code: bool = field(default=True, validator=is_a(bool))
    interval: timedelta = field(default=timedelta(seconds=5), validator=is_a(timedelta))
    lifetime: timedelta = field(default=timedelta(minutes=30), validator=is_a(timedelta))
    authorization_scheme: str | None = field(default=None, validator=_MAYBE_TEXT)
    pkce_supported: bool = field(default=False, validator=is_a(bool))
    scopes_supported: tuple[str, ...] = field(default=(), converter=_texts, validator=are(str))
    client_id_metadata_document_supported: bool = field(default=False, validator=is_a(bool))
    notes: tuple[str, ...] = field(default=(), converter=_texts, validator=are(str))

    def endpoint(self, name: str) -> str:
        """Return an endpoint that a flow cannot do without; ``ValueError`` if there is none.

        >>> Provider(name="acme", token_endpoint="https://acme.example/token").endpoint("poll")
        Traceback (most recent call last):
        ValueError: 'acme' has no poll_endpoint
        """
        url: object = getattr(self, f"{name}_endpoint")
        if not isinstance(url, str):
            raise ValueError(f"{self.name!r} has no {name}_endpoint")
        return url

    @staticmethod
    def from_metadata(mapping: Mapping[str, object]) -> Result[Provider, InvalidResponse]:
        """Read an RFC 8414 or OpenID Connect discovery document.

        >>> Provider.from_metadata({"issuer": "https://as.example"}).failure().problem
        'metadata: token_endpoint is missing'
        """
        from grantflow.core.values.errors import InvalidResponse  # who discovers nothing has none

        return _issuer(mapping).bind(lambda issuer: _provider(mapping, issuer)).alt(InvalidResponse)


def _issuer(mapping: Mapping[str, object]) -> Result[str, str]:
    issuer = mapping.get("issuer")
    if isinstance(issuer, str):
        return Success(issuer)
    return Failure(f"metadata: issuer is {'missing' if issuer is None else 'no text'}")


_OPTIONAL: Final = (
    "device_authorization_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "userinfo_endpoint",
    "registration_endpoint",
)


def _provider(mapping: Mapping[str, object], issuer: str) -> Result[Provider, str]:
    token = mapping.get("token_endpoint")
    if token is None:
        return Failure("metadata: token_endpoint is missing")
    problem = _unusable(token, issuer)
    if problem is not None or not isinstance(token, str):
        return Failure(f"metadata: token_endpoint: {problem}")
    notes: list[str] = []
    found: dict[str, str] = {}
    for name in _OPTIONAL:
        url = mapping.get(name)
        problem = None if url is None else _unusable(url, issuer)
        if problem is not None:
            notes.append(f"{name} of the metadata is not used: {problem}")
        elif isinstance(url, str):
            found[name] = url
    return Success(
        Provider(
            name=urlsplit(issuer).hostname or issuer,
            issuer=issuer,
            token_endpoint=token,
            device_authorization_endpoint=found.get("device_authorization_endpoint"),
            revocation_endpoint=found.get("revocation_endpoint"),
            introspection_endpoint=found.get("introspection_endpoint"),
            userinfo_endpoint=found.get("userinfo_endpoint"),
            registration_endpoint=found.get("registration_endpoint"),
            auth_methods=_words(mapping, "token_endpoint_auth_methods_supported"),
            mtls_endpoint_aliases=_twins(mapping, issuer, notes),
            pkce_supported="S256" in _words(mapping, "code_challenge_methods_supported"),
            scopes_supported=_words(mapping, "scopes_supported"),
            client_id_metadata_document_supported=(
                mapping.get("client_id_metadata_document_supported") is True
            ),
            notes=tuple(notes),
        )
    )


def _unusable(url: object, issuer: str) -> str | None:
    if not isinstance(url, str):
        return "it is no text"
    if not is_loopback(urlsplit(issuer).hostname or "") and _on_loopback(url):
        return "an issuer elsewhere must not name an endpoint on this machine"
    return endpoint_problem(url)


def _on_loopback(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _words(mapping: Mapping[str, object], name: str) -> tuple[str, ...]:
    listed = mapping.get(name)
    if not isinstance(listed, (list, tuple)):
        return ()
    return tuple(each for each in listed if isinstance(each, str))


def _twins(mapping: Mapping[str, object], issuer: str, notes: list[str]) -> Names:
    """Return the endpoints that have a twin for clients with a certificate (RFC 8705 section 5)."""
    twins = mapping.get("mtls_endpoint_aliases")
    found: list[tuple[str, str]] = []
    for name, twin in twins.items() if isinstance(twins, Mapping) else ():
        url, problem = mapping.get(name), _unusable(twin, issuer)
        if problem is not None:
            notes.append(f"the alias of {name} in the metadata is not used: {problem}")
        elif isinstance(url, str) and isinstance(twin, str):
            found.append((url, twin))
    return tuple(found)
