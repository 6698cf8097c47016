"""The provider's servers: are they reachable, are they who they claim to be, is the clock right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from grantflow.cli.context import Context
from grantflow.cli.doctor import Finding
from grantflow.cli.doctor.environment import without_password
from grantflow.cli.output import place, spoken
from grantflow.cli.problems import ended
from grantflow.core.client.provider import is_loopback, origin_of
from grantflow.core.flows.states import Failed
from grantflow.core.values.errors import Unreachable
from grantflow.core.values.parsing import http_date, number
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.shell.profiles.profile import Profile

_LIMIT: Final = timedelta(seconds=10)
_TOLERATED: Final = timedelta(minutes=1)
"""A clock that is off by more makes assertions invalid, and tokens look valid or expired."""


def check_network(profiles: Sequence[Profile], context: Context) -> Iterator[Finding]:
    """Ask each of the profiles' servers, once and without a secret."""
    for profile in profiles:
        if not any(_endpoints(profile)):
            message = f"{profile.name} has no server, so none was asked"
            yield Finding("network", "note", message)
    send, clock = context.transport(_LIMIT), context.clock
    for url in _addresses(profiles):
        before = clock.now().wall
        reply = send(Request(url, method="GET"))
        at = before + (clock.now().wall - before) / 2
        origin = place(origin_of(url) or url)
        yield from check_reply(origin, reply, proxy_of(url))
        yield from check_clock(origin, reply, at)


def _addresses(profiles: Iterable[Profile]) -> list[str]:
    """Return one URL per origin."""
    firsts: dict[str, str] = {}
    for url in (url for profile in profiles for url in _endpoints(profile)):
        if url is not None and (origin := origin_of(url)) is not None:
            firsts.setdefault(origin, url)
    return list(firsts.values())


def _endpoints(profile: Profile) -> tuple[str | None, ...]:
    return (
        profile.token_endpoint,
        profile.device_authorization_endpoint,
        profile.revocation_endpoint,
        profile.issuer,
    )


def proxy_of(url: str) -> str | None:
    """Return the proxy that a request to ``url`` goes through, without its credentials."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    return None if proxy is None else without_password(proxy)


def check_reply(origin: str, reply: Reply, proxy: str | None = None) -> Iterator[Finding]:
    """Check whether a server was reached; any HTTP response will do."""
    through = "" if proxy is None else f" (through the proxy {proxy})"
    match reply:
        case Response(status=407):
            message = f"the proxy {proxy or ''} requires credentials"
            yield Finding("network", "problem", message, _CREDENTIALS)
        case Response(status=status) if status >= 500:
            message = f"{origin} returns a server error: HTTP {status}{through}"
            yield Finding("network", "note", message, "try again later")
        case Response(status=status):
            message = f"{origin} responds (HTTP {status}){through}"
            yield Finding("network", "ok", message)
        case Fault() as fault:
            error = ended(Failed(Unreachable(fault, 1)))
            advice = error.advice
            if proxy is not None and fault.kind != "tls":
                advice = f"check the proxy {proxy}, or unset it (HTTPS_PROXY, NO_PROXY)"
            check = "tls" if fault.kind == "tls" else "network"
            yield Finding(check, "problem", f"{origin}: {error.problem}{through}", advice)


_CREDENTIALS: Final = "put name and password into HTTPS_PROXY: http://NAME:PASSWORD@HOST:PORT"


def check_clock(origin: str, reply: Reply, at: datetime) -> Iterator[Finding]:
    """Check this machine's clock against the server's; nothing if its response has no date.

    A cached response is as old as its ``Age`` says (RFC 9111 section 5.1).
    """
    sent = None if isinstance(reply, Fault) else http_date(reply.header("date") or "", at)
    if sent is None or isinstance(reply, Fault):
        return
    age = timedelta(seconds=min(max(number(reply.header("age")) or 0, 0), 1e9))
    ahead = at - sent - age
    if abs(ahead) < _TOLERATED:
        yield Finding("clock", "ok", f"clock in sync with {origin}")
        return
    where = "ahead of" if ahead > timedelta() else "behind"
    message = f"this machine's clock is {spoken(abs(ahead))} {where} that of {origin}"
    yield Finding("clock", "problem", message, "set it, for example: timedatectl set-ntp true")
