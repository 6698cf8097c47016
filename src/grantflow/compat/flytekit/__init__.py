"""``flytekit.clients.auth.token_client`` and its exceptions, over this library.

Rules:

1. One call is one request. Only ``poll_token_endpoint`` repeats it, by the rules of the device
   flow: interval, ``slow_down``, backoff and expiry of the code.
2. A server's answer becomes an ``AuthenticationError``, by its error code, without its body.
   ``AuthenticationPending`` is raised for a device code alone. Network errors are those of
   ``requests``.
3. The caller's session is used for every request, and never changed.
4. Secrets passed as text are wrapped immediately: tracebacks may show local variables.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import requests

from grantflow import (
    Authorized,
    ClientCredentialsFlow,
    ClientSecretBasic,
    Clock,
    CodeIssued,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Instant,
    Moment,
    Pending,
    RefreshFlow,
    Run,
    Secret,
    Send,
    SlowDownAsked,
    StillPending,
    SystemClock,
    TokenIssued,
    begin,
)
from grantflow.compat.arguments import checked_url, maybe_wrapped, wrapped
from grantflow.compat.flytekit.names import (
    AccessTokenNotFoundError,
    AuthenticationError,
    AuthenticationPending,
    GrantType,
    UnusableAnswerError,
    error_auth_pending,
    error_of,
    error_slow_down,
    utf_8,
)
from grantflow.compat.flytekit.requests import UNUSED, client_of, sending
from grantflow.compat.flytekit.responses import DeviceCodeResponse, Triple, triple_of
from grantflow.compat.single_step import StepResult, problem_of, single_step

__all__ = [
    "AccessTokenNotFoundError",
    "AuthenticationError",
    "AuthenticationPending",
    "DeviceCodeResponse",
    "GrantType",
    "UnusableAnswerError",
    "error_auth_pending",
    "error_slow_down",
    "get_basic_authorization_header",
    "get_device_code",
    "get_token",
    "poll_token_endpoint",
    "utf_8",
]


def get_basic_authorization_header(client_id: str, client_secret: str | Secret) -> str:
    """Return the ``Authorization`` header of a client; id and secret are URL-encoded first.

    >>> get_basic_authorization_header("client_id", "abc")
    'Basic Y2xpZW50X2lkOmFiYw=='
    """
    client_secret = wrapped(client_secret)
    proof = ClientSecretBasic(client_secret, encoding="plus")
    client = client_of(client_id, authentication=proof)
    return client.request(UNUSED, ()).header_map()["Authorization"]


def get_token(
    token_endpoint: str,
    scopes: Iterable[str] | None = None,
    authorization_header: str | Secret | None = None,
    client_id: str | None = None,
    device_code: str | Secret | None = None,
    audience: str | None = None,
    grant_type: GrantType = GrantType.CLIENT_CREDS,
    http_proxy_url: str | Secret | None = None,
    verify: bool | str | None = None,
    session: requests.Session | None = None,
    refresh_token: str | Secret | None = None,
) -> Triple:
    """Request a token once; return it, its refresh token and its lifetime in seconds.

    The last two may be ``None``. A refresh answer without a refresh token means that the old one
    stays. Raises ``AuthenticationError`` or an exception of ``requests``, for a device code also
    ``AuthenticationPending``, and ``ValueError`` for an argument that is missing or unusable.
    """
    authorization_header = maybe_wrapped(authorization_header)
    device_code = maybe_wrapped(device_code)
    http_proxy_url = maybe_wrapped(http_proxy_url)
    refresh_token = maybe_wrapped(refresh_token)
    client = client_of(
        client_id or None,
        scopes,
        audience,
        token_endpoint=token_endpoint,
        authorization_header=authorization_header,
    )
    clock = SystemClock()
    with sending(session, http_proxy_url, verify) as send:
        match GrantType(grant_type):
            case GrantType.CLIENT_CREDS:
                machine = begin(ClientCredentialsFlow(client), clock.now())
                return _token(single_step(machine, send, clock))
            case GrantType.REFRESH_TOKEN:
                renewing = RefreshFlow(client, _required("refresh_token", refresh_token))
                return _token(single_step(begin(renewing, clock.now()), send, clock))
            case GrantType.DEVICE_CODE:
                code, now = _required("device_code", device_code), clock.now().mono
                waiting = Pending(DeviceAuthorization(code, "", "", now), timedelta(), now)
                return _token(_decided(single_step(Run(DeviceFlow(client), waiting), send, clock)))


def get_device_code(
    device_auth_endpoint: str | None,
    client_id: str | None,
    audience: str | None = None,
    scope: Iterable[str] | None = None,
    http_proxy_url: str | Secret | None = None,
    verify: bool | str | None = None,
    session: requests.Session | None = None,
) -> DeviceCodeResponse:
    """Ask for a code that a person approves in a browser, on any device.

    Raises ``AuthenticationError``, also where no endpoint is known, or an exception of
    ``requests``, and ``ValueError`` for an argument that is unusable.
    """
    http_proxy_url = maybe_wrapped(http_proxy_url)
    what = f"Unable to retrieve Device Authentication Code for {client_id}, Reason"
    if not device_auth_endpoint:
        raise AuthenticationError(
            f"{what} no device_auth_endpoint is known: the server may have no device grant"
        )
    checked_url("device_auth_endpoint", device_auth_endpoint)
    client = client_of(
        client_id or None, scope, audience, device_authorization_endpoint=device_auth_endpoint
    )
    flow = DeviceFlow(client)
    clock = SystemClock()
    with sending(session, http_proxy_url, verify) as send:
        happened = single_step(begin(flow, clock.now()), send, clock)
    if isinstance(happened, CodeIssued):
        return DeviceCodeResponse.of(happened.authorization, happened.at)
    raise error_of(problem_of(happened), what)


def poll_token_endpoint(
    resp: DeviceCodeResponse,
    token_endpoint: str,
    client_id: str,
    audience: str | None = None,
    scopes: Iterable[str] | None = None,
    http_proxy_url: str | Secret | None = None,
    verify: bool | str | None = None,
    *,
    session: requests.Session | None = None,
    clock: Clock | None = None,
) -> Triple:
    """Poll until the person has decided or the code expires; progress is printed to stdout.

    Returns and raises what ``get_token`` does, but for ``AuthenticationPending``.
    """
    http_proxy_url = maybe_wrapped(http_proxy_url)
    time = clock or SystemClock()
    flow = DeviceFlow(client_of(client_id, scopes, audience, token_endpoint=token_endpoint))
    with sending(session, http_proxy_url, verify) as send:
        going = Run(flow, _waiting(resp, time.now()))
        while isinstance(due := going.due, Send):
            time.sleep_until(due.not_before)
            going = going.receive(due, send(due.request), time.now())
            if isinstance(going.due, Send):
                print("Authentication Pending...", flush=True)
    if isinstance(due, Authorized):
        print("Authentication successful!", flush=True)
        return triple_of(due.token)
    raise error_of(due, "Authentication failed!")


def _token(happened: StepResult) -> Triple:
    match happened:
        case TokenIssued(_, token):
            return triple_of(token)
        case _:
            raise error_of(problem_of(happened))


def _decided(happened: StepResult) -> StepResult:
    """Return the result for a code that is not pending any more."""
    later = "Token not yet available, try again in some time"
    match happened:
        case StillPending():
            raise AuthenticationPending(f"{later} {error_auth_pending}", happened)
        case SlowDownAsked():
            raise AuthenticationPending(f"{later} {error_slow_down}", happened)
        case _:
            return happened


def _waiting(resp: DeviceCodeResponse, now: Moment) -> Pending[DeviceAuthorization] | Expired:
    """Return the state of a sign-in whose code was just issued."""
    interval = timedelta(seconds=max(resp.interval, 1))
    end = Instant(now.mono + timedelta(seconds=resp.expires_in))
    code = DeviceAuthorization(resp.device_code, resp.user_code, resp.verification_uri, end)
    # A code that ends within one interval is asked for at once, or it never would be.
    first = Instant(now.mono + interval if now.mono + interval < end else now.mono)
    return Pending(code, interval, first) if first < end else Expired()


def _required(name: str, value: Secret | None) -> Secret:
    if value is None:
        raise ValueError(f"{name}: this grant_type needs it")
    return value
