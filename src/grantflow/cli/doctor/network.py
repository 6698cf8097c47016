"""The provider's servers: can they be reached, are they who they say, and what time is it there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import frozen

from grantflow.cli import context as outside
from grantflow.cli.doctor.finding import Finding
from grantflow.cli.doctor.surroundings import without_password
from grantflow.cli.errors import ended
from grantflow.cli.format import place, spoken
from grantflow.cli.profiles.profiles import Profile
from grantflow.core.client.provider import is_loopback, origin_of
from grantflow.core.flows.states import Failed
from grantflow.core.values.errors import Unreachable
from grantflow.core.values.parsing import http_date, number
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Response
from grantflow.shell.ports import Clock, Transport

PATIENCE: Final = timedelta(seconds=10)
_TOLERATED: Final = timedelta(minutes=1)
"""A clock that is wrong by more makes assertions invalid and tokens look fresh or stale."""


@final
@frozen(kw_only=True)
class Call:
    """One request and its reply; ``at`` is this machine's time half way through it."""

    origin: str
    reply: Response | Fault
    at: datetime
    proxy: str | None = None


def addresses(profiles: Iterable[Profile]) -> list[str]:
    """Return one address for each origin that the profiles talk to."""
    firsts: dict[str, str] = {}
    for url in (url for profile in profiles for url in _ends(profile)):
        if url is not None and (origin := origin_of(url)) is not None:
            firsts.setdefault(origin, url)
    return list(firsts.values())


def _ends(profile: Profile) -> tuple[str | None, ...]:
    return (
        profile.token_endpoint,
        profile.device_authorization_endpoint,
        profile.revocation_endpoint,
        profile.issuer,
    )


def called(url: str, send: Transport, clock: Clock) -> Call:
    """Ask an endpoint for nothing: a GET without a secret, which it may well refuse."""
    before = clock.now().wall
    reply = send(Request(url, method="GET"))
    at = before + (clock.now().wall - before) / 2
    return Call(origin=place(origin_of(url) or url), reply=reply, at=at, proxy=proxy_of(url))


def proxy_of(url: str) -> str | None:
    """Return the proxy of the environment for a URL, if there is one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    return None if proxy is None else without_password(proxy)


def reach_judged(call: Call) -> Finding:
    """Judge whether a server was reached; any answer of HTTP will do."""
    through = "" if call.proxy is None else f" (through the proxy {call.proxy})"
    match call.reply:
        case Response(status=407):
            said = f"the proxy {call.proxy or ''} wants a name and a password"
            return Finding("network", "problem", said, "put them into HTTPS_PROXY")
        case Response(status=status) if status >= 500:
            said = f"{call.origin} answers, but has trouble: HTTP {status}{through}"
            return Finding("network", "note", said, "try again later")
        case Response(status=status):
            said = f"{call.origin} answers (HTTP {status}){through}"
            return Finding("network", "ok", said)
        case Fault() as fault:
            said, _, advice = str(ended(Failed(Unreachable(fault, 1)))).partition("; ")
            if call.proxy is not None and fault.kind != "tls":
                advice = f"check the proxy {call.proxy}, or unset it (HTTPS_PROXY, NO_PROXY)"
            check = "tls" if fault.kind == "tls" else "network"
            return Finding(check, "problem", f"{call.origin}: {said}{through}", advice)


def clock_judged(call: Call) -> Finding | None:
    """Judge this machine's clock by the server's; nothing is said where the server tells no time.

    A cached answer is as old as its ``Age`` says (RFC 9111 section 5.1).
    """
    if isinstance(call.reply, Fault):
        return None
    sent = http_date(call.reply.header("date") or "", call.at)
    if sent is None:
        return None
    age = timedelta(seconds=min(max(number(call.reply.header("age")) or 0, 0), 1e9))
    ahead = call.at - sent - age
    if abs(ahead) < _TOLERATED:
        return Finding("clock", "ok", f"it agrees with {call.origin}")
    where = "ahead of" if ahead > timedelta() else "behind"
    said = f"this machine's clock is {spoken(abs(ahead))} {where} that of {call.origin}"
    return Finding("clock", "problem", said, "set it, for example: timedatectl set-ntp true")


def findings(profiles: Sequence[Profile]) -> Iterator[Finding]:
    """Ask each of the profiles' servers, once."""
    urls = addresses(profiles)
    for profile in profiles:
        if not any(_ends(profile)):
            yield Finding("network", "note", f"{profile.name} names no server, so none was asked")
    send, clock = outside.transport(PATIENCE), outside.clock()
    for call in [called(url, send, clock) for url in urls]:
        yield reach_judged(call)
        if (finding := clock_judged(call)) is not None:
            yield finding
