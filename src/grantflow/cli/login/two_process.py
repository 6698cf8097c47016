"""A sign-in in two processes: one shows the code (``--start``), another waits (``--finish``)."""

from __future__ import annotations

from typing import final

from attrs import evolve

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, ProfileError
from grantflow.cli.login import pending
from grantflow.cli.login.flags import Options
from grantflow.cli.login.pending import Start
from grantflow.cli.login.prepare import (
    Attempt,
    attempt,
    called,
    check_store,
    keep,
    known_profiles,
)
from grantflow.cli.login.sign_in import (
    TIMEOUT,
    approval_flow,
    drive,
    entropy,
    exceeded_at_start,
    screen_for,
    timed_out,
)
from grantflow.cli.output import expiry, spoken
from grantflow.cli.problems import ended
from grantflow.cli.profiles.client import client_of_profile
from grantflow.cli.progress.screen import print_code
from grantflow.core.flows.effects import Send
from grantflow.core.flows.flow import Run, begin
from grantflow.core.flows.pacing import next_poll
from grantflow.core.flows.run_codec import dump_run, load_run
from grantflow.core.flows.states import (
    Authorized,
    DeviceState,
    Expired,
    Failed,
    Pending,
    SlowDown,
    postponed,
)
from grantflow.core.flows.two_step import exchanging
from grantflow.core.values.errors import InvalidResponse, Refused, Unreachable
from grantflow.core.values.parsing import moment_of
from grantflow.core.values.result import either
from grantflow.core.values.time import Instant
from grantflow.core.values.token import DeviceAuthorization, Token
from grantflow.shell.ports import Clock
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.profiles.profiles import Profiles
from grantflow.shell.signing.signed import signed

Waiting = Pending[DeviceAuthorization] | SlowDown[DeviceAuthorization]


def start(options: Options, context: Context) -> None:
    """Ask for a code, store what finishing needs, and print what a person needs."""
    asked = attempt(options, context)
    profile, clock, made_of = asked.profile, context.clock, entropy()
    flow = approval_flow(asked.client, options.timeout, made_of)
    pending.sweep(clock.now().wall)
    with pending.held(profile.name):
        going, state = _code(begin(flow, clock.now()), asked, clock)
        now = clock.now()
        pending.write(
            Start(
                profile=profile,
                named=options.profile is not None,
                entropy=made_of,
                started_at=now.wall,
                expires_at=now.wall + (_end(state) - now.mono),
                run=dump_run(going, now),
            )
        )
    command = pending.finishing(profile.name)
    print_code(state.authorization, clock, profile=profile.name, finish=command)


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
                raise ended(Failed(InvalidResponse("a token was sent before any approval")))


def finish(options: Options, context: Context) -> tuple[Profile, Token]:
    """Wait for the approval of what ``start`` began, and store the token."""
    known, clock = known_profiles(), context.clock
    name = pending.choose(options.profile, clock.now().wall)
    with pending.held(name):
        begun = pending.read(name)
        profile = begun.profile
        if not begun.named:
            profile = called(profile, evolve_options(options), known)
        if not options.replace:
            _check_newer(profile.name, begun, known, clock)
        check_store(profile, context)
        token = _wait(begun, options, context)
        profile = keep(profile, token, known, context)
        pending.remove(name)
    return profile, token


def evolve_options(options: Options) -> Options:
    """Return the options without a profile's name."""
    found = Options(**vars(options))
    found.profile = None
    return found


def _check_newer(name: str, begun: Start, known: Profiles, clock: Clock) -> None:
    """Refuse to replace a sign-in that was made after this one was started."""
    try:
        signed_in = moment_of(known.named(name).signed_in_at)
    except ProfileError:  # there is none, or none that is usable
        return
    if signed_in is not None and signed_in > begun.started_at:
        when = expiry(signed_in, clock.now().wall)
        raise CommandError(
            f"profile {name} was signed in {when}, after this sign-in was started",
            "add --replace to replace it, or leave it until its code expires",
            kind="newer",
        )


def _wait(begun: Start, options: Options, context: Context) -> Token:
    name, clock, limit = begun.profile.name, context.clock, options.timeout
    send = context.transport(limit)
    going = _resumed(begun, options, context)
    keeper = _Keeper(begun, clock)
    command = pending.finishing(name)
    until = None if limit is None else Instant(clock.now().mono + limit)
    view = screen_for(options, context, prompts=False)

    def watch(now: Run[DeviceState]) -> None:
        state = now.phase
        keeper(now)
        view(state)
        due = state.not_before if isinstance(state, (Pending, SlowDown)) else None
        if limit is not None and until is not None and due is not None and due >= until:
            raise CommandError(
                f"the sign-in was not approved within the --timeout of {spoken(limit)}, "
                "and its code is still valid",
                f"continue with {command}, with a longer --timeout or without one",
                kind=TIMEOUT,
            )

    try:
        with view:
            end = drive(going, send, clock, watch)
    except BaseException:
        keeper.pause()
        raise
    if isinstance(end, Authorized):
        return end.token
    if isinstance(end, Expired) and timed_out(view.last, clock.now().mono):
        error = exceeded_at_start(end)
    else:
        error = ended(end, where=send.asked or begun.profile.place or "")
    if _is_over(end) or not keeper.is_valid():
        pending.remove(name)
        raise error
    keeper.pause()
    advice = f"{error.advice}; then continue with {command}".removeprefix("; ")
    raise CommandError(error.problem, advice, kind=error.kind)


def _is_over(problem: Expired | Failed) -> bool:
    """Return whether the code is spent, which an outage or a wrong secret does not say."""
    match problem:
        case Failed(Unreachable() | Refused(code="invalid_client")):
            return False
        case _:
            return True


def _resumed(begun: Start, options: Options, context: Context) -> Run[DeviceState]:
    secret = options.wanted.client_secret_file or begun.profile.client_secret_file
    client = client_of_profile(evolve(begun.profile, client_secret_file=secret), context)
    flow = approval_flow(client, None, begun.entropy)
    match either(load_run(begun.run, flow, context.clock.now())):
        case InvalidResponse(problem):
            raise pending.damaged(begun.profile.name, problem.removeprefix("stored run: "))
        case Run() as going:
            return going


@final
class _Keeper:
    """Stores every run in which a sign-in waits."""

    def __init__(self, begun: Start, clock: Clock) -> None:
        self._begun = begun
        self._clock = clock
        self._last: tuple[Run[DeviceState], Waiting] | None = None

    def __call__(self, run: Run[DeviceState]) -> None:
        state = run.phase
        if not isinstance(state, (Pending, SlowDown)):
            return
        if exchanging(run.state):
            # What the next request sends is spent by it: no other process may send it again.
            self._last = None
            pending.remove(self._begun.profile.name)
        else:
            self._last = run, state
            pending.write(evolve(self._begun, run=dump_run(run, self._clock.now())))

    def is_valid(self) -> bool:
        """Return whether the code has not expired by this machine's clock."""
        return self._last is not None and self._clock.now().mono < _end(self._last[1])

    def pause(self) -> None:
        """Store the last run for the next process, which must not poll too early."""
        if self._last is None:
            return
        (run, state), now = self._last, self._clock.now().mono
        after = state.not_before
        if after <= now:  # a request was sent, and may have arrived
            after = next_poll(now, state.interval, state.interval, _end(state)) or after
        self(evolve(run, state=postponed(run.state, after, faults=0)))


def _end(state: Waiting) -> Instant:
    code = state.authorization
    return code.expires_at if state.deadline is None else min(code.expires_at, state.deadline)
