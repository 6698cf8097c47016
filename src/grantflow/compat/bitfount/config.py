"""Bitfount's services, the variables of the environment, and the user of an ID token."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, final

from attrs import evolve, field, frozen

from grantflow import Provider, providers
from grantflow.compat.arguments import checked_url, variable
from grantflow.compat.bitfount.errors import AuthEnvironmentError
from grantflow.flows import endpoint_problem
from grantflow.integrations import origin_of

_USERNAME: Final = "https://www.bitfount.com/username"


@final
@frozen
class Services:
    """The origins that credentials are meant for."""

    hub: frozenset[str]
    access_manager: frozenset[str]

    @staticmethod
    def of(
        auth_domain: str,
        audience: str,
        hub_urls: Iterable[str] | None,
        am_urls: Iterable[str] | None,
    ) -> Services:
        """Return those that are named, else those that belong to the domain.

        For a domain that is not Bitfount's, it is the audience, which tokens are for, unless that
        is no https URL. ``ValueError`` for a named one that is none; http is for this machine.
        """
        host = auth_domain.lower().removeprefix("https://").rstrip("/")
        hub, access_manager = _KNOWN.get(host, (_if_safe(audience), ()))
        return Services(
            _origins(hub if hub_urls is None else _safe("hub_urls", hub_urls)),
            _origins(access_manager if am_urls is None else _safe("am_urls", am_urls)),
        )

    @property
    def all(self) -> frozenset[str]:
        """Return all of them."""
        return self.hub | self.access_manager


_KNOWN: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "auth.bitfount.com": (("https://hub.bitfount.com",), ("https://am.hub.bitfount.com",)),
    "auth.staging.bitfount.com": (
        ("https://hub.staging.bitfount.com", "http://localhost:3000"),
        ("https://am.hub.staging.bitfount.com", "http://localhost:3001"),
    ),
}


def provider_at(auth_domain: str) -> Provider:
    """Return Bitfount's authorization server at a host, or at a URL on this machine."""
    base = (auth_domain if "://" in auth_domain else f"https://{auth_domain}").rstrip("/")
    return evolve(
        providers.find("bitfount", host="auth.bitfount.com"),
        token_endpoint=checked_url("auth_domain", f"{base}/oauth/token"),
        device_authorization_endpoint=checked_url("auth_domain", f"{base}/oauth/device/code"),
    )


def _if_safe(audience: str) -> tuple[str, ...]:
    return () if endpoint_problem(audience) is not None else (audience,)


def _safe(name: str, urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(checked_url(name, url) for url in urls)


def _origins(urls: Iterable[str]) -> frozenset[str]:
    return frozenset(origin for url in urls if (origin := origin_of(url)) is not None)


@final
@frozen
class APIKeys:
    """The keys that stand in for a sign-in; what is before a colon is the hub's part."""

    access_key_id: str
    access_key: str = field(repr=False)

    def headers(self, *, hub: bool) -> dict[str, str]:
        """Return the headers for the hub, which gets its part alone, or the access manager."""
        pair = (self.access_key_id, self.access_key)
        first, second = (each.split(":")[0] for each in pair) if hub else pair
        return {"x-api-key-id": first, "x-api-key": second}


def api_keys_given() -> APIKeys | None:
    """Return the keys of the environment; ``AuthEnvironmentError`` where they cannot be used."""
    names = ("BITFOUNT_API_KEY_ID", "BITFOUNT_API_KEY")
    if not any(map(variable, names)):
        return None
    for name, other in (names, names[::-1]):
        if not variable(name):
            raise AuthEnvironmentError(f"{name} is not set, but {other} is: set both or none")
        if not (variable(name).isascii() and variable(name).isprintable()):
            raise AuthEnvironmentError(f"{name} has characters that no header can hold")
    return APIKeys(*map(variable, names))


def storage(username: str) -> Path:
    """Return the folder of one person; ``ValueError`` for a name that leads elsewhere."""
    if username in ("", ".", "..") or set(username) & {"/", "\\", "\0"}:
        raise ValueError(f"username: one name is needed, not {username!r}")
    place = os.environ.get("BITFOUNT_STORAGE_PATH")
    home = os.environ.get("BITFOUNT_HOME") or "~"
    return (Path(place) if place else Path(home) / ".bitfount").expanduser() / username


def username_in(id_token: str) -> str | None:
    """Return whom an id_token names. Its signature is not checked: nothing is granted by it."""
    try:
        payload = id_token.split(".")[1]
        claims: object = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError, RecursionError):
        return None
    name = claims.get(_USERNAME) if isinstance(claims, dict) else None
    return name if isinstance(name, str) and name else None
