"""The machines' promises hold in every state that can be reached."""

from __future__ import annotations

import pytest

from tests.support.exploration import EXPLORATIONS, undeclared

# One test for each exploration: it takes seconds, and no worker shall do it twice.

LONGEST = pytest.param("device", marks=pytest.mark.long)
OTHERS = [name for name in EXPLORATIONS if name != "device"]


@pytest.mark.parametrize("name", [LONGEST, *OTHERS])
def test_every_law_holds_and_the_declared_edges_are_the_observed_ones(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exploration = EXPLORATIONS[name]
    report = exploration.explored()
    with capsys.disabled():
        print(f"\n  explored {name}: {report}", end=" ")
    assert report.violations == []
    assert report.transitions > 10_000
    odd, unobserved = undeclared(report, exploration.edges)
    assert odd == set()
    assert unobserved == set() or not exploration.whole
