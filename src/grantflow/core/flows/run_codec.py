"""A run as versioned JSON: one process begins, another one finishes.

Rules:

1. What is written holds the device code and the PKCE verifier, so it is a secret text until the
   run ends.
2. Monotonic times mean nothing elsewhere, so wall times are written, and read back onto the
   clock of the reader. No remaining time grows: a wall clock that was set back adds nothing.
3. It belongs to one request of one flow: a flow with another client, scope or endpoint does not
   resume it.
4. If no legal request is left, what is read is ``Expired``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Final, TypeVar, cast

from attrs import evolve, frozen
from returns.result import Failure, Result, Success

from grantflow.core.client.client import Client
from grantflow.core.client.identity import key_of
from grantflow.core.client.provider import origin_of
from grantflow.core.flows.device import DeviceFlow, Polling
from grantflow.core.flows.dpop import DPoPFlow, Proving, usable
from grantflow.core.flows.flow import Flow, Run, bound
from grantflow.core.flows.flow_for import SignInFlow
from grantflow.core.flows.grant import GrantFlow, JwtBearerFlow, TokenExchangeFlow
from grantflow.core.flows.link import LinkFlow
from grantflow.core.flows.pacing import SECOND, next_attempt
from grantflow.core.flows.states import Expired, Pending, SlowDown, Started, Waiting, Wrapper
from grantflow.core.flows.two_step import Exchanging, TwoStepFlow
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.json import Json, Members, plain
from grantflow.core.values.parsing import link, moment_of, number, sendable, text_of
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import LONGEST, Instant, Moment
from grantflow.core.values.token import DeviceAuthorization

S = TypeVar("S")

RUN_VERSION: Final = 1

_KINDS: Final[Mapping[str, type[Started | Waiting[object]]]] = {
    "started": Started,
    "pending": Pending,
    "slow_down": SlowDown,
}


def dump_run(run: Run[object], now: Moment) -> dict[str, object]:
    """Return a run that has not ended as a JSON object: a secret text.

    ``ValueError`` if the run has ended, or if its flow has no client or states of its own.
    """
    state = run.phase
    if not isinstance(state, (Started, Pending, SlowDown)):
        raise ValueError("run: it has ended, so there is nothing to resume")
    flow = run.flow.flow if isinstance(run.flow, DPoPFlow) else run.flow
    found: dict[str, object] = {
        "version": RUN_VERSION,
        "ask": _ask(flow),
        "written_at": now.wall.isoformat(),
        "state": next(name for name, kind in _KINDS.items() if type(state) is kind),
        "due_in": (state.not_before - now.mono).total_seconds(),
        "ends_in": None if state.deadline is None else (state.deadline - now.mono).total_seconds(),
        "faults": state.faults,
        **_wrapped(run.state),
        **_waiting(state, now),
    }
    proof = flow.verifier if isinstance(flow, (DeviceFlow, TwoStepFlow)) else None
    if proof is not None:
        found["verifier"] = proof.reveal()
    return {name: value for name, value in found.items() if value is not None}


def _wrapped(state: object) -> dict[str, object]:
    match state:
        case Proving(inner=inner, nonce=nonce, asked=asked):
            return {"nonce": nonce, "asked": asked, **_wrapped(inner)}
        case Exchanging(inner=inner, grant=grant):
            return {"grant": plain(grant), **_wrapped(inner)}
        case Wrapper():
            raise ValueError(f"run: a state of {type(state).__name__} cannot be kept")
        case _:
            return {}


def _waiting(state: Started | Waiting[object], now: Moment) -> dict[str, object]:
    if isinstance(state, Started):
        return {}
    found: dict[str, object] = {
        "interval": state.interval.total_seconds(),
        "polls": state.polls,
    }
    match state.authorization:
        case None:
            return found
        case DeviceAuthorization() as code:
            return found | {
                "device_code": code.device_code.reveal(),
                "user_code": code.user_code,
                "verification_uri": code.verification_uri,
                "verification_uri_complete": code.verification_uri_complete,
                "code_interval": code.interval.total_seconds(),
                "expires_in": (code.expires_at - now.mono).total_seconds(),
                "extra": plain(code.extra) or None,
            }
        case other:
            raise ValueError(f"run: an authorization of {type(other).__name__} cannot be kept")


def load_run(
    document: Mapping[str, object], flow: Flow[S], now: Moment
) -> Result[Run[S], InvalidResponse]:
    """Read what ``dump_run`` wrote, for the same client; other members are left alone.

    The run goes on with the PKCE verifier that it began with, whatever the flow's is.

    >>> from datetime import UTC, datetime
    >>> from grantflow.core.client.provider import Provider
    >>> url = "https://acme.example/oauth"
    >>> acme = Provider(name="acme", token_endpoint=url, device_authorization_endpoint=url)
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
        .alt(lambda problem: InvalidResponse(f"stored run: {problem}"))
    )


