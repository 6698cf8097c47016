"""The profiles and the sign-in: what is remembered, and whether it still gives a token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grantflow.cli.doctor.finding import Finding
from grantflow.cli.errors import CommandError
from grantflow.cli.login import dpop_key as proofs
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.client import AUTH_NAMES, key_of_profile
from grantflow.cli.profiles.login_command import login_command
from grantflow.cli.profiles.profiles import Profile, Profiles
from grantflow.cli.profiles.provider import remembered as remembered_provider
from grantflow.cli.profiles.status import Standing
from grantflow.core.values.token import Token
from grantflow.shell.stores.token_document import TokenDocument, name_of, read_document


def remembered() -> Profiles | str:
    """Read the profiles as they are; what is wrong with the file, where something is."""
    try:
        return profiles.parsed(profiles.path().read_bytes())
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, CommandError) as error:
        return str(error)


def profiles_judged(found: Profiles | str) -> Iterator[Finding]:
    """Judge the file of the profiles, and each profile in it."""
    path = profiles.path()
    if isinstance(found, str):
        advice = "repair it, or sign in again: the next use moves a damaged file aside"
        yield Finding("profiles", "problem", f"{path}: {found}", advice)
        return
    names = list(found.documents)
    usable = 0
    for name in names:
        try:
            _read(found.named(name))
        except CommandError as error:
            said, _, advice = str(error).partition("; ")
            yield Finding("profiles", "problem", said, advice)
        else:
            usable += 1
    if not names:
        yield Finding("profiles", "note", "nobody has signed in here yet", "grantflow login --help")
    elif usable == len(names):
        yield Finding("profiles", "ok", f"{usable} remembered: {', '.join(names)}")
    if names and found.default not in names:
        said = "none of them is the default one, so one has to be named at each use"
        yield Finding("profiles", "note", said, "choose one: grantflow default NAME")


def _read(profile: Profile) -> None:
    """Read all that a use would; ``CommandError`` where that is not possible."""
    key_of_profile(profile)
    if profile.grant != "given":
        remembered_provider(profile)


def stored(home: Path, profile: Profile) -> Token | None:
    """Read a profile's token as it is; what is damaged is told by its file's finding."""
    try:
        data = (home / "tokens" / f"{name_of(key_of_profile(profile))}.json").read_bytes()
        found = read_document(data)
    except (OSError, ValueError):
        return None
    return found.token if isinstance(found, TokenDocument) else None


def standing_judged(each: Standing) -> Finding:
    """Judge whether ``grantflow token`` would give a token without asking anybody."""
    name = each.profile.name
    if each.token is None and each.refreshable:
        return Finding("sign-in", "ok", f"{name}: no token yet, the first use asks for one")
    if not each.signed_in:
        why = "there is no token" if each.token is None else "the token has ended"
        return Finding("sign-in", "problem", f"{name}: {why}", login_command(each.profile))
    end = "ended" if each.ended else "ends"
    renews = ", and renews itself" if each.refreshable else ""
    said = (
        "when the token ends is not known"
        if each.expires == "unknown"
        else f"the token {end} {each.expires}"
    )
    return Finding("sign-in", "ok", f"{name}: {said}{renews}")


def secret_judged(profile: Profile, missing: str | None, *, in_environment: bool) -> Finding | None:
    """Judge what the client proves itself with; nothing is said where it needs nothing.

    ``missing`` says why the file that the profile names cannot be read.
    """
    file = proof_file(profile)
    if missing is not None:
        said = f"{profile.name}: cannot read {file}: {missing}"
        return Finding("secret", "problem", said, "put it back, or sign in again with another one")
    if profile.client_auth == "none" or profile.grant == "given":
        return None
    if profile.client_auth not in AUTH_NAMES:
        said = f"{profile.name}: the client authentication {profile.client_auth!r} is not known"
        return Finding("secret", "problem", said, "update grantflow, or sign in again")
    if file is None and not in_environment:
        said = f"{profile.name} needs its client secret"
        advice = "set GRANTFLOW_CLIENT_SECRET, or sign in again with --client-secret-file FILE"
        return Finding("secret", "problem", said, advice)
    where = "GRANTFLOW_CLIENT_SECRET" if file is None else file
    return Finding("secret", "ok", f"{profile.name}: it is in {where}")


def key_judged(profile: Profile) -> Finding | None:
    """Judge the key that the tokens are bound to; nothing is said where they are not."""
    if not profile.dpop:
        return None
    error = proofs.key_problem(profile)
    if error is None:
        return Finding("key", "ok", f"{profile.name}: the key of its tokens is there")
    said, _, advice = str(error).rpartition("; ")
    return Finding("key", "problem", said, advice)


def proof_file(profile: Profile) -> str | None:
    """Return the file with which a profile's client proves itself, if it has one."""
    named = (profile.client_secret_file, profile.client_key_file, profile.client_assertion_file)
    return next((file for file in named if file is not None), None)


def unreadable(file: str | None) -> str | None:
    """Say why a file cannot be read, if it is named and cannot."""
    if file is None:
        return None
    try:
        with open(file, "rb"):
            return None
    except OSError as error:
        return error.strerror or str(error)
