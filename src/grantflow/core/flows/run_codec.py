"""A waiting sign-in as versioned JSON: one process shows the code, another finishes.

Rules:

1. What is written holds the device code, so it is a secret text until the sign-in ends.
2. Monotonic times mean nothing elsewhere, so wall times are written, and read back onto the
   clock of the reader. No time that was left grows: a wall clock that was set back gives nobody
   more than there was.
3. It belongs to one ask of one flow: another client's does not resume it, nor one with other
   endpoints, another PKCE verifier or other entropy.
4. Where no legal poll is left, what is read is ``Expired``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Final

from attrs import evolve, frozen
from returns.result import Failure, Result, Success

from grantflow.core.client.identity import key_of
from grantflow.core.client.provider import origin_of
from grantflow.core.flows.dpop import usable
from grantflow.core.flows.flow import Run
from grantflow.core.flows.pacing import LONGEST, SECOND, next_poll, soonest
from grantflow.core.flows.sign_in import SignInFlow
from grantflow.core.flows.states import DeviceState, Expired, Pending, SlowDown
from grantflow.core.flows.two_step import LinkFlow
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.json import Json, Members, plain
from grantflow.core.values.parsing import link, moment_of, number, sendable, text_of
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.token import DeviceAuthorization

RUN_VERSION: Final = 1


def dump_run(run: Run[DeviceState], now: Moment) -> dict[str, object]:
    """Return a sign-in that waits for a person as a JSON object: a secret text.

    ``ValueError`` where the run does not wait, or is no sign-in: there is nothing to resume.
    """
    flow, state = run.flow, run.state
    if not isinstance(flow, SignInFlow) or not isinstance(state, (Pending, SlowDown)):
        raise ValueError("run: only a sign-in that waits for a person can be kept")
    code = state.authorization
    found: dict[str, object] = {
        "version": RUN_VERSION,
        "ask": _ask(flow),
        "written_at": now.wall.isoformat(),
        "state": "slow_down" if isinstance(state, SlowDown) else "pending",
        "device_code": code.device_code.reveal(),
        "user_code": code.user_code,
        "verification_uri": code.verification_uri,
        "verification_uri_complete": code.verification_uri_complete,
        "code_interval": code.interval.total_seconds(),
        "expires_in": (code.expires_at - now.mono).total_seconds(),
        "extra": plain(code.extra) or None,
        "grant": plain(state.grant) or None,
        "interval": state.interval.total_seconds(),
        "due_in": (state.not_before - now.mono).total_seconds(),
        "ends_in": None if state.deadline is None else (state.deadline - now.mono).total_seconds(),
        "polls": state.polls,
        "faults": state.faults,
        "nonce": state.nonce,
    }
    return {name: value for name, value in found.items() if value is not None}


def load_run(
    document: Mapping[str, object], flow: SignInFlow, now: Moment
) -> Result[Run[DeviceState], InvalidResponse]:
    """Read what ``dump_run`` wrote, for the same client; other members are left alone.

    >>> from datetime import UTC, datetime
    >>> from grantflow.core.client.client import Client
    >>> from grantflow.core.flows.device import DeviceFlow
    >>> from grantflow.core.client.provider import Provider
    >>> acme = Provider(
    ...     name="acme",
    ...     token_endpoint="https://acme.example/token",
    ...     device_authorization_endpoint="https://acme.example/device",
    ... )
    >>> flow = DeviceFlow(Client(provider=acme, client_id="app"))
    >>> s = lambda seconds: Instant(timedelta(seconds=seconds))
    >>> code = DeviceAuthorization("dc-1", "WDJB-MJHT", "https://acme.example/go", s(600))
    >>> run = Run(flow, Pending(code, timedelta(seconds=5), s(5)))
    >>> day = datetime(2026, 1, 1, tzinfo=UTC)
    >>> kept = dump_run(run, Moment(s(0), day))
    >>> elsewhere = Moment(s(9000), day + timedelta(seconds=2))
    >>> load_run(kept, flow, elsewhere).unwrap().state.not_before.seconds
    9003
    """
    return (
        _members(document)
        .bind(lambda found: _read(found, flow, now))
        .map(lambda state: Run[DeviceState](flow, state))
        .alt(lambda problem: InvalidResponse(f"kept sign-in: {problem}"))
    )


def _members(document: Mapping[str, object]) -> Result[Members, str]:
    try:
        return Success(Members(document))
    except ValueError as error:
        return Failure(str(error))


def _read(found: Members, flow: SignInFlow, now: Moment) -> Result[DeviceState, str]:
    if found.get("version") != RUN_VERSION:
        return Failure("written by another version of grantflow")
    if found.get("ask") != _ask(flow):
        return Failure("it belongs to another client, scope, provider or verifier")
    return Result.do(
        _placed(kind, code, times.within(flow.budget), counts, _rest(found), now)
        for kind in _kind(found.get("state"))
        for times in _times(found, now)
        for counts in _counts(found)
        for code in _code(found, now, times)
        for _ in _polled(code, flow)
    )


def _ask(flow: SignInFlow) -> str:
    """Return what tells this sign-in from every other one; nothing secret can be read from it."""
    client, provider = flow.client, flow.client.provider
    word = flow.entropy if isinstance(flow, LinkFlow) else flow.verifier
    parts = (
        key_of(client, "device"),
        provider.flow,
        provider.token_endpoint,
        provider.poll_endpoint or "",
        provider.device_authorization_endpoint or "",
        "" if word is None else sha256(word.reveal().encode()).hexdigest(),
    )
    return sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


def _polled(code: DeviceAuthorization, flow: SignInFlow) -> Result[None, str]:
    """Refuse a kept sign-in that would be polled for at another origin than the provider's."""
    provider = flow.client.provider
    where = None if provider.poll_at is None else code.extra.get(provider.poll_at)
    home = origin_of(provider.device_authorization_endpoint or provider.token_endpoint)
    if where is None or (isinstance(where, str) and origin_of(where) == home):
        return Success(None)
    return Failure(f"{provider.poll_at} is not on the provider's origin")


