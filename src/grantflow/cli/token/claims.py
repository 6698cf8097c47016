"""What an ID token says (OpenID Connect Core 1.0 section 2), read and not verified.

Only who receives an ID token can verify it, with the issuer's keys. Here its claims are shown to a
person, and ``exp`` decides when it is renewed.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_WHO = ("preferred_username", "email", "name", "sub")
"""The claims that name a person, the most telling one first."""

_LATEST = 253402300799
"""The last second of the year 9999, the last one that has a date."""


def claims(id_token: object) -> Mapping[str, object]:
    """Return the claims of an ID token; none if it is not a JSON Web Token.

    >>> claims("eyJhbGciOiJub25lIn0.eyJzdWIiOiJtb25hIn0.c2ln")
    {'sub': 'mona'}
    >>> claims("opaque"), claims(None), claims("a.b.c")
    ({}, {}, {})
    """
    from binascii import Error, a2b_base64

    parts = id_token.split(".") if isinstance(id_token, str) else []
    if len(parts) != 3:
        return {}
    text = parts[1].replace("-", "+").replace("_", "/")
    try:
        found: object = json.loads(a2b_base64(text + "=" * (-len(text) % 4)))
    except (Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def instant(id_token: object, name: str = "exp") -> int | None:
    """Return a time of an ID token, in whole seconds since 1970; ``None`` if it does not say.

    >>> instant("e30.eyJleHAiOjE3NjcyMjkyMDAuOX0.c2ln"), instant("opaque")
    (1767229200, None)
    """
    said = claims(id_token).get(name)
    if isinstance(said, bool) or not isinstance(said, (int, float)) or not 0 <= said <= _LATEST:
        return None
    return int(said)


def who(id_token: object) -> str | None:
    """Return the name of the person of an ID token, and the subject if that is not the name.

    >>> who("e30.eyJzdWIiOiIxNyIsImVtYWlsIjoibUBhLmV4YW1wbGUifQ.c2ln")
    'm@a.example (17)'
    """
    found = claims(id_token)
    names = [text for each in _WHO if isinstance(text := found.get(each), str) and text.strip()]
    subject = found.get("sub")
    if not names:
        return None
    return names[0] if names[0] == subject or not subject else f"{names[0]} ({subject})"
