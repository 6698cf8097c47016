"""What a provider does its own way, in words: a line for each thing that is not as usual.

A field without words of its own is told by its name and its value, so none is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from grantflow.cli.format import spoken
from grantflow.core.client.dialect import RequestFormat, ResponseFormat
from grantflow.core.client.provider import Provider
from grantflow.core.structure import held, unusual, usual_of, written
from grantflow.providers.template import URLS

_BESIDE: Final = frozenset({*URLS, "name", "auth_methods"})
"""What is told beside the oddities."""


def oddities(provider: Provider) -> Iterator[str]:
    """Yield what is not as RFC 6749 and RFC 8628 have it, or not as most have it.

    >>> poll = RequestFormat(rename={"device_code": "code"}, drop="grant_type")
    >>> where = "https://acme.example/token"
    >>> for line in oddities(Provider(name="acme", token_endpoint=where, poll=poll)):
    ...     print(line)
    A poll calls device_code code.
    A poll leaves out grant_type.
    """
    usual = usual_of(Provider)
    for name in unusual(provider):
        if name in _BESIDE:
            continue
        part: object = getattr(provider, name)
        odd = unusual(part, held(usual.get(name))) if name in usual else ()
        if isinstance(part, RequestFormat):
            subject = _REQUESTS.get(name, f"The request {name}")
            for each in odd:
                yield from (
                    _ASKING[each](subject, part) if each in _ASKING else _told(name, each, part)
                )
        elif isinstance(part, ResponseFormat):
            for each in odd:
                yield from _ANSWERING[each](part) if each in _ANSWERING else _told(name, each, part)
        else:
            yield from _PROVIDER[name](provider) if name in _PROVIDER else _told("", name, provider)


def _told(path: str, name: str, holder: object) -> Iterator[str]:
    shown = f"{path}.{name}".removeprefix(".").replace("_", " ")
    yield f"{shown}: {json.dumps(written(getattr(holder, name)))}."


_BODIES: Final = {
    "form": "sent as forms",
    "json": "sent as JSON",
    "query": "sent in the query of the URL",
    "multipart": "sent as form data in parts",
}

_FLOWS: Final = {
    "two_step": "A poll brings credentials, which are exchanged for a token.",
    "link": "The link is made here; a request that is held open brings what is exchanged.",
}

_PROVIDER: Final[Mapping[str, Callable[[Provider], Iterable[str]]]] = {
    "encoding": lambda of: [f"Requests are {_BODIES[of.encoding]}."],
    "headers": lambda of: (
        f"Every request has the header {name}: {text}." for name, text in of.headers
    ),
    "client_id_header": lambda of: [
        f"The client id is in the header {of.client_id_header} as well."
    ],
    "mtls_endpoint_aliases": lambda of: (
        f"With a certificate, {twin} stands for {at}." for at, twin in of.mtls_endpoint_aliases
    ),
    "scope_separator": lambda of: [
        "Scopes are asked for as a list."
        if of.scope_separator is None
        else f"Scopes are joined by {of.scope_separator!r}."
    ],
    "poll_at": lambda of: [f"Its first answer says where to poll, in {of.poll_at}."],
    "link_scheme": lambda of: [f"Its links lack {of.link_scheme}://, which is put before them."],
    "link_parameter": lambda of: [f"The complete link is made with ?{of.link_parameter}=CODE."],
    "flow": lambda of: [_FLOWS.get(of.flow, f"Its sign-in has another shape: {of.flow}.")],
    "pkce": lambda _: ["It wants PKCE (RFC 7636)."],
    "shows_code": lambda _: ["It shows no code; the link is enough."],
    "interval": lambda of: [
        f"Where it names no interval, it is asked every {spoken(of.interval)}."
    ],
    "lifetime": lambda of: [f"Where it does not say, a code lives for {spoken(of.lifetime)}."],
    "authorization_scheme": lambda of: [
        f"A token is sent as Authorization: {of.authorization_scheme} TOKEN."
    ],
}

_REQUESTS: Final = {
    "device": "The request for a code",
    "poll": "A poll",
    "token": "The request of a machine",
    "refresh": "A refresh",
    "exchange": "The exchange",
    "registration": "The registration of a client",
}

_ASKING: Final[Mapping[str, Callable[[str, RequestFormat], Iterable[str]]]] = {
    "method": lambda it, of: [f"{it} is made by {of.method}."],
    # None: as the provider's others, and as JSON where a client is registered (RFC 7591).
    "encoding": lambda it, of: [f"{it} is {_BODIES[of.encoding]}."] if of.encoding else [],
    "rename": lambda it, of: [
        f"{it} calls {', '.join(f'{name} {other}' for name, other in of.rename)}."
    ],
    "drop": lambda it, of: [f"{it} leaves out {_listed(of.drop)}."],
    "fixed": lambda it, of: [
        f"{it} says {' and '.join(f'{name}={text}' for name, text in of.fixed)}."
    ],
    "echo": lambda it, of: [f"{it} sends back {_listed(of.echo)}."],
    "again": lambda it, of: [f"{it} repeats {_listed(of.again)}."],
    "path": lambda it, of: [f"{it} has {_listed(of.path)} at the end of its path."],
}

_ANSWERING: Final[Mapping[str, Callable[[ResponseFormat], Iterable[str]]]] = {
    "root": lambda of: [f"What it answers is inside {_or(of.root)}."],
    "fields": lambda of: (f"{name} is read from {_or(paths)}." for name, paths in of.fields),
    "error": lambda of: [f"The code of an error is read from {_or(of.error)}."],
    "sub_error": lambda of: [f"The code of an error has a second part in {of.sub_error}."],
    "error_header": lambda of: [f"The code of an error may be in the header {of.error_header}."],
    "description": lambda of: [f"What an error means is read from {_or(of.description)}."],
    "codes": lambda of: (f"{said!r} means {code}." for said, code in of.codes),
    "poll_codes": lambda of: (f"To a poll, {said!r} means {code}." for said, code in of.poll_codes),
    "device_statuses": lambda of: (
        f"To the request for a code, HTTP {status} means {code}."
        for status, code in of.device_statuses
    ),
    "poll_statuses": lambda of: (
        f"To a poll, HTTP {status} means {code}." for status, code in of.poll_statuses
    ),
    "token_statuses": lambda of: (
        f"To the request of a machine or a refresh, HTTP {status} means {code}."
        for status, code in of.token_statuses
    ),
    "scope_separator": lambda of: [f"It answers with scopes separated by {of.scope_separator!r}."],
    "milliseconds": lambda of: [f"It counts in milliseconds in: {_listed(of.milliseconds)}."],
}


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(names) or "nothing"


def _or(paths: tuple[str, ...]) -> str:
    return ", else ".join(paths) or "nowhere"
