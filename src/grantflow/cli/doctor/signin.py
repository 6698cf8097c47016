"""The profiles and the sign-in: what is remembered, and whether it still gives a token."""

from __future__ import annotations

from collections.abc import Iterator

from grantflow.cli.context import Context
from grantflow.cli.doctor import Finding
from grantflow.cli.errors import ProfileError
from grantflow.cli.login.flags import login_command
from grantflow.cli.profiles.status import Status, token_file
from grantflow.core.client.authentication import METHODS
from grantflow.core.values.token import Token
from grantflow.shell.ports import StoreError
from grantflow.shell.profiles import dpop_key, profiles
from grantflow.shell.profiles.client import WITH_SECRET, key_of_profile, remembered
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.profiles.profiles import Profiles
from grantflow.shell.stores.token_document import TokenDocument, read_document


def profiles_as_they_are() -> Profiles | str:
    """Read the profiles without a change; text is what is wrong with the file."""
    try:
        return profiles.parsed(profiles.path().read_bytes())
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, ProfileError) as error:
        return str(error)


def check_profiles(found: Profiles | str) -> Iterator[Finding]:
    """Check the file of the profiles, and each profile in it."""
    path = profiles.path()
    if isinstance(found, str):
        advice = "repair it, or sign in again: the next use moves a damaged file aside"
        yield Finding("profiles", "problem", f"{path}: {found}", advice)
        return
    names = list(found.documents)
    usable = 0
    for name in names:
        try:
            profile = found.named(name)
            key_of_profile(profile)
            if profile.grant != "given":
                remembered(profile)
        except ProfileError as error:
            yield Finding("profiles", "problem", error.problem, error.advice)
        else:
            usable += 1
    if not names:
        yield Finding("profiles", "note", "no profiles yet", "grantflow login --help")
    elif usable == len(names):
        yield Finding("profiles", "ok", f"{usable} remembered: {', '.join(names)}")
    if names and found.default not in names:
        message = "there is no default profile"
        yield Finding("profiles", "note", message, "set it with grantflow default NAME")


def check_profile(profile: Profile, context: Context, *, default: bool) -> Iterator[Finding]:
    """Check the sign-in of one profile, and what its client authenticates with."""
    try:
        token = _stored(profile, context)
    except ProfileError:
        return  # check_profiles reports it
    except StoreError as error:
        yield Finding("sign-in", "problem", f"{profile.name}: {error}", "sign in again")
        return
    yield check_sign_in(Status(profile, token, context.clock.now().wall, default))
    yield from check_secret(
        profile, in_environment="GRANTFLOW_CLIENT_SECRET" in context.environment
    )
    yield from check_key(profile)


def _stored(profile: Profile, context: Context) -> Token | None:
    """Read a profile's token as it is; a damaged file is reported by its own check."""
    if profile.store != "file":
        return context.store(profile.store).read(key_of_profile(profile))
    try:
        data = token_file(key_of_profile(profile)).read_bytes()
        found = read_document(data)
    except (OSError, ValueError):
        return None
    return found.token if isinstance(found, TokenDocument) else None


def check_sign_in(status: Status) -> Finding:
    """Check whether ``grantflow token`` would print a token without a prompt."""
    name = status.profile.name
    if status.token is None and status.refreshable:
        return Finding("sign-in", "ok", f"{name}: no token yet; it is requested at the first use")
    if not status.signed_in:
        why = "there is no token" if status.token is None else "the token has expired"
        return Finding("sign-in", "problem", f"{name}: {why}", login_command(status.profile))
    renews = ", and is refreshed automatically" if status.refreshable else ""
    if status.expires == "unknown":
        message = "the token's expiry is unknown"
    else:
        message = f"the token {'expired' if status.expired else 'expires'} {status.expires}"
    return Finding("sign-in", "ok", f"{name}: {message}{renews}")


def check_secret(profile: Profile, *, in_environment: bool) -> Iterator[Finding]:
    """Check what the client authenticates with; nothing if it needs nothing."""

    def problem(message: str, advice: str) -> Finding:
        return Finding("secret", "problem", f"{profile.name}: {message}", advice)

    file = profile.proof_file
    missing = None if file is None else _unreadable(file)
    if missing is not None:
        message = f"cannot read {file}: {missing}"
        yield problem(message, "restore it, or sign in again with another one")
    elif profile.client_auth == "none" or profile.grant == "given" or profile.registration:
        return
    elif profile.client_auth not in METHODS:
        message = f"the client authentication {profile.client_auth!r} is unknown"
        yield problem(message, "update grantflow, or sign in again")
    elif profile.client_secret_command is not None:
        yield Finding("secret", "ok", f"{profile.name}: it is printed by a command")
    elif file is not None:
        yield Finding("secret", "ok", f"{profile.name}: it is in {file}")
    elif in_environment:
        yield Finding("secret", "ok", f"{profile.name}: it is in GRANTFLOW_CLIENT_SECRET")
    else:
        flag = "--client-secret-file" if profile.client_auth in WITH_SECRET else "--client-key-file"
        advice = f"set GRANTFLOW_CLIENT_SECRET, or sign in again with {flag} FILE"
        yield problem("its client secret is missing", advice)


def _unreadable(file: str) -> str | None:
    try:
        with open(file, "rb"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def check_key(profile: Profile) -> Iterator[Finding]:
    """Check the key that the tokens are bound to; nothing if they are not bound."""
    error = dpop_key.key_problem(profile)
    if error is not None:
        yield Finding("key", "problem", error.problem, error.advice)
    elif profile.dpop:
        yield Finding("key", "ok", f"{profile.name}: the key of its tokens is present")
