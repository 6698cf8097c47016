"""Strategies of hypothesis for this library's values; they need the ``hypothesis`` package.

Hypothesis loads this module by an entry point, so ``st.from_type(Token)``, ``DeviceState`` and
the like work wherever grantflow is installed. Values are plausible: times have a zone, URLs are
https, tokens fit into a header.

>>> from hypothesis import find
>>> find(tokens(), lambda token: token.expires_at is None).token_type
'Bearer'
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar, get_args, get_origin

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from grantflow.core.client.authentication import (
    ClientAuthentication,
    ClientSecretBasic,
    ClientSecretPost,
    Public,
)
from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider
from grantflow.core.flows.events import (
    CodeExpired,
    CodeIssued,
    GaveUp,
    Rejected,
    SlowDownAsked,
    StillPending,
    TokenIssued,
    Unanswered,
)
from grantflow.core.flows.states import (
    Authorized,
    DeviceState,
    Expired,
    Failed,
    GrantState,
    Pending,
    SlowDown,
    Started,
)
from grantflow.core.values.errors import (
    Cancelled,
    Denied,
    Error,
    InvalidResponse,
    Refused,
    Unreachable,
)
from grantflow.core.values.json import Members
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.token import DeviceAuthorization, Token
from grantflow.testing.script import Outage, Script
from grantflow.testing.server.value import Server

T = TypeVar("T")
A = TypeVar("A")
W = TypeVar("W")
Event = (
    CodeIssued
    | TokenIssued
    | StillPending
    | SlowDownAsked
    | CodeExpired
    | Rejected
    | Unanswered
    | GaveUp
)

_words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
_visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
_walls = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - the zone is the next argument
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
_rolls = st.floats(0, 1, exclude_max=True)
_counts = st.integers(0, 20)
_kinds = st.sampled_from(
    ("timeout", "refused", "proxy", "tls", "name", "too_large", "http", "other")
)


def spans(low: float = 0, high: float = 3600) -> SearchStrategy[timedelta]:
    """Generate whole milliseconds between two numbers of seconds."""
    return st.integers(int(low * 1000), int(high * 1000)).map(lambda ms: timedelta(milliseconds=ms))


def instants() -> SearchStrategy[Instant]:
    """Generate moments of the monotonic clock."""
    return spans(0, 86_400).map(Instant)


def moments() -> SearchStrategy[Moment]:
    """Generate readings of both clocks."""
    return st.builds(Moment, instants(), _walls, _rolls)


def secrets() -> SearchStrategy[Secret]:
    """Generate secrets that fit into a header."""
    return _visible.map(Secret)


def urls() -> SearchStrategy[str]:
    """Generate https URLs."""
    return st.builds(lambda host, path: f"https://{host}.example/{path}", _words, _words)


def scopes() -> SearchStrategy[tuple[str, ...]]:
    """Generate scopes."""
    return st.lists(_words, max_size=4, unique=True).map(tuple)


def members() -> SearchStrategy[Members]:
    """Generate unknown members of an answer."""
    value = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=20)
    return st.dictionaries(_words.map("x-{}".format), value, max_size=3).map(Members)


def tokens() -> SearchStrategy[Token]:
    """Generate tokens."""
    return st.builds(
        Token,
        access_token=secrets(),
        token_type=st.sampled_from(("Bearer", "DPoP")),
        expires_at=st.none() | _walls,
        refresh_token=st.none() | secrets(),
        scope=scopes(),
        id_token=st.none() | secrets(),
        extra=members(),
        issued_at=st.none() | _walls,
    )


def device_authorizations() -> SearchStrategy[DeviceAuthorization]:
    """Generate codes that were issued."""
    return st.builds(
        DeviceAuthorization,
        secrets(),
        _words.map(str.upper),
        urls(),
        instants(),
        spans(1, 60),
        st.none() | urls(),
        members(),
    )


def faults() -> SearchStrategy[Fault]:
    """Generate requests without an answer."""
    return st.builds(Fault, _kinds, st.sampled_from(("no", "maybe")), st.text(max_size=20))


def responses() -> SearchStrategy[Response]:
    """Generate answers of any status and any bytes."""
    headers = st.dictionaries(
        st.sampled_from(("Content-Type", "Retry-After", "Date")), st.text(max_size=20), max_size=2
    )
    return st.builds(Response, st.integers(100, 599), headers, st.binary(max_size=200))


def replies() -> SearchStrategy[Reply]:
    """Generate what a transport may return."""
    return responses() | faults()


def providers() -> SearchStrategy[Provider]:
    """Generate providers with a device endpoint and the RFC's formats."""
    return st.builds(
        Provider, name=_words, token_endpoint=urls(), device_authorization_endpoint=urls()
    )


