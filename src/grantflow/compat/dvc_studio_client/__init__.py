"""``dvc_studio_client.auth``: signing in to DVC Studio, by its own dialect of the device grant.

Rules:

1. Pending and ``slow_down`` are polled again, as is a request that is throttled. Any other answer
   without a token ends the sign-in; a request without an answer is repeated, with backoff.
2. A code expires when the server said so, after 30 minutes if that is not known.
3. A device code is sent to the origin that issued it, and to those the caller allows, over https or
   to loopback. It is not logged, and no local variable holds it as plain text: tracebacks may show
   those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from grantflow import Clock, DeviceAuthorization, DeviceFlow, Secret, SystemClock
from grantflow.compat.arguments import wrapped
from grantflow.compat.browser import open_link
from grantflow.compat.dvc_studio_client.errors import (
    AuthorizationDeniedError,
    AuthorizationExpiredError,
    InvalidScopesError,
    StudioAuthError,
    UnusableAnswerError,
)
from grantflow.compat.dvc_studio_client.studio import (
    DeviceLoginResponse,
    answer_for,
    code_for,
    known_code,
    login_at,
    token_for,
)
from grantflow.flows import escaped

__all__ = [
    "AVAILABLE_SCOPES",
    "AuthorizationDeniedError",
    "AuthorizationExpiredError",
    "DeviceLoginResponse",
    "InvalidScopesError",
    "StudioAuthError",
    "UnusableAnswerError",
    "check_token_authentication",
    "get_access_token",
    "start_device_login",
]

AVAILABLE_SCOPES: Final = ["EXPERIMENTS", "DATASETS", "MODELS"]

_WELCOME: Final = "Once you've logged in, return here and you'll be ready to start the experiments."
_NO_BROWSER: Final = (
    "\nFailed to open a web browser. Open the above url to continue in your web browser."
)


_HOST: Final = "https://studio.datachain.ai"


def get_access_token(
    *,
    hostname: str | None,
    token_name: str | None = None,
    scopes: str | None = "",
    client_name: str | None = "client",
    open_browser: bool | None = True,
    post_login_message: str | None = None,
    use_device_code: bool | None = False,
    team_names: Iterable[str] | None = None,
    all_teams: bool | None = None,
    expires_in_days: int | None = None,
    never_expires: bool | None = None,
    token_origins: Iterable[str] = (),
    clock: Clock | None = None,
) -> tuple[str, str]:
    """Sign a person in; return the name that Studio gave the token, and the token.

    ``scopes`` is separated by commas. ``open_browser=False`` and ``use_device_code=True`` open no
    browser. The device code is sent to the origin of ``hostname`` alone, and to those of
    ``token_origins``. Raises what the other two functions raise.
    """
    flow = _login(
        base_url=hostname,
        client_name=client_name,
        token_name=token_name,
        scopes=[word for each in (scopes or "").split(",") if (word := each.strip())],
        team_names=team_names,
        all_teams=all_teams,
        expires_in_days=expires_in_days,
        never_expires=never_expires,
    )
    time = clock or SystemClock()
    login = code_for(flow, time, token_origins)
    _show(
        login.issued.authorization,
        post_login_message or _WELCOME,
        browser=bool(open_browser) and not use_device_code,
    )
    name = login.answer.get("token_name") or token_name or ""
    return name, token_for(login.flow, login.issued, time)


def start_device_login(
    *,
    client_name: str | None,
    base_url: str | None = None,
    token_name: str | None = None,
    scopes: Iterable[str] | None = None,
    team_names: Iterable[str] | None = None,
    all_teams: bool | None = None,
    expires_in_days: int | None = None,
    never_expires: bool | None = None,
) -> DeviceLoginResponse:
    """Ask for a device code, once, and return Studio's answer unchanged.

    Raises ``InvalidScopesError`` and ``ValueError`` for the arguments. A request that is not
    answered with success raises a ``requests.RequestException``: a ``requests.HTTPError`` if it was
    answered.
    """
    flow = _login(
        base_url=base_url,
        client_name=client_name,
        token_name=token_name,
        scopes=scopes,
        team_names=team_names,
        all_teams=all_teams,
        expires_in_days=expires_in_days,
        never_expires=never_expires,
    )
    return answer_for(flow, SystemClock())


def check_token_authentication(
    *, uri: str, device_code: str | Secret, clock: Clock | None = None
) -> str:
    """Wait until the person has approved, and return the access token.

    Raises ``AuthorizationExpiredError``, ``AuthorizationDeniedError``, a ``requests.HTTPError`` for
    every other answer but a 200, ``UnusableAnswerError`` for a 200 without a token, and another
    ``requests.RequestException`` if there is no answer.
    """
    device_code = wrapped(device_code)
    time = clock or SystemClock()
    return token_for(*known_code(uri, device_code, time), time)


def _login(
    *,
    base_url: str | None,
    client_name: str | None,
    token_name: str | None,
    scopes: Iterable[str] | None,
    team_names: Iterable[str] | None,
    all_teams: bool | None,
    expires_in_days: int | None,
    never_expires: bool | None,
) -> DeviceFlow:
    wanted, teams = list(scopes or ()), list(team_names or ())
    unknown = [each for each in wanted if each.upper() not in AVAILABLE_SCOPES]
    if unknown:
        raise InvalidScopesError(f"Following scopes are not valid: {', '.join(unknown)}")
    if all_teams is False and not teams:
        raise ValueError("team_names must be specified when all_teams is False")
    members = {
        "token_name": token_name or None,
        "team_names": teams or None,
        "all_teams": all_teams,
        "expires_in_days": expires_in_days,
        "never_expires": never_expires,
    }
    return login_at(base_url or _HOST, (client_name or "").strip() or "client", wanted, members)


def _show(code: DeviceAuthorization, message: str, *, browser: bool) -> None:
    url = code.verification_uri_complete or code.verification_uri
    what = (
        "Opening link for login at" if browser else "Open this url to continue in your web browser:"
    )
    print(what, escaped(url))
    print(f"\n{message}", flush=True)
    if browser and not open_link(url):
        print(_NO_BROWSER, file=sys.stderr)
