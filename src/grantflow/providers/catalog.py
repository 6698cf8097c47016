"""Templates by name and alias, where a user's own ones win over those that came along."""

from __future__ import annotations

from typing import final

from attrs import frozen

from grantflow.core.client.provider import Provider
from grantflow.providers.template import Template, nearest


@final
@frozen
class Catalog:
    """Templates in layers: a name or an alias of an earlier layer hides those of later ones."""

    layers: tuple[tuple[Template, ...], ...] = ()

    def over(self, later: Catalog) -> Catalog:
        """Return a catalog in which these templates win over the ``later`` ones."""
        return Catalog(self.layers + later.layers)

    def names(self) -> tuple[str, ...]:
        """Return every name, sorted and without aliases."""
        return tuple(sorted({each.name for layer in self.layers for each in layer}))

    def template(self, name: str, /) -> Template:
        """Return one template by its name or alias; ``LookupError`` names the nearest ones.

        >>> Catalog().template("acme")
        Traceback (most recent call last):
        LookupError: unknown provider 'acme'
        """
        said = plain(name)
        for layer in self.layers:
            for names in (_name, _aliases):
                for each in layer:
                    if said in names(each):
                        return each
        known = [known for layer in self.layers for each in layer for known in _all(each)]
        raise LookupError(f"unknown provider {name!r}{nearest(said, known)}")

    def find(self, name: str, /, **values: str) -> Provider:
        """Return a provider with its gaps filled by ``values``.

        ``LookupError`` as from ``template``; ``ValueError`` names a value that is missing, unknown
        or unusable.
        """
        return self.template(name).filled(values)


def plain(name: str) -> str:
    """Return a name as it is compared.

    >>> plain("Docker_Hub"), plain(" docker hub")
    ('docker-hub', 'docker-hub')
    """
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def _name(each: Template) -> tuple[str, ...]:
    return (plain(each.name),)


def _aliases(each: Template) -> tuple[str, ...]:
    return tuple(plain(alias) for alias in each.aliases)


def _all(each: Template) -> tuple[str, ...]:
    return (*_name(each), *_aliases(each))
