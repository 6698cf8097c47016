"""How a profile stands: who is signed in where, and for how long. Never a token."""

from __future__ import annotations

from datetime import datetime
from typing import final

from attrs import frozen

from grantflow.cli import context as outside
from grantflow.cli import format as words
from grantflow.cli.profiles.client import key_of_profile
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.token.external_token import variable
from grantflow.core.acquisition.freshness import Freshness, freshness
from grantflow.core.values.token import Token


@final
@frozen
class Standing:
    """A profile, its stored token if there is one, and the time at which it is looked at.

    ``environment`` is the variable that holds a token which outranks all of that.
    """

    profile: Profile
    token: Token | None
    now: datetime
    default: bool
    environment: str | None = None

    @property
    def refreshable(self) -> bool:
        """Tell whether the token can be renewed without a person."""
        if self.profile.grant == "client_credentials":
            return True
        return self.token is not None and self.token.refresh_token is not None

    @property
    def ended(self) -> bool:
        """Tell whether the stored token is of no more use by itself."""
        return self.token is not None and freshness(self.token, self.now) is Freshness.STALE

    @property
    def signed_in(self) -> bool:
        """Tell whether ``grantflow token`` has a token to give without a person."""
        stored = self.token is not None and (self.refreshable or not self.ended)
        return stored or self.environment is not None

    @property
    def scope(self) -> str:
        """Return what was granted, else what is asked for."""
        granted = () if self.token is None else self.token.scope
        return " ".join(granted or self.profile.scope)

    @property
    def expires(self) -> str:
        """Return when the token ends, in words."""
        return "no token" if self.token is None else words.expiry(self.token.expires_at, self.now)

    def members(self) -> dict[str, str | bool | None]:
        """Return what ``--json`` tells."""
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
            "expires_at": None if ends is None else ends.isoformat(),
            "expires": self.expires,
            "refreshable": self.refreshable,
            "environment": self.environment,
            "dpop": bool(self.profile.dpop),
        }


def standing(profile: Profile, default: str | None) -> Standing:
    """Return how a profile stands now."""
    token = outside.store().read(key_of_profile(profile))
    now = outside.clock().now().wall
    return Standing(profile, token, now, profile.name == default, variable(profile.name))


def standing_without(token: Token, environment: str) -> Standing:
    """Return how matters stand where there is no profile but a token in the environment."""
    return Standing(Profile(grant="given"), token, outside.clock().now().wall, False, environment)