def _members(document: Mapping[str, object]) -> Result[Members, str]:
    try:
        return Success(Members(document))
    except ValueError as error:
        return Failure(str(error))


def _read(found: Members, flow: Flow[S], now: Moment) -> Result[Run[S], str]:
    if found.get("version") != RUN_VERSION:
        return Failure("written by another version of grantflow")
    if found.get("ask") != _ask(flow):
        return Failure("it belongs to another client, scope, provider or flow")
    return Result.do(
        Run(bound(own), cast("S", state))
        for own in _proved(found, flow)
        for times in _times(found, now)
        for phase in _phase(found, flow, times.within(getattr(flow, "budget", None)), now)
        for state in _around(found, flow, phase)
    )


def _ask(flow: Flow[object]) -> str:
    """Return what tells this run from every other one; nothing secret can be read from it."""
    client = _client(flow)
    provider = client.provider
    parts = (
        key_of(client, "device"),
        type(flow).__name__,
        provider.flow,
        provider.token_endpoint,
        provider.poll_endpoint or "",
        provider.device_authorization_endpoint or "",
        sha256(flow.entropy.reveal().encode()).hexdigest() if isinstance(flow, LinkFlow) else "",
    )
    told = (*parts, *_form(flow))
    return sha256("".join(f"{len(part)}:{part}" for part in told).encode()).hexdigest()


def _form(flow: Flow[object]) -> tuple[str, ...]:
    """Return the parameters that tell two token requests apart, and the names of fetched ones."""
    if not isinstance(flow, (GrantFlow, TokenExchangeFlow, JwtBearerFlow)):
        return ()
    return tuple(
        str(text.reveal() if isinstance(text, Secret) else text if isinstance(text, str) else "")
        for pair in flow.parameters
        for text in pair
    )


def _client(flow: Flow[object]) -> Client:
    client: object = getattr(flow, "client", None)
    if not isinstance(client, Client):
        raise ValueError(f"run: a {type(flow).__name__} has no client, so it cannot be kept")
    return client


def _proved(found: Members, flow: Flow[S]) -> Result[Flow[S], str]:
    """Return the flow with the verifier that the code was requested with."""
    own: object = flow
    verifier = text_of(found.get("verifier"))
    if verifier is None or not isinstance(own, (DeviceFlow, TwoStepFlow)):
        return Success(flow)
    try:
        return Success(cast("Flow[S]", evolve(own, verifier=verifier)))
    except ValueError as error:
        return Failure(str(error))


@frozen
class _Times:
    """Spans from now on, however long it was stored."""

    due: timedelta
    ends: timedelta | None
    passed: timedelta

    def within(self, budget: timedelta | None) -> _Times:
        """Return these times if the reader has a budget of its own: the earlier end counts."""
        if budget is None:
            return self
        return evolve(self, ends=budget if self.ends is None else min(self.ends, budget))


