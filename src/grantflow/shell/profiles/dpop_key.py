"""The key that the tokens of a profile are bound to (``login --dpop``, RFC 9449).

The profile holds the public part; the private key is in a private file, one per profile, and is
read only before a request.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import evolve

from grantflow.core.client.dpop import DPoP
from grantflow.core.values.json import Members
from grantflow.core.values.secret import Secret
from grantflow.shell.environment import home
from grantflow.shell.profiles.errors import ProfileError, usage
from grantflow.shell.profiles.profile import Profile

_FOLDER: Final = "keys"


def bound(profile: Profile) -> tuple[Profile, DPoP]:
    """Return a profile whose tokens are bound to a key, and the key; it is created if needed."""
    file = f"dpop-{profile.name}.json"
    key = _kept(file)
    return evolve(profile, dpop=_public(key), dpop_key_file=file), key


def key_of(profile: Profile) -> DPoP | None:
    """Return the key that proves what a profile sends, if its tokens are bound to one."""
    if not profile.dpop:
        return None
    path = _path(profile)
    if not path.exists():
        raise _missing(profile)
    key = _kept(path.name)
    if _public(key) != profile.dpop:
        raise _different(profile)
    return key


def key_problem(profile: Profile) -> ProfileError | None:
    """Return what a use of a profile's key would raise; nothing is created."""
    if not profile.dpop:
        return None
    # Loaded here: few profiles have a key.
    from grantflow.shell.signing.dpop_key import dpop_key

    try:
        text = Secret(_path(profile).read_bytes().decode("utf-8", "replace"))
        found = _public(dpop_key(text))
    except FileNotFoundError:
        return _missing(profile)
    except OSError:
        return None  # doctor's check of the files reports it
    except ImportError as error:
        return ProfileError(f"{profile.name}: {error}", "install it")
    except ValueError:
        return ProfileError(f"{_path(profile)} does not hold a private key", "put the key back")
    return None if found == profile.dpop else _different(profile)


def _path(profile: Profile) -> Path:
    return home() / _FOLDER / (profile.dpop_key_file or f"dpop-{profile.name}.json")


def _missing(profile: Profile) -> ProfileError:
    return ProfileError(
        f"the key that the tokens of {profile.name} are bound to is missing: {_path(profile)}",
        "put it back, or sign in again",
    )


def _different(profile: Profile) -> ProfileError:
    return ProfileError(
        f"{_path(profile)} holds another key than the tokens of {profile.name} are bound to",
        "put the former one back, or sign in again",
    )


def _kept(file: str) -> DPoP:
    from grantflow.shell.signing.dpop_key import kept_dpop_key

    try:
        return kept_dpop_key(home() / _FOLDER / file)
    except ImportError as error:
        raise usage(f"--dpop: {error}") from None
    except ValueError as error:
        raise ProfileError(f"the key of --dpop is not usable: {error}") from None


def _public(key: DPoP) -> Members:
    return Members({**key.public, "alg": key.alg, "jkt": key.thumbprint})
