"""The device authorization grant (RFC 8628): codes, polls, and the person who decides.

The server is strict: it measures the interval itself and answers an early poll with ``slow_down``,
and a device code is used once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from attrs import evolve

from grantflow.core.values.secret import Secret
from grantflow.testing.script import Script
from grantflow.testing.server.grants import issue
from grantflow.testing.server.replies import Step, error, json_reply, merged
from grantflow.testing.server.value import (
    Server,
    SignIn,
    Verdict,
    counted,
    seconds,
    typed,
    with_code,
    with_sign_in,
)

_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 section 6.1: no vowels, so no words; nothing that looks like something else."""


def authorize(server: Server, client_id: str, form: Mapping[str, str], at: timedelta) -> Step:
    """Answer a device authorization request (RFC 8628 section 3.1)."""
    server, device_code = with_code(server, "dc")
    server, text = with_code(server, "")
    letters = "".join(_LETTERS[int(text[place], 16) + 4 * (place % 2)] for place in range(8))
    user_code = f"{letters[:4]}-{letters[4:]}"
    script = server.script
    made = SignIn(
        device_code=Secret(device_code),
        user_code=user_code,
        client_id=client_id,
        scope=form.get("scope", ""),
        issued_at=at,
        ends_at=at + script.lifetime,
        interval=script.interval,
        asked_at=at,
    )
    server = evolve(server, user_codes=server.user_codes.with_(typed(user_code), device_code))
    body: dict[str, object] = {
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": f"{server.issuer}/activate",
        "verification_uri_complete": f"{server.issuer}/activate?user_code={user_code}",
        "expires_in": seconds(script.lifetime),
        "interval": seconds(script.interval),
    }
    return with_sign_in(server, made), json_reply(200, merged(body, script.device_members))


def poll(
    server: Server, client_id: str, form: Mapping[str, str], at: timedelta, key: str | None
) -> Step:
    """Answer a poll (RFC 8628 section 3.4); ``key`` is the thumbprint that it proved."""
    found = server.sign_ins.get(form.get("device_code", ""))
    if found is None or found.used or found.client_id != client_id:
        return server, error(400, "invalid_grant", "no such device code")
    if at >= found.ends_at:
        return server, error(400, "expired_token", "the device code is too old")
    # The first poll is measured from the code's own answer.
    early = at - found.asked_at < found.interval
    if early or found.slowed < server.script.slow_downs:
        return _slow_down(server, found, at)
    match verdict_at(server.script, found, at):
        case None:
            waiting = with_sign_in(server, evolve(found, asked_at=at))
            return waiting, error(400, "authorization_pending")
        case "denied":
            ended = evolve(found, verdict="denied", used=True)
            return with_sign_in(server, ended), error(400, "access_denied", "the person said no")
        case "approved":
            server = with_sign_in(server, evolve(found, used=True))
            person = found.person or server.script.person
            return issue(server, client_id, person, found.scope, at, key)


def decide(server: Server, user_code: str, verdict: Verdict, person: str | None = None) -> Server:
    """Return the server after a person decided; an unknown code changes nothing."""
    found = server.sign_in(user_code)
    if found is None or found.used or found.verdict is not None:
        return server
    return with_sign_in(server, evolve(found, verdict=verdict, person=person))


def verdict_at(script: Script, found: SignIn, at: timedelta) -> Verdict | None:
    """Return what was decided about a sign-in until ``at``."""
    if found.verdict is not None:
        return found.verdict
    if script.deny_after is not None and at >= found.issued_at + script.deny_after:
        return "denied"
    if script.approve_after is not None and at >= found.issued_at + script.approve_after:
        return "approved"
    return None


def _slow_down(server: Server, found: SignIn, at: timedelta) -> Step:
    asked = server.script.slow_down_interval
    longer = max(found.interval + timedelta(seconds=5), asked or timedelta())
    slower = evolve(found, asked_at=at, interval=longer, slowed=found.slowed + 1)
    members = None if asked is None else {"interval": seconds(longer)}
    reply = error(400, "slow_down", members=members)
    return with_sign_in(counted(server, "slow_down"), slower), reply
