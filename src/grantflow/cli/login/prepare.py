"""A sign-in before anybody is asked: the profile, and a client that can prove itself."""

from __future__ import annotations

from typing import final

from attrs import evolve, frozen

from grantflow.cli import context as outside
from grantflow.cli.errors import CommandError, usage
from grantflow.cli.login import flags as login_line
from grantflow.cli.login import resolve as where
from grantflow.cli.login.dpop_key import bound
from grantflow.cli.login.flags import Options
from grantflow.cli.login.register import registered
from grantflow.cli.output import tell
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.client import (
    WITH_SECRET,
    auth_decided,
    authentication,
    client_of,
    key_of_profile,
    secret_of,
)
from grantflow.cli.profiles.profiles import Profile, Profiles
from grantflow.cli.transport import Traced
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.client.client import Client
from grantflow.core.client.dpop import DPoP
from grantflow.core.client.provider import Provider
from grantflow.core.values.secret import Secret
from grantflow.shell.signing.signer import check


@final
@frozen
class Attempt:
    """What a sign-in is made of; ``known`` are the profiles that were there before it."""

    profile: Profile
    client: Client
    send: Traced
    known: Profiles


def attempt(options: Options) -> Attempt:
    """Return what the command line asks for; what is unusable is told before a person is asked."""
    login_line.check(options)
    known = known_profiles()
    if options.profile is not None:
        profiles.checked_name(options.profile)
    wanted = login_line.wanted(options)
    secret = secret_of(options.client_secret_file)
    if options.client_auth or wanted.client_key_file or wanted.client_assertion_file:
        # Known already, so an unusable key or secret is told before anything is sent.
        _proof(options, wanted, secret, ())
    send = Traced(outside.transport(options.timeout))
    found, provider = where.located(wanted, send)
    if found.client_id is None:
        if options.client_auth or login_line.proof_flag(options) is not None:
            raise login_line.no_client()
        found, proof = registered(found, provider, send)
    else:
        method, proof = _proof(options, found, secret, provider.auth_methods)
        found = evolve(found, client_auth=method)
    profile, dpop = called(found, options.profile, known), None
    if options.dpop:
        profile, dpop = bound(profile)
    client = _client(profile, provider, proof, dpop)
    check_store(profile)
    return Attempt(profile, client, send, known)


def check_store(profile: Profile) -> None:
    """Raise ``StoreError`` now: what cannot be stored is better known before a person is asked."""
    with outside.store().claim(key_of_profile(profile)):
        pass


def known_profiles() -> Profiles:
    """Return the profiles; a damaged file was moved aside, and a sign-in makes a new one."""
    try:
        return profiles.load()
    except CommandError as error:
        if error.word != profiles.DAMAGED:
            raise
        tell(f"grantflow: {error}")
        return Profiles()


def called(profile: Profile, asked: str | None, known: Profiles) -> Profile:
    """Return the profile with the name that was asked for, else with one that is free."""
    name = known.name_for(profile) if asked is None else profiles.checked_name(asked)
    return evolve(profile, name=name)


def _proof(
    options: Options, profile: Profile, secret: Secret | None, offered: tuple[str, ...]
) -> tuple[str, ClientAuthentication]:
    """Return how the client authenticates: its name, and the proof itself, which is usable."""
    key, assertion = profile.client_key_file, profile.client_assertion_file
    # A secret of the environment may belong to another client; one in a file is meant.
    fits = not offered or not WITH_SECRET.keys().isdisjoint(offered)
    meant = secret is not None and (fits or options.client_secret_file is not None)
    method = auth_decided(
        options.client_auth,
        offered,
        has_secret=meant,
        has_key=key is not None,
        has_assertion=assertion is not None,
    )
    unproven = method == "none" and options.client_auth is None
    if unproven and profile.provider is not None and offered and "none" not in offered:
        raise usage(
            f"{profile.provider} wants the client to prove itself ({', '.join(offered)}): use "
            "--client-secret-file FILE, or --client-auth none to try without"
        )
    proof = authentication(method, secret, key, assertion)
    try:
        check(proof)
    except ValueError as error:
        raise usage(f"the client's {error}") from None
    except ImportError as error:
        raise usage(str(error)) from None
    return method, proof


def _client(
    profile: Profile, provider: Provider, proof: ClientAuthentication, dpop: DPoP | None
) -> Client:
    try:
        client = client_of(profile, provider, proof, dpop)
    except ValueError as error:
        raise where.flagged(error) from None
    nobody = provider.device_authorization_endpoint is None and provider.flow == "device"
    if profile.grant == "device" and nobody:
        raise CommandError(
            f"{profile.place} offers no device grant: its metadata has no "
            "device_authorization_endpoint; without a person, use --grant client_credentials"
        )
    return client
