"""The public API as type checkers see it. Checked by mypy and by pyright, never executed.

A line that must stay an error carries both checkers' ignore comments. Both are told to complain
about an ignore that ignores nothing, so such a line cannot become legal unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Literal, assert_never, assert_type, overload

import httpx
import requests
from requests.auth import AuthBase
from returns.io import IOResult
from returns.result import Result

from grantflow import (
    ArgumentError,
    Authorized,
    Backoff,
    Cancelled,
    Client,
    ClientAssertion,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretJwt,
    ClientSecretPost,
    Clock,
    CodeExpired,
    CodeIssued,
    Denied,
    DeviceAuthorization,
    DeviceFlow,
    DeviceState,
    DPoP,
    Event,
    Expired,
    Failed,
    Fault,
    FileStore,
    Flow,
    GaveUp,
    GrantError,
    GrantFlow,
    GrantState,
    Instant,
    InteractionRequired,
    InvalidResponse,
    JwtBearerFlow,
    KeyringStore,
    MemoryStore,
    Moment,
    MutualTls,
    Pending,
    PrivateKeyJwt,
    Problem,
    ProfileError,
    Prompt,
    PromptShown,
    ProtectedResource,
    Provider,
    Public,
    RedisStore,
    RefreshFlow,
    Refused,
    Registration,
    RegistrationFlow,
    Rejected,
    RenewalFailed,
    Request,
    RequestFormat,
    Response,
    ResponseFormat,
    Run,
    Secret,
    Send,
    SignedOut,
    SignInFailed,
    Skew,
    SlowDown,
    SlowDownAsked,
    SourceEvent,
    SourceStatus,
    Started,
    StepUp,
    StillPending,
    Store,
    StoreError,
    StoreFailed,
    SystemClock,
    Token,
    TokenAcquired,
    TokenAdopted,
    TokenAuth,
    TokenExchangeFlow,
    TokenIssued,
    TokenProvider,
    TokenRenewed,
    TokenSession,
    TokenSource,
    TokenStored,
    Transport,
    Unanswered,
    Unreachable,
    WaitingForOther,
    Window,
    begin,
    discover,
    discover_resource,
    outcome,
    providers,
    resume,
    run,
    settled,
    step_up,
)
from grantflow.core.acquisition.challenge import Challenge
from grantflow.core.flows.effects import Due
from grantflow.core.flows.events import Received
from grantflow.core.flows.states import Final
from grantflow.core.values.errors import Error
from grantflow.core.values.json import Members
from grantflow.core.values.response import Reply
from grantflow.flows import Wrapper, flow_for
from grantflow.integrations.httpx import TokenAuth as HttpxTokenAuth
from grantflow.shell import aio
from grantflow.shell.timer import Loop, TimerDriver
from grantflow.signing import dpop_key, kept_dpop_key
from grantflow.stores import Claim
from grantflow.testing import (
    AsyncServerTransport,
    AsyncVirtualClock,
    Loopback,
    Outage,
    PlayError,
    Script,
    ScriptedServer,
    Server,
    ServerTransport,
    Tick,
    VirtualClock,
    VirtualLoop,
    answer,
    decided,
    serve,
    simulate,
    strategies,
)

# Values


def secrets(secret: Secret) -> None:
    assert_type(Secret("hunter2"), Secret)
    assert_type(secret.reveal(), str)
    "Bearer " + secret  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
    len(secret)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text: str = secret  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Secret(text.encode())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def tokens(token: Token, secret: Secret) -> None:
    assert_type(token.access_token, Secret)
    assert_type(token.token_type, str)
    assert_type(token.expires_at, datetime | None)
    assert_type(token.refresh_token, Secret | None)
    assert_type(token.scope, tuple[str, ...])
    assert_type(token.id_token, Secret | None)
    assert_type(token.issued_at, datetime | None)
    assert_type(token.authorization, Secret)
    Token(access_token="at", refresh_token="rt", scope=["read"], extra={"sub": "alice"})
    Token(access_token=secret, refresh_token=secret, id_token=None)
    Token("at")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Token()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    token.scope = ()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def codes(code: DeviceAuthorization, end: Instant) -> None:
    assert_type(code.device_code, Secret)
    assert_type(code.user_code, str)
    assert_type(code.verification_uri, str)
    assert_type(code.verification_uri_complete, str | None)
    assert_type(code.expires_at, Instant)
    assert_type(code.interval, timedelta)
    DeviceAuthorization("dc", "WDJB-MJHT", "https://acme.example/go", end)
    DeviceAuthorization("dc", "WDJB-MJHT", "https://acme.example/go", "600")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def times(moment: Moment, instant: Instant, span: timedelta, wall: datetime) -> None:
    assert_type(moment.mono, Instant)
    assert_type(moment.wall, datetime)
    assert_type(moment.roll, float)
    assert_type(Instant(instant + span), Instant)
    Moment(instant, wall, 0.5)
    # The two clocks do not mix, and a reading of both is neither.
    assert moment < instant  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    assert instant < wall  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    Moment(wall, wall)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # A span has to be said to be an instant.
    Moment(instant + span, wall)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # No float seconds.
    Instant(5.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def messages(request: Request, response: Response, fault: Fault, secret: Secret) -> None:
    assert_type(request.method, Literal["GET", "POST"])
    assert_type(request.url, str)
    assert_type(request.body(), bytes)
    assert_type(request.header_map(), dict[str, str])
    assert_type(response.status, int)
    assert_type(response.headers, Mapping[str, str])
    assert_type(response.body, bytes)
    assert_type(response.header("Retry-After"), str | None)
    assert_type(fault.reached, Literal["no", "maybe"])
    assert_type(fault.detail, str)
    Request("https://acme.example/token", form={"code": secret}, headers=[("X-Request-Id", "1")])
    Response(200, {"Content-Type": "application/json"}, b"{}")
    Fault("timeout", "maybe")
    Fault("timeout", "perhaps")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Response(200, {}, "{}")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# Configuration


def signed_elsewhere(data: bytes) -> bytes:
    return data


def known() -> None:
    assert_type(providers.find("github"), Provider)
    assert_type(providers.find("entra", tenant="common"), Provider)
    assert_type(discover("https://as.example"), Provider | InvalidResponse | Unreachable)
    discover()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(providers.names(), tuple[str, ...])
    providers.find("entra", tenant=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def configuration(provider: Provider, secret: Secret) -> None:
    assert_type(Provider(name="acme", token_endpoint="https://acme.example/token"), Provider)
    assert_type(
        Provider.from_metadata({"issuer": "https://as.example"}), Result[Provider, InvalidResponse]
    )
    assert_type(provider.device_authorization_endpoint, str | None)
    assert_type(provider.encoding, Literal["form", "json"])
    Provider(name="acme", token_endpoint="https://acme.example/token", encoding="xml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    spelt = RequestFormat(rename={"device_code": "code"})
    Provider(name="odd", token_endpoint="https://acme.example/token", poll=spelt)
    Provider(
        name="odd",
        token_endpoint="https://acme.example/token",
        answers=ResponseFormat(error="detail"),
    )
    client = Client(provider=provider, client_id="app", scope="read write", extra={"a": "b"})
    assert_type(client.scope, tuple[str, ...])
    assert_type(client.resource, tuple[str, ...])
    assert_type(client.audience, str | None)
    Client(provider=provider, client_id="app", authentication=Public())
    Client(provider=provider, client_id="app", authentication=ClientSecretBasic("s3cret"))
    Client(provider=provider, client_id="app", authentication=ClientSecretBasic("s", "raw"))
    Client(provider=provider, client_id="app", authentication=ClientSecretPost(secret))
    Client(provider=provider, client_id="app", authentication=ClientSecretJwt("s", alg="HS512"))
    Client(provider=provider, client_id="app", authentication=PrivateKeyJwt(secret, kid="k1"))
    Client(provider=provider, client_id="app", authentication=PrivateKeyJwt(signed_elsewhere))
    Client(provider=provider, client_id="app", authentication=MutualTls("app.pem", "app.key"))
    MutualTls(b"-----BEGIN CERTIFICATE-----")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(provider=provider, client_id="app", authentication="s3cret")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(provider, "app")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Client(provider=provider, client_id="app", authentication=ClientSecretHeaders("s3cret"))
    Client(provider=provider, client_id="app", authentication=ClientAssertion(lambda: "jwt"))
    ClientAssertion("jwt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(ClientSecretBasic("s3cret").secret, Secret)
    assert_type(dpop_key().thumbprint, str)
    assert_type(kept_dpop_key("key.json", required=False), DPoP)


# Flows: each is a Flow of its own states


def flows(client: Client, now: Moment, span: timedelta) -> None:
    device = DeviceFlow(client, backoff=Backoff(tries=3), budget=span)
    assert_type(flow_for(client), Flow[DeviceState])
    assert_type(flow_for(client, "device"), Flow[DeviceState])
    assert_type(flow_for(client, "client_credentials"), ClientCredentialsFlow)
    flow_for(client, "password")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    going = begin(device, now)
    assert_type(going, Run[DeviceState])
    assert_type(going.phase, DeviceState)
    assert_type(begin(flow_for(client), now).phase, DeviceState)
    registering = RegistrationFlow(provider=client.provider, client_name="my tool")
    assert_type(Registration(client, registering)(), Client)
    machine = ClientCredentialsFlow(client, backoff=Backoff(span, span), budget=span)
    renewal = RefreshFlow(client, "rt-1", scope=("read",))
    a: Flow[DeviceState] = device
    b: Flow[GrantState] = machine
    c: Flow[GrantState] = renewal
    print(a, b, c)
    d: Flow[GrantState] = device  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    e: Flow[DeviceState] = machine  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(d, e)
    assert_type(device.start(now), Started)
    assert_type(device.due(device.start(now)), Send | Authorized | Expired | Failed)
    assert_type(device.step(device.start(now), GaveUp(now.mono)), DeviceState)
    assert_type(machine.step(machine.start(now), GaveUp(now.mono)), GrantState)
    assert_type(renewal.refresh_token, Secret)
    ClientCredentialsFlow(client, budget=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def runs(client: Client, now: Moment, reply: Response | Fault, event: Event) -> None:
    going = begin(DeviceFlow(client), now)
    assert_type(going, Run[DeviceState])
    assert_type(going.state, DeviceState | Wrapper[DeviceState])
    assert_type(going.phase, DeviceState)
    assert_type(going.flow, Flow[DeviceState])
    assert_type(going.due, Send | Authorized | Expired | Failed)
    assert_type(going.apply(event), Run[DeviceState])
    match going.due:
        case Send() as send:
            assert_type(send.request, Request)
            assert_type(send.not_before, Instant)
            assert_type(send.read(reply, now), Received)
            assert_type(going.receive(send, reply, now), Run[DeviceState])
            going.receive(send, now, reply)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        case (Authorized() | Expired() | Failed()) as final:
            assert_type(final, Authorized | Expired | Failed)
    assert_type(begin(ClientCredentialsFlow(client), now), Run[GrantState])
    assert_type(begin(RefreshFlow(client, "rt-1"), now), Run[GrantState])


def aliases(final: Final, due: Due, event: Event, reply: Reply) -> None:
    assert_type(final, Authorized | Expired | Failed)
    assert_type(due, Send | Authorized | Expired | Failed)
    assert_type(reply, Response | Fault)
    assert_type(event.at, Instant)


# The blocking driver and its ports


async def late(request: Request) -> Response | Fault:
    return Fault("timeout", "maybe", request.url)


def raising(request: Request) -> Response:
    return Response(200, {}, request.body())


def silent(request: Request) -> None:
    print(request)


def see_any(state: DeviceState | GrantState) -> None:
    print(state)


def see_event(event: SourceEvent) -> None:
    assert_type(event.at, datetime)
    assert_type(
        (event.key, event.provider, event.client_id, event.profile), tuple[str, str, str, str]
    )
    match event:
        case TokenAcquired(expires_at=at) | TokenRenewed(expires_at=at):
            assert_type(at, datetime | None)
        case RenewalFailed(problem=problem) | SignInFailed(problem=problem):
            assert_type(problem, Problem)
        case StoreFailed(reason=reason):
            assert_type(reason, str)
        case PromptShown(authorization=code):
            assert_type(code, DeviceAuthorization)
        case SignedOut(revoked=revoked):
            assert_type(revoked, bool)
        case TokenAdopted() | TokenStored() | WaitingForOther():
            print(event)
        case _:
            assert_never(event)


def see_device(state: DeviceState) -> None:
    print(state)


def see_grant(state: GrantState) -> None:
    print(state)


class Metronome:
    """A clock of somebody else's: nothing to inherit from."""

    def now(self) -> Moment:
        raise NotImplementedError

    def sleep_until(self, at: Instant, /) -> None:
        raise NotImplementedError


