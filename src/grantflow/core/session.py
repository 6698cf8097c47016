"""A token, whatever it takes: the errand around the flows, as a machine of the same form.

``step(state, event) -> state``, and what is due is a function of the state: ``Claim``, ``Send``,
``Save``, ``Forget``, or an end. Rules:

1. A token that is stored and good costs no lock. Nothing is asked of a server before the key is
   claimed and the store was read again: whoever held the lock before may have left a token.
2. Who has a token that serves meanwhile does not wait for a lock: somebody renews it already.
3. A new token is saved before anyone sees it. One that cannot be saved is still handed out, with a
   note: a rotated token is never thrown away.
4. After a refresh that failed, for whatever reason, the store is looked at again first: a sibling
   without our lock may have renewed, and its token is adopted.
5. Only ``invalid_grant`` with nothing newer in the store forgets a token. Trouble never does.
6. A token that has not ended is handed out where renewing it failed.
7. Where nobody may be asked, no device flow begins (``precedence``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, assert_never, final

from attrs import evolve, field, frozen

from grantflow.core.client import Client, speaking_for
from grantflow.core.client_credentials import ClientCredentialsFlow
from grantflow.core.display import sentence
from grantflow.core.effects import Send
from grantflow.core.errand import (
    Busy,
    Claim,
    Claimed,
    Clearing,
    Consulting,
    Forget,
    Forgotten,
    Heard,
    Keeping,
    Kept,
    Look,
    Looked,
    Looking,
    NotClaimed,
    Notes,
    NotKept,
    Obtaining,
    Ready,
    Save,
    SessionDue,
    SessionEvent,
    SessionState,
    Stuck,
    Tried,
)
from grantflow.core.errors import Cancelled, Garbled, Refused, Unreachable
from grantflow.core.events import GaveUp
from grantflow.core.flow import Run, begin
from grantflow.core.pacing import Backoff
from grantflow.core.precedence import (
    AskPerson,
    Plan,
    Renew,
    Sources,
    Stop,
    Use,
    UseSecret,
    choose,
    is_refused,
    without_refresh,
)
from grantflow.core.problems import PersonNeeded
from grantflow.core.refresh import RefreshFlow
from grantflow.core.secret import Secret
from grantflow.core.sign_in import sign_in_flow
from grantflow.core.states import (
    Authorized,
    DeviceState,
    Expired,
    Failed,
    GrantState,
)
from grantflow.core.tokens import SKEW, Grant, Skew, alive, renewed
from grantflow.core.values import Moment, Token

_ADOPTED: Final = "somebody else renewed the token meanwhile"
_ADOPTIONS: Final = 3


@final
@frozen(kw_only=True)
class Session:
    """One errand for one token of ``client``.

    ``given``, ``environment``, ``refused``, ``may_ask`` and ``early`` are as in ``Sources``;
    ``entropy`` as in ``sign_in_flow``.
    """

    client: Client
    grant: Grant
    key: str
    given: Token | None = None
    environment: Token | None = None
    refused: Token | None = None
    may_ask: bool = True
    early: bool = False
    skew: Skew = SKEW
    backoff: Backoff = field(default=Backoff())
    entropy: Secret | None = None

    def start(self, now: Moment) -> SessionState:
        """Return the first state; what was given needs no store."""
        if self.given is not None or self.environment is not None:
            found = self._sources(None, None)
            return self._planned(choose(found, now.wall, self.skew), found, (), now)
        return Looking()

    def due(self, state: SessionState) -> SessionDue:
        """Return what is due, a function of the state."""
        match state:
            case Looking():
                return Look(self.key)
            case Consulting(spare=spare):
                return Claim(self.key, wait=spare is None)
            case Obtaining():
                return state.send
            case Keeping(token):
                return Save(self.key, token)
            case Clearing():
                return Forget(self.key)
            case Ready() | Stuck():
                return state
            case _:
                assert_never(state)

    def step(self, state: SessionState, event: SessionEvent) -> SessionState:
        """Return the state after an event; an event that answers nothing changes nothing."""
        match state:
            case Looking():
                return self._looked(event)
            case Consulting():
                return self._consulted(state, event)
            case Obtaining():
                return self._obtained(state, event)
            case Keeping():
                return self._kept(state, event)
            case Clearing():
                return self._cleared(state, event)
            case Ready() | Stuck():
                return state
            case _:
                assert_never(state)

    def _sources(self, stored: Token | None, app: Token | None) -> Sources:
        return Sources(
            given=self.given,
            environment=self.environment,
            app=app,
            stored=stored,
            refused=self.refused,
            can_use_secret=self.grant == "client_credentials",
            may_ask=self.may_ask and self.grant == "device",
            early=self.early,
        )

    def _looked(self, event: SessionEvent) -> SessionState:
        match event:
            case Looked(stored, app, now):
                found = self._sources(stored, app)
                match choose(found, now.wall, self.skew):
                    case Use(token, origin):
                        return Ready(token, origin)
                    case _:
                        spare = choose(evolve(found, early=False), now.wall, self.skew)
                        serves = spare if isinstance(spare, Use) else None
                        return Consulting(spare=serves, seen=stored)
            case NotClaimed(problem, now):
                return self._told(None, self._sources(None, None), (problem,), now)
            case GaveUp():
                return Stuck(Failed(Cancelled()))
            case _:
                return Looking()

    def _consulted(self, state: Consulting, event: SessionEvent) -> SessionState:
        match event:
            case Claimed(stored, app, now):
                found = self._sources(stored, app)
                return self._told(state.tried, found, state.notes, now)
            case NotClaimed(problem, now) if state.tried is not None:
                found = self._sources(state.tried.token, None)
                return self._told(state.tried, found, (*state.notes, problem), now)
            case NotClaimed(problem, now):
                # A refresh would spend what nobody can keep the successor of.
                found = self._sources(state.seen, None)
                plan = without_refresh(found, now.wall)
                return self._planned(plan, found, (*state.notes, problem), now)
            case Busy() if state.spare is not None:
                return Ready(state.spare.token, state.spare.origin, state.notes)
            case GaveUp():
                return Stuck(Failed(Cancelled()), state.notes)
            case _:
                return state

    def _told(self, tried: Tried | None, found: Sources, notes: Notes, now: Moment) -> SessionState:
        if tried is None:
            return self._planned(choose(found, now.wall, self.skew), found, notes, now)
        changed = found.stored is not None and found.stored != tried.token
        # A store that never says the same twice must not keep us busy for ever.
        if changed and notes.count(_ADOPTED) < _ADOPTIONS:
            notes = (*notes, _ADOPTED)
            return self._planned(choose(found, now.wall, self.skew), found, notes, now)
        why = sentence(tried.problem)
        good = self._good(tried.token, now)
        match tried.problem:
            case Failed(Refused(code="invalid_grant")) if not good:
                return Clearing(evolve(found, stored=None), why, notes)
            case Failed(Refused()) if found.can_use_secret:
                return self._planned(UseSecret(), found, notes, now)
            case _ if good:
                told = (*notes, f"the token was not renewed: {why}")
                return Ready(tried.token, "stored", told, _pause(tried.problem))
            case problem:
                return Stuck(problem, notes)

    def _planned(
        self,
        plan: Plan,
        found: Sources,
        notes: Notes,
        now: Moment,
        because: str | None = None,
    ) -> SessionState:
        match plan:
            case Use(token, origin):
                return Ready(token, origin, notes)
            case Renew(old, refresh_token):
                client = speaking_for(self.client, old.extra)
                flow = RefreshFlow(client, refresh_token, scope=old.scope, backoff=self.backoff)
                return self._going(begin(flow, now), found, old, notes, now)
            case UseSecret():
                machine = begin(ClientCredentialsFlow(self.client, backoff=self.backoff), now)
                return self._going(machine, found, None, notes, now)
            case AskPerson():
                return self._going(
                    begin(
                        sign_in_flow(self.client, entropy=self.entropy, backoff=self.backoff), now
                    ),
                    found,
                    None,
                    notes,
                    now,
                )
            case Stop():
                return Stuck(PersonNeeded(because or _what_was_refused(found)), notes)
            case _:
                assert_never(plan)

    def _going(
        self,
        run: Run[DeviceState] | Run[GrantState],
        found: Sources,
        old: Token | None,
        notes: Notes,
        now: Moment,
    ) -> SessionState:
        match run.due:
            case Send() as send:
                return Obtaining(run, send, found, old, notes)
            case Authorized(token):
                return Keeping(token if old is None else renewed(old, token), notes)
            case (Expired() | Failed()) as problem:
                if old is not None:
                    return Consulting(Tried(old, problem), notes)
                if found.stored is not None and self._good(found.stored, now):
                    why = f"the token was not renewed: {sentence(problem)}"
                    return Ready(found.stored, "stored", (*notes, why), _pause(problem))
                return Stuck(problem, notes)
            case _:
                assert_never(run.due)

    def _good(self, token: Token, now: Moment) -> bool:
        return alive(token, now.wall) and not is_refused(token, self.refused)

    def _obtained(self, state: Obtaining, event: SessionEvent) -> SessionState:
        match event:
            case Heard(reply, now):
                run = state.run.heard(state.send, reply, now)
                return self._going(run, state.found, state.old, state.notes, now)
            case GaveUp():
                return Stuck(Failed(Cancelled()), state.notes)
            case _:
                return state

    def _cleared(self, state: Clearing, event: SessionEvent) -> SessionState:
        match event:
            case Forgotten(now, problem):
                gone = f"the stored sign-in is no longer valid: {state.because}"
                notes = (*state.notes, gone) if problem is None else (*state.notes, gone, problem)
                plan = without_refresh(state.found, now.wall)
                return self._planned(plan, state.found, notes, now, gone)
            case GaveUp():
                return Stuck(Failed(Cancelled()), state.notes)
            case _:
                return state

    def _kept(self, state: Keeping, event: SessionEvent) -> SessionState:
        # GaveUp is not heard here: the token exists, and is not thrown away.
        match event:
            case Kept():
                notes = state.notes
            case NotKept(problem):
                notes = (*state.notes, problem)
            case _:
                return state
        if is_refused(state.token, self.refused):  # some servers repeat a token while it lives
            return Stuck(Failed(Garbled("the server gave the refused token again")), notes)
        return Ready(state.token, "stored", notes)


def _pause(problem: Expired | Failed) -> timedelta | None:
    match problem:
        case Failed(Unreachable(retry_after=pause)) | Expired(retry_after=pause):
            return pause
        case _:
            return None


def _what_was_refused(found: Sources) -> str | None:
    if found.refused is None:
        return None
    if found.given is not None:
        return "the token that was given was refused"
    if found.environment is not None:
        return "the token from the environment was refused"
    return "the stored token was refused"
