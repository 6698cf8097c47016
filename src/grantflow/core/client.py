"""Who asks, for what, and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

from attrs import evolve, field, frozen

from grantflow.core.client_auth import ClientAuthentication, Public, authenticated
from grantflow.core.provider import Provider
from grantflow.core.spelling import Asking
from grantflow.core.values import Pairs, Request, as_pairs


def _words(value: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


def _listed(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _named(_: object, __: object, value: str) -> None:
    if not value.strip():
        raise ValueError("client_id: it is empty; the provider gave one at registration")


def _one_word_each(_: object, __: object, value: tuple[str, ...]) -> None:
    for word in value:
        if word.split() != [word]:
            raise ValueError(f"scope: {word!r} is not one word")


_PUBLIC: Final = Public()
_STANDARD: Final = Asking()


@final
@frozen(kw_only=True)
class Client:
    """A registered client of one provider, and what its tokens shall be good for.

    ``scope`` may be text with spaces; ``resource`` may be several (RFC 8707); ``extra`` are
    further parameters of the first request. ``ValueError`` names the argument that is unusable.

    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> Client(provider=acme, client_id="app", scope="read write").scope
    ('read', 'write')
    """

    provider: Provider
    client_id: str = field(validator=_named)
    authentication: ClientAuthentication = _PUBLIC
    scope: tuple[str, ...] = field(default=(), converter=_words, validator=_one_word_each)
    audience: str | None = None
    resource: tuple[str, ...] = field(default=(), converter=_listed)
    extra: Pairs = field(default=(), converter=as_pairs)

    def request(self, endpoint: str, form: Pairs, asking: Asking = _STANDARD) -> Request:
        """Return an authenticated request of this client, spelt as the provider wants it."""
        named = Request(endpoint, form=form, headers=self.provider.headers, method=asking.method)
        proven = authenticated(named, self.client_id, self.authentication, self.provider.issuer)
        encoding = asking.encoding or self.provider.encoding
        return evolve(proven, form=asking.spelt(proven.form), encoding=encoding)

    def wishes(self) -> Pairs:
        """Return what the first request of a flow asks for."""
        words = self.provider.scope_separator.join(self.scope)
        scope = (("scope", words),) if self.scope else ()
        audience = (("audience", self.audience),) if self.audience is not None else ()
        resource = tuple(("resource", each) for each in self.resource)
        return (*scope, *audience, *resource, *self.extra)
