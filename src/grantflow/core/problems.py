"""What a caller of the front door may get instead of a token."""

from __future__ import annotations

from typing import TypeAlias, final

from attrs import frozen

from grantflow.core.states import Expired, Failed


@final
@frozen
class PersonNeeded:
    """Only a person could sign in, and nobody may be asked (``interactive=False``)."""


Problem: TypeAlias = Expired | Failed | PersonNeeded