def clients() -> SearchStrategy[Client]:
    """Generate clients, public ones and with a secret."""
    proofs: SearchStrategy[ClientAuthentication] = (
        st.just(Public())
        | secrets().map(ClientSecretPost)
        | secrets().map(lambda secret: ClientSecretBasic(secret))
    )
    return st.builds(
        Client, provider=providers(), client_id=_words, authentication=proofs, scope=scopes()
    )


def errors() -> SearchStrategy[Error]:
    """Generate the reasons of ``Failed``."""
    text = st.none() | st.text(max_size=20)
    return (
        st.builds(Denied, text)
        | st.builds(Refused, _words, text, st.none(), st.integers(400, 499))
        | st.builds(InvalidResponse, st.text(max_size=20), st.none() | st.integers(200, 599))
        | st.builds(Unreachable, faults(), st.integers(1, 9))
        | st.just(Cancelled())
    )


def events() -> SearchStrategy[Event]:
    """Generate what may happen to a flow."""
    return st.one_of(*_events())


def device_states() -> SearchStrategy[DeviceState]:
    """Generate states of a device sign-in."""
    return _waiting(device_authorizations()) | _others()


def grant_states() -> SearchStrategy[GrantState]:
    """Generate states of a flow that waits for no person."""
    return _waiting(st.none()) | _others()


def scripts() -> SearchStrategy[Script]:
    """Generate scripts: people who approve, deny or stay away, and outages."""
    outages = st.builds(
        lambda start, length, reply: Outage(start, start + length, reply),
        spans(0, 60),
        spans(0, 25),
        faults() | st.sampled_from((Response(502), Response(503, {"Retry-After": "7"}, b""))),
    )
    return st.builds(
        Script,
        approve_after=st.none() | spans(0, 120),
        deny_after=st.none() | spans(0, 120),
        lifetime=spans(1, 90),
        interval=spans(0.001, 20),
        latency=spans(0, 4),
        outages=st.lists(outages, max_size=2).map(tuple),
    )


def servers() -> SearchStrategy[Server]:
    """Generate scripted servers that were asked for nothing yet."""
    return scripts().map(Server)


def _events() -> tuple[SearchStrategy[Event], ...]:
    """Return a strategy for each kind of event, in the order of ``Event``."""
    at, pause = instants(), st.none() | spans(1, 600)
    refused = errors().filter(lambda error: not isinstance(error, (Unreachable, Cancelled)))
    return (
        st.builds(CodeIssued, at, device_authorizations()),
        st.builds(TokenIssued, at, tokens()),
        st.builds(StillPending, at, pause),
        st.builds(SlowDownAsked, at, pause, pause, _rolls),
        st.builds(CodeExpired, at),
        st.builds(Rejected, at, refused),
        st.builds(Unanswered, at, faults(), _rolls),
        st.builds(GaveUp, at),
    )


def _waiting(waited: SearchStrategy[A]) -> SearchStrategy[Pending[A] | SlowDown[A]]:
    return _waiting_as(Pending, waited) | _waiting_as(SlowDown, waited)


def _waiting_as(kind: type[W], waited: SearchStrategy[object]) -> SearchStrategy[W]:
    return st.builds(
        kind,
        authorization=waited,
        interval=spans(1, 60),
        not_before=instants(),
        polls=_counts,
        faults=_counts,
    )


def _others() -> SearchStrategy[Started | Authorized | Expired | Failed]:
    return (
        st.builds(Started, instants(), _counts)
        | tokens().map(Authorized)
        | st.builds(Expired, st.none() | faults())
        | errors().map(Failed)
    )


def _as_written(thing: type[object]) -> SearchStrategy[object]:
    """Return the strategy of a waiting state as it is written: ``Pending[None]`` waits for none."""
    kind = SlowDown if get_origin(thing) is SlowDown or thing is SlowDown else Pending
    nobody = get_args(thing) in ((None,), (type(None),))
    return _waiting_as(kind, st.none() if nobody else device_authorizations())


def _register() -> None:
    """Let ``st.from_type`` know the values of this library."""

    def use(kind: type[T], strategy: Callable[[], SearchStrategy[T]]) -> None:
        st.register_type_strategy(kind, strategy())

    use(Secret, secrets)
    use(Moment, moments)
    use(Members, members)
    use(Token, tokens)
    use(DeviceAuthorization, device_authorizations)
    use(Fault, faults)
    use(Response, responses)
    use(Provider, providers)
    use(Client, clients)
    use(Script, scripts)
    use(Server, servers)
    for kind, strategy in zip(get_args(Event), _events(), strict=True):
        st.register_type_strategy(kind, strategy)
    st.register_type_strategy(Pending, _as_written)
    st.register_type_strategy(SlowDown, _as_written)
    # A NewType is a function, and may be registered all the same.
    st.register_type_strategy(Instant, instants())  # pyright: ignore[reportArgumentType]


_register()
