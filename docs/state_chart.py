"""The six states as an SVG, in the colors of the page around it, light or dark.

The places of the states are given; which lines there are, and their labels, comes from the edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from diagram import BLOCK, DRAWN, ends, lines

from grantflow.core.flows.edges import Edges, StateType
from grantflow.core.flows.states import Authorized, Expired, Failed, Pending, SlowDown, Started


class _Place(NamedTuple):
    x: int
    y: int
    loop: int
    """Where a line to itself is drawn: 1 on the right side, -1 on the left."""


_PLACES: Final[dict[StateType, _Place]] = {
    Started: _Place(480, 75, -1),
    Pending: _Place(240, 235, -1),
    SlowDown: _Place(720, 235, 1),
    Authorized: _Place(130, 430, -1),
    Expired: _Place(480, 430, 1),
    Failed: _Place(830, 430, 1),
}
_HALF_WIDTH: Final = 62
_HALF_HEIGHT: Final = 20
_SPREAD: Final = 26
_GAP: Final = 7
_LINE: Final = 13


def drawn(page: str) -> str:
    """Return a page with its Mermaid blocks as SVG, because Sphinx does not render them."""
    return BLOCK.sub(
        lambda block: f"```{{raw}} html\n{svg(block['name'], DRAWN[block['name']])}\n```", page
    )


def svg(name: str, edges: Edges) -> str:
    """Return the drawing of a table of edges; ``name`` tells two of them on one page apart."""
    told = "; ".join(
        f"{state.__name__} becomes {after.__name__} on {', '.join(events)}"
        for (state, after), events in lines(edges).items()
    )
    tip = f"tip-{name.lower()}"
    return "\n".join(
        (
            f'<svg class="states" viewBox="0 0 960 470" role="img" aria-label="{told}.">',
            f'<defs><marker id="{tip}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"',
            'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z"/></marker></defs>',
            '<circle cx="480" cy="14" r="7"/>',
            f'<g marker-end="url(#{tip})">',
            '<path d="M480 21V55"/>',
            *(f'<path d="{_line(*line, edges)}"/>' for line in lines(edges)),
            "</g>",
            *(_box(kind, _PLACES[kind], end=False) for kind in edges),
            *(_box(kind, _PLACES[kind], end=True) for kind in ends(edges)),
            *(label for line, events in lines(edges).items() for label in _labels(*line, events)),
            "</svg>",
        )
    )


def _box(kind: StateType, at: _Place, *, end: bool) -> str:
    left, top = at.x - _HALF_WIDTH, at.y - _HALF_HEIGHT
    style = "end" if end else "waits"
    return (
        f'<rect class="{style}" x="{left}" y="{top}" width="{2 * _HALF_WIDTH}" '
        f'height="{2 * _HALF_HEIGHT}" rx="8"/>'
        f'<text x="{at.x}" y="{at.y + 5}">{kind.__name__}</text>'
    )


def _labels(kind: StateType, other: StateType, events: tuple[str, ...]) -> Iterator[str]:
    """Yield the events of one line, below each other, around a point on it."""
    start, end = _PLACES[kind], _PLACES[other]
    if kind is other:
        x, y = start.x + start.loop * (_HALF_WIDTH + 78), float(start.y)
    elif start.y == end.y:  # above the way there, below the way back
        there = end.x > start.x
        x, y = start.x + (end.x - start.x) // 4, start.y + (-1 if there else 1) * (_GAP + 9)
    elif _around(start, end):
        x, y = end.x + (45 if end.x > start.x else -45), float(start.y + 70)
    else:
        part = 0.3 if abs(end.x - start.x) > 300 or start.x == end.x else 0.55
        x, y = round(start.x + (end.x - start.x) * part), start.y + (end.y - start.y) * part
    top = y - _LINE * (len(events) - 1) / 2 + 4
    for number, event in enumerate(events):
        yield f'<text class="event" x="{x}" y="{top + number * _LINE:g}">{event}</text>'


def _line(kind: StateType, other: StateType, edges: Edges) -> str:
    return _loop(_PLACES[kind]) if kind is other else _path(kind, other, edges)


def _loop(at: _Place) -> str:
    side = at.x + at.loop * _HALF_WIDTH
    out = side + at.loop * 42
    return f"M{side} {at.y - 9}C{out} {at.y - 26} {out} {at.y + 26} {side} {at.y + 9}"


def _path(kind: StateType, other: StateType, edges: Edges) -> str:
    pairs = lines(edges)
    start, end = _PLACES[kind], _PLACES[other]
    way = 1 if end.x > start.x else -1
    side = start.x + way * _HALF_WIDTH
    if start.y == end.y:  # beside each other: there and back are two lines
        return f"M{side} {start.y - way * _GAP}H{end.x - way * _HALF_WIDTH}"
    bottom, top = start.y + _HALF_HEIGHT, end.y - _HALF_HEIGHT
    if _around(start, end):
        out, x = end.x + way * 70, end.x + way * 44
        return f"M{side} {start.y}C{out} {start.y} {out} {end.y - 120} {x} {top}"
    targets = [_PLACES[each] for each in _PLACES if (kind, each) in pairs]
    below = [place for place in targets if not _around(start, place)]
    above = [_PLACES[each] for each in edges if (each, other) in pairs]
    x1 = start.x + _spread(start, end, [each for each in below if each.y > start.y])
    x2 = end.x + _spread(
        end, start, [each for each in above if each.y < end.y and not _around(each, end)]
    )
    return f"M{x1} {bottom}L{x2} {top}"


def _around(start: _Place, end: _Place) -> bool:
    """Tell whether a straight line would run through a state that lies between."""
    return end.y - start.y > 250 and end.x != start.x


def _spread(own: _Place, other: _Place, among: list[_Place]) -> int:
    """Return how far from the middle a line begins or ends, so that no two share a point."""
    nearest_first = sorted({each.x for each in among}, key=lambda x: abs(x - own.x))
    way = 1 if other.x > own.x else -1
    on_this_side = [x for x in nearest_first if (x - own.x) * way > 0]
    if len(among) < 2 or other.x not in on_this_side:
        return 0
    # What comes from farther away comes in flatter, so it ends farther out.
    return way * _SPREAD * (on_this_side.index(other.x) + 1)
