"""git's credential protocol (gitcredentials(7), git-credential(1)): a token as a password.

Rules:

1. A token goes to the hosts that ``--host`` names, else to the origin of the profile's own server,
   and to no other; over https, or to this machine.
2. What is not for us is left to git's other helpers, without a word unless GIT_TRACE is set.
3. A token that a host refused is renewed once, and then not given to that host again for a while.
4. git's word removes no sign-in: a 401 may have many reasons, and only a person brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import final
from urllib.parse import urlsplit

from attrs import frozen

from grantflow.cli.errors import usage
from grantflow.core.client.provider import endpoint_problem, origin_of
from grantflow.core.values.secret import Secret


@final
@frozen
class Asked:
    """What git asks about: where (``None``: nowhere safe), and what it knows of the credential."""

    origin: str | None
    username: str | None = None
    password: Secret | None = None


def asked(lines: Iterable[str]) -> Asked:
    """Read git's question; what this version of git says beyond is ignored.

    >>> asked(["protocol=https", "host=git.example:8443", "wwwauth[]=Basic", ""]).origin
    'https://git.example:8443'
    >>> asked(["protocol=http", "host=git.example"]).origin
    """
    found: Mapping[str, str] = dict(_pairs(lines))
    origin = _origin(found.get("protocol", ""), found.get("host", ""))
    password = found.get("password")
    return Asked(origin, found.get("username"), None if password is None else Secret(password))


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line:  # ends the question
            return
        name, _, value = line.partition("=")
        yield name, value


def _origin(protocol: str, host: str) -> str | None:
    """Return the origin of a host, if a secret may be sent there and it is nothing but a host."""
    url = f"{protocol}://{host}"
    usable = endpoint_problem(url) is None and urlsplit(url).netloc == host
    return origin_of(url) if usable else None


def origins(hosts: Iterable[str], server: str | None) -> frozenset[str]:
    """Return where a token may go: the hosts that were named, else the profile's own server.

    >>> origins([], "https://git.example/login/oauth")
    frozenset({'https://git.example:443'})
    """
    named = frozenset(origin for host in hosts for origin in _named(host))
    own = None if server is None else origin_of(server)
    return named if named or own is None else frozenset({own})


def _named(host: str) -> Iterator[str]:
    found = _origin("https", host)
    if found is None:
        raise usage(f"--host: HOST or HOST:PORT is needed, not {host!r}")
    yield found
    plain = _origin("http", host)
    if plain is not None:  # this machine
        yield plain
