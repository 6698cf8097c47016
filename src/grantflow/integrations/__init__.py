"""Adapters for HTTP libraries, each with the library's transport, and the kit they are made of.

An adapter of one's own: ``Origins`` says where the token may go, ``Spelling`` writes it, ``Proofs``
adds a proof of possession (DPoP). After an answer, ``Call.verdict`` says what follows and
``Call.obey`` does it: one renewal and one replay at most; ``Exchange`` is the same for what awaits.
``challenges`` reads a ``WWW-Authenticate`` header; ``on_challenge`` answers what a renewal cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grantflow.core.acquisition.challenge import Challenge, challenges
    from grantflow.core.client.provider import origin_of
    from grantflow.shell.auth.after_401 import Answer, Call, Exchange, OnChallenge
    from grantflow.shell.auth.dpop_header import Proofs
    from grantflow.shell.auth.header import Origins, Spelling
    from grantflow.shell.auth.provider import AsyncTokenProvider, Known, TokenProvider

_HOMES = {
    "core.acquisition.challenge": "Challenge challenges",
    "core.client.provider": "origin_of",
    "shell.auth.after_401": "Answer Call Exchange OnChallenge",
    "shell.auth.dpop_header": "Proofs",
    "shell.auth.header": "Origins Spelling",
    "shell.auth.provider": "AsyncTokenProvider Known TokenProvider",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Load a name on first use: an adapter needs few of them (PEP 562)."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"grantflow.{_HOME[name]}"), name)
    return found


__all__ = [
    "Answer",
    "AsyncTokenProvider",
    "Call",
    "Challenge",
    "Exchange",
    "Known",
    "OnChallenge",
    "Origins",
    "Proofs",
    "Spelling",
    "TokenProvider",
    "challenges",
    "origin_of",
]
