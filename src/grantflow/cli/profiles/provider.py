"""The provider of a profile: how it is remembered, and read back.

Rules:

1. All of the provider is remembered, wherever it came from: renewing and revoking need neither its
   metadata nor the user's file again, and an update of grantflow changes nothing under a token.
2. It is read back only where something is to be sent.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from grantflow.cli.errors import CommandError, usage
from grantflow.cli.profiles.profiles import Profile
from grantflow.core.client.provider import Provider
from grantflow.core.values.json import Members

VERSION: Final = 1

_BESIDE: Final = (
    "issuer",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)
"""What a profile has beside the spelling: the store's key and the lists need no more than that."""


def remembering(profile: Profile, provider: Provider) -> Profile:
    """Return the profile with all of the provider in it."""
    from grantflow.providers import document_of

    rest = {name: said for name, said in document_of(provider).items() if name not in _BESIDE}
    return evolve(
        profile,
        issuer=provider.issuer,
        token_endpoint=provider.token_endpoint,
        device_authorization_endpoint=provider.device_authorization_endpoint,
        revocation_endpoint=provider.revocation_endpoint,
        spelling=Members({"version": VERSION, **rest} if rest else {}),
    )


def remembered(profile: Profile) -> Provider:
    """Return the provider that a profile remembers."""
    if not profile.spelling:
        return plain_provider(profile)
    from grantflow.providers import provider_from

    version = profile.spelling.get("version")
    if version != VERSION:
        raise _unusable(profile, "it was written by another version of grantflow")
    rest = {name: said for name, said in profile.spelling.items() if name != "version"}
    beside = {name: url for name in _BESIDE if (url := getattr(profile, name)) is not None}
    found = provider_from(profile.place or "", {**rest, **beside})
    if isinstance(found, Provider):
        return found
    raise _unusable(profile, f"its provider's {found[0].key}: {found[0].problem}")


def plain_provider(profile: Profile) -> Provider:
    """Return where a profile signs in, without its spelling: enough to say where a token is."""
    return Provider(
        name=profile.place or "",
        issuer=profile.issuer,
        token_endpoint=profile.token_endpoint or "",
        device_authorization_endpoint=profile.device_authorization_endpoint,
        revocation_endpoint=profile.revocation_endpoint,
    )


def _unusable(profile: Profile, problem: str) -> CommandError:
    return usage(f"profile {profile.name!r} is not usable: {problem}; sign in again")
