"""What a caller of the front door may get instead of a token."""

from __future__ import annotations

from typing import TypeAlias, final

from attrs import frozen

from grantflow.core.states import Expired, Failed


@final
@frozen
class PersonNeeded:
    """Only a person could help, and nobody may be asked (``interactive=False``).

    ``because`` says what became of the credentials that were there, if any were.
    """

    because: str | None = None


Problem: TypeAlias = Expired | Failed | PersonNeeded
