"""A token, whatever it takes: the errand around the flows, as a machine of the same form.

``step(state, event) -> state``, and what is due is a function of the state: ``TakeLock``, ``Mark``,
``Send``, ``Save``, ``Delete``, or an end. Rules:

1. A token that is stored and good costs no lock. Nothing is asked of a server before the key is
   claimed and the store was read again: whoever held the lock before may have left a token.
2. Who has a token that serves meanwhile does not wait for a lock: somebody renews it already.
3. A new token is saved before anyone sees it. One that cannot be saved is still handed out, with a
   note: a rotated token is never thrown away.
4. After a refresh that failed, for whatever reason, the store is looked at again first: a sibling
   without our lock may have renewed, and its token is adopted.
5. Only ``invalid_grant`` with nothing newer in the store forgets a token. Trouble never does. After
   any other refusal of a refresh, by whatever name, a person is asked where one may be; only
   ``invalid_client`` is a mistake that no person mends by signing in.
6. A token that has not ended is handed out where renewing it failed.
7. Where nobody may be asked, no device flow begins (``candidates``).
8. A stored token is marked before its refresh token is sent, so that whoever finds it after a lost
   answer or a crash knows (``candidates``). What cannot be marked is not sent. The mark goes where
   the last attempt did not reach the server, or was not acted on (429, 503), unless the mark was
   found there; a new token has none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, assert_never, cast, final

from attrs import evolve, field, frozen

from grantflow.core.acquisition.candidates import (
    AskPerson,
    Candidates,
    Plan,
    Renew,
    Stop,
    UseSecret,
    choose,
    without_refresh,
)
from grantflow.core.acquisition.freshness import SKEW, Skew, alive, renewed
from grantflow.core.acquisition.notes import (
    Adopted,
    Dropped,
    Notes,
    NotRemoved,
    NotRenewed,
    NotSaved,
    SignInEnded,
    StoreUnusable,
    describe,
)
from grantflow.core.acquisition.serving import Use, is_refused
from grantflow.core.acquisition.states import (
    Acquired,
    AcquisitionDue,
    AcquisitionEvent,
    AcquisitionState,
    Busy,
    CacheRead,
    Delete,
    Deleted,
    Deleting,
    Locked,
    Locking,
    Mark,
    Marking,
    NotAcquired,
    ReadCache,
    ReadingCache,
    Replied,
    Requesting,
    Save,
    Saved,
    SaveFailed,
    Saving,
    StoreFailed,
    TakeLock,
    Tried,
)
from grantflow.core.client.client import Client, speaking_for
from grantflow.core.client.identity import Grant
from grantflow.core.flows.client_credentials import ClientCredentialsFlow
from grantflow.core.flows.effects import Send
from grantflow.core.flows.events import GaveUp
from grantflow.core.flows.flow import Run, begin
from grantflow.core.flows.flow_for import FlowFactory, flow_for
from grantflow.core.flows.pacing import Backoff
from grantflow.core.flows.refresh import RefreshFlow
from grantflow.core.flows.states import (
    AnyState,
    Authorized,
    DeviceState,
    Expired,
    Failed,
    GrantState,
)
from grantflow.core.values.errors import (
    Cancelled,
    Denied,
    InteractionRequired,
    InvalidResponse,
    Refused,
    Unreachable,
)
from grantflow.core.values.response import Fault
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token

_ADOPTIONS: Final = 3


@final
@frozen(kw_only=True)
class Acquisition:
    """One errand for one token of ``client``.

    ``given``, ``environment``, ``refused``, ``may_ask`` and ``early`` are as in ``Candidates``;
    ``entropy`` as in ``flow_for``. A ``grant`` that is a function makes the flow, which asks
    nobody.
    """

    client: Client
    grant: Grant | FlowFactory
    key: str
    given: Token | None = None
    environment: Token | None = None
    refused: Token | None = None
    may_ask: bool = True
    early: bool = False
    skew: Skew = SKEW
    backoff: Backoff = field(default=Backoff())
    entropy: Secret | None = None

    def start(self, now: Moment) -> AcquisitionState:
        """Return the first state; what was given needs no store."""
        if self.given is not None or self.environment is not None:
            found = self._sources(None, None)
            return self._planned(choose(found, now.wall, self.skew), found, (), now)
        return ReadingCache()

    def due(self, state: AcquisitionState) -> AcquisitionDue:
        """Return what is due, a function of the state."""
        match state:
            case ReadingCache():
                return ReadCache(self.key)
            case Locking(spare=spare):
                return TakeLock(self.key, wait=spare is None)
            case Marking(token):
                return Mark(self.key, token)
            case Requesting():
                return state.send
            case Saving(token):
                return Save(self.key, token)
            case Deleting():
                return Delete(self.key)
            case Acquired() | NotAcquired():
                return state
            case _:
                assert_never(state)

    def step(self, state: AcquisitionState, event: AcquisitionEvent) -> AcquisitionState:
        """Return the state after an event; an event that answers nothing changes nothing."""
        match state:
            case ReadingCache():
                return self._looked(event)
            case Locking():
                return self._consulted(state, event)
            case Marking():
                return self._marked(state, event)
            case Requesting():
                return self._obtained(state, event)
            case Saving():
                return self._kept(state, event)
            case Deleting():
                return self._cleared(state, event)
            case Acquired() | NotAcquired():
                return state
            case _:
                assert_never(state)

    def _sources(self, stored: Token | None, app: Token | None) -> Candidates:
        return Candidates(
            given=self.given,
            environment=self.environment,
            app=app,
            stored=stored,
            refused=self.refused,
            can_use_secret=self.grant != "device",
            may_ask=self.may_ask and self.grant == "device",
            early=self.early,
        )

    def _looked(self, event: AcquisitionEvent) -> AcquisitionState:
        match event:
            case CacheRead(stored, app, now):
                found = self._sources(stored, app)
                match choose(found, now.wall, self.skew):
                    case Use(token, origin):
                        return Acquired(token, origin)
                    case _:
                        spare = choose(evolve(found, early=False), now.wall, self.skew)
                        serves = spare if isinstance(spare, Use) else None
                        return Locking(spare=serves, seen=stored)
            case StoreFailed(reason, now):
                found = self._sources(None, None)
                return self._told(None, found, (StoreUnusable(reason),), now)
            case GaveUp():
                return NotAcquired(Failed(Cancelled()))
            case _:
                return ReadingCache()

    def _consulted(self, state: Locking, event: AcquisitionEvent) -> AcquisitionState:
        match event:
            case Locked(stored, app, now):
                found = self._sources(stored, app)
                return self._told(state.tried, found, state.notes, now)
            case StoreFailed(reason, now) if state.tried is not None:
                found = self._sources(state.tried.token, None)
                notes = (*state.notes, StoreUnusable(reason))
                return self._told(state.tried, found, notes, now)
            case StoreFailed(reason, now):
                # A refresh would spend what nobody can keep the successor of.
                found = self._sources(state.seen, None)
                plan = without_refresh(found, now.wall)
                return self._planned(plan, found, (*state.notes, StoreUnusable(reason)), now)
            case Busy() if state.spare is not None:
                return Acquired(state.spare.token, state.spare.origin, state.notes)
            case GaveUp():
                return NotAcquired(Failed(Cancelled()), state.notes)
            case _:
                return state

    def _told(
        self, tried: Tried | None, found: Candidates, notes: Notes, now: Moment
    ) -> AcquisitionState:
        if tried is None:
            return self._planned(choose(found, now.wall, self.skew), found, notes, now)
        changed = found.stored is not None and not _same(found.stored, tried.token)
        # A store that never says the same twice must not keep us busy for ever.
        if changed and notes.count(Adopted()) < _ADOPTIONS:
            notes = (*notes, Adopted())
            return self._planned(choose(found, now.wall, self.skew), found, notes, now)
        good = self._good(tried.token, now)
        match tried.problem:
            case Failed(Refused(code="invalid_grant")) if not good:
                return Deleting(evolve(found, stored=None), tried.problem, notes)
            case Failed(Refused()) if found.can_use_secret:
                return self._planned(UseSecret(), found, notes, now)
            case _ if good:
                told = (*notes, NotRenewed(tried.problem))
                return Acquired(tried.token, "stored", told, _pause(tried.problem))
            case Failed(Refused(code="invalid_client")):
                return NotAcquired(tried.problem, notes)
            case Failed(Refused() | Denied()):
                ended = SignInEnded(tried.problem)
                plan = without_refresh(evolve(found, stored=None), now.wall)
                return self._planned(plan, found, (*notes, ended), now, describe(ended))
            case problem:
                return NotAcquired(problem, notes)

    def _planned(
        self,
        plan: Plan,
        found: Candidates,
        notes: Notes,
        now: Moment,
        because: str | None = None,
    ) -> AcquisitionState:
        match plan:
            case Use(token, origin):
                return Acquired(token, origin, notes)
            case Renew(old, refresh_token):
                client = speaking_for(self.client, old.extra)
                flow = RefreshFlow(client, refresh_token, scope=old.scope, backoff=self.backoff)
                return self._before(begin(flow, now), found, old, notes, now)
            case UseSecret():
                return self._going(self._own(now), found, None, notes, now)
            case AskPerson():
                return self._going(
                    begin(flow_for(self.client, entropy=self.entropy, backoff=self.backoff), now),
                    found,
                    None,
                    notes,
                    now,
                )
            case Stop():
                return NotAcquired(InteractionRequired(because or _what_was_refused(found)), notes)
            case _:
                assert_never(plan)

    def _before(
        self, run: Run[GrantState], found: Candidates, old: Token, notes: Notes, now: Moment
    ) -> AcquisitionState:
        then = self._going(run, found, old, notes, now)
        if isinstance(then, Requesting) and not old.refresh_sent:
            return Marking(evolve(old, refresh_sent=True), then, found)
        return then

    def _marked(self, state: Marking, event: AcquisitionEvent) -> AcquisitionState:
        match state.then, event:
            case then, Saved():
                return then
            case Requesting(notes=notes), StoreFailed(reason, now):
                # A refresh would spend what nobody can keep the successor of.
                plan = without_refresh(state.found, now.wall)
                return self._planned(plan, state.found, (*notes, StoreUnusable(reason)), now)
            case Locking() as then, StoreFailed(reason):
                return evolve(then, notes=(*then.notes, StoreUnusable(reason)))
            case then, GaveUp():
                return NotAcquired(Failed(Cancelled()), then.notes)
            case _:
                return state

    def _own(self, now: Moment) -> Run[DeviceState] | Run[GrantState]:
        if isinstance(self.grant, str):
            return begin(ClientCredentialsFlow(self.client, backoff=self.backoff), now)
        made: Run[AnyState] = begin(self.grant(self.client), now)
        return cast("Run[GrantState]", made)

    def _going(
        self,
        run: Run[DeviceState] | Run[GrantState],
        found: Candidates,
        old: Token | None,
        notes: Notes,
        now: Moment,
    ) -> AcquisitionState:
        match run.due:
            case Send() as send:
                return Requesting(run, send, found, old, notes)
            case Authorized(token, dropped):
                notes = (*notes, Dropped(dropped)) if dropped else notes
                return Saving(token if old is None else renewed(old, token), notes)
            case (Expired() | Failed()) as problem:
                if old is not None:
                    again = Locking(Tried(old, problem), notes)
                    clean = not old.refresh_sent and _not_acted_on(problem)
                    return Marking(old, again, found) if clean else again
                if found.stored is not None and self._good(found.stored, now):
                    told = (*notes, NotRenewed(problem))
                    return Acquired(found.stored, "stored", told, _pause(problem))
                return NotAcquired(problem, notes)
            case _:
                assert_never(run.due)

    def _good(self, token: Token, now: Moment) -> bool:
        return alive(token, now.wall) and not is_refused(token, self.refused)

    def _obtained(self, state: Requesting, event: AcquisitionEvent) -> AcquisitionState:
        match event:
            case Replied(reply, now):
                run = state.run.receive(state.send, reply, now)
                return self._going(run, state.found, state.old, state.notes, now)
            case GaveUp():
                return NotAcquired(Failed(Cancelled()), state.notes)
            case _:
                return state

    def _cleared(self, state: Deleting, event: AcquisitionEvent) -> AcquisitionState:
        match event:
            case Deleted(now, _, Token() as late):
                found = evolve(state.found, stored=late)
                notes = (*state.notes, Adopted())
                return self._planned(choose(found, now.wall, self.skew), found, notes, now)
            case Deleted(now, reason):
                ended = SignInEnded(state.because, removed=True)
                notes = (*state.notes, ended)
                if reason is not None:
                    notes = (*notes, NotRemoved(reason))
                plan = without_refresh(state.found, now.wall)
                return self._planned(plan, state.found, notes, now, describe(ended))
            case GaveUp():
                return NotAcquired(Failed(Cancelled()), state.notes)
            case _:
                return state

    def _kept(self, state: Saving, event: AcquisitionEvent) -> AcquisitionState:
        # GaveUp is not heard here: the token exists, and is not thrown away.
        match event:
            case Saved():
                notes = state.notes
            case SaveFailed(reason):
                notes = (*state.notes, NotSaved(reason))
            case _:
                return state
        if is_refused(state.token, self.refused):  # some servers repeat a token while it lives
            return NotAcquired(
                Failed(InvalidResponse("the server gave the refused token again")), notes
            )
        return Acquired(state.token, "stored", notes)


def _same(one: Token, other: Token) -> bool:
    return evolve(one, refresh_sent=False) == evolve(other, refresh_sent=False)


def _not_acted_on(problem: Expired | Failed) -> bool:
    match problem:
        case Failed(Unreachable(fault)) | Expired(Fault() as fault):
            return fault.reached == "no"
        case _:
            return False


def _pause(problem: Expired | Failed) -> timedelta | None:
    match problem:
        case Failed(Unreachable(fault)) | Expired(Fault() as fault):
            return fault.retry_after
        case _:
            return None


def _what_was_refused(found: Candidates) -> str | None:
    if found.refused is None:
        return None
    if found.given is not None:
        return "the token that was given was refused"
    if found.environment is not None:
        return "the token from the environment was refused"
    return "the stored token was refused"
