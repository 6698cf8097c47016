"""From a profile of the command to a token source of the library.

Rules:

1. The source finds the token under the key of the command, and renews it as the command does.
2. Secrets are read at each use, so the source follows what changes; it never prompts on its own.
3. A token that was stored by hand (``login --token-stdin``) is used and not renewed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from attrs import frozen

from grantflow.core.client.client import Client
from grantflow.core.client.identity import Grant
from grantflow.core.client.provider import Provider
from grantflow.core.values.token import Token
from grantflow.shell.environment import token_variable
from grantflow.shell.ports import Readable, Store
from grantflow.shell.profiles import profiles
from grantflow.shell.profiles.client import authenticated_client, key_of_profile
from grantflow.shell.profiles.errors import login_required, usage
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.stores.file import FileStore

_NOWHERE: Final = "https://given.invalid/token"
"""The token endpoint of a token that was stored by hand: it is never asked."""


@final
@frozen(kw_only=True)
class Remembered:
    """What a source is made of; its two functions raise ``ProfileError``."""

    client: Callable[[], Client]
    grant: Grant
    store: Store
    profile: str
    origins: frozenset[str]
    token: Callable[[], Token] | None
    environment: str


def named(name: str | None) -> Profile:
    """Return a profile, without a name the default one; raises ``ProfileError``."""
    return profiles.load().named(name)


def for_url(url: str) -> Profile:
    """Return the profile that has a token for a URL; raises ``ProfileError``."""
    return profiles.load().for_url(url)


def remembered(profile: Profile, clock: Readable) -> Remembered:
    """Return what the source of a profile is made of; raises ``ProfileError``."""
    store = store_of(profile.store)
    given = profile.grant == "given"

    def make() -> Client:
        return authenticated_client(profile, store, clock.now().wall)

    if not given:
        make()  # what is unusable is raised now
    return Remembered(
        client=(lambda: _unasked(profile)) if given else make,
        grant="device" if profile.grant == "given" else profile.grant,
        store=store,
        profile=profile.name,
        origins=profile.destinations,
        token=(lambda: _given(profile, store)) if given else None,
        environment=token_variable(profile.name) or "GRANTFLOW_TOKEN",
    )


def store_of(name: str) -> FileStore:
    """Return the store that a profile names; raises ``ProfileError``."""
    if name == "file":
        return FileStore()
    if name == "keyring":
        from grantflow.shell.stores.keyring import KeyringStore

        try:
            return KeyringStore()
        except ImportError as error:
            raise usage(f"the keyring: {error}") from None
    raise usage(f"unknown store {name!r}", "update grantflow")


def _unasked(profile: Profile) -> Client:
    return Client(
        provider=Provider(name=profile.place or "given", token_endpoint=_NOWHERE),
        client_id=profile.client_id or "grantflow",
    )


def _given(profile: Profile, store: Store) -> Token:
    found = store.read(key_of_profile(profile))
    if found is None:
        raise login_required(f"profile {profile.name} has no token", "sign in again")
    return found
