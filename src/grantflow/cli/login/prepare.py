"""A sign-in before and after the request: the profile and a usable client, then what is stored."""

from __future__ import annotations

from typing import Final, final

from attrs import evolve, frozen

from grantflow.cli.context import Context, Traced
from grantflow.cli.errors import CommandError, ProfileError, usage
from grantflow.cli.login import resolve
from grantflow.cli.login.flags import Options, no_client, with_absolute_files
from grantflow.cli.output import warn
from grantflow.cli.problems import ended
from grantflow.cli.profiles.secrets import client_secret
from grantflow.core.client.authentication import ClientAuthentication
from grantflow.core.client.client import Client
from grantflow.core.client.dpop import DPoP
from grantflow.core.client.provider import Provider
from grantflow.core.flows.registration import GRANT_TYPES, RegistrationFlow
from grantflow.core.values.errors import InteractionRequired
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.core.values.validators import ArgumentError
from grantflow.shell.profiles import dpop_key, profiles
from grantflow.shell.profiles.client import (
    WITH_SECRET,
    authentication,
    client_of,
    key_of_profile,
    method_for,
)
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.profiles.profiles import Profiles
from grantflow.shell.signing.signer import check as check_proof

_CLIENT_NAME: Final = "grantflow"
"""What people are shown as the name of a registered client."""

_REGISTERED: Final = ("client_secret_basic", "client_secret_post")

_PROOFS: Final = {
    "client_secret_file": tuple(WITH_SECRET),
    "client_secret_command": tuple(WITH_SECRET),
    "client_key_file": ("private_key_jwt", "tls_client_auth"),
    "client_assertion_file": ("client_assertion",),
}
"""What authenticates a client, and the methods that use it."""
_SIGNED: Final = ("private_key_jwt", "client_secret_jwt")
"""The methods whose assertion is signed here."""


@final
@frozen
class Attempt:
    """What a sign-in is made of; ``known`` are the profiles that were there before it."""

    profile: Profile
    client: Client
    send: Traced
    known: Profiles


def attempt(options: Options, context: Context) -> Attempt:
    """Return what the command line asks for; what is unusable is reported before any prompt."""
    _check_where(options)
    _check_client(options)
    known = known_profiles()
    if options.profile is not None:
        profiles.checked_name(options.profile)
    secret = client_secret(options.wanted, context)
    wanted = evolve(
        with_absolute_files(options.wanted), client_secret_file=options.wanted.client_secret_file
    )
    asked = wanted.client_auth if "--client-auth" in options.said else None
    if asked or wanted.client_key_file or wanted.client_assertion_file:
        # Known already, so an unusable key or secret is reported before a request.
        _proof(asked, wanted, secret, ())
    send = context.transport(options.timeout)
    prompts = not options.refresh_token_stdin
    found, provider = resolve.located(wanted, send, context, prompts=prompts)
    if found.client_id is None:
        own = asked or _proof_field(wanted) is not None
        if own or provider.registration_endpoint is None:
            raise no_client()
        found, proof = _registered(found, provider, send, context)
    else:
        method, proof = _proof(asked, found, secret, provider.auth_methods)
        found = evolve(found, client_auth=method)
    profile, dpop = called(with_absolute_files(found), options, known), None
    if options.dpop:
        profile, dpop = dpop_key.bound(profile)
    client = _client(profile, provider, proof, dpop, prompts=prompts)
    check_store(profile, context)
    return Attempt(profile, client, send, known)


def _check_where(options: Options) -> None:
    wanted = options.wanted
    if wanted.provider is not None:
        check_provider(wanted.provider)
        return
    if wanted.issuer is not None or wanted.url is not None:
        return
    if not options.said & {"--device-endpoint", "--token-endpoint", "--revocation-endpoint"}:
        raise usage(
            "no provider is given",
            "name a PROVIDER (grantflow providers lists them), or give --issuer URL, "
            "or --device-endpoint URL and --token-endpoint URL",
        )
    if wanted.token_endpoint is None:
        raise usage("--token-endpoint is missing")
    asks = wanted.grant == "device" and not options.refresh_token_stdin
    if asks and wanted.device_authorization_endpoint is None:
        raise usage("--device-endpoint is missing", "for a machine, use --grant client_credentials")


def check_provider(name: str) -> None:
    """Refuse a URL in the place of a provider's name."""
    if "://" in name:
        raise usage(f"unknown provider {name!r}", "use --issuer for an issuer URL")


def _check_client(options: Options) -> None:
    wanted = options.wanted
    # Perhaps a public client, or one that registers itself.
    begins = wanted.provider or wanted.url or wanted.issuer
    has_own = begins is not None and wanted.client_id is None
    if not has_own and not (wanted.client_id or "").strip():
        raise no_client()
    field = _proof_field(wanted)
    if field is None or "--client-auth" not in options.said:
        return
    if wanted.client_auth not in _PROOFS[field]:
        flag = f"--{field.replace('_', '-')}"
        raise usage(f"--client-auth {wanted.client_auth} and {flag} exclude each other")


def _proof_field(profile: Profile) -> str | None:
    return next((each for each in _PROOFS if getattr(profile, each) is not None), None)


