"""OAuth 2.0 sign-ins as pure functions over immutable states.

Every public name is here, and loads the part of the library that it needs on first use
(PEP 562): ``import grantflow`` alone loads nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs more than all the rest of this file
if TYPE_CHECKING:
    from grantflow import providers
    from grantflow.core.client import Client
    from grantflow.core.client_auth import (
        ClientAssertion,
        ClientSecretBasic,
        ClientSecretHeaders,
        ClientSecretJwt,
        ClientSecretPost,
        MutualTls,
        PrivateKeyJwt,
        Public,
    )
    from grantflow.core.client_credentials import ClientCredentialsFlow
    from grantflow.core.device import DeviceFlow
    from grantflow.core.dpop import DPoP
    from grantflow.core.effects import Send
    from grantflow.core.errors import Cancelled, Denied, Garbled, Refused, Unreachable
    from grantflow.core.events import (
        CodeExpired,
        CodeIssued,
        Event,
        GaveUp,
        GrantIssued,
        NonceAsked,
        Rejected,
        SlowDownAsked,
        StillPending,
        TokenIssued,
        Unanswered,
    )
    from grantflow.core.exchange import MiddlemanFlow, TwoStepFlow
    from grantflow.core.flow import Flow, Run, begin, outcome
    from grantflow.core.pacing import Backoff
    from grantflow.core.problems import PersonNeeded, Problem
    from grantflow.core.provider import Provider
    from grantflow.core.refresh import RefreshFlow
    from grantflow.core.registration import RegistrationFlow
    from grantflow.core.request import Request
    from grantflow.core.secret import Secret
    from grantflow.core.sign_in import sign_in_flow
    from grantflow.core.spelling import Answering, Asking
    from grantflow.core.states import (
        Authorized,
        DeviceState,
        Expired,
        Failed,
        GrantState,
        Pending,
        SlowDown,
        Started,
    )
    from grantflow.core.tokens import Skew, Window
    from grantflow.core.values import DeviceAuthorization, Fault, Instant, Moment, Response, Token
    from grantflow.shell.auth.requests import TokenAuth, TokenSession
    from grantflow.shell.blocking import resume, run
    from grantflow.shell.clock import SystemClock
    from grantflow.shell.ports import (
        Clock,
        LockedError,
        Prompt,
        Store,
        StoreError,
        Transport,
        TryingStore,
    )
    from grantflow.shell.registration import Registration
    from grantflow.shell.source import GrantError, TokenSource
    from grantflow.shell.stores import FileStore, KeyringStore, MemoryStore, RedisStore

__all__ = [
    "Answering",
    "Asking",
    "Authorized",
    "Backoff",
    "Cancelled",
    "Client",
    "ClientAssertion",
    "ClientCredentialsFlow",
    "ClientSecretBasic",
    "ClientSecretHeaders",
    "ClientSecretJwt",
    "ClientSecretPost",
    "Clock",
    "CodeExpired",
    "CodeIssued",
    "DPoP",
    "Denied",
    "DeviceAuthorization",
    "DeviceFlow",
    "DeviceState",
    "Event",
    "Expired",
    "Failed",
    "Fault",
    "FileStore",
    "Flow",
    "Garbled",
    "GaveUp",
    "GrantError",
    "GrantIssued",
    "GrantState",
    "Instant",
    "KeyringStore",
    "LockedError",
    "MemoryStore",
    "MiddlemanFlow",
    "Moment",
    "MutualTls",
    "NonceAsked",
    "Pending",
    "PersonNeeded",
    "PrivateKeyJwt",
    "Problem",
    "Prompt",
    "Provider",
    "Public",
    "RedisStore",
    "RefreshFlow",
    "Refused",
    "Registration",
    "RegistrationFlow",
    "Rejected",
    "Request",
    "Response",
    "Run",
    "Secret",
    "Send",
    "Skew",
    "SlowDown",
    "SlowDownAsked",
    "Started",
    "StillPending",
    "Store",
    "StoreError",
    "SystemClock",
    "Token",
    "TokenAuth",
    "TokenIssued",
    "TokenSession",
    "TokenSource",
    "Transport",
    "TryingStore",
    "TwoStepFlow",
    "Unanswered",
    "Unreachable",
    "Window",
    "begin",
    "outcome",
    "providers",
    "resume",
    "run",
    "sign_in_flow",
]

_HOMES = {
    "core.client": ("Client",),
    "core.client_auth": (
        "ClientAssertion",
        "ClientSecretBasic",
        "ClientSecretHeaders",
        "ClientSecretJwt",
        "ClientSecretPost",
        "MutualTls",
        "PrivateKeyJwt",
        "Public",
    ),
    "core.client_credentials": ("ClientCredentialsFlow",),
    "core.device": ("DeviceFlow",),
    "core.dpop": ("DPoP",),
    "core.effects": ("Send",),
    "core.errors": ("Cancelled", "Denied", "Garbled", "Refused", "Unreachable"),
    "core.events": (
        "CodeExpired",
        "CodeIssued",
        "Event",
        "GaveUp",
        "GrantIssued",
        "NonceAsked",
        "Rejected",
        "SlowDownAsked",
        "StillPending",
        "TokenIssued",
        "Unanswered",
    ),
    "core.exchange": ("MiddlemanFlow", "TwoStepFlow"),
    "core.flow": ("Flow", "Run", "begin", "outcome"),
    "core.pacing": ("Backoff",),
    "core.problems": ("PersonNeeded", "Problem"),
    "core.provider": ("Provider",),
    "core.refresh": ("RefreshFlow",),
    "core.registration": ("RegistrationFlow",),
    "core.request": ("Request",),
    "core.secret": ("Secret",),
    "core.sign_in": ("sign_in_flow",),
    "core.spelling": ("Answering", "Asking"),
    "core.states": (
        "Authorized",
        "DeviceState",
        "Expired",
        "Failed",
        "GrantState",
        "Pending",
        "SlowDown",
        "Started",
    ),
    "core.tokens": ("Skew", "Window"),
    "core.values": (
        "DeviceAuthorization",
        "Fault",
        "Instant",
        "Moment",
        "Response",
        "Token",
    ),
    "shell.blocking": ("resume", "run"),
    "shell.clock": ("SystemClock",),
    "shell.ports": (
        "Clock",
        "LockedError",
        "Prompt",
        "Store",
        "StoreError",
        "Transport",
        "TryingStore",
    ),
    "shell.registration": ("Registration",),
    "shell.source": ("GrantError", "TokenSource"),
    "shell.auth.requests": ("TokenAuth", "TokenSession"),
    "shell.stores": ("FileStore", "KeyringStore", "MemoryStore", "RedisStore"),
}

_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name on first use and keep it."""
    from importlib import import_module

    if name == "providers":  # a submodule, which the import itself keeps
        return import_module("grantflow.providers")
    if name not in _HOME:
        raise AttributeError(f"module 'grantflow' has no attribute {name!r}")
    value: object = getattr(import_module(f"grantflow.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
