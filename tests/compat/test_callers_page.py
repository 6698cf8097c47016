"""The page of callers names the versions that CI installs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_versions_are_those_that_are_installed() -> None:
    page = (ROOT / "docs" / "compat" / "callers.md").read_text("utf-8")
    pins = {
        line
        for path in (ROOT / "tests" / "interop" / "callers").glob("*.txt")
        for line in re.findall(r"^[\w-]+==[\w.]+$", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(pins) == 6
    assert {pin for pin in pins if pin.replace("==", " ") not in page} == set()
