"""The table of known providers, as data: ``find`` one by name, or list their ``names``.

>>> find("github").token_endpoint
'https://github.com/login/oauth/access_token'
>>> find("entra", tenant="common").device_authorization_endpoint
'https://login.microsoftonline.com/common/oauth2/v2.0/devicecode'
>>> find("entra")
Traceback (most recent call last):
ValueError: tenant: provider 'entra' needs it
"""

from __future__ import annotations

from typing import Final

from grantflow.core.provider import Provider
from grantflow.providers.cloud import CLOUD
from grantflow.providers.developer import DEVELOPER
from grantflow.providers.identity import IDENTITY
from grantflow.providers.media import MEDIA
from grantflow.providers.selfhosted import SELFHOSTED
from grantflow.providers.social import SOCIAL
from grantflow.providers.template import Need, Template, nearest

__all__ = ["Need", "Template", "find", "names", "template"]

_TEMPLATES: Final = {
    each.name: each for each in (*IDENTITY, *SELFHOSTED, *CLOUD, *DEVELOPER, *MEDIA, *SOCIAL)
}
_ALIASES: Final = {alias: each.name for each in _TEMPLATES.values() for alias in each.aliases}


def find(name: str, /, **values: str) -> Provider:
    """Return a known provider, with its gaps filled by ``values``.

    ``LookupError`` names what an unknown name may have meant; ``ValueError`` names a value that is
    missing, unknown or unusable.
    """
    return template(name).filled(values)


def names() -> tuple[str, ...]:
    """Return the names of all known providers, sorted and without their aliases."""
    return tuple(sorted(_TEMPLATES))


def template(name: str, /) -> Template:
    """Return what is known of a provider: its title, its source and the values it needs."""
    said = name.strip().lower().replace("_", "-").replace(" ", "-")
    found = _TEMPLATES.get(_ALIASES.get(said, said))
    if found is None:
        raise LookupError(f"unknown provider {name!r}{nearest(said, (*_TEMPLATES, *_ALIASES))}")
    return found
