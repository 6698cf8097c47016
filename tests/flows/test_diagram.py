"""The state diagrams on the pages are those of the declared edges."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from grantflow import Authorized, Expired, Failed, Pending, SlowDown, Started
from grantflow.core.flows.states import DEVICE_EDGES, GRANT_EDGES, Edges

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
    assert mermaid(DEVICE_EDGES).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> Started",
        "    Started --> Started",
        "    Started --> Pending",
        "    Started --> Expired",
        "    Started --> Failed",
        "    Pending --> Pending",
        "    Pending --> SlowDown",
        "    Pending --> Authorized",
        "    Pending --> Expired",
        "    Pending --> Failed",
        "    SlowDown --> Pending",
        "    SlowDown --> SlowDown",
        "    SlowDown --> Authorized",
        "    SlowDown --> Expired",
        "    SlowDown --> Failed",
        "    Authorized --> [*]",
        "    Expired --> [*]",
        "    Failed --> [*]",
    ]


@pytest.mark.parametrize("path", diagram.pages(), ids=lambda path: path.name)
def test_a_page_shows_the_edges_as_declared(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert redrawn(page) == page, "run python docs/diagram.py"
    # A fence that lost its marker would never be compared.
    assert page.count("```mermaid") == page.count("<!-- diagram: ")


def test_the_readme_shows_the_device_flow() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{mermaid(DEVICE_EDGES)}\n```" in page


@pytest.mark.parametrize("edges", [DEVICE_EDGES, GRANT_EDGES], ids=["device", "grant"])
def test_another_table_is_another_diagram(edges: Edges) -> None:
    drawn = {mermaid(edges)}
    for state, follow in edges.items():
        for each in edges:
            changed = {**edges, state: follow ^ {each}}
            drawn.add(mermaid(changed))
    assert len(drawn) == 1 + len(edges) ** 2


def test_an_old_block_is_redrawn() -> None:
    few: Edges = {
        Started: frozenset({Pending, Failed}),
        Pending: frozenset({SlowDown, Authorized, Expired}),
        SlowDown: frozenset({Authorized}),
        Authorized: frozenset({Authorized}),
        Expired: frozenset({Expired}),
        Failed: frozenset({Failed}),
    }
    page = "Before.\n\n<!-- diagram: GRANT_EDGES -->\n```mermaid\n{}\n```\n\n```sh\nls\n```\n"
    old, new = page.format(mermaid(few)), page.format(mermaid(GRANT_EDGES))
    assert redrawn(old) == new
    assert redrawn(new) == new


def test_a_marker_for_no_table_is_found_out() -> None:
    with pytest.raises(KeyError, match="NO_EDGES"):
        redrawn("<!-- diagram: NO_EDGES -->\n```mermaid\nstateDiagram-v2\n```\n")
