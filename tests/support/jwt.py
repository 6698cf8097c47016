"""JSON Web Tokens as a test wants them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping


def _part(members: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def unsigned(claims: Mapping[str, object]) -> str:
    """Return a token with these claims and a signature that fits nothing."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}.c2ln"
