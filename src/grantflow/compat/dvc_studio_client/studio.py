"""Studio's two requests: one for a device code, and one that is repeated for the token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, TypedDict, assert_never, final
from urllib.parse import urljoin

from attrs import evolve, field, frozen

from grantflow import (
    Authorized,
    Client,
    Clock,
    CodeIssued,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Failed,
    Fault,
    Instant,
    InvalidResponse,
    Provider,
    Rejected,
    Response,
    Run,
    Secret,
    Send,
    Unanswered,
    Unreachable,
    providers,
)
from grantflow.compat.arguments import checked_url
from grantflow.compat.dvc_studio_client.errors import error_of
from grantflow.flows import Received, endpoint_problem
from grantflow.integrations import origin_of
from grantflow.integrations.requests import RequestsTransport

TIMEOUT: Final = (5.0, 5.0)


class DeviceLoginResponse(TypedDict):
    """Studio's answer to ``start_device_login``; ``expires_in`` is in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    token_uri: str
    token_name: str
    expires_in: int


@final
@frozen
class Login:
    """A code that Studio issued, how to ask whether it was approved, and its answer unchanged.

    The answer holds the code in plain text.
    """

    flow: DeviceFlow
    issued: CodeIssued
    answer: DeviceLoginResponse = field(repr=False)


def login_at(
    base_url: str,
    client_name: str,
    scopes: Iterable[str],
    members: Mapping[str, str | list[str] | bool | int | None],
) -> DeviceFlow:
    """Return the flow of a login; ``members`` that are ``None`` are not sent."""
    provider = _studio("base_url", f"{base_url.rstrip('/')}/api/device-login")
    extra = {f"{name}:": json.dumps(value) for name, value in members.items() if value is not None}
    return DeviceFlow(
        Client(provider=provider, client_id=client_name, scope=tuple(scopes), extra=extra)
    )


def known_code(uri: str, device_code: Secret, clock: Clock) -> tuple[DeviceFlow, CodeIssued]:
    """Return the flow of a login that was started elsewhere; the end of its code is not known."""
    at = clock.now().mono
    provider = _studio("uri", uri)
    code = DeviceAuthorization(device_code, "", uri, Instant(at + provider.lifetime))
    return DeviceFlow(Client(provider=provider, client_id="client")), CodeIssued(at, code)


def answer_for(flow: DeviceFlow, clock: Clock) -> DeviceLoginResponse:
    """Ask for a code, once, and return the answer unchanged."""
    reply, event = _asked(flow, clock)
    if isinstance(reply, Response) and reply.status == 200:
        return _document(reply)
    raise _refusal(reply, event)


def code_for(flow: DeviceFlow, clock: Clock, origins: Iterable[str]) -> Login:
    """Ask for a code, once; ``origins`` may be asked for the token besides Studio's own."""
    reply, event = _asked(flow, clock)
    if not isinstance(event, CodeIssued) or isinstance(reply, Fault):
        raise _refusal(reply, event)
    provider = flow.client.provider
    base = provider.device_authorization_endpoint or ""
    uri = _token_uri(base, _document(reply).get("token_uri"), origins)
    if uri is None:
        problem = InvalidResponse(
            "HTTP 200: token_uri is on another origin than Studio; token_origins allows it", 200
        )
        raise error_of(Failed(problem), reply)
    client = evolve(flow.client, provider=evolve(provider, token_endpoint=uri))
    return Login(DeviceFlow(client), event, _document(reply))


def _asked(flow: DeviceFlow, clock: Clock) -> tuple[Response | Fault, Received]:
    match flow.due(flow.start(clock.now())):
        case Send() as send:
            reply = RequestsTransport(timeout=TIMEOUT)(send.request)
            return reply, send.read(reply, clock.now())
        case ended:
            raise AssertionError(f"a login starts with a request, not with {ended}")


def _refusal(reply: Response | Fault, event: Received) -> Exception:
    match event:
        case Rejected(_, error):
            return error_of(Failed(error), reply)
        case Unanswered(_, fault):
            return error_of(Failed(Unreachable(fault, 1)), reply)
        case _:
            raise AssertionError(f"{event} answers no request for a code")


def _token_uri(base: str, said: object, origins: Iterable[str]) -> str | None:
    """Return the URL to ask for the token, ``None`` for an origin that may not get the code.

    >>> _token_uri("https://studio.example/api/device-login", "http://studio.example/t", ())
    'https://studio.example/t'
    >>> _token_uri("https://studio.example/api/device-login", "https://else.example/t", ())
    """
    if not isinstance(said, str):
        return None
    uri = urljoin(base, said)
    if uri.startswith("http://") and base.startswith("https://"):
        secure = f"https{uri[4:]}"
        # A proxy ended TLS, and the application behind it does not know.
        uri = secure if origin_of(secure) == origin_of(base) else uri
    if endpoint_problem(uri) is not None:
        return None
    both_local = uri.startswith("http://") and base.startswith("http://")  # plain http is loopback
    allowed = both_local or origin_of(uri) in {origin_of(base), *map(origin_of, origins)}
    return uri if allowed else None


def token_for(flow: DeviceFlow, issued: CodeIssued, clock: Clock) -> str:
    """Wait for the token: the blocking driver, except that an unusable answer is the end."""
    transport = RequestsTransport(timeout=TIMEOUT)
    going = Run(flow, flow.step(flow.start(clock.now()), issued))
    reply: Response | Fault | None = None
    while True:
        match going.due:
            case Send() as send:
                clock.sleep_until(send.not_before)
                reply = transport(send.request)
                event = send.read(reply, clock.now())
                if isinstance(event, Unanswered) and isinstance(reply, Response):
                    raise error_of(Failed(Unreachable(event.fault, 1)), reply)
                going = going.apply(event)
            case Authorized(token):
                return token.access_token.reveal()
            case (Expired() | Failed()) as problem:
                raise error_of(problem, reply)
            case other:
                assert_never(other)


def _studio(argument: str, endpoint: str) -> Provider:
    known = providers.find("dvc-studio")
    checked_url(argument, endpoint)
    return evolve(
        known,
        device_authorization_endpoint=endpoint,
        token_endpoint=endpoint,
        poll_at=None,  # judged here, by ``token_origins``
        link_parameter="code",
        answers=evolve(known.answers, error=("detail", "error")),
    )


def _document(reply: Response) -> DeviceLoginResponse:
    with suppress(ValueError):  # its frames hold the body
        found: DeviceLoginResponse = json.loads(reply.body.decode("utf-8-sig", "replace"))
        if isinstance(found, dict):
            return found
    raise error_of(Failed(InvalidResponse("HTTP 200: a body that is no JSON object", 200)), reply)
