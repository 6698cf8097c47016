"""The device authorization grant (RFC 8628) as a pure state machine.

Rules:

1. What is due depends on the state alone; nothing here reads a clock.
2. The first poll leaves one interval after the code arrived, every other one at least one interval
   after the reply to the last (RFC 8628 section 3.5).
3. No poll leaves at or after the code's expiry, and none before it that is legal is skipped.
4. ``authorization_pending`` and ``slow_down`` go on; every other error code ends the flow.
5. An unreadable 200 ends the flow, for the code may be spent. Any other unreadable answer is
   trouble on the way, and trouble is met with backoff (``pacing``).
6. Final states absorb everything.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Final, Protocol, TypeAlias, assert_never, final

from attrs import Attribute, field, frozen
from attrs.validators import optional

from grantflow.core.client.client import Client
from grantflow.core.flows.dpop import NEVER_CONTENT, kept
from grantflow.core.flows.effects import Due, Send, limited
from grantflow.core.flows.events import (
    CodeExpired,
    CodeIssued,
    Event,
    GaveUp,
    GrantIssued,
    NonceAsked,
    Rejected,
    SlowDownAsked,
    StillPending,
    TokenIssued,
    Unanswered,
)
from grantflow.core.flows.pacing import (
    LONGEST_PAUSE,
    SECOND,
    Backoff,
    next_poll,
    positive,
    slowed,
    soonest,
)
from grantflow.core.flows.states import (
    Authorized,
    DeviceState,
    Expired,
    Failed,
    Pending,
    SlowDown,
    Started,
)
from grantflow.core.flows.states import Final as Ended
from grantflow.core.responses.device import device_reply
from grantflow.core.responses.token import poll_reply
from grantflow.core.values.errors import Cancelled, InvalidResponse, Unreachable
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.parsing import text_of
from grantflow.core.values.request import Request
from grantflow.core.values.secret import Secret, maybe_secret
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.token import DeviceAuthorization

Waiting: TypeAlias = Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"


def has_an_endpoint(_: object, __: object, value: Client) -> None:
    """Refuse a client whose provider nobody can be sent to."""
    if value.provider.device_authorization_endpoint is None:
        raise ValueError(
            f"client: provider {value.provider.name!r} has no device_authorization_endpoint"
        )


_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Verified(Protocol):
    """A flow that may use PKCE."""

    @property
    def client(self) -> Client:
        """Return who asks."""
        ...


def verifies(made: Verified, attribute: Attribute[Secret | None], value: Secret | None) -> None:
    """Refuse a verifier that is missing or unusable (RFC 7636 section 4.1)."""
    if value is None:
        if made.client.provider.pkce:
            name = made.client.provider.name
            raise ValueError(f"{attribute.name}: provider {name!r} wants one (PKCE, RFC 7636)")
    elif not _UNRESERVED.fullmatch(value.reveal()):
        raise ValueError(f"{attribute.name}: 43 to 128 letters, digits and -._~ are needed")


@final
@frozen
class DeviceFlow:
    """Sign a person in who has a browser elsewhere: a ``Flow[DeviceState]``.

    ``budget`` ends the run even where the code would live longer. ``verifier`` is 43 to 128 random
    characters for a provider that wants PKCE (RFC 7636 section 4.1). A provider without a device
    authorization endpoint, or without the verifier that it wants, raises ``ValueError``.

    >>> from datetime import datetime, timezone
    >>> from grantflow.core.client.provider import Provider
    >>> acme = Provider(
    ...     name="acme",
    ...     token_endpoint="https://acme.example/token",
    ...     device_authorization_endpoint="https://acme.example/device",
    ... )
    >>> flow = DeviceFlow(Client(provider=acme, client_id="app"))
    >>> s = lambda seconds: Instant(timedelta(seconds=seconds))
    >>> state = flow.start(Moment(s(0), datetime(2026, 1, 1, tzinfo=timezone.utc)))
    >>> code = DeviceAuthorization("dc-1", "WDJB-MJHT", "https://acme.example/go", s(600))
    >>> state = flow.step(state, CodeIssued(s(1), code))
    >>> state.not_before.seconds
    6
    >>> state = flow.step(state, SlowDownAsked(s(6)))
    >>> type(state).__name__, state.interval.seconds, state.not_before.seconds
    ('SlowDown', 10, 16)
    >>> flow.step(state, CodeExpired(s(17)))
    Expired(fault=None, retry_after=None)
    """

    client: Client = field(validator=has_an_endpoint)
    backoff: Backoff = field(default=Backoff(), kw_only=True)
    budget: timedelta | None = field(default=None, kw_only=True, validator=optional(positive))
    verifier: Secret | None = field(
        default=None, kw_only=True, converter=maybe_secret, validator=verifies
    )

    def start(self, now: Moment, /) -> Started:
        """Return the first state: the code is asked for at once."""
        deadline = None if self.budget is None else Instant(now.mono + self.budget)
        return Started(now.mono, deadline=deadline)

    def due(self, state: DeviceState, /) -> Due:
        """Return the request for a code, the next poll, or the end."""
        match state:
            case Started():
                ask = limited(self._ask(), state.not_before, state.deadline)
                read = partial(device_reply, ask, self.client.provider)
                return Send(ask, state.not_before, read)
            case Pending() | SlowDown():
                poll = self._poll(state.authorization, state.nonce)
                poll = limited(poll, state.not_before, state.deadline)
                told = partial(poll_reply, poll, self.client.provider, self.client.scope)
                return Send(poll, state.not_before, told, spends="code")
            case Authorized() | Expired() | Failed():
                return state
            case _:
                assert_never(state)

    def step(self, state: DeviceState, event: Event, /) -> DeviceState:
        """Return the state after an event; final states absorb every event."""
        match state:
            case Started():
                return self._started(state, event)
            case Pending() | SlowDown():
                return waiting(state, event, self.backoff)
            case Authorized() | Expired() | Failed():
                return state
            case _:
                assert_never(state)

    def _ask(self) -> Request:
        provider = self.client.provider
        endpoint = provider.device_authorization_endpoint or ""
        form = (*self.client.wishes(provider.device), *self._challenge())
        return self.client.request(endpoint, form, provider.device)

    def _challenge(self) -> Pairs:
        if self.verifier is None:
            return ()
        digest = sha256(self.verifier.reveal().encode("ascii")).digest()
        text = urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
        return (("code_challenge", text), ("code_challenge_method", "S256"))

    def _poll(self, code: DeviceAuthorization, nonce: str | None) -> Request:
        provider = self.client.provider
        told = {**code.extra, "user_code": code.user_code}
        echo = ((name, text_of(told.get(name))) for name in provider.poll.echo)
        form: Pairs = (
            ("grant_type", GRANT_TYPE),
            ("device_code", code.device_code),
            *((name, text) for name, text in echo if text is not None),
            *self._again(),
            *self.client.targets(),
            *(() if self.verifier is None else (("code_verifier", self.verifier),)),
        )
        where = provider.poll_at and code.extra.get(provider.poll_at)
        fixed = provider.poll_endpoint or provider.token_endpoint
        endpoint = where if isinstance(where, str) else fixed
        return self.client.token_request(endpoint, form, provider.poll, nonce)

    def _again(self) -> Pairs:
        asking = self.client.provider.poll
        wishes = self.client.wishes(asking)
        return tuple(pair for pair in wishes if pair[0].removesuffix("[]") in asking.again)

    def _started(
        self, state: Started, event: Event
    ) -> Started | Pending[DeviceAuthorization] | Expired | Failed:
        match event:
            case CodeIssued(at, code):
                interval = max(code.interval, SECOND)
                first = next_poll(at, interval, interval, soonest(code.expires_at, state.deadline))
                if first is None:
                    return Expired()
                return Pending(code, interval, first, deadline=state.deadline)
            case Unanswered(at, fault, pause, roll):
                faults = state.faults + 1
                if faults >= self.backoff.tries:
                    return Failed(Unreachable(fault, faults, pause))
                law = max(SECOND, pause or timedelta())
                if law > LONGEST_PAUSE:
                    return Expired(fault, retry_after=pause)
                wish = max(law, self.backoff.wait(faults, roll))
                again = next_poll(at, law, wish, state.deadline)
                if again is None:
                    return Expired(fault, retry_after=pause)
                return Started(again, faults, state.deadline)
            case Rejected(_, error):
                return Failed(error)
            case GaveUp():
                return Failed(Cancelled())
            case (
                GrantIssued()
                | TokenIssued()
                | StillPending()
                | SlowDownAsked()
                | NonceAsked()
                | CodeExpired()
            ):
                return Failed(
                    InvalidResponse("a token answer came where a device code was asked for")
                )
            case _:
                assert_never(event)


def waiting(state: Waiting, event: Event, backoff: Backoff) -> Waiting | Ended:
    """Return the state after an event while a person is waited for."""
    return kept(_waiting(state, event, backoff), event, state.nonce)


def _waiting(state: Waiting, event: Event, backoff: Backoff) -> Waiting | Ended:
    code, polls = state.authorization, state.polls + 1
    end = soonest(code.expires_at, state.deadline)
    match event:
        case TokenIssued(_, token):
            return Authorized(token)
        case StillPending(at, pause):
            after = next_poll(at, state.interval, pause or state.interval, end)
            if after is None:
                return Expired()
            return Pending(code, state.interval, after, polls, 0, state.deadline)
        case SlowDownAsked(at, asked, pause, roll):
            longer = slowed(state.interval, asked)
            # A crowd that was told to wait must not come back in one instant: spread upwards.
            wish = max(longer, pause or timedelta()) + longer * roll / 2
            after = next_poll(at, longer, wish, end)
            if after is None:
                return Expired()
            return SlowDown(code, longer, after, polls, 0, state.deadline)
        case Unanswered(at, fault, pause, roll):
            faults = state.faults + 1
            if faults >= backoff.tries:
                return Failed(Unreachable(fault, faults, pause))
            wish = max(pause or timedelta(), backoff.wait(faults, roll, state.interval))
            after = next_poll(at, state.interval, wish, end)
            if after is None:
                return Expired(fault, retry_after=pause)
            return type(state)(code, state.interval, after, polls, faults, state.deadline)
        case NonceAsked(at):
            faults = state.faults + 1
            if faults >= backoff.tries:
                return Failed(NEVER_CONTENT)
            after = next_poll(at, state.interval, state.interval, end)
            if after is None:
                return Expired()
            return type(state)(code, state.interval, after, polls, faults, state.deadline)
        case CodeExpired():
            return Expired()
        case Rejected(_, error):
            return Failed(error)
        case GaveUp():
            return Failed(Cancelled())
        case CodeIssued() | GrantIssued():
            return Failed(InvalidResponse("a device code came where a token was asked for"))
        case _:
            assert_never(event)
