"""Play the scenarios of one system: ``python -m tests.interop.callers.play dvc compat``.

With ``compat`` the names that the original is imported by lead to the module that stands in for it;
the scenarios, and the programs that they run, do not know.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Final, final

from .stage import main

STANDS_IN: Final = {
    "dvc": {"dvc_studio_client.auth": "grantflow.compat.dvc_studio_client"},
    "dagshub": {
        "dagshub.auth": "grantflow.compat.dagshub",
        "dagshub.auth.token_auth": "grantflow.compat.dagshub.token_auth",
        "dagshub.auth.tokens": "grantflow.compat.dagshub.tokens",
    },
    "flytekit": {
        "flytekit.clients.auth.token_client": "grantflow.compat.flytekit",
        "flytekit.clients.auth.exceptions": "grantflow.compat.flytekit",
    },
    "bitfount": {"bitfount.hub.authentication_flow": "grantflow.compat.bitfount"},
    "stanford": {"stanford.green.oauth2": "grantflow.compat.stanford_green"},
}


@final
class Swap(MetaPathFinder, Loader):
    """Finds a module under another's name."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self._names:
            return ModuleSpec(name, self)
        inside = any(each.startswith(f"{name}.") for each in self._names)
        if inside and PathFinder.find_spec(name, path) is None:  # no registry has its package
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        name = self._names.get(spec.name)
        return None if name is None else import_module(name)

    def exec_module(self, module: ModuleType) -> None:
        """It has run."""


if __name__ == "__main__":
    system, side, *names = sys.argv[1:]
    if side == "compat":
        sys.meta_path.insert(0, Swap(STANDS_IN[system]))
    scenarios = import_module(f"tests.interop.callers.systems.{system}")
    scenarios.load()
    main(scenarios.SCENARIOS.all, side, names)
