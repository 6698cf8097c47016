"""The state diagrams on the pages are those of the declared edges."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from grantflow import Failed, GaveUp, Started
from grantflow.core.flows.edges import DEVICE, TOKEN_REQUEST, Edges

ROOT = Path(__file__).parents[2]


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


diagram = loaded(ROOT / "docs" / "diagram.py")
mermaid: Callable[[Edges], str] = diagram.mermaid
redrawn: Callable[[str], str] = diagram.redrawn


def test_the_device_flow_looks_like_this() -> None:
    assert mermaid(DEVICE).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> Started",
        "    Started --> Expired: CodeIssued, Unanswered",
        "    Started --> Pending: CodeIssued",
        "    Started --> Failed: Unanswered, Rejected, GaveUp",
        "    Started --> Started: Unanswered",
        "    Pending --> Authorized: TokenIssued",
        "    Pending --> Expired: StillPending, SlowDownAsked, Unanswered, CodeExpired",
        "    Pending --> Pending: StillPending, Unanswered",
        "    Pending --> SlowDown: SlowDownAsked",
        "    Pending --> Failed: Unanswered, Rejected, GaveUp",
        "    SlowDown --> Authorized: TokenIssued",
        "    SlowDown --> Expired: StillPending, SlowDownAsked, Unanswered, CodeExpired",
        "    SlowDown --> Pending: StillPending",
        "    SlowDown --> SlowDown: SlowDownAsked, Unanswered",
        "    SlowDown --> Failed: Unanswered, Rejected, GaveUp",
        "    Expired --> [*]",
        "    Failed --> [*]",
        "    Authorized --> [*]",
    ]


@pytest.mark.parametrize("path", diagram.pages(), ids=lambda path: path.name)
def test_a_page_shows_the_edges_as_declared(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert redrawn(page) == page, "run python docs/diagram.py"
    # A fence that lost its marker would never be compared.
    assert page.count("```mermaid") == page.count("<!-- diagram: ")


def test_the_readme_shows_the_device_flow() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{mermaid(DEVICE)}\n```" in page


@pytest.mark.parametrize("edges", [DEVICE, TOKEN_REQUEST], ids=["device", "grant"])
def test_another_table_is_another_diagram(edges: Edges) -> None:
    drawn = {mermaid(edges)}
    count = 0
    for state, row in edges.items():
        for event, follow in row.items():
            for each in follow:
                count += 1
                changed = {**edges, state: {**row, event: follow - {each}}}
                drawn.add(mermaid(changed))
    assert len(drawn) == 1 + count


def test_an_old_block_is_redrawn() -> None:
    few: Edges = {Started: {GaveUp: frozenset({Failed})}}
    page = "Before.\n\n<!-- diagram: TOKEN_REQUEST -->\n```mermaid\n{}\n```\n\n```sh\nls\n```\n"
    old, new = page.format(mermaid(few)), page.format(mermaid(TOKEN_REQUEST))
    assert redrawn(old) == new
    assert redrawn(new) == new


def test_a_marker_for_no_table_is_found_out() -> None:
    with pytest.raises(KeyError, match="NO_EDGES"):
        redrawn("<!-- diagram: NO_EDGES -->\n```mermaid\nstateDiagram-v2\n```\n")
