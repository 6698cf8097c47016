"""Draw the states of a flow, from the declared edges, into README.md and the pages here.

``python docs/diagram.py`` rewrites every Mermaid block that follows a marker such as
``<!-- diagram: DEVICE -->``. A test compares the blocks with the edges. Code forges render
them; for the built pages ``state_chart`` turns them into SVG.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grantflow.core.flows.edges import DEVICE, TOKEN_REQUEST, Edges, StateType

ROOT: Final = Path(__file__).resolve().parent.parent

DRAWN: Final[Mapping[str, Edges]] = {"DEVICE": DEVICE, "TOKEN_REQUEST": TOKEN_REQUEST}

BLOCK: Final = re.compile(
    r"^(?P<marker><!-- diagram: (?P<name>\w+) -->)\n+```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL
)


def lines(edges: Edges) -> Mapping[tuple[StateType, StateType], tuple[str, ...]]:
    """Return the lines of a diagram: from, to, and the events on it, in the table's order."""
    found: dict[tuple[StateType, StateType], list[str]] = {}
    for state, row in edges.items():
        for event, follow in row.items():
            for after in sorted(follow, key=lambda each: each.__name__):
                found.setdefault((state, after), []).append(event.__name__)
    return {line: tuple(events) for line, events in found.items()}


def ends(edges: Edges) -> tuple[StateType, ...]:
    """Return the final states: those without a row, which absorb every event."""
    return tuple(dict.fromkeys(after for _, after in lines(edges) if after not in edges))


def mermaid(edges: Edges) -> str:
    """Return a Mermaid state diagram, in the order of the table: equal tables look equal."""
    drawn = [f"    [*] --> {next(iter(edges)).__name__}"]
    drawn += [
        f"    {state.__name__} --> {after.__name__}: {', '.join(events)}"
        for (state, after), events in lines(edges).items()
    ]
    drawn += [f"    {end.__name__} --> [*]" for end in ends(edges)]
    return "\n".join(("stateDiagram-v2", *drawn))


def redrawn(page: str) -> str:
    """Return a page with its diagrams drawn again; an unknown name is a ``KeyError``."""
    return BLOCK.sub(
        lambda block: f"{block['marker']}\n```mermaid\n{mermaid(DRAWN[block['name']])}\n```", page
    )


def pages() -> tuple[Path, ...]:
    """Return the pages that may hold diagrams."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def main() -> None:
    """Rewrite the pages whose diagrams are out of date, and name them."""
    for path in pages():
        old = path.read_text(encoding="utf-8")
        new = redrawn(old)
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
