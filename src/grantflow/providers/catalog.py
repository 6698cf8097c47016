"""Templates by name and alias: a user's own ones, and behind them those that came along.

Rules:

1. A name or an alias of an earlier layer hides those of later ones.
2. A table with a mistake is left out and hides what it is called; the others are found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, final

from attrs import frozen

from grantflow.core.client.provider import Provider
from grantflow.core.structure import Mistakes
from grantflow.providers.template import Template, nearest


class Known(Protocol):
    """The templates that came along, behind a user's own ones."""

    def index(self) -> Mapping[str, tuple[str, ...]]:
        """Return every name with its aliases."""
        ...

    def template(self, name: str, /) -> Template:
        """Return one template by its name."""
        ...


@final
@frozen
class Catalog:
    """Templates in layers, the user's own ones, and the ``known`` ones behind them.

    ``mistakes`` are those of the tables that were left out.
    """

    layers: tuple[tuple[Template, ...], ...] = ()
    known: Known | None = None
    mistakes: Mistakes = ()

    def names(self) -> tuple[str, ...]:
        """Return every name, sorted and without aliases."""
        own = {each.name for layer in self.layers for each in layer}
        return tuple(sorted(own | set(self._index())))

    def is_own(self, name: str) -> bool:
        """Tell whether the template of a name is the user's own."""
        return self._own(plain(name)) is not None

    def template(self, name: str, /) -> Template:
        """Return one template by its name or alias.

        ``LookupError`` names the nearest ones, or what is wrong with the user's own table.

        >>> Catalog().template("acme")
        Traceback (most recent call last):
        LookupError: unknown provider 'acme'
        """
        said = plain(name)
        wrong = [each for each in self.mistakes if plain(each.place[0]) == said]
        if wrong:
            raise LookupError("; ".join(map(str, wrong)))
        own = self._own(said)
        if own is not None:
            return own
        names = self._index()
        known = next((each for each in names if said == each or said in names[each]), None)
        if known is not None and self.known is not None:
            return self.known.template(known)
        raise LookupError(f"unknown provider {name!r}{nearest(said, self._words(), few=False)}")

    def find(self, name: str, /, **values: str) -> Provider:
        """Return a provider with its gaps filled by ``values``.

        ``LookupError`` as from ``template``; ``ValueError`` names a value that is missing, unknown
        or unusable.
        """
        return self.template(name).filled(values)

    def _own(self, said: str) -> Template | None:
        for layer in self.layers:
            for names in (_name, _aliases):
                for each in layer:
                    if said in names(each):
                        return each
        return None

    def _index(self) -> Mapping[str, tuple[str, ...]]:
        return {} if self.known is None else self.known.index()

    def _words(self) -> list[str]:
        own = [word for layer in self.layers for each in layer for word in _all(each)]
        return own + [word for name, aliases in self._index().items() for word in (name, *aliases)]


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
