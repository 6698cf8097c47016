"""The machines' promises hold in every state that can be reached."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from grantflow.core.states import Edges
from space import Report, explorations


@pytest.fixture(scope="module")
def explored() -> Mapping[str, tuple[Report, Edges]]:
    return {name: (report, edges) for name, report, edges in explorations()}


@pytest.mark.parametrize("name", ["device", "exchange", "client_credentials", "refresh"])
def test_every_law_holds_on_every_transition(
    name: str,
    explored: Mapping[str, tuple[Report, Edges]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    report, _ = explored[name]
    with capsys.disabled():
        print(f"\n  explored {name}: {report}", end=" ")
    assert report.violations == []
    assert report.transitions > 10_000


@pytest.mark.parametrize("name", ["device", "client_credentials"])
def test_declared_edges_are_the_observed_ones(
    name: str, explored: Mapping[str, tuple[Report, Edges]]
) -> None:
    report, edges = explored[name]
    assert {state: frozenset(follow) for state, follow in report.edges.items()} == dict(edges)


def test_refresh_takes_no_edge_of_its_own(explored: Mapping[str, tuple[Report, Edges]]) -> None:
    report, edges = explored["refresh"]
    assert {state: frozenset(follow) for state, follow in report.edges.items()} == dict(edges)
