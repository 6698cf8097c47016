"""The machines' promises hold in every state that can be reached."""

from __future__ import annotations

import pytest

from tests.support.exploration import EXPLORATIONS

# One test for each exploration: it takes seconds, and no worker shall do it twice.


LONGEST = pytest.param("device", marks=pytest.mark.long)


@pytest.mark.parametrize("name", [LONGEST, "exchange", "client_credentials", "refresh"])
def test_every_law_holds_and_the_declared_edges_are_the_observed_ones(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    explored, edges = EXPLORATIONS[name]
    report = explored()
    with capsys.disabled():
        print(f"\n  explored {name}: {report}", end=" ")
    assert report.violations == []
    assert report.transitions > 10_000
    observed = {state: frozenset(follow) for state, follow in report.edges.items()}
    if name == "exchange":  # it begins where the first step ended
        assert all(follow <= edges[state] for state, follow in observed.items())
    else:
        assert observed == dict(edges)
