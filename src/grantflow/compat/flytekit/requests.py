"""The client behind each call, and the transport over the caller's session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import Final

import requests

from grantflow import Client, ClientSecretBasic, Provider, Public, RequestFormat, Secret, Transport
from grantflow.compat.arguments import checked_url
from grantflow.integrations.requests import RequestsTransport

UNUSED: Final = "https://unused.invalid"
"""A provider has two endpoints, and each of these functions takes one."""

_NAMELESS: Final = "-"
"""A client needs an id, and flytekit may leave it out: the header has it."""


def client_of(
    client_id: str | None,
    scopes: Iterable[str] | None = None,
    audience: str | None = None,
    *,
    token_endpoint: str = UNUSED,
    device_authorization_endpoint: str = UNUSED,
    authorization_header: Secret | None = None,
    authentication: Public | ClientSecretBasic | None = None,
) -> Client:
    """Return the client; ``authorization_header`` is sent unchanged with every request."""
    if authorization_header is not None and not _fits(authorization_header):
        raise ValueError(
            "authorization_header: not a valid header value; does it contain a line break?"
        )
    words = _words(scopes)
    nameless = ("client_id",) if client_id is None else ()
    # flytekit says what it wants in every poll and refresh as well.
    wishes = {"scope": " ".join(words), "audience": audience or ""}
    again = RequestFormat(
        drop=nameless, fixed={name: text for name, text in wishes.items() if text}
    )
    proof = {} if authorization_header is None else {"Authorization": authorization_header}
    provider = Provider(
        name="flyte",
        token_endpoint=checked_url("token_endpoint", token_endpoint),
        device_authorization_endpoint=device_authorization_endpoint,
        headers={"Cache-Control": "no-cache", **proof},
        device=RequestFormat(drop=nameless),
        token=RequestFormat(drop=nameless),
        poll=again,
        refresh=again,
        link_scheme="https",
    )
    return Client(
        provider=provider,
        client_id=_NAMELESS if client_id is None else client_id,
        authentication=authentication or Public(),
        scope=words,
        audience=audience or None,
    )


def _fits(header: Secret) -> bool:
    return header.reveal().isascii() and header.reveal().isprintable()


def _words(scopes: Iterable[str] | None) -> tuple[str, ...]:
    """Return scopes as words, also where a list came as the text of a list.

    >>> _words(["['a'", "'b']"]), _words("read write")
    (('a', 'b'), ('read', 'write'))
    """
    several = (scopes,) if isinstance(scopes, str) else scopes or ()
    return tuple(" ".join(each.strip("' ") for each in several).strip("[]'").split())


@contextmanager
def sending(
    session: requests.Session | None, http_proxy_url: Secret | None, verify: bool | str | None
) -> Iterator[Transport]:
    """Give a transport over the caller's session, or one of its own that is closed at the end."""
    with ExitStack() as own:
        used = own.enter_context(requests.Session()) if session is None else session
        if http_proxy_url is not None or verify is not None:
            used = _twin(used)
        if http_proxy_url is not None:  # it may hold a password
            used.proxies = dict.fromkeys(("http", "https"), http_proxy_url.reveal())
        if verify is not None:
            used.verify = verify
        yield RequestsTransport(used)


def _twin(session: requests.Session) -> requests.Session:
    """Return a session with the same connections, whose settings may be changed."""
    twin = copy(session)
    vars(twin).update(vars(session))  # what a subclass has, its __getstate__ does not know
    return twin
