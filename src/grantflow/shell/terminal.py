"""Ask a person on the terminal, in plain lines."""

from __future__ import annotations

import sys

from grantflow.core.messages import invitation
from grantflow.core.values.token import DeviceAuthorization


def plain_prompt(authorization: DeviceAuthorization) -> None:
    """Print what to do to standard error, so that standard output stays the program's."""
    print(*invitation(authorization), sep="\n", file=sys.stderr, flush=True)
