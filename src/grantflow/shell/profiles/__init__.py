"""Profiles: what a sign-in remembers. The grants that one may have are here, for the quick way."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

GRANTS: Final = ("device", "client_credentials", "given")
"""How a token was acquired: by a grant, or by hand (``--token-stdin``)."""
