"""Studio's two requests: one that asks for a code, and one that asks until there is a token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, TypedDict, assert_never, final

from attrs import evolve, field, frozen
from requests.exceptions import InvalidURL

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
from grantflow.compat.dvc_studio_client.errors import error_of
from grantflow.shell.http.requests import RequestsTransport

_TIMEOUT: Final = (5.0, 5.0)


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
    """A code that Studio issued, and its answer as it came, which holds the code in plain text."""

    issued: CodeIssued
    answer: DeviceLoginResponse = field(repr=False)


def login_at(
    base_url: str,
    client_name: str,
    scopes: Iterable[str],
    wishes: Mapping[str, str | list[str] | bool | int | None],
) -> DeviceFlow:
    """Return the flow of a login; ``wishes`` that are ``None`` or empty are not sent."""
    provider = _studio("base_url", f"{base_url.rstrip('/')}/api/device-login")
    extra: list[tuple[str, str]] = []
    for name, value in wishes.items():
        match value:
            case None | "":
                pass
            case str():
                extra.append((name, value))
            case list():
                extra += ((f"{name}[]", each) for each in value)
            case _:
                extra.append((f"{name}:", json.dumps(value)))
    client = Client(provider=provider, client_id=client_name, scope=scopes, extra=tuple(extra))
    return DeviceFlow(client)


def known_code(uri: str, device_code: Secret, clock: Clock) -> tuple[DeviceFlow, CodeIssued]:
    """Return the flow of a login that somebody else started; when its code ends is not known."""
    at = clock.now().mono
    provider = _studio("uri", uri)
    code = DeviceAuthorization(device_code, "", uri, Instant(at + provider.lifetime))
    return DeviceFlow(Client(provider=provider, client_id="client")), CodeIssued(at, code)


def code_for(flow: DeviceFlow, clock: Clock) -> Login:
    """Ask for a code, once."""
    match flow.due(flow.start(clock.now())):
        case Send() as send:
            reply = RequestsTransport(timeout=_TIMEOUT)(send.request)
        case ended:
            raise AssertionError(f"a login starts with a request, not with {ended}")
    match send.read(reply, clock.now()), reply:
        case CodeIssued() as issued, Response():
            return Login(issued, _told(reply))
        case Rejected(_, error), _:
            raise error_of(Failed(error), reply)
        case Unanswered(_, fault), _:
            raise error_of(Failed(Unreachable(fault, 1)), reply)
        case event, _:
            raise AssertionError(f"{event} answers no request for a code")


def token_for(flow: DeviceFlow, issued: CodeIssued, clock: Clock) -> str:
    """Wait for the token: the blocking driver, except that an unusable answer is the end."""
    transport = RequestsTransport(timeout=_TIMEOUT)
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
    try:
        return evolve(
            known,
            device_authorization_endpoint=endpoint,
            token_endpoint=endpoint,
            link_parameter="code",
            answers=evolve(known.answers, error=("detail", "error")),
        )
    except ValueError as error:
        raise InvalidURL(f"{argument}: {str(error).partition(': ')[2]}") from error


def _told(reply: Response) -> DeviceLoginResponse:
    with suppress(ValueError):  # whose own frames hold the body
        told: DeviceLoginResponse = json.loads(reply.body.decode("utf-8-sig", "replace"))
        return told
    raise error_of(Failed(InvalidResponse("HTTP 200: a body that is no JSON", 200)), reply)
