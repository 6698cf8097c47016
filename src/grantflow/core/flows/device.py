"""The device authorization grant (RFC 8628) as a pure state machine, one section after the other.

Rules:

1. What is due depends on the state alone; nothing here reads a clock.
2. The first poll leaves one interval after the code arrived, every other one at least one interval
   after the reply to the last (section 3.5).
3. No poll leaves at or after the code's expiry, and none before it that is legal is skipped.
4. ``authorization_pending`` and ``slow_down`` go on; every other error code ends the flow.
5. An unreadable 200 ends the flow, for the code may be spent. Other trouble is met with backoff
   (``pacing``): what may pass by itself until the code expires, unreadable answers ``tries`` times.
6. Final states absorb every event.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TypeAlias, assert_never, final

from attrs import evolve, field, frozen
from attrs.validators import optional

from grantflow.core.client.client import Client, needs
from grantflow.core.flows import pkce
from grantflow.core.flows.edges import failed
from grantflow.core.flows.effects import Due, Send, limited
from grantflow.core.flows.events import (
    CodeExpired,
    CodeIssued,
    Received,
    SlowDownAsked,
    StillPending,
    TokenIssued,
    Unanswered,
)
from grantflow.core.flows.pacing import LONGEST_PAUSE, SECOND, Backoff, next_attempt, slowed
from grantflow.core.flows.states import (
    Authorized,
    DeviceState,
    Expired,
    Failed,
    Final,
    Pending,
    SlowDown,
    Started,
)
from grantflow.core.responses.device import read_device
from grantflow.core.responses.token import read_token
from grantflow.core.values.errors import Unreachable
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.parsing import text_of
from grantflow.core.values.request import Request
from grantflow.core.values.secret import Secret, maybe_secret
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.token import DeviceAuthorization
from grantflow.core.values.validators import positive

Polling: TypeAlias = Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"


@final
@frozen
class DeviceFlow:
    """Sign in a person whose browser is on another device: a ``Flow[DeviceState]``.

    ``budget`` ends the run even if the code is valid for longer. ``verifier`` is 43 to 128 random
    characters for a provider that requires PKCE (RFC 7636 section 4.1). A provider without a device
    authorization endpoint, or without the verifier that it requires, raises ``ValueError``.

    >>> from datetime import datetime, timezone
    >>> from grantflow.core.client.provider import Provider
    >>> url = "https://acme.example/oauth"
    >>> acme = Provider(name="acme", token_endpoint=url, device_authorization_endpoint=url)
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
    """

    client: Client = field(validator=needs("device_authorization"))
    backoff: Backoff = field(default=Backoff(), kw_only=True)
    budget: timedelta | None = field(default=None, kw_only=True, validator=optional(positive))
    verifier: Secret | None = field(
        default=None, kw_only=True, converter=maybe_secret, validator=pkce.check_verifier
    )

    def start(self, now: Moment, /) -> Started:
        """Return the first state: the code is asked for at once."""
        deadline = None if self.budget is None else Instant(now.mono + self.budget)
        return Started(now.mono, deadline=deadline)

    def due(self, state: DeviceState, /) -> Due:
        """Return the request for a code, the next poll, or the end."""
        match state:
            case Started():
                ask = limited(self._ask(), state)
                return Send(ask, state.not_before, partial(read_device, ask, self.client))
            case Pending() | SlowDown():
                poll = limited(self._poll(state.authorization), state)
                read = partial(read_token, poll, self.client, endpoint="poll")
                return Send(poll, state.not_before, read, spends="code")
            case Authorized() | Expired() | Failed():
                return state
            case _:
                assert_never(state)

    def step(self, state: DeviceState, event: Received, /) -> DeviceState:
        """Return the state after an event; final states absorb every event."""
        match state:
            case Started():
                return self._asked(state, event)
            case Pending() | SlowDown():
                return polled(state, event, self.backoff)
            case Authorized() | Expired() | Failed():
                return state
            case _:
                assert_never(state)

    def _ask(self) -> Request:
        """Section 3.1: the device authorization request."""
        provider = self.client.provider
        form = (*self.client.wishes(provider.device), *pkce.challenge(self.verifier))
        endpoint = provider.endpoint("device_authorization")
        return self.client.request(endpoint, form, provider.device)

    def _asked(self, state: Started, event: Received) -> DeviceState:
        """Section 3.2: the device authorization response."""
        match event:
            case CodeIssued(at, code):
                interval = max(code.interval, SECOND)
                return next_attempt(Pending(code, interval, at, deadline=state.deadline), interval)
            case Unanswered(at, fault, roll):
                faults = state.faults + 1
                if faults >= self.backoff.tries or fault.kind == "proxy":
                    return Failed(Unreachable(fault, faults))
                law = max(SECOND, fault.retry_after or SECOND)
                if law > LONGEST_PAUSE:
                    return Expired(fault)
                wish = max(law, self.backoff.wait(faults, roll))
                return next_attempt(Started(at, faults, state.deadline), law, wish, fault)
            case _:
                return failed(event)

    def _poll(self, code: DeviceAuthorization) -> Request:
        """Section 3.4: the device access token request."""
        provider, asking = self.client.provider, self.client.provider.poll
        members = {**code.extra, "user_code": code.user_code}
        echoed = ((name, text_of(members.get(name))) for name in asking.echo)
        wishes = self.client.wishes(asking)
        form: Pairs = (
            ("grant_type", GRANT_TYPE),
            ("device_code", code.device_code),
            *((name, text) for name, text in echoed if text is not None),
            *((name, text) for name, text in wishes if name.removesuffix("[]") in asking.again),
            *self.client.targets(),
            *pkce.proof(self.verifier),
        )
        named = provider.poll_at and code.extra.get(provider.poll_at)
        fixed = provider.poll_endpoint or provider.token_endpoint
        return self.client.token_request(named if isinstance(named, str) else fixed, form, asking)


def polled(state: Polling, event: Received, backoff: Backoff) -> Polling | Final:
    """Section 3.5: the device access token response."""
    polls = state.polls + 1
    match event:
        case TokenIssued(_, token, dropped):
            return Authorized(token, dropped)
        case StillPending(at, pause):
            code, interval = state.authorization, state.interval
            after = Pending(code, interval, at, polls, deadline=state.deadline)
            return next_attempt(after, interval, pause)
        case SlowDownAsked(at, asked, pause, roll):
            code, longer = state.authorization, slowed(state.interval, asked)
            # Many clients that were asked to wait must not return at once: spread upward.
            wish = max(longer, pause or longer) + longer * roll / 2
            slower = SlowDown(code, longer, at, polls, deadline=state.deadline)
            return next_attempt(slower, longer, wish)
        case Unanswered(at, fault, roll, passing):
            faults, unreadable = state.faults + 1, state.unreadable + (not passing)
            if not passing and unreadable >= backoff.tries:
                return Failed(Unreachable(fault, faults))
            wish = backoff.wait(faults, roll, state.interval)
            again = evolve(state, not_before=at, polls=polls, faults=faults, unreadable=unreadable)
            pause = fault.retry_after or timedelta()
            return next_attempt(again, state.interval, max(pause, wish), fault)
        case CodeExpired():
            return Expired()
        case _:
            return failed(event)
