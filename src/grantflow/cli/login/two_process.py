"""A sign-in in two halves: one process shows the code, another one waits for the person."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import final

from attrs import evolve

from grantflow.cli import context as outside
from grantflow.cli import format as words
from grantflow.cli.errors import CommandError, ended, usage
from grantflow.cli.login import pending as starts
from grantflow.cli.login import timeout as limit
from grantflow.cli.login.flags import Options
from grantflow.cli.login.pending import Start
from grantflow.cli.login.prepare import Attempt, attempt, called, check_store, known_profiles
from grantflow.cli.login.save import keep
from grantflow.cli.profiles.client import proven_client_of
from grantflow.cli.profiles.profiles import Profile, Profiles
from grantflow.cli.progress import json_events as events
from grantflow.cli.progress.prompt import Invite
from grantflow.cli.progress.screen import Screen, screen
from grantflow.cli.transport import Traced
from grantflow.core.client.client import Client
from grantflow.core.flows.effects import Send
from grantflow.core.flows.flow import Flow, Run, begin
from grantflow.core.flows.flow_for import flow_for
from grantflow.core.flows.pacing import next_poll
from grantflow.core.flows.run_codec import dump_run, load_run
from grantflow.core.flows.states import (
    Authorized,
    DeviceState,
    Expired,
    Failed,
    Final,
    Pending,
    SlowDown,
    postponed,
)
from grantflow.core.flows.two_step import exchanging
from grantflow.core.values.errors import InvalidResponse, Refused, Unreachable
from grantflow.core.values.parsing import moment_of
from grantflow.core.values.result import either
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import Instant
from grantflow.core.values.token import DeviceAuthorization, Token
from grantflow.shell.ports import Clock, Transport
from grantflow.shell.signing.signed import signed

Waiting = Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]


def entropy() -> Secret:
    """Return what nobody can guess, new for each sign-in."""
    return Secret(secrets.token_hex(32))


def person_s_flow(client: Client, budget: timedelta | None, made_of: Secret) -> Flow[DeviceState]:
    """Return the flow in which a person approves."""
    try:
        return flow_for(client, entropy=made_of, budget=budget)
    except ValueError as error:  # what a provider of one's own lacks
        raise usage(f"{client.provider.name} cannot be signed in to: {error}") from None


def started(options: Options) -> None:
    """Ask for a code, keep what finishing needs, and print what a person needs."""
    asked = attempt(options)
    profile, clock, made_of = asked.profile, outside.clock(), entropy()
    flow = person_s_flow(asked.client, options.timeout, made_of)
    starts.sweep(clock.now().wall)
    with starts.held(profile.name):
        going, state = _code(begin(flow, clock.now()), asked, clock)
        now = clock.now()
        start = Start(
            profile=profile,
            named=options.profile is not None,
            entropy=made_of,
            started_at=now.wall,
            expires_at=now.wall + (_end(state) - now.mono),
            run=dump_run(going, now),
        )
        starts.write(start)
    command = starts.finishing(profile.name)
    events.issued(state.authorization, clock, profile=profile.name, finish=command)


def _code(
    going: Run[DeviceState], asked: Attempt, clock: Clock
) -> tuple[Run[DeviceState], Waiting]:
    send = signed(asked.send, clock)
    while True:
        match going.phase, going.due:
            case ((Pending() | SlowDown() as state), Send()):
                return going, state
            case _, Send() as due:
                clock.sleep_until(due.not_before)
                reply = send(due.request)
                going = going.receive(due, reply, clock.now())
            case _, (Expired() | Failed() as problem):
                raise ended(problem, where=asked.send.asked or asked.profile.place or "")
            case _:
                raise ended(Failed(InvalidResponse("a token came before anybody could approve")))


def finished(options: Options) -> tuple[Profile, Token]:
    """Wait for the person where ``started`` left off, and store the token."""
    known, clock = known_profiles(), outside.clock()
    name = starts.chosen(options.profile, clock.now().wall)
    with starts.held(name):
        start = starts.read(name)
        profile = start.profile if start.named else called(start.profile, None, known)
        if not options.replace:
            _check_newer(profile.name, start, known, clock)
        check_store(profile)
        token = _waited(start, options, clock)
        keep(profile, token, known)
        starts.remove(name)
    return profile, token


def _check_newer(name: str, start: Start, known: Profiles, clock: Clock) -> None:
    """Refuse to replace a sign-in that was made after this one was started."""
    try:
        signed_in = moment_of(known.named(name).signed_in_at)
    except CommandError:  # there is none, or none that is usable
        return
    if signed_in is not None and signed_in > start.started_at:
        now = clock.now().wall
        raise CommandError(
            f"profile {name} was signed in {words.expiry(signed_in, now)}, after this sign-in was "
            "started; add --replace to put this one in its place, or let it end with its code",
            word="newer",
        )


def _waited(start: Start, options: Options, clock: Clock) -> Token:
    name, send = start.profile.name, Traced(outside.transport(options.timeout))
    going = _resumed(start, options, clock)
    keeper = _Keeper(start, clock)
    command = starts.finishing(name)
    patience = options.timeout
    until = None if patience is None else Instant(clock.now().mono + patience)
    view: Screen = (
        events.Events(clock)
        if options.json
        else screen(Invite(browser=False, picture=False), clock)
    )

    def watch(now: Run[DeviceState]) -> None:
        state = now.phase
        keeper(now)
        view(state)
        due = state.not_before if isinstance(state, (Pending, SlowDown)) else None
        if patience is not None and until is not None and due is not None and due >= until:
            raise CommandError(
                f"nobody approved within the {words.spoken(patience)} of --timeout, and the code "
                f"still lives; go on with {command}, with a longer --timeout or without one",
                word=limit.WORD,
            )

    try:
        with view:
            end = _driven(going, send, clock, watch)
    except BaseException:
        keeper.pause()
        raise
    if isinstance(end, Authorized):
        return end.token
    if isinstance(end, Expired) and limit.ended_by(view.last, clock.now().mono):
        error = limit.exceeded_of_start(end)
    else:
        error = ended(end, where=send.asked or start.profile.place or "")
    if _is_over(end) or not keeper.lives():
        starts.remove(name)
        raise error
    keeper.pause()
    raise CommandError(f"{error}; then go on with {command}", word=error.word)


def _driven(
    going: Run[DeviceState],
    transport: Transport,
    clock: Clock,
    watch: Callable[[Run[DeviceState]], None],
) -> Final:
    """Run to the end; ``watch`` sees the runs, to keep them, and not only their phases."""
    send = signed(transport, clock)
    while True:
        watch(going)
        match going.due:
            case Send() as due:
                clock.sleep_until(due.not_before)
                going = going.receive(due, send(due.request), clock.now())
            case final:
                return final


def _is_over(problem: Expired | Failed) -> bool:
    """Tell whether the code is dead, which trouble on the way or with the proof does not say."""
    match problem:
        case Failed(Unreachable() | Refused(code="invalid_client")):
            return False
        case _:
            return True


def _resumed(start: Start, options: Options, clock: Clock) -> Run[DeviceState]:
    secret = options.client_secret_file or start.profile.client_secret_file
    client = proven_client_of(evolve(start.profile, client_secret_file=secret))
    flow = person_s_flow(client, None, start.entropy)
    match either(load_run(start.run, flow, clock.now())):
        case InvalidResponse(problem):
            raise starts.damaged(start.profile.name, problem.removeprefix("stored run: "))
        case Run() as going:
            return going


@final
class _Keeper:
    """Keeps every state in which a sign-in waits."""

    def __init__(self, start: Start, clock: Clock) -> None:
        self._start = start
        self._clock = clock
        self._last: tuple[Run[DeviceState], Waiting] | None = None

    def __call__(self, run: Run[DeviceState]) -> None:
        state = run.phase
        if not isinstance(state, (Pending, SlowDown)):
            return
        if exchanging(run.state):
            # What is exchanged now is spent, so no other process may send it again.
            self._last = None
            starts.remove(self._start.profile.name)
        else:
            self._last = run, state
            starts.write(evolve(self._start, run=dump_run(run, self._clock.now())))

    def lives(self) -> bool:
        """Tell whether the code has not ended by our clock."""
        return self._last is not None and self._clock.now().mono < _end(self._last[1])

    def pause(self) -> None:
        """Keep the last state for somebody with new patience, who is not to ask too early."""
        if self._last is None:
            return
        (run, state), now = self._last, self._clock.now().mono
        after = state.not_before
        if after <= now:  # a request has left, and may have arrived
            after = next_poll(now, state.interval, state.interval, _end(state)) or after
        self(evolve(run, state=postponed(run.state, after, faults=0)))


def _end(state: Waiting) -> Instant:
    code = state.authorization
    return code.expires_at if state.deadline is None else min(code.expires_at, state.deadline)
