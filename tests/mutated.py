"""Run a test of grantflow, one module of which is another file.

``python mutated.py MODULE FILE KILLER`` imports FILE wherever MODULE is imported, and ends with 1
when the killer fails: one of ``space.EXPLORATIONS``, or a test as pytest names it. It ends with 3
when the killer never came to FILE.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType

NEVER_SEEN = 3


class Instead(MetaPathFinder):
    """Finds one module, in a file that is not its own."""

    def __init__(self, module: str, file: str) -> None:
        self.module = module
        self.file = file

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_file_location(fullname, self.file) if fullname == self.module else None


def violated(exploration: str) -> int:
    from space import EXPLORATIONS

    report = EXPLORATIONS[exploration][0]()
    print(*report.violations[:1], sep="\n")
    return int(bool(report.violations))


def main(module: str, file: str, killer: str) -> int:
    sys.meta_path.insert(0, Instead(module, file))
    if "::" in killer:
        import pytest

        ended = int(pytest.main(["-xq", "-p", "no:cacheprovider", killer]))
    else:
        ended = violated(killer)
    return ended if getattr(sys.modules.get(module), "__file__", None) == file else NEVER_SEEN


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
