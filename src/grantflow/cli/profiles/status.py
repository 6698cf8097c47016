"""The status of a profile: who is signed in where, and until when. Never a token."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import final

from attrs import frozen

from grantflow.cli.context import Context
from grantflow.cli.output import expiry
from grantflow.cli.token.claims import who
from grantflow.core.acquisition.freshness import Freshness, freshness
from grantflow.core.values.token import Token
from grantflow.shell.environment import home, token_variable
from grantflow.shell.profiles.client import key_of_profile
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.stores.token_document import name_of


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
    place: str | None = None
    """Where the token is stored: a file, or the keyring."""

    @property
    def refreshable(self) -> bool:
        """Return whether the token can be renewed without a person."""
        if self.profile.grant == "client_credentials":
            return True
        return self.token is not None and self.token.refresh_token is not None

    @property
    def renewed_by(self) -> str | None:
        """Return what renews the token without a person."""
        if self.profile.grant == "client_credentials":
            return "the client's own credentials"
        return "a refresh token" if self.refreshable else None

    @property
    def who(self) -> str | None:
        """Return whom the ID token names; the provider is trusted for it, nothing is verified."""
        token = self.token
        return None if token is None or token.id_token is None else who(token.id_token.reveal())

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
            "who": self.who,
            "who_verified": False if self.who else None,
            "store": self.profile.store,
            "stored_in": self.place,
            "expires_at": None if ends is None else ends.isoformat(),
            "expires": self.expires,
            "refreshable": self.refreshable,
            "renewed_by": self.renewed_by,
            "environment": self.environment,
            "dpop": bool(self.profile.dpop),
        }


def status_of(profile: Profile, default: str | None, context: Context) -> Status:
    """Return the status of a profile now."""
    key = key_of_profile(profile)
    token = context.store(profile.store).read(key)
    place = "the keyring" if profile.store == "keyring" else str(token_file(key))
    return Status(
        profile,
        token,
        context.clock.now().wall,
        profile.name == default,
        token_variable(profile.name),
        None if token is None else place,
    )


def token_file(key: str) -> Path:
    """Return the file of a token in the store of files."""
    return home() / "tokens" / f"{name_of(key)}.json"


def status_without(token: Token, environment: str, context: Context) -> Status:
    """Return the status if there is no profile, but a token in the environment."""
    now = context.clock.now().wall
    return Status(Profile(grant="given"), token, now, default=False, environment=environment)
