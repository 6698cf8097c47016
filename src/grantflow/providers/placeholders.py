"""The gaps ``{name}`` in the URLs of a template, and what may be put into each of them.

Rules:

1. A gap is a name alone: no attributes, no formats.
2. What a value may be follows from where its gap stands: a whole host, a word of a host, a word of
   a path or a query. A gap that ends a host name chooses the host, so somebody has to declare it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import Formatter
from typing import Final

from returns.result import Failure, Result, Success

from grantflow.core.client.provider import Provider
from grantflow.providers.template import URLS, Kind

_HOST: Final = re.compile(r"[^:]*://([^/?#]*)")
_STRICTEST_FIRST: Final[tuple[Kind, ...]] = ("label", "host", "word")


def urls_of(provider: Provider) -> tuple[tuple[str, str], ...]:
    """Return the URLs of a provider, each with the name of its field."""
    found: list[tuple[str, str | None]] = [(name, getattr(provider, name)) for name in URLS]
    twins = (
        ("mtls_endpoint_aliases", url) for pair in provider.mtls_endpoint_aliases for url in pair
    )
    return (*((name, url) for name, url in found if url is not None), *twins)


def gaps_in(url: str) -> Result[tuple[str, ...], str]:
    """Return the names of the gaps in a URL.

    >>> gaps_in("https://{tenant}.example/{realm}/token").unwrap()
    ('tenant', 'realm')
    >>> gaps_in("https://{tenant.x}.example").failure()
    'a gap is a name in braces, such as {host}'
    """
    wrong = Failure("a gap is a name in braces, such as {host}")
    try:
        parts = list(Formatter().parse(url))
    except ValueError:
        return wrong
    names: list[str] = []
    for _, name, form, conversion in parts:
        if name is not None:
            if not name.isidentifier() or form or conversion:
                return wrong
            names.append(name)
    return Success(tuple(names))


def kind_of(name: str, urls: Iterable[str], paths: Iterable[str]) -> Kind | None:
    """Return what the gap ``name`` may hold, ``None`` where it ends a host name.

    ``paths`` are the gaps that hold paths: behind a host, they are no part of it.

    >>> kind_of("host", ["https://{host}{path}/token"], ["path"])
    'host'
    >>> kind_of("region", ["https://{region}.example/token"], [])
    'label'
    >>> kind_of("top", ["https://login.{top}/token"], [])
    """
    gap, hollow = f"{{{name}}}", [f"{{{path}}}" for path in paths]
    found: set[Kind] = set()
    for url in (each for each in urls if gap in each):
        host = _host(url, hollow)
        if gap not in host:
            found.add("word")
        elif host.partition(":")[0] == gap:
            found.add("host")
        elif "." in host.rpartition(gap)[2]:
            found.add("label")
        else:
            return None
    return next((kind for kind in _STRICTEST_FIRST if kind in found), None)


def _host(url: str, hollow: Iterable[str]) -> str:
    match = _HOST.match(url)
    host = "" if match is None else match[1]
    for gap in hollow:
        host = host.replace(gap, "")
    return host
