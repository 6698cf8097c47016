"""OAuth 2.0 sign-ins for programs without a local browser: a pure state machine, thin drivers.

Every public name is here or in one of the doors beside it (``aio``, ``timer``, ``stores``,
``signing``, ``codec``, ``flows``, ``integrations``, ``testing``). A name loads the part of the
library that it needs on first use (PEP 562): ``import grantflow`` alone loads nothing.
"""

__version__ = "0.1.0"

# Type checkers read __init__.pyi; a test holds the two equal.
_HOMES = {
    "core.acquisition.freshness": "Skew Window",
    "core.acquisition.source_events": (
        "PromptShown RenewalFailed SignedOut SignInFailed SourceEvent SourceStatus "
        "StoreFailed "
        "TokenAcquired TokenAdopted TokenRenewed TokenStored WaitingForOther"
    ),
    "core.acquisition.resource": "ProtectedResource StepUp step_up",
    "core.client.authentication": (
        "ClientAssertion ClientSecretBasic ClientSecretHeaders ClientSecretJwt "
        "ClientSecretPost MutualTls PrivateKeyJwt Public"
    ),
    "core.client.client": "Client",
    "core.client.dialect": "RequestFormat ResponseFormat",
    "core.client.dpop": "DPoP",
    "core.client.provider": "Provider",
    "core.flows.client_credentials": "ClientCredentialsFlow",
    "core.flows.device": "DeviceFlow",
    "core.flows.effects": "Send",
    "core.flows.events": (
        "CodeExpired CodeIssued Event GaveUp Rejected SlowDownAsked StillPending "
        " TokenIssued Unanswered"
    ),
    "core.flows.flow": "Flow Run begin outcome",
    "core.flows.grant": "GrantFlow JwtBearerFlow TokenExchangeFlow",
    "core.flows.pacing": "Backoff",
    "core.flows.refresh": "RefreshFlow",
    "core.flows.registration": "RegistrationFlow",
    "core.flows.states": (
        "Authorized DeviceState Expired Failed GrantState Pending Problem SlowDown Started"
    ),
    "core.values.errors": (
        "Cancelled Denied InteractionRequired InvalidResponse Refused Unreachable"
    ),
    "core.values.request": "Request",
    "core.values.response": "Fault Response",
    "core.values.secret": "Secret",
    "core.values.time": "Instant Moment",
    "core.values.validators": "ArgumentError",
    "core.values.token": "DeviceAuthorization Token",
    "integrations.requests": "TokenAuth TokenSession",
    "shell.auth.provider": "TokenProvider",
    "shell.blocking": "resume run",
    "shell.clock": "SystemClock",
    "shell.discovery": "discover discover_resource",
    "shell.profiles.errors": "ProfileError",
    "shell.ports": "Clock Prompt Store StoreError Transport",
    "shell.sources.blocking": "TokenSource",
    "shell.sources.results": "GrantError settled",
    "shell.sources.registration": "Registration",
    "shell.stores": "FileStore KeyringStore MemoryStore RedisStore",
}

_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [*sorted(_HOME), "providers"]


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
