"""The one effect of a flow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final as Constant
from typing import Literal, TypeAlias, final

from attrs import evolve, field, frozen

from grantflow.core.flows.events import FirstReply, StartReply
from grantflow.core.flows.states import Final
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Instant, Moment

Spends: TypeAlias = Literal["code", "refresh_token"]
"""What a request may use up."""


@final
@frozen
class Send:
    """Wait until ``not_before``, send ``request`` once, and read the reply with ``read``.

    Waiting and sending are one effect, so there is no timer event, and ``read`` travels with the
    request, so a driver knows no endpoint. ``read`` never raises, whatever the bytes.

    ``spends`` says what the request may use up: a device or authorization ``code``, or a
    ``refresh_token``. A driver that is interrupted finishes such a request and saves what it
    brought; any other request may be abandoned at any time.
    """

    request: Request
    not_before: Instant
    read: Callable[[Reply, Moment], StartReply | FirstReply] = field(repr=False, eq=False)
    spends: Spends | None = field(default=None, kw_only=True)


Due: TypeAlias = Send | Final
"""What a driver does next: perform the ``Send``, or hand out the end."""


_SHORTEST: Constant = timedelta(seconds=1)


def limited(request: Request, not_before: Instant, deadline: Instant | None) -> Request:
    """Return a request that takes no longer than the run has left, and a second at least."""
    if deadline is None:
        return request
    return evolve(request, timeout=max(deadline - not_before, _SHORTEST))
