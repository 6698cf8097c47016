"""The known providers, as data: ``find`` one by name, or list their ``names``.

>>> find("github").token_endpoint
'https://github.com/login/oauth/access_token'
>>> find("entra", tenant="common").device_authorization_endpoint
'https://login.microsoftonline.com/common/oauth2/v2.0/devicecode'
>>> find("keycloak", realm="acme")
Traceback (most recent call last):
grantflow.ArgumentError: host: provider 'keycloak' needs it: the host before /realms \
in the URL of the account console

A user's own ones, a document such as a file of TOML, win over them:

>>> own = {"acme": {"like": "github", "title": "Acme's GitHub", "scope_separator": ","}}
>>> with_own(own).find("acme", host="git.acme.example").scope_separator
','
>>> print(*with_own({"acme": {"like": "keyclaok"}}).mistakes)
[acme] like: unknown provider 'keyclaok'; did you mean keycloak or lark?
"""

from __future__ import annotations

from collections.abc import Mapping

from grantflow.core.client.provider import Provider
from grantflow.core.structure import Mistake
from grantflow.providers.catalog import Catalog
from grantflow.providers.known import KNOWN
from grantflow.providers.reader import document_of, provider_from, with_more
from grantflow.providers.template import Template, Variable

__all__ = [
    "KNOWN",
    "Catalog",
    "Mistake",
    "Template",
    "Variable",
    "document_of",
    "find",
    "names",
    "provider_from",
    "template",
    "with_own",
]


def find(name: str, /, **values: str) -> Provider:
    """Return a known provider, with its gaps filled by ``values``.

    ``LookupError`` names what an unknown name may have meant; ``ValueError`` names a value that is
    missing, unknown or unusable.
    """
    return template(name).filled(values)


def names() -> tuple[str, ...]:
    """Return the names of all known providers, sorted and without their aliases."""
    return KNOWN.names()


def template(name: str, /) -> Template:
    """Return what is known of a provider: its title, its source and the values it needs."""
    return KNOWN.template(name)


def with_own(document: Mapping[str, object], catalog: Catalog = KNOWN) -> Catalog:
    """Return the known providers with those of a document, whose names win, before them.

    A table with a mistake is left out; ``mistakes`` says what is wrong with it.
    """
    return with_more(catalog, document)
