"""What both front doors share: all that is decided between two steps into the world.

Rules:

1. A fresh token in memory costs no lock and no I/O.
2. What gets another token is loaded when the one that is there will not do.
3. All that happens is an event for ``on_event`` and a record of the logger ``grantflow``: INFO, or
   WARNING for trouble. ``notes`` has what there is to know of the last acquisition.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from attrs import evolve

from grantflow.core.acquisition.cached_token import (
    CachedToken,
    Demand,
    demanded,
    held,
    while_renewed,
)
from grantflow.core.acquisition.freshness import SKEW, Skew
from grantflow.core.acquisition.serving import serving
from grantflow.core.client.client import Client
from grantflow.core.client.dpop import DPoP
from grantflow.core.client.identity import Grant, key_of
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell import clock as clocks
from grantflow.shell.ports import Prompt, Readable, Store, StoreError
from grantflow.shell.sources.results import Given, GrantError, as_token, failed

if TYPE_CHECKING:
    from grantflow.core.acquisition.machine import Acquisition
    from grantflow.core.acquisition.notes import Notes
    from grantflow.core.acquisition.serving import Origin
    from grantflow.core.acquisition.source_events import SourceEvent, SourceStatus
    from grantflow.core.acquisition.states import Acquired, NotAcquired
    from grantflow.core.acquisition.unauthorized import TokenOrigin
    from grantflow.core.flows.flow import Flow
    from grantflow.core.flows.flow_for import FlowFactory
    from grantflow.core.flows.states import AnyState, DeviceState, GrantState
    from grantflow.shell.profiles.profile import Profile
    from grantflow.shell.sources.observer import Observer

T = TypeVar("T")
TransportT = TypeVar("TransportT")
ClockT = TypeVar("ClockT", bound=Readable)


class BaseTokenSource(Generic[TransportT, ClockT]):
    """A token source, but for how it waits: ``TokenSource`` blocks, ``AsyncTokenSource`` awaits.

    ``key`` is where its token is stored, ``app_key`` where one is that was kept by hand.
    """

    def __init__(
        self,
        client: Client | Callable[[], Client],
        grant: Grant | FlowFactory = "device",
        *,
        store: Store | None = None,
        transport: TransportT | None = None,
        clock: ClockT | None = None,
        prompt: Prompt | None = None,
        watch: Callable[[AnyState], None] | None = None,
        on_event: Callable[[SourceEvent], None] | None = None,
        interactive: bool = True,
        min_ttl: timedelta = timedelta(),
        profile: str = "",
        identity: str | None = None,
        token: Given | Callable[[], Given] | None = None,
        environment: str | None = None,
        skew: Skew = SKEW,
    ) -> None:
        if not callable(client) and not isinstance(client, Client):
            raise TypeError(f"client: a Client is needed, not {type(client).__name__}")
        if not callable(grant) and grant not in ("device", "client_credentials"):
            raise ValueError(
                f"grant: device or client_credentials is needed, or a function, not {grant!r}"
            )
        self._client = client if callable(client) else lambda: client
        self._identity = identity
        self.grant: Grant | FlowFactory = grant
        made = self._client()
        if made.dpop is not None:
            from grantflow.shell.signing.signer import check_key  # few clients have a key

            check_key(made.dpop)
        self.scheme: str | None = made.provider.authorization_scheme
        self.interactive = interactive
        self.clock: Readable | None = clock
        self.origins: frozenset[str] | None = None  # a profile may say where its tokens may go
        self._profile = profile
        lasting = self._placed(made)
        plain = made.provider.flow == "device" and made.provider.device_authorization_endpoint
        if grant == "device" and interactive and token is None and (not plain or made.uses_pkce):
            from grantflow.core.flows.flow_for import flow_for

            flow_for(made, entropy=_entropy())  # what a provider lacks is told now
        self._store: Store = _store(store, lasting=lasting)
        self._clock = self._usual_clock() if clock is None else clock
        self._transport = transport
        self._seconds = clocks.seconds if clock is None else lambda: clock.now().wall.timestamp()
        self._prompt = prompt
        self._watch = watch
        self._on_event = on_event
        self._given = Secret(token) if isinstance(token, str) else token
        self._fetches = callable(client) or callable(token)
        self._environment = environment
        self._skew = evolve(skew, needed=max(skew.needed, min_ttl))
        self._held: CachedToken | None = None
        self._notes: Notes = ()
        self._observer: Observer | None = None
        self._ready()

    @classmethod
    def from_profile(
        cls,
        name: str | None = None,
        *,
        transport: TransportT | None = None,
        clock: ClockT | None = None,
        prompt: Prompt | None = None,
        on_event: Callable[[SourceEvent], None] | None = None,
        interactive: bool = False,
    ) -> Self:
        """Return the source of what ``grantflow login`` stored under a profile's name.

        Without a name it is the default profile. The arguments are those of the constructor, and
        ``interactive`` allows a sign-in in this program. Raises ``ProfileError`` if there is no
        such profile, or if it is unusable.
        """
        from grantflow.shell.profiles import source as profiles  # most sources need none

        found = profiles.named(name)
        return cls._of(found, transport, clock, prompt, on_event, interactive=interactive)

    @classmethod
    def for_url(
        cls,
        url: str,
        *,
        transport: TransportT | None = None,
        clock: ClockT | None = None,
        prompt: Prompt | None = None,
        on_event: Callable[[SourceEvent], None] | None = None,
        interactive: bool = False,
    ) -> Self:
        """Return the source of the profile whose tokens are for a URL.

        That is the profile of ``grantflow login URL``, or one with a fitting ``--origin``. Raises
        ``ProfileError`` if there is none, or several.
        """
        from grantflow.shell.profiles import source as profiles

        found = profiles.for_url(url)
        return cls._of(found, transport, clock, prompt, on_event, interactive=interactive)

    @classmethod
    def _of(
        cls,
        profile: Profile,
        transport: TransportT | None,
        clock: ClockT | None,
        prompt: Prompt | None,
        on_event: Callable[[SourceEvent], None] | None,
        *,
        interactive: bool,
    ) -> Self:
        from grantflow.shell.profiles import source as profiles

        found = profiles.remembered(profile, clock or clocks.SystemClock())
        made = cls(
            _guarded(found.client),
            found.grant,
            store=found.store,
            transport=transport,
            clock=clock,
            prompt=prompt,
            on_event=on_event,
            interactive=interactive and not profile.only_renews,
            profile=found.profile,
            token=None if found.token is None else _guarded(found.token),
            environment=found.environment,
        )
        made.origins = found.origins
        return made

    def _usual_clock(self) -> ClockT:
        """Return the clock of this machine."""
        raise NotImplementedError

    def _ready(self) -> None:
        """Make what only one kind of source has."""
        raise NotImplementedError

    def _placed(self, client: Client) -> bool:
        """Say where the tokens of this client are, and to which key they are bound.

        A function may give another client than before: one that had to register anew, for example.
        Returns whether there is such a place outside this source.
        """
        self.dpop: DPoP | None = client.dpop
        asked = self.grant if isinstance(self.grant, str) else self._asked(self.grant(client))
        self.key: str = key_of(client, asked or "unnamed", self._profile)
        self.app_key: str = key_of(client, "app_token", self._profile)
        self._named = (client.provider.name, client.client_id)
        return asked is not None

    def _asked(self, flow: Flow[DeviceState] | Flow[GrantState]) -> str | None:
        """Return what tells the tokens of this flow from others; ``None`` where nothing does."""
        from grantflow.core.flows.grant import identity_of

        return identity_of(flow) if self._identity is None else f"flow {self._identity}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what there is to know about the last acquisition or logout, as sentences."""
        from grantflow.core.acquisition.notes import describe

        return tuple(describe(each) for each in self._notes)

    @property
    def status(self) -> SourceStatus:
        """Return what a health page shows: no lock, no I/O, and never a secret."""
        from grantflow.core.acquisition.source_events import SourceStatus

        now, observer = self._held, self._tells()
        if now is None:
            return SourceStatus(observer.about, None, None, *observer.trouble)
        renews_at = datetime.fromtimestamp(now.until, UTC) if isfinite(now.until) else None
        return SourceStatus(
            observer.about, now.token.expires_at, renews_at, *observer.trouble, self.origin
        )

    @property
    def current(self) -> Token | None:
        """Return the token in memory, however old."""
        held = self._held
        return None if held is None else held.token

    @property
    def warm(self) -> Token | None:
        """Return the token in memory if nobody has to think about it; no lock, no I/O."""
        held = self._held
        return held.token if held is not None and self._seconds() < held.until else None

    @property
    def origin(self) -> TokenOrigin:
        """Return where the token in memory came from; ``fetched`` by a function can be again."""
        origin: Origin = "stored" if self._held is None else self._held.origin
        return "fetched" if origin == "given" and callable(self._given) else origin

    def _wished(self, refused: Token | None = None) -> CachedToken | Demand:
        """Return what is there for a caller, or what it wants an acquisition for."""
        now = self._seconds()
        wish = demanded(self._held, now, self._skew, refused)
        if isinstance(wish, Demand) and wish.meanwhile is not None:
            # The others go on at once: the time to think again is set before the thinking.
            self._held = while_renewed(wish.meanwhile, now)
        return wish

    def _looks_first(self, wish: Demand) -> bool:
        """Tell whether all that is wanted may be in the store, under the key as it is."""
        given = self._given is not None or self._token_in_environment() is not None
        return self._held is None and wish.refused is None and not given and not self._fetches

    def _in_store(self) -> CachedToken | None:
        """Return what is stored where it will do, and keep it in memory; without a lock."""
        try:
            stored, app = self._store.read(self.key), self._store.read(self.app_key)
        except StoreError:
            return None  # it is told by the acquisition, which tries again
        now = self._clock.now()
        use = serving(stored, app, now.wall, self._skew)
        if use is None:
            return None
        self._notes, self._held = (), held(use.token, use.origin, now, self._skew)
        return self._held

    def _session(self, wish: Demand) -> Acquisition | NotAcquired:
        """Return the session for a wish; this calls the caller's own functions."""
        from grantflow.core.acquisition.states import NotAcquired

        try:
            return self._begun(wish)
        except GrantError as error:
            return NotAcquired(error.problem)
        except OSError as error:  # a secret, a command or a store that cannot be reached
            return NotAcquired(failed(f"there is no client or token to begin with: {error}"))

    def _begun(self, wish: Demand) -> Acquisition:
        from grantflow.core.acquisition.machine import Acquisition
        from grantflow.core.flows.pacing import Backoff

        early = wish.meanwhile is not None
        client = self._client()
        self._placed(client)
        return Acquisition(
            client=client,
            grant=self.grant,
            key=self.key,
            given=self._token_given(),
            environment=self._token_in_environment(),
            refused=wish.refused,
            may_ask=self.interactive and not early,
            early=early,
            skew=self._skew,
            # Who goes on with the old token anyway does not wait for a server in trouble.
            backoff=Backoff(tries=1) if early else Backoff(),
            entropy=_entropy(),
        )

    def _landed(self, end: Acquired | NotAcquired) -> Acquired | NotAcquired:
        """Keep in memory what a session brought."""
        from grantflow.core.acquisition.states import Acquired

        self._notes = end.notes
        if isinstance(end, Acquired):
            self._held = held(end.token, end.origin, self._clock.now(), self._skew, end.pause)
        return end

    def _tells(self) -> Observer:
        """Return what tells those who look on, about the token of now."""
        from grantflow.core.acquisition.source_events import About
        from grantflow.shell.sources.observer import Observer

        about = About(self.key, *self._named, self._profile)
        if self._observer is None:
            self._observer = Observer(about, self._clock, self._prompt, self._watch, self._on_event)
        self._observer.about = about
        return self._observer

    def _waits(self) -> None:
        from grantflow.core.acquisition.source_events import WaitingForOther

        told = self._tells()
        told.tell(WaitingForOther(self._clock.now().wall, told.about))

    def _adopted_token(self) -> None:
        from grantflow.core.acquisition.source_events import TokenAdopted

        self._held, told = None, self._tells()
        told.tell(TokenAdopted(self._clock.now().wall, told.about))

    def _signed_out(self, *, revoked: bool, asked: bool) -> None:
        from grantflow.core.acquisition.notes import NotRevoked
        from grantflow.core.acquisition.source_events import SignedOut

        self._held, told = None, self._tells()
        self._notes = (NotRevoked(),) if asked and not revoked else ()
        told.tell(SignedOut(self._clock.now().wall, told.about, revoked))

    def _live(self, stored: Token | None) -> Token | None:
        """Return the token that a server is told to forget."""
        # What could not be saved is only here, and works all the same.
        return stored or (self.current if self.origin == "stored" else None)

    def _place_of(self, token: Token) -> str:
        """Return the key under which a token that was made elsewhere is stored."""
        return self.app_key if token.refresh_token is None else self.key

    def _token_given(self) -> Token | None:
        given = self._given
        if given is None:
            return None
        return as_token(given() if callable(given) else given)

    def _token_in_environment(self) -> Token | None:
        text = os.environ.get(self._environment, "") if self._environment else ""
        return as_token(text.strip()) if text.strip() else None


def _guarded(make: Callable[[], T]) -> Callable[[], T]:
    """Return a function of a profile's whose trouble is that of the source."""

    def call() -> T:
        from grantflow.core.values.errors import InteractionRequired
        from grantflow.shell.profiles.errors import ProfileError

        try:
            return make()
        except ProfileError as error:
            if error.kind in ("login_required", "client_expired"):
                raise GrantError(InteractionRequired(str(error))) from None
            raise GrantError(failed(str(error))) from None

    return call


def _store(given: Store | None, *, lasting: bool) -> Store:
    if lasting and given is not None:
        return given
    from grantflow.shell.stores import FileStore, MemoryStore

    return FileStore() if lasting else MemoryStore()


def _entropy() -> Secret:
    return Secret(os.urandom(32).hex())
