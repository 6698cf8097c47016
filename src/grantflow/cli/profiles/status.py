"""The status of a profile: who is signed in where, and until when. Never a token."""

from __future__ import annotations

from datetime import datetime
from typing import final

from attrs import frozen

from grantflow.cli.context import Context
from grantflow.cli.output import expiry
from grantflow.cli.profiles.client import key_of_profile
from grantflow.cli.profiles.profile import Profile
from grantflow.core.acquisition.freshness import Freshness, freshness
from grantflow.core.values.token import Token
from grantflow.shell.environment import token_variable


@final
@frozen
class Status:
    """A profile, its stored token if there is one, and the time at which it is looked at.

    ``environment`` is the variable that holds a token which overrides all of that.
    """

    profile: Profile
    token: Token | None
    now: datetime
    default: bool
    environment: str | None = None

    @property
    def refreshable(self) -> bool:
        """Return whether the token can be renewed without a person."""
        if self.profile.grant == "client_credentials":
            return True
        return self.token is not None and self.token.refresh_token is not None

    @property
    def expired(self) -> bool:
        """Return whether the stored token is no longer usable by itself."""
        return self.token is not None and freshness(self.token, self.now) is Freshness.STALE

    @property
    def signed_in(self) -> bool:
        """Return whether ``grantflow token`` prints a token without a person."""
        stored = self.token is not None and (self.refreshable or not self.expired)
        return stored or self.environment is not None

    @property
    def scope(self) -> str:
        """Return what was granted, else what is requested."""
        granted = () if self.token is None else self.token.scope
        return " ".join(granted or self.profile.scope)

    @property
    def expires(self) -> str:
        """Return when the token expires, in words."""
        return "no token" if self.token is None else expiry(self.token.expires_at, self.now)

    def members(self) -> dict[str, str | bool | None]:
        """Return what ``--json`` prints."""
        ends = None if self.token is None else self.token.expires_at
        return {
            "profile": self.profile.name or None,
            "default": self.default,
            "signed_in": self.signed_in,
            "provider": self.profile.provider,
            "issuer": self.profile.issuer,
            "token_endpoint": self.profile.token_endpoint,
            "client_id": self.profile.client_id,
            "grant": self.profile.grant,
            "scope": self.scope,
            "store": self.profile.store,
            "expires_at": None if ends is None else ends.isoformat(),
            "expires": self.expires,
            "refreshable": self.refreshable,
            "environment": self.environment,
            "dpop": bool(self.profile.dpop),
        }


def status_of(profile: Profile, default: str | None, context: Context) -> Status:
    """Return the status of a profile now."""
    token = context.store(profile.store).read(key_of_profile(profile))
    now = context.clock.now().wall
    return Status(profile, token, now, profile.name == default, token_variable(profile.name))


def status_without(token: Token, environment: str, context: Context) -> Status:
    """Return the status if there is no profile, but a token in the environment."""
    now = context.clock.now().wall
    return Status(Profile(grant="given"), token, now, default=False, environment=environment)