def _proof(
    asked: str | None, profile: Profile, secret: Secret | None, offered: tuple[str, ...]
) -> tuple[str, ClientAuthentication]:
    """Return how the client authenticates: the method and what it uses, which is checked."""
    # A secret of the environment may be another client's; one in a file is meant.
    fits = not offered or not WITH_SECRET.keys().isdisjoint(offered)
    meant = secret is not None and (fits or _proof_field(profile) is not None)
    method = method_for(asked, offered, profile, meant)
    unproven = method == "none" and asked is None
    if unproven and profile.provider is not None and offered and "none" not in offered:
        raise usage(
            f"{profile.provider} requires client authentication ({', '.join(offered)})",
            "use --client-secret-file FILE, or --client-auth none to try without",
        )
    # A provider that offers nothing else has a grant for public clients, such as Reddit.
    if unproven and profile.grant == "client_credentials" and offered != ("none",):
        raise usage(
            "client_credentials needs client authentication",
            "use --client-secret-file FILE, --client-key-file FILE, or set GRANTFLOW_CLIENT_SECRET",
        )
    if profile.client_assertion_audience is not None and method not in _SIGNED:
        raise usage(
            f"--client-assertion-audience is about an assertion, and {method} has none",
            "use --client-key-file FILE, or --client-auth client_secret_jwt",
        )
    proof = authentication(method, profile, secret)
    try:
        check_proof(proof)
    except ValueError as error:
        raise usage(f"the client's {error}") from None
    except ImportError as error:
        raise usage(str(error)) from None
    return method, proof


def _client(
    profile: Profile,
    provider: Provider,
    proof: ClientAuthentication,
    dpop: DPoP | None,
    *,
    prompts: bool,
) -> Client:
    try:
        client = client_of(profile, provider, proof, dpop)
    except ArgumentError as error:
        raise resolve.flagged(error) from None
    missing = provider.device_authorization_endpoint is None and provider.flow == "device"
    if prompts and profile.grant == "device" and missing:
        raise CommandError(
            f"{profile.place} has no device grant: its metadata has no "
            "device_authorization_endpoint",
            "for a machine, use --grant client_credentials",
        )
    return client


def _registered(
    profile: Profile, provider: Provider, send: Traced, context: Context
) -> tuple[Profile, ClientAuthentication]:
    """Return the profile of a registered client and its authentication; registers it if needed.

    The registration is in the store beside the tokens (RFC 7591), and is used until it expires by
    every sign-in at the same provider.
    """
    from grantflow.shell.sources.registration import Registration
    from grantflow.shell.sources.results import GrantError

    flow = RegistrationFlow(
        provider=provider,
        client_name=_CLIENT_NAME,
        scope=profile.scope,
        method=_method(profile, provider),
        grant_types=GRANT_TYPES if profile.grant == "device" else (profile.grant,),
    )
    unnamed = Client(provider=provider, client_id=_CLIENT_NAME)
    store = context.store(profile.store)
    registration = Registration(unnamed, flow, store=store, transport=send, clock=context.clock)
    try:
        client = registration()
    except GrantError as error:
        match error.problem:
            case InteractionRequired():
                raise
            case problem:
                raise ended(problem, where=send.asked) from None
    found = evolve(profile, client_id=client.client_id, registration=flow.key)
    return found, client.authentication


def _method(profile: Profile, provider: Provider) -> str:
    """Return how a registered client would like to authenticate.

    One of a person's machine has no secret that it could keep (RFC 8252 section 8.5).
    """
    may = profile.provider is None and profile.grant == "device"
    if may and (not provider.auth_methods or "none" in provider.auth_methods):
        return "none"
    offered = [each for each in provider.auth_methods if each in _REGISTERED]
    return offered[0] if offered and profile.provider is None else "client_secret_basic"


def check_store(profile: Profile, context: Context) -> None:
    """Raise ``StoreError`` before any prompt if the token could not be stored."""
    with context.store(profile.store).claim(key_of_profile(profile)):
        pass


def known_profiles() -> Profiles:
    """Return the profiles; a damaged file was moved aside, and a sign-in makes a new one."""
    try:
        return profiles.load()
    except ProfileError as error:
        if error.kind != profiles.DAMAGED:
            raise
        warn(str(error))
        return Profiles()


def called(profile: Profile, options: Options, known: Profiles) -> Profile:
    """Return the profile with the name that was asked for, else with one that is free."""
    asked = options.profile
    if asked is None:
        return evolve(profile, name=known.name_for(profile))
    name = profiles.checked_name(asked)
    if name in known.documents and not known.is_same(name, profile) and not options.replace:
        raise usage(
            f"profile {name} is another client's",
            "add --replace to replace it (its token is not revoked; grantflow logout does that)",
        )
    return evolve(profile, name=name)


def keep(profile: Profile, token: Token, known: Profiles, context: Context) -> Profile:
    """Store the token, then its profile, and drop the token that they replace.

    ``known`` are the profiles that were there before.
    """
    store = context.store(profile.store)
    key = key_of_profile(evolve(profile, token_key=None))
    now = context.clock.now().wall
    profile = evolve(profile, token_key=key, signed_in_at=now.isoformat())
    store.save(key, token)
    profiles.add(profile)
    _drop_former(profile, known, context)
    return profile


def _drop_former(profile: Profile, known: Profiles, context: Context) -> None:
    """Drop the token that this profile had before, if it has another key (a wider scope)."""
    if profile.name not in known.documents:
        return
    try:
        former = known.named(profile.name)
        key = key_of_profile(former)
    except ProfileError:
        return
    if (key, former.store) != (profile.token_key, profile.store):
        context.store(former.store).forget(key)
