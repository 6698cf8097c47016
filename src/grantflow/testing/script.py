"""What a scripted authorization server does, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import final

from attrs import field, frozen

from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.secret import Secret, secret


@final
@frozen
class Outage:
    """From ``start`` until before ``end`` every request gets ``reply`` instead of an answer.

    ``acted=True`` plays the nastier kind: the server does what was asked, only its answer is lost.
    """

    start: timedelta
    end: timedelta
    reply: Reply = field(default=Fault("timeout", "maybe", "scripted outage"))
    acted: bool = False


def _clients(
    clients: Mapping[str, Secret | str | None] | None,
) -> Mapping[str, Secret | None] | None:
    if clients is None:
        return None
    return MappingProxyType(
        {name: None if text is None else secret(text) for name, text in clients.items()}
    )


@final
@frozen(kw_only=True)
class Script:
    """How the server and the person at its approval page behave. All spans are exact.

    The person approves ``approve_after`` the code was issued, or denies ``deny_after``; with
    neither, only ``decided`` or the approval page decide. A code lives for ``lifetime``, an
    access token for ``token_lifetime`` (``None``: the server does not say). ``rotation`` replaces
    the refresh token at each use, ``reuse_detection`` then ends the grant when an old one comes
    back. ``clients`` are the registered ones with their secrets, ``None`` standing for a public
    client; without the argument any client is welcome. ``latency`` is that of a round trip.
    ``slow_downs`` polls of each code are answered with ``slow_down``, however late they come.
    """

    approve_after: timedelta | None = None
    deny_after: timedelta | None = None
    lifetime: timedelta = timedelta(minutes=10)
    interval: timedelta = timedelta(seconds=5)
    token_lifetime: timedelta | None = timedelta(hours=1)
    refresh: bool = True
    rotation: bool = True
    reuse_detection: bool = True
    latency: timedelta = timedelta()
    outages: tuple[Outage, ...] = ()
    slow_downs: int = 0
    clients: Mapping[str, Secret | None] | None = field(
        default=None, converter=_clients, hash=False
    )