@frozen
class _Times:
    """Spans from now on, however long it lay."""

    expires: timedelta
    due: timedelta
    ends: timedelta | None
    interval: timedelta

    def within(self, budget: timedelta | None) -> _Times:
        """Return these times where the reader has a budget of its own: the earlier end counts."""
        if budget is None:
            return self
        return evolve(self, ends=budget if self.ends is None else min(self.ends, budget))


def _placed(
    kind: type[Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]],
    code: DeviceAuthorization,
    times: _Times,
    counts: tuple[int, int],
    rest: tuple[str | None, Members],
    now: Moment,
) -> DeviceState:
    deadline = None if times.ends is None else Instant(now.mono + times.ends)
    end = soonest(code.expires_at, deadline)
    after = next_poll(now.mono, timedelta(), max(times.due, timedelta()), end)
    if after is None:
        return Expired()
    return kind(code, max(times.interval, SECOND), after, *counts, deadline, *rest)


def _kind(
    value: Json,
) -> Result[type[Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]], str]:
    if value == "pending":
        return Success(Pending)
    return Success(SlowDown) if value == "slow_down" else Failure("state is neither of two")


def _times(found: Members, now: Moment) -> Result[_Times, str]:
    written = moment_of(found.get("written_at"))
    if written is None:
        return Failure("written_at is no time")
    passed = max(now.wall - written, timedelta())
    return Result.do(
        _Times(left - passed, due - passed, None if ends is None else ends - passed, interval)
        for left in _seconds(found, "expires_in")
        for due in _seconds(found, "due_in")
        for ends in _maybe_seconds(found, "ends_in")
        for interval in _seconds(found, "interval")
    )


def _code(found: Members, now: Moment, times: _Times) -> Result[DeviceAuthorization, str]:
    extra = _inner(found.get("extra"))
    return Result.do(
        DeviceAuthorization(
            device_code,
            text_of(found.get("user_code")) or "",
            uri,
            Instant(now.mono + times.expires),
            interval,
            complete,
            extra,
        )
        for device_code in sendable(found, "device_code")
        for uri in link(found, "verification_uri")
        for complete in _maybe_link(found, "verification_uri_complete")
        for interval in _seconds(found, "code_interval")
    )


def _maybe_link(found: Members, name: str) -> Result[str | None, str]:
    return link(found, name) if name in found else Success(None)


def _seconds(found: Members, name: str) -> Result[timedelta, str]:
    seconds = number(found.get(name))
    if seconds is None or abs(seconds) > LONGEST.total_seconds():
        return Failure(f"{name} is no number of seconds")
    return Success(timedelta(seconds=seconds))


def _maybe_seconds(found: Members, name: str) -> Result[timedelta | None, str]:
    return _seconds(found, name) if name in found else Success(None)


def _counts(found: Members) -> Result[tuple[int, int], str]:
    polls, faults = found.get("polls"), found.get("faults")
    if type(polls) is int and type(faults) is int and min(polls, faults) >= 0:
        return Success((polls, faults))
    return Failure("polls and faults are no counts")


def _rest(found: Members) -> tuple[str | None, Members]:
    return usable(text_of(found.get("nonce"))), _inner(found.get("grant"))


def _inner(value: Json) -> Members:
    return value if isinstance(value, Members) else Members()
