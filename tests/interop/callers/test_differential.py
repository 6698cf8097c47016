"""The same script, with the original and with the module in its place: what is the same, what not.

Each scenario is played in the virtual environment of the original, by programs that import it. An
aspect that differs is declared with what is seen here instead, and with a part of a line of the
module's own page that says so; one that does not differ is not declared.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import demand

from .stage import ACCIDENTS, ANY, Scenario, brief, catchable
from .venvs import ROOT, missing, outcomes

PAGES = {
    "dvc": "dvc_studio_client",
    "dagshub": "dagshub",
    "flytekit": "flytekit",
    "bitfount": "bitfount",
    "stanford": "stanford_green",
}
COMPARED = {
    "dvc": ("result", "raised", "requests", "files", "output"),
    "dagshub": ("result", "raised", "requests"),
    "flytekit": ("result", "raised", "requests", "output"),
    "bitfount": ("result", "raised", "requests"),
    "stanford": ("result", "raised", "requests"),
}
RECORDED = Path(__file__).parent / "stanford-original.json"


def scenarios(system: str) -> dict[str, Scenario]:
    return importlib.import_module(f"{__package__}.systems.{system}").SCENARIOS.all


ALL = [
    pytest.param(system, each, id=f"{system}-{each.name}", marks=pytest.mark.interop)
    for system in PAGES
    for each in scenarios(system).values()
]


def original(system: str) -> dict[str, Any]:
    """Play the original, or look up what it did where no registry has it."""
    if system == "stanford":
        found: dict[str, Any] = json.loads(RECORDED.read_text("utf-8"))
        return found
    return outcomes(system, "original")


def same(aspect: str, theirs: Any, ours: Any) -> bool:
    match aspect:
        case "raised":
            if (theirs["raised"] is None) != (ours["raised"] is None):
                return False
            return catchable(theirs) <= catchable(ours)
        case "files":
            return contents(theirs["files"]) == contents(ours["files"])
        case _:
            return covers(theirs[aspect], ours[aspect])


def covers(theirs: Any, ours: Any) -> bool:
    """Compare, with exceptions that a scenario caught compared as those that it did not catch."""
    match theirs, ours:
        case {"raised": list(their_names)}, {"raised": list(our_names)}:
            return set(their_names) - ACCIDENTS <= set(our_names)
        case dict(), dict():
            if theirs.keys() != ours.keys():
                return False
            return all(covers(value, ours[name]) for name, value in theirs.items())
        case list(), list():
            pairs = zip(theirs, ours, strict=False)
            return len(theirs) == len(ours) and all(covers(*pair) for pair in pairs)
        case _:
            return bool(theirs == ours)


def contents(files: dict[str, Any]) -> dict[str, str]:
    return {name: each["text"] for name, each in files.items()}


@pytest.mark.parametrize(("system", "scenario"), ALL)
def test_is_the_same_or_says_what_differs(system: str, scenario: Scenario) -> None:
    demand(missing(system))
    theirs, ours = original(system)[scenario.name], outcomes(system, "compat")[scenario.name]
    assert "broken" not in theirs, theirs["broken"]
    assert "broken" not in ours, ours["broken"]
    page = (ROOT / "docs" / "compat" / f"{PAGES[system]}.md").read_text("utf-8")
    for aspect in COMPARED[system]:
        declared = scenario.differs.get(aspect)
        equal = same(aspect, theirs, ours)
        shown = f"{aspect}\nthere: {theirs[aspect]}\nhere:  {ours[aspect]}"
        assert equal == (declared is None), shown
        if declared is not None:
            assert declared.here in (ANY, brief(aspect, ours)), shown
            assert declared.page in page


@pytest.mark.parametrize(("system", "scenario"), ALL)
def test_files_are_private(system: str, scenario: Scenario) -> None:
    demand(missing(system))
    if system == "dvc":  # dvc writes its own settings
        return
    ours = outcomes(system, "compat")[scenario.name]
    assert {each["mode"] for each in ours["files"].values()} <= {"0600"}
