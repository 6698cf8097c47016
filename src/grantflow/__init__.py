"""OAuth 2.0 sign-ins as pure functions over immutable states.

Every public name is here, and loads the part of the library that it needs on first use
(PEP 562): ``import grantflow`` alone loads nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs more than all the rest of this file
if TYPE_CHECKING:
    from grantflow import providers
    from grantflow.core.acquisition.freshness import Skew, Window
    from grantflow.core.client.authentication import (
        ClientAssertion,
        ClientSecretBasic,
        ClientSecretHeaders,
        ClientSecretJwt,
        ClientSecretPost,
        MutualTls,
        PrivateKeyJwt,
        Public,
    )
    from grantflow.core.client.client import Client
    from grantflow.core.client.dialect import RequestFormat, ResponseFormat
    from grantflow.core.client.dpop import DPoP
    from grantflow.core.client.provider import Provider
    from grantflow.core.flows.client_credentials import ClientCredentialsFlow
    from grantflow.core.flows.device import DeviceFlow
    from grantflow.core.flows.effects import Send
    from grantflow.core.flows.events import (
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
    from grantflow.core.flows.flow import Flow, Run, begin, outcome
    from grantflow.core.flows.pacing import Backoff
    from grantflow.core.flows.refresh import RefreshFlow
    from grantflow.core.flows.registration import RegistrationFlow
    from grantflow.core.flows.sign_in import sign_in_flow
    from grantflow.core.flows.states import (
        Authorized,
        DeviceState,
        Expired,
        Failed,
        GrantState,
        Pending,
        Problem,
        SlowDown,
        Started,
    )
    from grantflow.core.flows.two_step import LinkFlow, TwoStepFlow
    from grantflow.core.values.errors import (
        Cancelled,
        Denied,
        InteractionRequired,
        InvalidResponse,
        Refused,
        Unreachable,
    )
    from grantflow.core.values.request import Request
    from grantflow.core.values.response import Fault, Response
    from grantflow.core.values.secret import Secret
    from grantflow.core.values.time import Instant, Moment
    from grantflow.core.values.token import DeviceAuthorization, Token
    from grantflow.integrations.requests import TokenAuth, TokenSession
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
    from grantflow.shell.sources.blocking import GrantError, TokenSource
    from grantflow.shell.sources.registration import Registration
    from grantflow.shell.stores import FileStore, KeyringStore, MemoryStore, RedisStore

__all__ = [
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
    "GaveUp",
    "GrantError",
    "GrantIssued",
    "GrantState",
    "Instant",
    "InteractionRequired",
    "InvalidResponse",
    "KeyringStore",
    "LinkFlow",
    "LockedError",
    "MemoryStore",
    "Moment",
    "MutualTls",
    "NonceAsked",
    "Pending",
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
    "RequestFormat",
    "Response",
    "ResponseFormat",
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
    "core.acquisition.freshness": (
        "Skew",
        "Window",
    ),
    "core.client.authentication": (
        "ClientAssertion",
        "ClientSecretBasic",
        "ClientSecretHeaders",
        "ClientSecretJwt",
        "ClientSecretPost",
        "MutualTls",
        "PrivateKeyJwt",
        "Public",
    ),
    "core.client.client": ("Client",),
    "core.client.dialect": (
        "RequestFormat",
        "ResponseFormat",
    ),
    "core.client.dpop": ("DPoP",),
    "core.client.provider": ("Provider",),
    "core.flows.client_credentials": ("ClientCredentialsFlow",),
    "core.flows.device": ("DeviceFlow",),
    "core.flows.effects": ("Send",),
    "core.flows.events": (
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
    "core.flows.flow": (
        "Flow",
        "Run",
        "begin",
        "outcome",
    ),
    "core.flows.pacing": ("Backoff",),
    "core.flows.refresh": ("RefreshFlow",),
    "core.flows.registration": ("RegistrationFlow",),
    "core.flows.sign_in": ("sign_in_flow",),
    "core.flows.states": (
        "Authorized",
        "DeviceState",
        "Expired",
        "Failed",
        "GrantState",
        "Pending",
        "Problem",
        "SlowDown",
        "Started",
    ),
    "core.flows.two_step": (
        "LinkFlow",
        "TwoStepFlow",
    ),
    "core.values.errors": (
        "Cancelled",
        "Denied",
        "InteractionRequired",
        "InvalidResponse",
        "Refused",
        "Unreachable",
    ),
    "core.values.request": ("Request",),
    "core.values.response": (
        "Fault",
        "Response",
    ),
    "core.values.secret": ("Secret",),
    "core.values.time": (
        "Instant",
        "Moment",
    ),
    "core.values.token": (
        "DeviceAuthorization",
        "Token",
    ),
    "integrations.requests": (
        "TokenAuth",
        "TokenSession",
    ),
    "shell.blocking": (
        "resume",
        "run",
    ),
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
    "shell.sources.blocking": (
        "GrantError",
        "TokenSource",
    ),
    "shell.sources.registration": ("Registration",),
    "shell.stores": (
        "FileStore",
        "KeyringStore",
        "MemoryStore",
        "RedisStore",
    ),
}

_HOME = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # else a checker would take any name for a public one

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
