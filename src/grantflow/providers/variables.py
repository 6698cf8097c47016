"""What has to be put into the gaps of a user's own template: declared, or told by their places."""

from __future__ import annotations

from collections.abc import Mapping

from returns.result import Failure, Result, Success

from grantflow.core.client.provider import Provider
from grantflow.providers.document import Misspelt, made, together, values_of
from grantflow.providers.placeholders import gaps_in, kind_of, urls_of
from grantflow.providers.shapes import held
from grantflow.providers.template import Variable, nearest


def needs_of(
    provider: Provider, inherited: tuple[Variable, ...], declared: object
) -> Result[tuple[Variable, ...], Misspelt]:
    """Return a need for each gap; ``declared`` is the table of those of which more is said."""
    place = f"{provider.name}.needs"
    if not isinstance(declared, Mapping):
        problem = f"a table for each of them is needed, such as [{place}.host]"
        return Failure(Misspelt(provider.name, "needs", problem))
    return Result.do(
        needs
        for gaps in _gaps(provider)
        for said in _said(declared, gaps, place, {need.name: held(need) for need in inherited})
        for needs in together(_need(gap, said, provider) for gap in gaps)
    )


def _gaps(provider: Provider) -> Result[tuple[str, ...], Misspelt]:
    found = together(_gaps_at(provider.name, key, url) for key, url in urls_of(provider))
    return found.map(lambda gaps: tuple(dict.fromkeys(gap for each in gaps for gap in each)))


def _gaps_at(name: str, key: str, url: str) -> Result[tuple[str, ...], Misspelt]:
    return gaps_in(url).alt(lambda problem: Misspelt(name, key, problem))


_Said = Mapping[str, Mapping[str, object]]


def _said(
    declared: Mapping[str, object], gaps: tuple[str, ...], place: str, inherited: _Said
) -> Result[_Said, Misspelt]:
    """Return what is known of each need before its place is looked at."""
    idle = next((each for each in declared if each not in gaps), None)
    if idle is not None:
        problem = f"no URL has the gap {{{idle}}}{nearest(idle, gaps)}"
        return Failure(Misspelt(place, idle, problem))
    return together(
        _declared(name, given, place, inherited.get(name, {})) for name, given in declared.items()
    ).map(lambda said: {**inherited, **dict(said)})


def _declared(
    name: str, given: object, place: str, inherited: Mapping[str, object]
) -> Result[tuple[str, Mapping[str, object]], Misspelt]:
    if not isinstance(given, Mapping):
        return Failure(Misspelt(place, name, f"a table is needed: [{place}.{name}]"))
    return values_of(Variable, given, f"{place}.{name}").map(
        lambda values: (name, {**inherited, **values})
    )


def _need(gap: str, said: _Said, provider: Provider) -> Result[Variable, Misspelt]:
    known = said.get(gap, {})
    paths = [name for name, values in said.items() if values.get("kind") == "path"]
    kind = known.get("kind") or kind_of(gap, [url for _, url in urls_of(provider)], paths)
    if kind is None and not known.get("choices"):
        problem = (
            f"the gap {{{gap}}} ends a host name, and would choose the host: say what it may be "
            f"in [{provider.name}.needs.{gap}], by choices or kind"
        )
        return Failure(Misspelt(provider.name, None, problem))
    place = f"{provider.name}.needs.{gap}"
    values = {"name": gap, **known, "kind": kind or "label"}
    return made(Variable, values, place).bind(lambda need: _usable(need, place))


def _usable(need: Variable, place: str) -> Result[Variable, Misspelt]:
    try:
        if need.default is not None:
            need.checked(need.default)
    except ValueError as error:
        return Failure(Misspelt(place, "default", str(error).partition(": ")[2]))
    return Success(need)
