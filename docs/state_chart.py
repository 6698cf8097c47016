"""The six states as an SVG, in the colours of the page around it, light or dark.

The places of the states are given; which lines there are comes from the edges alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from diagram import BLOCK, DRAWN

from grantflow.core.flows.states import (
    Authorized,
    Edges,
    Expired,
    Failed,
    Pending,
    SlowDown,
    Started,
    State,
)


class _Place(NamedTuple):
    x: int
    y: int
    loop: int
    """Where a line to itself is drawn: 1 on the right side, -1 on the left."""


_Kind = type[State[object]]

_PLACES: Final[dict[_Kind, _Place]] = {
    Started: _Place(380, 75, -1),
    Pending: _Place(200, 190, -1),
    SlowDown: _Place(560, 190, 1),
    Authorized: _Place(100, 320, -1),
    Expired: _Place(380, 320, 1),
    Failed: _Place(660, 320, 1),
}
_HALF_WIDTH: Final = 62
_HALF_HEIGHT: Final = 20
_SPREAD: Final = 26
_GAP: Final = 7


def drawn(page: str) -> str:
    """Return a page with its Mermaid blocks as SVG, for Sphinx, which draws none by itself."""
    return BLOCK.sub(
        lambda block: f"```{{raw}} html\n{svg(block['name'], DRAWN[block['name']])}\n```", page
    )


def svg(name: str, edges: Edges) -> str:
    """Return the drawing of a table of edges; ``name`` tells two of them on one page apart."""
    ends = [kind for kind, after in edges.items() if after == frozenset({kind})]
    told = "; ".join(
        f"{kind.__name__} may become {', '.join(sorted(each.__name__ for each in after))}"
        for kind, after in edges.items()
        if kind not in ends
    )
    tip = f"tip-{name.lower()}"
    return "\n".join(
        (
            f'<svg class="states" viewBox="0 0 760 360" role="img" aria-label="{told}.">',
            f'<defs><marker id="{tip}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"',
            'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z"/></marker></defs>',
            '<circle cx="380" cy="14" r="7"/>',
            f'<g marker-end="url(#{tip})">',
            '<path d="M380 21V55"/>',
            *_lines(edges, ends),
            "</g>",
            *(_box(kind, _PLACES[kind], end=kind in ends) for kind in edges),
            "</svg>",
        )
    )


def _box(kind: _Kind, at: _Place, *, end: bool) -> str:
    left, top = at.x - _HALF_WIDTH, at.y - _HALF_HEIGHT
    style = "end" if end else "waits"
    return (
        f'<rect class="{style}" x="{left}" y="{top}" width="{2 * _HALF_WIDTH}" '
        f'height="{2 * _HALF_HEIGHT}" rx="8"/>'
        f'<text x="{at.x}" y="{at.y + 5}">{kind.__name__}</text>'
    )


def _lines(edges: Edges, ends: list[_Kind]) -> Iterator[str]:
    for kind, after in edges.items():
        for other in after:
            if kind is not other:
                yield f'<path d="{_path(kind, other, edges)}"/>'
            elif kind not in ends:
                yield f'<path d="{_loop(_PLACES[kind])}"/>'


def _loop(at: _Place) -> str:
    side = at.x + at.loop * _HALF_WIDTH
    out = side + at.loop * 42
    return f"M{side} {at.y - 9}C{out} {at.y - 26} {out} {at.y + 26} {side} {at.y + 9}"


def _path(kind: _Kind, other: _Kind, edges: Edges) -> str:
    start, end = _PLACES[kind], _PLACES[other]
    way = 1 if end.x > start.x else -1
    side = start.x + way * _HALF_WIDTH
    if start.y == end.y:  # beside each other: there and back are two lines
        return f"M{side} {start.y - way * _GAP}H{end.x - way * _HALF_WIDTH}"
    bottom, top = start.y + _HALF_HEIGHT, end.y - _HALF_HEIGHT
    if _around(start, end):
        out, x = end.x + way * 70, end.x + way * 44
        return f"M{side} {start.y}C{out} {start.y} {out} {end.y - 120} {x} {top}"
    below = [place for each in edges[kind] if not _around(start, place := _PLACES[each])]
    above = [_PLACES[each] for each in edges if other in edges[each]]
    x1 = start.x + _spread(start, end, [each for each in below if each.y > start.y])
    x2 = end.x + _spread(
        end, start, [each for each in above if each.y < end.y and not _around(each, end)]
    )
    return f"M{x1} {bottom}L{x2} {top}"


def _around(start: _Place, end: _Place) -> bool:
    """Tell whether a straight line would run through a state that lies between."""
    return end.y - start.y > 200 and end.x != start.x


def _spread(own: _Place, other: _Place, among: list[_Place]) -> int:
    """Return how far from the middle a line begins or ends, so that no two share a point."""
    nearest_first = sorted({each.x for each in among}, key=lambda x: abs(x - own.x))
    way = 1 if other.x > own.x else -1
    on_this_side = [x for x in nearest_first if (x - own.x) * way > 0]
    if len(among) < 2 or other.x not in on_this_side:
        return 0
    # What comes from farther away comes in flatter, so it ends farther out.
    return way * _SPREAD * (on_this_side.index(other.x) + 1)
