"""What comes back for a request: a response of any status, or none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, TypeAlias, final

from attrs import field, frozen
from attrs.validators import instance_of

from grantflow.core.values.validators import one_of


def _lowered(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name.lower(): value for name, value in headers.items()})


@final
@frozen
class Response:
    """An HTTP answer of any status. Header names are compared without case; the body stays bytes.

    >>> Response(200, {"Content-Type": "application/json"}, b"{}").header("content-type")
    'application/json'
    """

    status: int
    headers: Mapping[str, str] = field(
        factory=dict[str, str], converter=_lowered, repr=False, hash=False
    )
    body: bytes = field(
        default=b"", repr=lambda body: f"<{len(body)} bytes>", validator=instance_of(bytes)
    )

    def header(self, name: str) -> str | None:
        """Return one header's text, or ``None``."""
        return self.headers.get(name.lower())


@final
@frozen
class Fault:
    """No usable HTTP answer at all.

    ``reached`` says whether the server may have acted on the request: a refused connection did
    not reach it, a read timeout may have. What may have arrived is not repeated blindly.
    ``retry_after`` is the wait that a ``Retry-After`` header asked for.
    """

    kind: Literal["timeout", "refused", "proxy", "tls", "name", "too_large", "http", "other"] = (
        field(
            validator=one_of(
                "timeout", "refused", "proxy", "tls", "name", "too_large", "http", "other"
            )
        )
    )
    reached: Literal["no", "maybe"] = field(validator=one_of("no", "maybe"))
    detail: str = ""
    retry_after: timedelta | None = field(default=None, kw_only=True)


Reply: TypeAlias = Response | Fault
