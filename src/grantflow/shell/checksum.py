"""The checksum of a stored document, apart: the quick way of the command imports little."""

from __future__ import annotations

import json
from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "crc32"
"""The member that holds it."""


def checksum(members: Mapping[str, object]) -> int:
    """Return the checksum of a document's other members, in whatever order they are."""
    return crc32(json.dumps(members, sort_keys=True, separators=(",", ":")).encode())
