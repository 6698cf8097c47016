"""What goes in and out of a flow: time, requests, replies, codes and tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, NewType, TypeAlias, final

from attrs import Attribute, field, frozen
from attrs.validators import instance_of

from grantflow.core.checks import one_of
from grantflow.core.secret import Secret, maybe_secret, secret

Json: TypeAlias = "bool | int | float | str | tuple[Json, ...] | Members | None"
"""A JSON value made of things that cannot change."""

Instant = NewType("Instant", timedelta)
"""A reading of a monotonic clock: its origin means nothing, differences do. Exact to 1 µs.

>>> Instant(timedelta(seconds=5))
datetime.timedelta(seconds=5)
"""

Pairs: TypeAlias = tuple[tuple[str, str | Secret], ...]
"""Parameters or headers in order; a name may come twice (RFC 8707 allows several resources)."""


def _aware(_: object, attribute: Attribute[datetime], value: datetime) -> None:
    _check_aware(attribute.name, value)


def _aware_if_known(
    _: object, attribute: Attribute[datetime | None], value: datetime | None
) -> None:
    if value is not None:
        _check_aware(attribute.name, value)


def _check_aware(name: str, value: datetime) -> None:
    if value.tzinfo is None:
        raise ValueError(
            f"{name}: an aware datetime is needed, for example datetime.now(timezone.utc)"
        )


def _below_one(_: object, __: object, value: float) -> None:
    if not 0.0 <= value < 1.0:
        raise ValueError(f"roll: a number in [0, 1) is needed, not {value}")


@final
@frozen
class Moment:
    """One reading of everything impure that a step may need.

    ``mono`` is the monotonic clock (waiting), ``wall`` the aware wall clock (expiry across
    processes), ``roll`` one number in [0, 1) (jitter). ``ValueError`` names what is unusable.
    """

    mono: Instant
    wall: datetime = field(validator=_aware)
    roll: float = field(default=0.0, validator=_below_one)


@final
class Members(Mapping[str, Json]):
    """JSON members as an immutable, hashable mapping that shows its names but not its values.

    A server may put anything there, other people's tokens included.

    >>> Members({"sub": "alice", "aud": ["a", "b"]})
    Members(aud, sub)
    >>> Members({"aud": ["a", "b"]})["aud"]
    ('a', 'b')
    >>> Members({"a": 1}) == {"a": 1}
    True
    """

    __slots__ = ("_items",)

    def __init__(self, members: Mapping[str, object] | Iterable[tuple[str, object]] = ()) -> None:
        named: dict[str, object] = dict(members)
        self._items = _stilled(named, _DEEPEST)

    @classmethod
    def _of(cls, items: dict[str, Json]) -> Members:
        made = cls()
        made._items = items
        return made

    def __getitem__(self, name: str) -> Json:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return f"Members({', '.join(sorted(ascii(name)[1:-1] for name in self._items))})"


# Deeper than any honest answer, shallower than what hashing and comparing can walk.
_DEEPEST: Final = 32


def _stilled(members: Mapping[str, object], depth: int) -> dict[str, Json]:
    if depth == 0:
        raise ValueError(f"JSON nested more than {_DEEPEST} deep")
    return {str(name): _still(value, depth) for name, value in members.items()}


def _still(value: object, depth: int) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no such numbers; what Python reads as one says nothing
    if value is None or isinstance(value, (bool, int, float, str, Members)):
        return value
    if isinstance(value, Mapping):
        return Members._of(_stilled(value, depth - 1))  # noqa: SLF001 - its own constructor
    if isinstance(value, Iterable) and depth > 0:
        return tuple(_still(each, depth - 1) for each in value)
    raise ValueError(f"not a JSON value, or nested more than {_DEEPEST} deep")


def plain(value: Json) -> object:
    """Return a JSON value made of dicts and lists, for ``json.dumps``.

    >>> plain(Members({"aud": ["a"]}))
    {'aud': ['a']}
    """
    if isinstance(value, Members):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value


def as_pairs(value: Mapping[str, str | Secret] | Pairs | list[tuple[str, str | Secret]]) -> Pairs:
    """Return parameters as pairs, from pairs or from a mapping."""
    return tuple(value.items() if isinstance(value, Mapping) else value)


def _lowered(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name.lower(): value for name, value in headers.items()})


@final
@frozen
class Response:
    """An HTTP answer of any status. Header names are compared without case; the body stays bytes.

    >>> Response(200, {"Content-Type": "application/json"}, b"{}").header("content-type")
    'application/json'
    """

    status: int
    headers: Mapping[str, str] = field(
        factory=dict[str, str], converter=_lowered, repr=False, hash=False
    )
    body: bytes = field(
        default=b"", repr=lambda body: f"<{len(body)} bytes>", validator=instance_of(bytes)
    )

    def header(self, name: str) -> str | None:
        """Return one header's text, or ``None``."""
        return self.headers.get(name.lower())


@final
@frozen
class Fault:
    """No usable HTTP answer at all.

    ``reached`` says whether the server may have acted on the request: a refused connection did
    not reach it, a read timeout may have. What may have arrived is not repeated blindly.
    """

    kind: Literal["timeout", "refused", "tls", "name", "too_large", "http", "other"] = field(
        validator=one_of("timeout", "refused", "tls", "name", "too_large", "http", "other")
    )
    reached: Literal["no", "maybe"] = field(validator=one_of("no", "maybe"))
    detail: str = ""


Reply: TypeAlias = Response | Fault


@final
@frozen
class DeviceAuthorization:
    """What a person needs to approve a sign-in on another device (RFC 8628 section 3.2).

    ``expires_at`` is on the monotonic clock; ``interval`` is the least time between two polls.
    ``extra`` keeps the members that RFC 8628 does not name.
    """

    device_code: Secret = field(converter=secret)
    user_code: str
    verification_uri: str
    expires_at: Instant
    interval: timedelta = timedelta(seconds=5)
    verification_uri_complete: str | None = None
    extra: Members = field(factory=Members, converter=Members)


@final
@frozen(kw_only=True)
class Token:
    """A token answer (RFC 6749 section 5.1).

    ``expires_at`` is ``None`` when the server did not say, and has a time zone (``ValueError``), as
    ``issued_at`` has. ``token_type`` is kept as sent.
    ``scope`` is what was granted: where the server omits it, what was requested.
    ``extra`` keeps the members that the RFC does not name.

    >>> Token(access_token="at-1").authorization
    Secret('***')
    >>> Token(access_token="at-1", token_type="bearer").authorization.reveal()
    'Bearer at-1'
    """

    access_token: Secret = field(converter=secret)
    token_type: str = "Bearer"
    expires_at: datetime | None = field(default=None, validator=_aware_if_known)
    refresh_token: Secret | None = field(default=None, converter=maybe_secret)
    scope: tuple[str, ...] = field(default=(), converter=tuple[str, ...])
    id_token: Secret | None = field(default=None, converter=maybe_secret)
    extra: Members = field(factory=Members, converter=Members)
    issued_at: datetime | None = field(default=None, validator=_aware_if_known)

    @property
    def authorization(self) -> Secret:
        """Return the value of an ``Authorization`` header (RFC 6750, RFC 9449 section 7.1)."""
        known = {"bearer": "Bearer", "dpop": "DPoP"}
        scheme = known.get(self.token_type.lower(), self.token_type)
        return Secret(f"{scheme} {self.access_token.reveal()}")
