"""``grantflow login``: sign in anew, store the token, and remember how."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve

from grantflow.cli import events, login_line, outside, profiles, where, words
from grantflow.cli.client import (
    STDIN,
    WITH_SECRET,
    auth_decided,
    authentication,
    client_of,
    key_of_profile,
    secret_of,
    standard_input,
)
from grantflow.cli.failure import CommandError, ended, unstored, usage
from grantflow.cli.given import handed_over
from grantflow.cli.invite import Invite, browser_wanted
from grantflow.cli.login_line import Options, parser
from grantflow.cli.output import tell
from grantflow.cli.profiles import Profile, Profiles
from grantflow.cli.screen import Screen, screen
from grantflow.core.client import Client
from grantflow.core.client_auth import ClientAuthentication
from grantflow.core.client_credentials import ClientCredentialsFlow
from grantflow.core.provider import Provider
from grantflow.core.secret import Secret
from grantflow.core.sign_in import SignInFlow, sign_in_flow
from grantflow.core.states import Authorized, Expired, Failed
from grantflow.core.values import Token
from grantflow.shell.blocking import run
from grantflow.shell.ports import StoreError, Transport
from grantflow.shell.signing import check

__all__ = ["main", "parser"]


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options())
    try:
        profile, token = _stored(options)
    except CommandError as error:
        if options.json:
            events.ended(error)
        raise
    except KeyboardInterrupt:
        if options.json:
            events.ended(CommandError("interrupted", word="cancelled"))
        raise
    if options.json:
        events.authorized(profile.name, token)
    else:
        tell(_done(profile, token), strong=True)
    return 0


def _stored(options: Options) -> tuple[Profile, Token]:
    try:
        return _given(options) if options.token_stdin else _asked(options)
    except StoreError as error:
        raise unstored(error) from error


def _given(options: Options) -> tuple[Profile, Token]:
    """Store a token from standard input; no server is asked."""
    if options.client_secret_file == STDIN:
        raise usage("--token-stdin and --client-secret-file -: standard input is read only once")
    login_line.check_provider(options)
    asked = evolve(login_line.wanted(options), grant="given")
    if options.profile is None and asked.place is None:
        raise usage("--token-stdin needs --profile NAME, to find the token again")
    known = _known()
    profile = _called(where.named(asked), options.profile, known)
    token = evolve(handed_over(_standard_input(), "standard input"), scope=profile.scope)
    _keep(profile, token, known)
    return profile, token


def _standard_input() -> str:
    try:
        return standard_input("Token")
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"cannot read a token from standard input: {error}") from None


def _asked(options: Options) -> tuple[Profile, Token]:
    """Ask the server, and a person where the grant needs one."""
    login_line.check(options)
    known = _known()
    if options.profile is not None:
        profiles.checked_name(options.profile)
    asked = login_line.wanted(options)
    secret = secret_of(options.client_secret_file)
    if options.client_auth is not None or asked.client_key_file is not None:
        # An unusable key or secret is told before anything is sent.
        _proof(options, asked, secret, ())
    send = outside.transport(options.timeout)
    found, provider = where.located(asked, send)
    method, proof = _proof(options, found, secret, provider.auth_methods)
    profile = _called(evolve(found, client_auth=method), options.profile, known)
    client = _client(profile, provider, proof)
    with outside.store().claim(key_of_profile(profile)):
        pass  # what cannot be stored is better known before a person is asked
    token = _signed_in(client, profile, options, send)
    _keep(profile, token, known)
    return profile, token


def _proof(
    options: Options, profile: Profile, secret: Secret | None, offered: tuple[str, ...]
) -> tuple[str, ClientAuthentication]:
    """Return how the client authenticates: its name, and the proof itself, which is usable."""
    key = profile.client_key_file
    # A secret of the environment may belong to another client; one in a file is meant.
    fits = not offered or not WITH_SECRET.keys().isdisjoint(offered)
    meant = secret is not None and (fits or options.client_secret_file is not None)
    method = auth_decided(options.client_auth, offered, has_secret=meant, has_key=key is not None)
    unproven = method == "none" and options.client_auth is None
    if unproven and profile.provider is not None and offered and "none" not in offered:
        raise usage(
            f"{profile.provider} wants the client to prove itself ({', '.join(offered)}): use "
            "--client-secret-file FILE, or --client-auth none to try without"
        )
    proof = authentication(method, secret, key)
    try:
        check(proof)
    except ValueError as error:
        raise usage(f"the client's {error}") from None
    except ImportError as error:
        raise usage(str(error)) from None
    return method, proof


def _known() -> Profiles:
    """Return the profiles; a damaged file was moved aside, and a sign-in makes a new one."""
    try:
        return profiles.load()
    except CommandError as error:
        if error.word != profiles.DAMAGED:
            raise
        tell(f"grantflow: {error}")
        return Profiles()


def _called(profile: Profile, asked: str | None, known: Profiles) -> Profile:
    name = known.name_for(profile) if asked is None else profiles.checked_name(asked)
    return evolve(profile, name=name)


def _client(profile: Profile, provider: Provider, proof: ClientAuthentication) -> Client:
    try:
        client = client_of(profile, provider, proof)
    except ValueError as error:
        raise where.flagged(error) from None
    nobody = provider.device_authorization_endpoint is None and provider.flow == "device"
    if profile.grant == "device" and nobody:
        raise CommandError(
            f"{profile.place} offers no device grant: its metadata has no "
            "device_authorization_endpoint; without a person, use --grant client_credentials"
        )
    return client


def _signed_in(client: Client, profile: Profile, options: Options, send: Transport) -> Token:
    clock = outside.clock()
    invite = Invite(not options.no_browser and browser_wanted(), not options.no_qr)
    view: Screen = events.Events(clock) if options.json else screen(invite, clock)
    with view:
        if options.grant == "device":
            end = run(_person_s_flow(client, options.timeout), send, clock, view)
        else:
            end = run(_machine_flow(client, options.timeout), send, clock, view)
    match end:
        case Authorized(token):
            return token
        case Expired() | Failed():
            raise ended(end, where=profile.place or "")


def _person_s_flow(client: Client, budget: timedelta | None) -> SignInFlow:
    try:
        return sign_in_flow(client, entropy=Secret(secrets.token_hex(32)), budget=budget)
    except ValueError as error:  # what a provider of one's own lacks
        raise usage(f"{client.provider.name} cannot be signed in to: {error}") from None


def _machine_flow(client: Client, budget: timedelta | None) -> ClientCredentialsFlow:
    flow = ClientCredentialsFlow(client)
    return flow if budget is None else evolve(flow, budget=budget)


def _keep(profile: Profile, token: Token, known: Profiles) -> None:
    store = outside.store()
    key = key_of_profile(profile)
    with store.claim(key):
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


def _done(profile: Profile, token: Token) -> str:
    now = outside.clock().now().wall
    ends = "" if token.expires_at is None else f", expires {words.expiry(token.expires_at, now)}"
    itself = profile.grant == "client_credentials" or token.refresh_token is not None
    renews = " (renews itself)" if ends and itself else ""
    scope = f", scope {' '.join(token.scope)}" if token.scope else ""
    return f"Signed in: profile {profile.name}{ends}{renews}{scope}"
