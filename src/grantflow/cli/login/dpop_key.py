"""The key that the tokens of a profile are bound to (``login --dpop``, RFC 9449).

The profile holds the public part, which is enough to say where its token is; the private key is in
a file of its owner's, one for each profile, and is read only where something is to be sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import evolve

from grantflow.cli.errors import CommandError, usage
from grantflow.cli.profiles.profiles import Profile
from grantflow.core.client.dpop import DPoP
from grantflow.core.values.json import Members
from grantflow.core.values.secret import Secret
from grantflow.shell.environment import home

_FOLDER: Final = "keys"


def bound(profile: Profile) -> tuple[Profile, DPoP]:
    """Return a profile whose tokens are bound to a key, and the key; it is made where none is."""
    file = f"dpop-{profile.name}.json"
    key = _kept(file)
    return evolve(profile, dpop=_named(key), dpop_key_file=file), key


def named_key(profile: Profile) -> DPoP | None:
    """Return the key of a profile as far as its name goes: it says where a token is, and signs not.

    ``ValueError`` where the profile's public key is not usable.
    """
    if not profile.dpop:
        return None
    members = dict(profile.dpop)
    alg, thumbprint = members.pop("alg", None), members.pop("jkt", None)
    if not isinstance(alg, str) or not isinstance(thumbprint, str):
        raise ValueError("dpop: alg and jkt are needed beside the public key")
    return DPoP(key=_signs_not, public=Members(members), alg=alg, thumbprint=thumbprint)


def key_of(profile: Profile) -> DPoP | None:
    """Return the key that proves what a profile sends, if its tokens are bound to one."""
    if not profile.dpop:
        return None
    path = _path(profile)
    if not path.exists():
        raise _gone(profile)
    key = _kept(path.name)
    if _named(key) != profile.dpop:
        raise _another(profile)
    return key


def key_problem(profile: Profile) -> CommandError | None:
    """Say what a use of a profile's key would come to, if to no good; nothing is touched."""
    if not profile.dpop:
        return None
    # Loaded here: few profiles have a key.
    from grantflow.shell.signing.dpop_key import dpop_key

    try:
        text = Secret(_path(profile).read_bytes().decode("utf-8", "replace"))
        found = _named(dpop_key(text))
    except FileNotFoundError:
        return _gone(profile)
    except OSError:
        return None  # whoever looks at the files tells it
    except ImportError as error:
        return CommandError(f"{profile.name}: {error}; install it")
    except ValueError:
        return CommandError(f"{_path(profile)} holds no private key; put the key back")
    return None if found == profile.dpop else _another(profile)


def _path(profile: Profile) -> Path:
    return home() / _FOLDER / (profile.dpop_key_file or f"dpop-{profile.name}.json")


def _gone(profile: Profile) -> CommandError:
    return CommandError(
        f"the key that the tokens of {profile.name} are bound to is gone: {_path(profile)}; put it "
        "back, or sign in again"
    )


def _another(profile: Profile) -> CommandError:
    return CommandError(
        f"{_path(profile)} holds another key than the tokens of {profile.name} are bound to; put "
        "the former one back, or sign in again"
    )


def _kept(file: str) -> DPoP:
    # Loaded here: few profiles have a key.
    from grantflow.shell.signing.dpop_key import kept_dpop_key

    try:
        return kept_dpop_key(home() / _FOLDER / file)
    except ImportError as error:
        raise usage(f"--dpop: {error}") from None
    except ValueError as error:
        raise CommandError(f"the key of --dpop is not usable: {error}") from None


def _named(key: DPoP) -> Members:
    return Members({**key.public, "alg": key.alg, "jkt": key.thumbprint})


def _signs_not(_: bytes) -> bytes:
    raise NotImplementedError
