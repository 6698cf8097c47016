"""The one effect of a flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, final

from attrs import field, frozen

from grantflow.core.flows.events import FirstReply, StartReply
from grantflow.core.flows.states import Final
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Instant, Moment


@final
@frozen
class Send:
    """Wait until ``not_before``, send ``request`` once, and read the reply with ``read``.

    Waiting and sending are one effect, so there is no timer event, and ``read`` travels with the
    request, so a driver knows no endpoint. ``read`` never raises, whatever the bytes.
    """

    request: Request
    not_before: Instant
    read: Callable[[Reply, Moment], StartReply | FirstReply] = field(repr=False, eq=False)


Due: TypeAlias = Send | Final
"""What a driver does next: perform the ``Send``, or hand out the end."""
