"""The deployment, the client and the file of tokens, by arguments and the environment.

The environment is read at each call; an empty variable counts as unset.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve
from platformdirs import user_cache_path

from grantflow import Client, Provider, Secret, providers
from grantflow.compat.arguments import variable
from grantflow.flows import endpoint_problem

ENVIRONMENT: Final = "DAGSHUB_USER_TOKEN"
_DAGSHUB: Final = "https://dagshub.com"
_CLIENT_ID: Final = "32b60ba385aa7cecf24046d8195a71c07dd345d9657977863b52e7748e0f0f28"
_CONNECT_TIMEOUT: Final = 10.0
_READ_TIMEOUT: Final = 30.0
_PORTS: Final = {"https": 443, "http": 80}


def normalised(host: str) -> str | None:
    """Return the one spelling of a deployment's URL; ``None`` where it names more than a host.

    >>> normalised("https://DagsHub.com:443/"), normalised("dagshub.com/user")
    ('https://dagshub.com', None)
    """
    try:
        parts = urlsplit(host if "://" in host else f"https://{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    beyond = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not name or beyond or parts.scheme not in _PORTS:
        return None
    place = f"[{name}]" if ":" in name else name
    end = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{place}{end}"


def host_of(given: str | None = None) -> str:
    """Return the deployment that is meant: ``given``, ``DAGSHUB_CLIENT_HOST``, or DagsHub itself.

    ``ValueError`` names what cannot be used.
    """
    name = "host" if given else "DAGSHUB_CLIENT_HOST"
    said = given or variable(name)
    host = normalised((said or _DAGSHUB).strip())
    problem = "must be a URL without a path" if host is None else endpoint_problem(host)
    if host is None or problem is not None:
        raise ValueError(f"{name}: {problem}, such as {_DAGSHUB}")
    return host


def client_of(host: str, referrer: str | None = None) -> Client:
    """Return the client of ``host``; ``referrer`` becomes a part of the link."""
    return Client(
        provider=_provider_at(host),
        client_id=variable("DAGSHUB_CLIENT_ID") or _CLIENT_ID,
        extra={} if referrer is None else {"referrer": referrer},
    )


def cache_of(location: str | Path | None = None) -> Path:
    """Return the file of tokens: ``location``, ``DAGSHUB_CLIENT_TOKENS_CACHE``, or DagsHub's."""
    said = location or variable("DAGSHUB_CLIENT_TOKENS_CACHE")
    return Path(said).expanduser() if said else user_cache_path("dagshub") / "tokens"


def quiet() -> bool:
    """Return whether ``DAGSHUB_QUIET`` is set: the user is not printed."""
    return variable("DAGSHUB_QUIET").lower() in ("1", "true", "yes", "on")


def token_given(host: str) -> Secret | None:
    """Return the text of ``DAGSHUB_USER_TOKEN``, which is meant for the configured host alone."""
    given = Secret(variable(ENVIRONMENT))
    try:
        return given if given != Secret("") and host == host_of() else None
    except ValueError:  # no host is configured that it could be meant for
        return None


def timeout() -> tuple[float, float]:
    """Return how long to wait to connect and for an answer, in seconds.

    ``ValueError`` names ``DAGSHUB_HTTP_TIMEOUT`` where it is no positive number.
    """
    said = variable("DAGSHUB_HTTP_TIMEOUT")
    try:
        seconds = float(said) if said else _READ_TIMEOUT
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise ValueError("DAGSHUB_HTTP_TIMEOUT: a positive number of seconds is needed")
    return min(seconds, _CONNECT_TIMEOUT), seconds


def _provider_at(host: str) -> Provider:
    known = providers.find("dagshub")

    def at(url: str | None) -> str:
        return f"{host}{urlsplit(url or '').path}"

    return evolve(
        known,
        authorization_endpoint=at(known.authorization_endpoint),
        poll_endpoint=at(known.poll_endpoint),
        token_endpoint=at(known.token_endpoint),
        userinfo_endpoint=at(known.userinfo_endpoint),
    )
