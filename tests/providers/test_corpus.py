"""Answers of real providers, gateways and servers that were once read wrongly (``corpus.json``).

``servicenow-401-server-error`` is the one that is read otherwise than the corpus has it: what
``server_error`` means is decided by its code, not by the status beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from returns.pipeline import is_successful

from grantflow import (
    Client,
    ClientCredentialsFlow,
    Failed,
    InvalidResponse,
    Moment,
    Pending,
    Provider,
    RefreshFlow,
    Refused,
    RegistrationFlow,
    Response,
    Send,
    SlowDown,
    Started,
    Token,
    TokenIssued,
    Unreachable,
    providers,
)
from grantflow.core.acquisition.revocation import revocations, revoked
from grantflow.core.acquisition.unauthorized import Rejection, Surrender, after_rejection
from grantflow.core.flows.events import CodeIssued
from grantflow.flows import flow_for
from grantflow.shell.discovery import discover
from tests.support.provider_cases import CODE
from tests.support.samples import instant

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "corpus.json").read_text(encoding="utf-8")
)
DECIDED_OTHERWISE = {"servicenow-401-server-error"}
PLAIN = Provider(
    name="plain",
    token_endpoint="https://as.example.test/token",
    device_authorization_endpoint="https://as.example.test/device",
    registration_endpoint="https://as.example.test/register",
    revocation_endpoint="https://as.example.test/revoke",
)
CLEENG = """
[cleeng]
token_endpoint = "https://as.example.test/token"
auth_methods = ["none"]

[cleeng.answers]
milliseconds = "token"

[cleeng.answers.fields]
access_token = "accessToken"
refresh_token = "refreshToken"
token_type = "tokenType"
expires_in = "expiresIn"
"""


def provider_of(case: dict[str, Any]) -> Provider:
    match case["dialect"]:
        case "entra":
            return providers.find("entra", tenant="acme")
        case "google" | "github" as name:
            return providers.find(name)
        case "cleeng":
            import tomllib

            return providers.with_own(tomllib.loads(CLEENG)).find("cleeng")
        case _:
            return PLAIN


def answer(case: dict[str, Any]) -> Response:
    return Response(case["http_status"], case["headers"], (case["body"] or "").encode())


def now_of(case: dict[str, Any], seconds: int = 100) -> Moment:
    return Moment(instant(seconds), datetime.fromtimestamp(case["received_at"], UTC))


def stepped(case: dict[str, Any]) -> tuple[object, object, Moment]:
    """The event of an answer to a flow's request, the state after it, and when it came."""
    provider, now = provider_of(case), now_of(case)
    client = Client(provider=provider, client_id="app", scope="read")
    flow: Any
    if case["endpoint"] == "registration":
        flow = RegistrationFlow(provider=provider, client_name="app")
    elif case["grant"] == "refresh_token":
        flow = RefreshFlow(client, "rt-1")
    elif case["grant"] == "client_credentials":
        flow = ClientCredentialsFlow(client)
    else:
        flow = flow_for(client, entropy="e" * 43)
    state = flow.start(now_of(case, 0))
    if case["grant"] == "device_code":
        ask = flow.due(state)
        issued = ask.read(Response(200, {}, json.dumps(CODE).encode()), now_of(case, 0))
        assert isinstance(issued, CodeIssued)
        state = flow.step(state, issued)
    send = flow.due(state)
    assert isinstance(send, Send)
    event = send.read(answer(case), now)
    return event, flow.step(state, event), now


def backs_off(case: dict[str, Any]) -> None:
    _, state, now = stepped(case)
    assert isinstance(state, (Started, Pending, SlowDown)), state
    pause = timedelta(seconds=case["expected"].get("retry_after", 0))
    assert state.not_before - now.mono >= pause


def fails(case: dict[str, Any]) -> None:
    wanted = case["expected"]
    _, state, _ = stepped(case)
    assert isinstance(state, Failed), state
    if wanted["error_raw"] is None:
        assert isinstance(state.error, InvalidResponse)
        assert wanted["says_not"] not in state.error.problem
    else:
        assert isinstance(state.error, Refused)
        assert (state.error.code, state.error.raw) == (wanted["error"], wanted["error_raw"])


def is_done(case: dict[str, Any]) -> None:
    event, _, _ = stepped(case)
    assert isinstance(event, TokenIssued)
    token, wanted = event.token, case["expected"]
    assert token.access_token.reveal() == wanted["access_token"]
    assert token.token_type == wanted["token_type"]
    assert token.refresh_token is not None
    assert token.refresh_token.reveal() == wanted["refresh_token"]
    assert token.expires_at is not None
    assert token.expires_at.timestamp() == wanted["expires_at"]
    assert token.id_token is None
    assert not {"accessToken", "refreshToken"} & set(token.extra)


def is_gone(case: dict[str, Any]) -> None:
    client = Client(provider=PLAIN, client_id="app")
    first, second = revocations(client, Token(access_token="at-1", refresh_token="rt-1"))
    before = Response(case["after"][0]["http_status"], {}, b"")
    assert revoked(first, PLAIN, before, now_of(case)).unwrap() is None
    assert revoked(second, PLAIN, answer(case), now_of(case)).unwrap() is None
    # A refresh token that cannot be revoked is not gone.
    assert not is_successful(revoked(first, PLAIN, answer(case), now_of(case)))


def tries_later(case: dict[str, Any]) -> None:
    if case["endpoint"] == "metadata":
        found: object = discover(case["issuer"], lambda _: answer(case))
    else:
        [request] = revocations(Client(provider=PLAIN, client_id="app"), Token(access_token="a"))
        found = revoked(request, PLAIN, answer(case), now_of(case)).failure().error
    assert isinstance(found, Unreachable)
    pause = case["expected"].get("retry_after")
    if pause is not None:
        assert found.fault.retry_after == timedelta(seconds=pause)


def surrenders(case: dict[str, Any]) -> None:
    token = Token(access_token="at-1", token_type="DPoP" if case.get("dpop") else "Bearer")
    hit = Rejection(
        sent=token,
        origin="store",  # pyright: ignore[reportArgumentType]
        current=token,
        challenge=case["headers"]["WWW-Authenticate"],
    )
    assert isinstance(after_rejection(hit), Surrender)


def is_registered(case: dict[str, Any]) -> None:
    event, _, _ = stepped(case)
    assert isinstance(event, TokenIssued)
    wanted = case["expected"]
    assert event.token.access_token.reveal() == wanted["client_secret"]
    assert event.token.extra["client_id"] == wanted["client_id"]
    assert event.token.expires_at is None
    assert set(wanted["kept"]) <= set(event.token.extra)


ACTIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "back_off": backs_off,
    "fail": fails,
    "done": is_done,
    "gone": is_gone,
    "try_later": tries_later,
    "surrender": surrenders,
    "registered": is_registered,
}


@pytest.mark.parametrize(
    "case",
    [each for each in CASES if each["id"] not in DECIDED_OTHERWISE],
    ids=lambda case: case["id"],
)
def test_an_answer_means_what_its_source_says(case: dict[str, Any]) -> None:
    ACTIONS[case["expected"]["action"]](case)
