"""How a provider spells its requests and answers: data, so that no code knows a provider.

The standard spelling is the default of every field. What needs no knob is tolerated everywhere
(``members``): numbers as text, form answers, ``verification_url``. Rules:

1. A request is built in the RFC's names first, then renamed, stripped and completed.
2. An answer is translated into the RFC's names first; everything behind reads only those.
3. An error is told by a code in the body, else by the header, else by the table of statuses for
   this kind of request, and only then by the general rules for statuses (``wire``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Literal, TypeAlias, TypeVar, cast, final, get_args

from attrs import Attribute, field, frozen

from grantflow.core.responses.codes import CODES, Phase
from grantflow.core.values.json import Json, Members
from grantflow.core.values.pairs import Pairs, as_pairs
from grantflow.core.values.parsing import number, text_of
from grantflow.core.values.request import Encoding
from grantflow.core.values.response import Response
from grantflow.core.values.secret import Secret
from grantflow.core.values.validators import ArgumentError, are, is_a, listed, one_of

PARAMETERS: Final = frozenset(
    {
        "assertion",
        "audience",
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_name",
        "client_secret",
        "code",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "device_code",
        "grant_type",
        "grant_types",
        "refresh_token",
        "request_id",
        "resource",
        "response_types",
        "scope",
        "state",
        "token",
        "token_endpoint_auth_method",
        "token_type_hint",
        "user_code",
    }
)
"""The parameters that are sent by these names: all that can be renamed or left out."""

MEMBERS: Final = frozenset(
    {
        "access_token",
        "client_id",
        "client_secret",
        "client_secret_expires_at",
        "code",
        "device_code",
        "expires_in",
        "id_token",
        "interval",
        "poll_endpoint",
        "refresh_token",
        "scope",
        "token_type",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
    }
)
"""The members of answers that are read, and ``poll_endpoint`` for ``Provider.poll_at``."""

_A_SECOND: Final = 1000

V = TypeVar("V", bound="tuple[tuple[object, ...], ...]")

Names: TypeAlias = tuple[tuple[str, str], ...]
Paths: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
Statuses: TypeAlias = tuple[tuple[int, str], ...]


def names(value: Mapping[str, str] | Names) -> Names:
    """Return pairs of names, from pairs or from a mapping."""
    return listed(value.items() if isinstance(value, Mapping) else value)


def _several(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else listed(value)


def _paths(value: Mapping[str, str | Iterable[str]] | Paths) -> Paths:
    pairs = listed(value.items() if isinstance(value, Mapping) else value)
    try:
        return tuple((name, _several(paths)) for name, paths in pairs)
    except (TypeError, ValueError):
        return cast("Paths", pairs)  # the validator names it


def _statuses(value: Mapping[int, str] | Statuses) -> Statuses:
    return listed(value.items() if isinstance(value, Mapping) else value)


def _known(words: Collection[str], given: Iterable[object], name: str) -> None:
    for each in given:
        if each not in words:
            from difflib import get_close_matches  # paid for by the mistake

            close = get_close_matches(str(each).lower(), words, n=3, cutoff=0.5)
            rest = f"did you mean {' or '.join(close)}?" if close else ", ".join(sorted(words))
            raise ArgumentError(name, f"unknown name {each!r}; {rest}")


SendClientId: TypeAlias = Literal["always", "if_needed", "never"]
"""When the client id is in a body: ``if_needed`` is where no Basic and no assertion tells it."""


SecretIn: TypeAlias = Literal["basic", "body"]
"""Where a client's secret is sent: in a Basic header, or as a parameter."""


def says_when(
    _: object, attribute: Attribute[SendClientId | None], value: SendClientId | None
) -> None:
    """Refuse what does not say when the client id is sent."""
    is_a(str, optional=True)(_, attribute, value)
    if value is not None:
        _known(get_args(SendClientId), (value,), attribute.name)


def is_an_audience(_: object, attribute: Attribute[str | None], value: str | None) -> None:
    """Refuse what names no audience of an assertion."""
    is_a(str, optional=True)(_, attribute, value)
    if value is not None and value not in ("token_endpoint", "endpoint") and ":" not in value:
        wanted = "token_endpoint, endpoint or a URL is needed"
        raise ArgumentError(attribute.name, f"{wanted}, not {value!r}")


def _left(words: Collection[str]) -> Callable[[object, Attribute[V], V], None]:
    def check(_: object, attribute: Attribute[V], value: V) -> None:
        _known(words, (row[0] for row in value), attribute.name)

    return check


def _right(_: object, attribute: Attribute[V], value: V) -> None:
    _known(CODES, (row[1] for row in value), attribute.name)


def _an_encoding(_: object, attribute: Attribute[Encoding | None], value: Encoding | None) -> None:
    is_a(str, optional=True)(_, attribute, value)
    if value is not None:
        _known(get_args(Encoding), (value,), attribute.name)


