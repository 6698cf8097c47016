"""A token that came, and its profile: both are stored, and what they replace is dropped."""

from __future__ import annotations

from attrs import evolve

from grantflow.cli import context as outside
from grantflow.cli.errors import CommandError
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.client import key_of_profile
from grantflow.cli.profiles.profiles import Profile, Profiles
from grantflow.core.values.token import Token


def keep(profile: Profile, token: Token, known: Profiles) -> None:
    """Store the token, then its profile; ``known`` are those that were there before."""
    store = outside.store()
    key = key_of_profile(evolve(profile, token_key=None))
    now = outside.clock().now().wall
    profile = evolve(profile, token_key=key, signed_in_at=now.isoformat())
    store.save(key, token)
    profiles.add(profile)
    if profile.name in known.documents:
        _forget_former(profile.name, known, key)


def _forget_former(name: str, known: Profiles, key: str) -> None:
    """Drop the token that this profile had before, where it was another ask (a wider scope)."""
    try:
        former = key_of_profile(known.named(name))
    except CommandError:
        return
    if former != key:
        outside.store().forget(former)
