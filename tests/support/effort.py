"""How much a test tries: little by default, and everything in ``.ci/run``.

``GRANTFLOW_TESTS=thorough`` runs all of it; a test says both numbers.
"""

from __future__ import annotations

import os

THOROUGH = os.environ.get("GRANTFLOW_TESTS") == "thorough"


def effort(quick: int, thorough: int) -> int:
    """The number for this run."""
    return thorough if THOROUGH else quick