def _a_place(_: object, attribute: Attribute[SecretIn | None], value: SecretIn | None) -> None:
    is_a(str, optional=True)(_, attribute, value)
    if value is not None:
        _known(get_args(SecretIn), (value,), attribute.name)


def _parameters(_: object, attribute: Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    _known(PARAMETERS, value, attribute.name)


@final
@frozen(kw_only=True)
class RequestFormat:
    """How one kind of request is spelt.

    ``rename`` maps the RFC's parameters to the provider's, ``drop`` leaves some out, ``fixed`` adds
    some or replaces them; ``echo`` names members of the device answer to send back, ``again``
    parameters of the first request to repeat. A list keeps its ``[]`` when it is renamed. ``path``
    names parameters, by the RFC's names, that go to the end of the URL's path instead.
    ``send_client_id`` and ``assertion_audience`` are as in ``Provider``, for this request alone.
    ``secret_in`` sends a client's secret there in this request, for a server whose endpoints differ
    in it: ``basic`` or ``body``.

    >>> asking = RequestFormat(rename={"device_code": "code"}, drop="grant_type", fixed={"v": "1"})
    >>> asking.spelt((("grant_type", "x"), ("device_code", "dc")))
    (('code', 'dc'), ('v', '1'))
    """

    method: Literal["POST", "GET"] = field(default="POST", validator=one_of("POST", "GET"))
    encoding: Encoding | None = field(default=None, validator=_an_encoding)
    rename: Names = field(
        default=(), converter=names, validator=[are(str, pairs=True), _left(PARAMETERS)]
    )
    drop: tuple[str, ...] = field(default=(), converter=_several, validator=[are(str), _parameters])
    fixed: Pairs = field(default=(), converter=as_pairs, validator=are(str, pairs=True))
    echo: tuple[str, ...] = field(default=(), converter=_several, validator=are(str))
    again: tuple[str, ...] = field(default=(), converter=_several, validator=are(str))
    path: tuple[str, ...] = field(default=(), converter=_several, validator=[are(str), _parameters])
    send_client_id: SendClientId | None = field(default=None, validator=says_when)
    assertion_audience: str | None = field(default=None, validator=is_an_audience)
    secret_in: SecretIn | None = field(default=None, validator=_a_place)

    def spelt(self, form: Pairs) -> Pairs:
        """Return the parameters as this provider names them."""
        fixed = dict(self.fixed)
        gone = (*self.drop, *self.path)
        kept = ((name, value) for name, value in form if name.rstrip("[]:") not in gone)
        renamed = ((self._renamed(name), value) for name, value in kept)
        return (*((name, value) for name, value in renamed if name not in fixed), *self.fixed)

    def segments(self, form: Pairs) -> tuple[str | Secret, ...]:
        """Return the values that go to the end of the path."""
        said = dict(form)
        return tuple(said[name] for name in self.path if name in said)

    def _renamed(self, name: str) -> str:
        others, stem = dict(self.rename), name.removesuffix("[]")
        return others.get(name) or others.get(stem, stem) + name[len(stem) :]


_TO_CODES: Final = (are(str, pairs=True), _right)


def _phases(_: object, attribute: Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    are(str)(_, attribute, value)
    _known(("device", "token"), value, attribute.name)


@final
@frozen(kw_only=True)
class ResponseFormat:
    """How answers are spelt. Paths are dotted; the first one that is there counts.

    ``root`` unwraps an envelope; ``fields`` maps the RFC's members to paths. ``error`` are the
    paths of the error code, ``sub_error`` of a second part, joined with ``/``; ``error_header``
    names a header that tells it. ``codes`` maps codes as sent to the RFC's, ``poll_codes`` only in
    answers to polls; ``device_statuses``, ``poll_statuses`` and ``token_statuses`` map statuses to
    codes where no code was told. ``pending_without_token`` reads a success without a token, in
    answers to polls, as still pending. ``milliseconds`` names the answers whose times count in
    them, ``device`` and ``token``; in the device answer, only what is too much to be seconds.
    What ``fields`` names is moved, not copied, so no token stays behind under its first name.

    >>> twitch = ResponseFormat(error=("message",))
    >>> twitch.code(Members({"message": "authorization_pending"}), Response(400), "poll")
    ('authorization_pending', 'authorization_pending')
    """

    root: tuple[str, ...] = field(default=(), converter=_several, validator=are(str))
    fields: Paths = field(
        default=(), converter=_paths, validator=[are(tuple, pairs=True), _left(MEMBERS)]
    )
    error: tuple[str, ...] = field(default=("error",), converter=_several, validator=are(str))
    sub_error: str | None = field(default=None, validator=is_a(str, optional=True))
    error_header: str | None = field(default=None, validator=is_a(str, optional=True))
    description: tuple[str, ...] = field(
        default=("error_description",), converter=_several, validator=are(str)
    )
    codes: Names = field(default=(), converter=names, validator=list(_TO_CODES))
    poll_codes: Names = field(default=(), converter=names, validator=list(_TO_CODES))
    device_statuses: Statuses = field(default=(), converter=_statuses, validator=list(_TO_CODES))
    poll_statuses: Statuses = field(default=(), converter=_statuses, validator=list(_TO_CODES))
    token_statuses: Statuses = field(default=(), converter=_statuses, validator=list(_TO_CODES))
    pending_without_token: bool = field(default=False, validator=is_a(bool))
    scope_separator: str | None = field(default=None, validator=is_a(str, optional=True))
    milliseconds: tuple[str, ...] = field(default=(), converter=_several, validator=_phases)

    def translated(self, found: Members, phase: Phase) -> Members:
        """Return an answer in the RFC's names; what they do not name is kept."""
        inner = next(
            (each for path in self.root if isinstance(each := at(found, path), Members)), found
        )
        moved: dict[str, Json] = {}
        rest: Members = inner
        for name, paths in self.fields:
            path = next((path for path in paths if at(inner, path) is not None), None)
            if path is not None:
                moved[name] = at(inner, path)
                rest = without(rest, path) if path != name else rest
        named = {**rest, **moved}
        if self.scope_separator is not None and isinstance(scope := named.get("scope"), str):
            named["scope"] = scope.replace(self.scope_separator, " ")
        return Members(named | self._in_seconds(named, phase))

    def _in_seconds(self, named: Mapping[str, Json], phase: Phase) -> dict[str, Json]:
        if ("device" if phase == "device" else "token") not in self.milliseconds:
            return {}
        found: dict[str, Json] = {}
        for name in ("expires_in", "interval"):
            said = number(named.get(name))
            # Under a second makes no sense for either: that server means seconds after all.
            if said is not None and (said >= _A_SECOND or phase != "device"):
                found[name] = said / 1000
        return found

    def code(self, found: Members, response: Response, phase: Phase) -> tuple[str, str] | None:
        """Return the error code as it was sent, and in the RFC's spelling."""
        raw = self._told(found, response)
        if raw is None:
            return self._by_status(response.status, phase) or self._waiting(found, response, phase)
        aliases = dict(self.codes) | (dict(self.poll_codes) if phase == "poll" else {})
        code = aliases.get(raw) or aliases.get(raw.split("/")[0]) or raw.strip().lower()
        if code not in CODES and self._issued(found, response, phase):
            return None  # free text beside what was requested (Studio's ``detail``) is no error
        return raw, code

    def told(self, found: Members) -> Json:
        """Return the description of an error."""
        return next(
            (each for path in self.description if (each := at(found, path)) is not None), None
        )

    def _told(self, found: Members, response: Response) -> str | None:
        raw = next((text for path in self.error if (text := text_of(at(found, path)))), None)
        sub = None if self.sub_error is None else text_of(at(found, self.sub_error))
        if raw not in (None, "0"):  # a zero is some servers' word for "no error"
            return raw if sub is None else f"{raw}/{sub}"
        header = None if self.error_header is None else response.header(self.error_header)
        return None if header is None else header.partition(":")[0].strip() or None

    def _issued(self, found: Members, response: Response, phase: Phase) -> bool:
        wanted = "device_code" if phase == "device" else "access_token"
        success = 200 <= response.status < 300
        return success and text_of(self.translated(found, phase).get(wanted)) is not None

    def _waiting(self, found: Members, response: Response, phase: Phase) -> tuple[str, str] | None:
        if not (self.pending_without_token and phase == "poll" and response.status == 200):
            return None
        token = text_of(self.translated(found, phase).get("access_token"))
        return ("200", "authorization_pending") if found and token is None else None

    def _by_status(self, status: int, phase: Phase) -> tuple[str, str] | None:
        tables = {
            "device": self.device_statuses,
            "poll": self.poll_statuses,
            "token": self.token_statuses,
        }
        code = dict(tables[phase]).get(status)
        return None if code is None else (str(status), code)


def without(found: Members, path: str) -> Members:
    """Return the members without what is at a dotted path; inside a list it is kept.

    >>> dict(without(Members({"poll": {"token": "t", "at": "/"}}), "poll.token")["poll"])
    {'at': '/'}
    """
    first, _, rest = path.partition(".")
    if not rest:
        return Members({name: value for name, value in found.items() if name != first})
    inner = found.get(first)
    return Members({**found, first: without(inner, rest)}) if isinstance(inner, Members) else found


def at(found: Members, path: str) -> Json:
    """Return what stands at a dotted path; a number picks from a list.

    >>> at(Members({"data": [{"token": "t"}]}), "data.0.token")
    't'
    >>> at(Members({}), "a.b")
    """
    here: Json = found
    for step in path.split("."):
        if isinstance(here, Members):
            here = here.get(step)
        elif isinstance(here, tuple) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here