class FloatClock:
    """Not a clock: it counts in float seconds."""

    def now(self) -> float:
        raise NotImplementedError

    def sleep_until(self, at: float, /) -> None:
        raise NotImplementedError


def drivers(client: Client, transport: Transport, clock: Clock) -> None:
    final = run(DeviceFlow(client))
    assert_type(resume(begin(DeviceFlow(client), clock.now())), Authorized | Expired | Failed)
    assert_type(final, Authorized | Expired | Failed)
    assert_type(outcome(final), Result[Token, Expired | Failed])
    assert_type(run(ClientCredentialsFlow(client), transport, clock), Final)
    run(DeviceFlow(client), raising, Metronome(), see_device)
    run(RefreshFlow(client, "rt-1"), watch=see_grant)
    run(DeviceFlow(client), late)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    run(DeviceFlow(client), silent)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    run(DeviceFlow(client), clock=FloatClock())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    run(DeviceFlow(client), watch=see_grant)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    run(client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class AsyncMetronome:
    """The same for an event loop."""

    def now(self) -> Moment:
        raise NotImplementedError

    async def sleep_until(self, at: Instant, /) -> None:
        raise NotImplementedError


class Toolkit:
    """An event loop of somebody else's, say a window's."""

    def call_later(self, wait: timedelta, call: Callable[[], None], /) -> None:
        raise NotImplementedError

    def post(self, call: Callable[[], None], /) -> None:
        raise NotImplementedError


async def async_driver(client: Client) -> None:
    assert_type(await aio.run(DeviceFlow(client)), Authorized | Expired | Failed)
    await aio.run(DeviceFlow(client), late, AsyncMetronome(), see_device)
    assert_type(
        await aio.discover("https://as.example", late), Provider | InvalidResponse | Unreachable
    )
    await aio.run(DeviceFlow(client), aio.in_thread(raising))
    # A blocking transport would block the loop.
    await aio.run(DeviceFlow(client), raising)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await aio.run(DeviceFlow(client), clock=Metronome())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await aio.run(DeviceFlow(client), watch=see_grant)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def timer_driver(client: Client, loop: Loop) -> None:
    driver = TimerDriver(DeviceFlow(client), Toolkit(), see_device)
    assert_type(driver, TimerDriver[DeviceState])
    assert_type(driver.run, Run[DeviceState] | None)
    TimerDriver(RefreshFlow(client, "rt-1"), loop, see_grant, transport=raising)
    assert_type(driver.clock.now(), Moment)
    TimerDriver(DeviceFlow(client), loop, see_device, clock=SystemClock())
    TimerDriver(DeviceFlow(client), loop, see_device, clock=AsyncMetronome())
    TimerDriver(DeviceFlow(client), loop, see_device, clock=FloatClock())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TimerDriver(DeviceFlow(client), loop, see_grant)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TimerDriver(DeviceFlow(client), loop, see_device, transport=late)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# States: what the waiting ones hold is in their type


def waiting(code: DeviceAuthorization, span: timedelta, at: Instant) -> None:
    assert_type(Pending(code, span, at), Pending[DeviceAuthorization])
    assert_type(SlowDown(code, span, at), SlowDown[DeviceAuthorization])
    assert_type(Pending(None, span, at), Pending[None])
    device: DeviceState = Pending(code, span, at)
    grant: GrantState = SlowDown(None, span, at)
    device = Pending(None, span, at)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    grant = SlowDown(code, span, at)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    print(device, grant)
    Pending(code, 5, at)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Started("now")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Failed("no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Authorized("at-1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def device_state(state: DeviceState) -> str:
    match state:
        case Started(not_before, faults):
            assert_type(not_before, Instant)
            assert_type(faults, int)
            return "started"
        case Pending(code, interval):
            assert_type(state, Pending[DeviceAuthorization])
            assert_type(code, DeviceAuthorization)
            assert_type(interval, timedelta)
            assert_type(state.polls, int)
            return "pending"
        case SlowDown():
            assert_type(state.authorization.user_code, str)
            return "slow down"
        case Authorized(token):
            assert_type(token, Token)
            return "authorized"
        case Expired(fault):
            assert_type(fault, Fault | None)
            return "expired"
        case Failed(error):
            assert_type(error, Denied | Refused | InvalidResponse | Unreachable | Cancelled)
            return "failed"
        case _:
            assert_never(state)


def grant_state(state: GrantState) -> str:
    match state:
        case Started() | Pending() | SlowDown():
            assert_type(state.not_before, Instant)
            if not isinstance(state, Started):
                assert_type(state.authorization, None)
            return "waiting"
        case Authorized() | Expired() | Failed():
            return "ended"
        case _:
            assert_never(state)


def a_code_is_not_in_a_grant_state(state: Pending[None]) -> None:
    print(state.authorization.user_code)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


def slow_down_is_missing(state: DeviceState) -> str:
    match state:
        case Started() | Pending():
            return "waiting"
        case Authorized() | Expired() | Failed():
            return "ended"
        case _:
            assert_never(state)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def two_are_missing_and_nothing_is_returned(state: GrantState) -> None:
    match state:  # type: ignore[exhaustive-match]  # pyright: ignore[reportMatchNotExhaustive]
        case Started() | Pending() | SlowDown() | Authorized():
            print(state)


def final_state(final: Final) -> str:
    match final:
        case Authorized(token):
            return token.token_type
        case Expired():
            return "expired"
        case Failed(error):
            return type(error).__name__
        case _:
            assert_never(final)


def an_ending_is_missing(final: Final) -> str:
    match final:
        case Authorized() | Failed():
            return "ended"
        case _:
            assert_never(final)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# Events and errors


def what_happened(event: Event) -> str:
    match event:
        case CodeIssued(at, code):
            assert_type(at, Instant)
            assert_type(code, DeviceAuthorization)
            return "code issued"
        case TokenIssued(_, token):
            assert_type(token, Token)
            return "token issued"
        case StillPending(_, pause):
            assert_type(pause, timedelta | None)
            return "still pending"
        case SlowDownAsked(_, interval):
            assert_type(interval, timedelta | None)
            return "slow down asked"
        case CodeExpired():
            return "code expired"
        case Rejected(_, error):
            assert_type(error, Denied | Refused | InvalidResponse)
            return "rejected"
        case Unanswered(_, fault):
            assert_type(fault, Fault)
            return "unanswered"
        case GaveUp():
            return "gave up"
        case _:
            assert_never(event)


def giving_up_is_missing(event: Event) -> str:
    match event:
        case CodeIssued() | TokenIssued() | StillPending() | SlowDownAsked():
            return "answered"
        case CodeExpired():
            return "refused"
        case Rejected() | Unanswered():
            return "not answered"
        case _:
            assert_never(event)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def why(error: Error) -> str:
    match error:
        case Denied(description):
            assert_type(description, str | None)
            return "denied"
        case Refused(code, description, uri, status, raw):
            assert_type(code, str)
            assert_type(description, str | None)
            assert_type(uri, str | None)
            assert_type(status, int | None)
            assert_type(raw, str | None)
            return "refused"
        case InvalidResponse(problem, status):
            assert_type(problem, str)
            assert_type(status, int | None)
            return "garbled"
        case Unreachable(fault, tries):
            assert_type(fault, Fault)
            assert_type(tries, int)
            return "unreachable"
        case Cancelled():
            return "cancelled"
        case _:
            assert_never(error)


def cancelled_is_missing(error: Error) -> str:
    match error:
        case Denied() | Refused() | InvalidResponse() | Unreachable():
            return "not me"
        case _:
            assert_never(error)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# The front door


def show(code: DeviceAuthorization) -> None:
    print(code.verification_uri, code.user_code)


class Drawer:
    """A store of somebody else's: nothing to inherit from."""

    @overload
    def claim(self, key: str, /, wait: Literal[True] = ...) -> AbstractContextManager[Claim]: ...

    @overload
    def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

    def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
        raise NotImplementedError

    def read(self, key: str, /) -> Token | None:
        raise NotImplementedError


def front_door(client: Client, transport: Transport, clock: Clock) -> None:
    source = TokenSource(client, grant="device", store=FileStore(), prompt=show)
    assert_type(source.try_token(), IOResult[Token, Expired | Failed | InteractionRequired])
    assert_type(source.token(), Token)
    assert_type(source.try_renew(source.token()), IOResult[Token, Problem])
    assert_type(source.try_logout(), IOResult[None, Problem])
    assert_type(source.renew(source.token()), Token)
    assert_type(source.introspect(), Members)
    assert_type(source.adopt("at-1"), Token)
    assert_type(source.try_adopt("at-1"), IOResult[Token, Problem])
    assert_type(settled(source.try_token()), Token | Expired | Failed | InteractionRequired)
    source.logout()
    assert_type(source.try_logout(revoke=False), IOResult[None, Problem])
    assert_type(source.notes, tuple[str, ...])
    source.try_renew("at-1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    try:
        source.token()
    except GrantError as error:
        assert_type(error.problem, Expired | Failed | InteractionRequired)
    TokenSource(client, "client_credentials", store=MemoryStore(), interactive=False)
    TokenSource(client, store=Drawer(), transport=transport, clock=clock, watch=see_any)
    TokenSource(client, watch=see_device)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TokenSource(client, on_event=see_event, min_ttl=timedelta(minutes=1))
    form = {"grant_type": "urn:x"}
    TokenSource(client, lambda client: GrantFlow(client, form), identity="x")
    TokenSource(client, DeviceFlow)
    TokenSource(client, lambda client: client)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    assert_type(source.status, SourceStatus)
    assert_type(source.status.expires_at, datetime | None)
    with TokenSource(client) as mine:
        assert_type(mine, TokenSource)
    TokenSource(client, grant="password")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TokenSource(client, store={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TokenSource(client, transport=late)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    prompt: Prompt = show
    plain: tuple[Store, ...] = (MemoryStore(), FileStore("/tmp/tokens"), Drawer())
    fancy: tuple[Store, ...] = (KeyringStore("app"), RedisStore("redis://localhost", prefix="app:"))
    print(prompt, plain, fancy)


async def awaiting_front_door(
    client: Client, transport: aio.AsyncTransport, clock: aio.AsyncClock, blocking: Transport
) -> None:
    source = aio.AsyncTokenSource(client, grant="device", store=FileStore(), prompt=show)
    assert_type(await source.try_token(), IOResult[Token, Expired | Failed | InteractionRequired])
    assert_type(await source.token(), Token)
    assert_type(await source.try_renew(await source.token()), IOResult[Token, Problem])
    assert_type(await source.try_logout(), IOResult[None, Problem])
    assert_type(await source.adopt("at-1"), Token)
    assert_type(await source.try_introspect(), IOResult[Members, Problem])
    assert_type(source.warm, Token | None)
    assert_type(source.current, Token | None)
    assert_type(source.notes, tuple[str, ...])
    aio.AsyncTokenSource(client, store=Drawer(), transport=transport, clock=clock, watch=see_any)
    aio.AsyncTokenSource(client, on_event=see_event, min_ttl=timedelta(minutes=1))
    async with aio.AsyncTokenSource(client) as mine:
        assert_type(mine, aio.AsyncTokenSource)
    aio.AsyncTokenSource(client, transport=aio.in_thread(blocking))
    aio.AsyncTokenSource(client, transport=blocking)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    aio.AsyncTokenSource(client, clock=Metronome())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    other: httpx.Auth = HttpxTokenAuth(source)
    TokenAuth(source)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(other)


def adapters(source: TokenSource, client: Client) -> None:
    auth: AuthBase = TokenAuth(source, ["https://api.acme.example"])
    requests.get("https://api.acme.example/me", auth=TokenAuth(source), timeout=10)
    session: requests.Session = TokenSession(source)
    other: httpx.Auth = HttpxTokenAuth(source)
    print(auth, session, other)
    TokenSession(source, header="x-api-key", scheme="")
    TokenAuth(client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TokenAuth(source, header=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def problem(found: Problem) -> str:
    match found:
        case Expired() | Failed():
            return "a flow ended"
        case InteractionRequired():
            return "somebody is needed"
        case _:
            assert_never(found)


# Testing


def testing(client: Client, request: Request, span: timedelta) -> None:
    script = Script(approve_after=span, clients={"app": "s3cret", "cli": None})
    server = Server(script)
    assert_type(server.provider, Provider)
    assert_type(answer(server, request, span), tuple[Server, Response | Fault])
    assert_type(decided(server, "WDJB-MJHT", "approved"), Server)
    decided(server, "WDJB-MJHT", "maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(simulate(DeviceFlow(client), server), Iterator[Tick[DeviceState]])
    assert_type(simulate(RefreshFlow(client, "rt-1"), server), Iterator[Tick[GrantState]])
    clock = VirtualClock()
    assert_type(clock.slept, list[timedelta])
    transport = ServerTransport(server, clock)
    assert_type(transport.server, Server)
    assert_type(transport.requests, list[Request])
    assert_type(run(DeviceFlow(client), transport, clock), Final)
    async_transport: aio.AsyncTransport = AsyncServerTransport(transport)
    async_clock: aio.AsyncClock = AsyncVirtualClock(clock)
    print(async_transport, async_clock)
    scripted = ScriptedServer(script, clock=clock)
    blocking: tuple[Transport, Clock] = (scripted.transport, scripted.clock)
    async_transport, async_clock = scripted.async_transport, scripted.async_clock
    assert_type(scripted.source, TokenSource)
    assert_type(run(DeviceFlow(scripted.client), *blocking), Final)
    scripted.approve(after=span)
    scripted.approve(span)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    scripted.fail(endpoint="poll", times=2)
    scripted.fail(endpoint="pole")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    scripted.answers(lambda request, reply: None, endpoint="device")
    Script(outages=(Outage(span, span, Fault("refused", "no")), Outage(endpoint="poll", times=1)))
    loop = VirtualLoop(clock)
    loop.run_until(lambda: loop.timers == 0)
    assert_type(strategies.tokens().example(), Token)
    mistake: BaseException = PlayError("nothing plays this")
    print(mistake)
    with serve(script) as loopback:
        assert_type(loopback, Loopback)
        assert_type(loopback.provider, Provider)
    serve(Script(approve_after=12))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def windows() -> Skew:
    try:
        return Skew(soft=Window(timedelta(minutes=10), 0.5))
    except StoreError as error:
        assert_type(error.errno, int | None)
        raise


def grants(client: Client, provider: TokenProvider, error: ArgumentError) -> None:
    a: Flow[GrantState] = GrantFlow(client, {"grant_type": "urn:example:grant"})
    b: Flow[GrantState] = TokenExchangeFlow(client, subject_token="st")
    c: Flow[GrantState] = JwtBearerFlow(client, assertion="jwt")
    print(a, b, c)
    assert_type(provider.token(), Token)
    assert_type(error.argument, str)


def resources(transport: Transport, client: Client, challenge: Challenge) -> None:
    match discover_resource("https://api.example", transport, grant="device"):
        case ProtectedResource(resource=resource) as found:
            assert_type(resource, str)
            assert_type(found.client("app"), Client)
        case problem:
            print(problem)
    missing = step_up(challenge)
    assert_type(missing, StepUp | None)
    if missing is not None:
        assert_type(missing.over(client), Client)
    try:
        assert_type(TokenSource.from_profile("work"), TokenSource)
        assert_type(TokenSource.for_url("https://api.example"), TokenSource)
        assert_type(aio.AsyncTokenSource.from_profile(), aio.AsyncTokenSource)
    except ProfileError as error:
        assert_type((error.problem, error.advice, error.kind), tuple[str, str, str])
