"""Draw the states of a flow, from the declared edges, into README.md and the pages here.

``python docs/diagram.py`` rewrites every Mermaid block that follows a marker such as
``<!-- diagram: DEVICE_EDGES -->``. A test compares the blocks with the edges. A forge draws
them by itself; for the built pages ``state_chart`` turns them into SVG.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grantflow.core.flows.states import DEVICE_EDGES, GRANT_EDGES, Edges

ROOT: Final = Path(__file__).resolve().parent.parent

DRAWN: Final[Mapping[str, Edges]] = {"DEVICE_EDGES": DEVICE_EDGES, "GRANT_EDGES": GRANT_EDGES}

BLOCK: Final = re.compile(
    r"^(?P<marker><!-- diagram: (?P<name>\w+) -->)\n+```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL
)


def mermaid(edges: Edges) -> str:
    """Return a Mermaid state diagram; the order is that of the table, so equal tables look equal.

    A state that only leads to itself is an end: it absorbs every event.
    """
    names = [each.__name__ for each in edges]
    lines = ["stateDiagram-v2", f"    [*] --> {names[0]}"]
    for state, follow in edges.items():
        after = [each.__name__ for each in edges if each in follow]
        ends = after == [state.__name__]
        lines += [f"    {state.__name__} --> {name}" for name in (["[*]"] if ends else after)]
    return "\n".join(lines)


def redrawn(page: str) -> str:
    """Return a page with its diagrams drawn anew; an unknown name is a ``KeyError``."""
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