def _times(found: Members, now: Moment) -> Result[_Times, str]:
    written = moment_of(found.get("written_at"))
    if written is None:
        return Failure("written_at is not a time")
    passed = max(now.wall - written, timedelta())
    return Result.do(
        _Times(due - passed, None if ends is None else ends - passed, passed)
        for due in _seconds(found, "due_in")
        for ends in _maybe_seconds(found, "ends_in")
    )


def _phase(
    found: Members, flow: Flow[object], times: _Times, now: Moment
) -> Result[Started | Waiting[object] | Expired, str]:
    kind = _KINDS.get(str(found.get("state")))
    deadline = None if times.ends is None else Instant(now.mono + times.ends)
    faults, polls = found.get("faults"), found.get("polls", 0)
    if type(faults) is not int or type(polls) is not int or min(faults, polls) < 0:
        return Failure("polls and faults are not counts")
    if kind is None or (kind is Started and isinstance(flow, LinkFlow)):
        return Failure("state is not one that waits")
    wish = max(times.due, timedelta())
    if kind is Started:
        return Success(next_attempt(Started(now.mono, faults, deadline), timedelta(), wish))
    waiting = SlowDown if kind is SlowDown else Pending
    return Result.do(
        next_attempt(
            waiting(code, max(interval, SECOND), now.mono, polls, faults, deadline),
            timedelta(),
            wish,
        )
        for interval in _seconds(found, "interval")
        for code in _code(found, flow, now, times.passed)
    )


def _code(
    found: Members, flow: Flow[object], now: Moment, passed: timedelta
) -> Result[DeviceAuthorization | None, str]:
    if "device_code" not in found and not isinstance(flow, SignInFlow):
        return Success(None)
    extra = _inner(found.get("extra"))
    return Result.do(
        DeviceAuthorization(
            device_code,
            text_of(found.get("user_code")) or "",
            uri,
            Instant(now.mono + expires - passed),
            interval,
            complete,
            extra,
        )
        for device_code in sendable(found, "device_code")
        for uri in link(found, "verification_uri")
        for complete in _maybe_link(found, "verification_uri_complete")
        for interval in _seconds(found, "code_interval")
        for expires in _seconds(found, "expires_in")
        for _ in _polled(extra, flow)
    )


def _polled(extra: Members, flow: Flow[object]) -> Result[None, str]:
    """Refuse a run that would poll at another origin than the provider's."""
    provider = _client(flow).provider
    where = None if provider.poll_at is None else extra.get(provider.poll_at)
    home = origin_of(provider.device_authorization_endpoint or provider.token_endpoint)
    if where is None or (isinstance(where, str) and origin_of(where) == home):
        return Success(None)
    return Failure(f"{provider.poll_at} is not on the provider's origin")


def _around(
    found: Members, flow: Flow[object], phase: Started | Waiting[object] | Expired
) -> Result[object, str]:
    """Put the wrappers back around a phase."""
    state: object = phase
    grant, nonce = _inner(found.get("grant")), usable(text_of(found.get("nonce")))
    if isinstance(phase, Expired):
        return Success(phase)
    if grant:
        if not isinstance(flow, (TwoStepFlow, LinkFlow)) or isinstance(phase, Started):
            return Failure("a grant is not what this flow waits for")
        state = Exchanging(cast("Polling", phase), grant)
    if nonce is None:
        return Success(state)
    asked = found.get("asked", 0)
    return Success(Proving(state, nonce, asked if type(asked) is int and asked >= 0 else 0))


def _maybe_link(found: Members, name: str) -> Result[str | None, str]:
    return link(found, name) if name in found else Success(None)


def _seconds(found: Members, name: str) -> Result[timedelta, str]:
    seconds = number(found.get(name))
    if seconds is None or abs(seconds) > LONGEST.total_seconds():
        return Failure(f"{name} is not a number of seconds")
    return Success(timedelta(seconds=seconds))


def _maybe_seconds(found: Members, name: str) -> Result[timedelta | None, str]:
    return _seconds(found, name) if name in found else Success(None)


def _inner(value: Json) -> Members:
    return value if isinstance(value, Members) else Members()
