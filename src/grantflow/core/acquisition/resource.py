"""A protected resource (RFC 9728): what it says of itself, and what it says a token lacks.

Rules:

1. A resource speaks for its own origin: metadata at another origin, or of a resource that the URL
   is not under, has no say (RFC 9728 section 3.3).
2. Of the servers that it names, the first that has the grant is taken.
3. The scope that a challenge asks for outranks what the metadata lists: that is everything there
   is, and a program asks for what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, final
from urllib.parse import urlsplit, urlunsplit

from attrs import evolve, field, frozen
from returns.result import Failure, Result, Success

from grantflow.core.acquisition.challenge import Challenge, challenges
from grantflow.core.acquisition.unauthorized import token_origin
from grantflow.core.client.authentication import ClientAuthentication, Public
from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider, is_loopback
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import words

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_MOST_SERVERS: Final = 5


@final
@frozen(kw_only=True)
class ProtectedResource:
    """A resource, the server that issues tokens for it, and the scopes that it knows.

    ``scope`` is what its challenge asked for, ``scopes_supported`` what its metadata lists.
    """

    resource: str
    provider: Provider
    scope: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()

    def client(
        self,
        client_id: str,
        authentication: ClientAuthentication | None = None,
        scope: tuple[str, ...] | None = None,
    ) -> Client:
        """Return a client whose tokens are for this resource (RFC 8707), with its scope."""
        return Client(
            provider=self.provider,
            client_id=client_id,
            authentication=authentication or Public(),
            scope=self.scope if scope is None else scope,
            resource=(self.resource,),
        )


@final
@frozen
class Metadata:
    """What the document of a resource says; the servers that cannot be used are left out."""

    resource: str
    servers: tuple[str, ...]
    scopes_supported: tuple[str, ...] = field(default=())


def is_under(url: str, resource: str) -> bool:
    """Return whether a URL is a resource's own, or below it on the same origin.

    >>> is_under("https://a.example/mcp/x", "https://a.example/mcp")
    True
    >>> is_under("https://a.example/mcp2", "https://a.example/mcp")
    False
    """
    if token_origin(url) is None or token_origin(url) != token_origin(resource):
        return False
    path, base = urlsplit(url).path.rstrip("/"), urlsplit(resource).path.rstrip("/")
    return path == base or path.startswith(f"{base}/")


def metadata_locations(url: str, challenge: str | None) -> Iterator[str]:
    """Yield where a resource may describe itself; ``challenge`` is its ``WWW-Authenticate`` header.

    >>> list(metadata_locations("https://a.example/mcp", None))[0]
    'https://a.example/.well-known/oauth-protected-resource/mcp'
    """
    found: list[str] = []
    for each in challenges(challenge):
        told = each.resource_metadata
        if told is not None and token_origin(told) == token_origin(url):
            found.append(told)
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    places = (f"{WELL_KNOWN}{path}", WELL_KNOWN)
    found.extend(urlunsplit((parts.scheme, parts.netloc, each, "", "")) for each in places)
    yield from dict.fromkeys(found)


def scope_in(challenge: str | None) -> tuple[str, ...]:
    """Return the scope that a challenge asks for (RFC 6750 section 3)."""
    for each in challenges(challenge):
        scope = each.get("scope")
        if scope is not None and scope.split():
            return tuple(scope.split())
    return ()


def read_metadata(found: Members, url: str) -> Result[Metadata, InvalidResponse]:
    """Read the document of a resource, which has to be that of ``url``."""
    resource = found.get("resource")
    if not isinstance(resource, str):
        return _invalid("resource is missing")
    if not is_under(url, resource):
        return _invalid(f"it is of {resource}, and not of {url}")
    here = is_loopback(urlsplit(url).hostname or "")
    servers = [
        each
        for each in words(found.get("authorization_servers")) or ()
        if token_origin(each) and (here or not is_loopback(urlsplit(each).hostname or ""))
    ]
    if not servers:
        return _invalid("it names no authorization server that can be used")
    scopes = words(found.get("scopes_supported")) or ()
    return Success(Metadata(resource, tuple(servers[:_MOST_SERVERS]), scopes))


def _invalid(problem: str) -> Result[Metadata, InvalidResponse]:
    return Failure(InvalidResponse(f"metadata of the resource: {problem}"))


@final
@frozen
class StepUp:
    """What a token lacks: a scope, or a newer or stronger sign-in (RFC 6750, RFC 9470).

    ``acr_values`` are the authentication contexts that are accepted, ``max_age`` the seconds since
    the last sign-in.
    """

    scope: tuple[str, ...] = ()
    acr_values: str | None = None
    max_age: str | None = None

    def over(self, client: Client) -> Client:
        """Return the client that asks for all of its scope and for what was missing.

        A ``TokenSource`` of that client signs in once for the union.
        """
        scope = tuple(dict.fromkeys((*client.scope, *self.scope)))
        asked = {"acr_values": self.acr_values, "max_age": self.max_age}
        said = tuple((name, text) for name, text in asked.items() if text is not None)
        kept = tuple(pair for pair in client.extra if pair[0] not in dict(said))
        return evolve(client, scope=scope, extra=(*kept, *said))


def step_up(challenge: Challenge) -> StepUp | None:
    """Return what a challenge says is missing, if a new sign-in can bring it.

    >>> step_up(Challenge("Bearer", {"error": "insufficient_scope", "scope": "read write"}))
    StepUp(scope=('read', 'write'), acr_values=None, max_age=None)
    >>> step_up(Challenge("Bearer", {"error": "invalid_token"}))
    """
    if challenge.error == "insufficient_scope":
        return StepUp(tuple((challenge.get("scope") or "").split()))
    if challenge.error == "insufficient_user_authentication":
        return StepUp((), challenge.get("acr_values"), challenge.get("max_age"))
    return None
