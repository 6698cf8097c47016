"""``grantflow login``: sign in anew, store the token, and remember how."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from attrs import evolve

from grantflow.cli import events, outside, profiles, words
from grantflow.cli.client import (
    AUTH_NAMES,
    STDIN,
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
from grantflow.cli.output import tell
from grantflow.cli.parser import Parser, pair, positive_span
from grantflow.cli.profiles import Profile, Profiles
from grantflow.cli.screen import Screen, screen
from grantflow.core.client import Client
from grantflow.core.client_auth import ClientAuthentication
from grantflow.core.client_credentials import ClientCredentialsFlow
from grantflow.core.device import DeviceFlow
from grantflow.core.errors import Garbled, Unreachable
from grantflow.core.provider import Provider
from grantflow.core.states import Authorized, Expired, Failed
from grantflow.core.values import Token
from grantflow.shell.blocking import run
from grantflow.shell.discovery import discover
from grantflow.shell.ports import StoreError, Transport


class Options(Namespace):
    """What the command line says."""

    issuer: str | None
    device_endpoint: str | None
    token_endpoint: str | None
    revocation_endpoint: str | None
    client_id: str | None
    client_auth: str | None
    client_secret_file: str | None
    client_key_file: str | None
    scope: list[str]
    audience: str | None
    resource: list[str]
    param: list[tuple[str, str]]
    grant: Literal["device", "client_credentials"]
    token_stdin: bool
    profile: str | None
    no_browser: bool
    no_qr: bool
    json: bool
    timeout: timedelta | None


_EXAMPLES: Final = (
    "grantflow login --issuer https://login.example.com --client-id my-app --scope openid",
    "grantflow login --device-endpoint https://a.example/device \\",
    "                --token-endpoint https://a.example/token --client-id my-app",
    "grantflow login --token-endpoint https://a.example/token --client-id robot \\",
    "                --client-secret-file secret.txt --grant client_credentials",
    "grantflow login --token-stdin --profile ci < token.txt",
)


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("login", "Sign in, store the token, and remember how it was done.", _EXAMPLES)
    where = made.add_argument_group("where (an issuer, or its endpoints)")
    where.add_argument("--issuer", metavar="URL", help="the rest is in its metadata")
    where.add_argument("--device-endpoint", metavar="URL", help="where a device code is asked for")
    where.add_argument("--token-endpoint", metavar="URL", help="enough for client_credentials")
    where.add_argument("--revocation-endpoint", metavar="URL", help="to end a token (RFC 7009)")
    who = made.add_argument_group("who")
    who.add_argument("--client-id", metavar="ID", help="as registered with the provider")
    who.add_argument(
        "--client-auth",
        metavar="METHOD",
        choices=AUTH_NAMES,
        help=f"one of {', '.join(AUTH_NAMES)}; by default what the server takes",
    )
    who.add_argument(
        "--client-secret-file",
        metavar="FILE",
        help="read at each use; - is standard input (by default GRANTFLOW_CLIENT_SECRET)",
    )
    who.add_argument(
        "--client-key-file",
        metavar="FILE",
        help="a private key (private_key_jwt), or certificate and key (tls_client_auth), in PEM",
    )
    what = made.add_argument_group("what")
    what.add_argument(
        "--grant",
        choices=("device", "client_credentials"),
        default="device",
        help="a person approves (device, the default), or the machine signs itself in",
    )
    what.add_argument("--scope", metavar="S", action="append", default=[], help="may be repeated")
    what.add_argument("--audience", metavar="A", help="whom the token is for, at some providers")
    what.add_argument(
        "--resource", metavar="R", action="append", default=[], help="may be repeated"
    )
    what.add_argument(
        "--param", metavar="K=V", type=pair, action="append", default=[], help="a further parameter"
    )
    what.add_argument(
        "--token-stdin",
        action="store_true",
        help="store the token given on standard input; nobody is asked",
    )
    how = made.add_argument_group("how")
    how.add_argument("--profile", metavar="NAME", help="by default the server's host")
    how.add_argument("--no-browser", action="store_true", help="do not open the link here")
    how.add_argument("--no-qr", action="store_true", help="do not draw the link")
    how.add_argument("--json", action="store_true", help="events for programs, one a line")
    how.add_argument("--timeout", metavar="S", type=positive_span, help="give up after S seconds")
    return made


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
    if options.profile is None and options.issuer is None and options.token_endpoint is None:
        raise usage("--token-stdin needs --profile NAME, to find the token again")
    known = _known()
    profile = _named(evolve(_wanted(options), grant="given"), options.profile, known)
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
    _check(options)
    known = _known()
    wanted = _named(_wanted(options), options.profile, known)
    secret = secret_of(options.client_secret_file)
    send = outside.transport(options.timeout)
    located, offered = _located(wanted, send)
    key = located.client_key_file
    method = auth_decided(
        options.client_auth, offered, has_secret=secret is not None, has_key=key is not None
    )
    profile = evolve(located, client_auth=method)
    client = _client(profile, authentication(method, secret, key))
    with outside.store().claim(key_of_profile(profile)):
        pass  # what cannot be stored is better known before a person is asked
    token = _signed_in(client, options, send)
    _keep(profile, token, known)
    return profile, token


def _check(options: Options) -> None:
    """Refuse what contradicts itself or is not enough, before anybody is asked."""
    ends = {
        "--device-endpoint": options.device_endpoint,
        "--token-endpoint": options.token_endpoint,
        "--revocation-endpoint": options.revocation_endpoint,
    }
    given = [flag for flag, value in ends.items() if value is not None]
    if options.issuer is not None and given:
        raise usage(f"--issuer and {given[0]} contradict each other; give the issuer or endpoints")
    if options.issuer is None and not given:
        raise usage(
            "where to sign in? Give --issuer URL, or --device-endpoint URL and --token-endpoint URL"
        )
    if options.issuer is None and options.token_endpoint is None:
        raise usage("--token-endpoint is missing; the token comes from there")
    if options.issuer is None and options.device_endpoint is None and options.grant == "device":
        raise usage(
            "--device-endpoint is missing; without a person, use --grant client_credentials"
        )
    if options.client_id is None or not options.client_id.strip():
        raise usage("--client-id is missing; the provider gave one when the app was registered")
    if options.client_auth == "none" and options.client_secret_file is not None:
        raise usage("--client-auth none and --client-secret-file contradict each other")


def _wanted(options: Options) -> Profile:
    file, key = options.client_secret_file, options.client_key_file
    return Profile(
        grant=options.grant,
        issuer=options.issuer,
        token_endpoint=options.token_endpoint,
        device_authorization_endpoint=options.device_endpoint,
        revocation_endpoint=options.revocation_endpoint,
        client_id=options.client_id,
        client_secret_file=None if file in (None, STDIN) else str(Path(file).absolute()),
        client_key_file=None if key is None else str(Path(key).absolute()),
        scope=tuple(word for each in options.scope for word in each.split()),
        audience=options.audience,
        resource=tuple(options.resource),
        param=tuple(options.param),
    )


def _known() -> Profiles:
    """Return the profiles; a damaged file was moved aside, and a sign-in makes a new one."""
    try:
        return profiles.load()
    except CommandError as error:
        if error.word != profiles.DAMAGED:
            raise
        tell(f"grantflow: {error}")
        return Profiles()


def _named(profile: Profile, asked: str | None, known: Profiles) -> Profile:
    name = known.name_for(profile) if asked is None else profiles.checked_name(asked)
    return evolve(profile, name=name)


def _located(profile: Profile, send: Transport) -> tuple[Profile, tuple[str, ...]]:
    """Return the profile with its endpoints, and the authentication methods the server takes."""
    if profile.issuer is None:
        return profile, ()
    try:
        found = discover(profile.issuer, send)
    except ValueError as error:
        raise _flagged(error) from None
    match found:
        case Provider():
            located = evolve(
                profile,
                token_endpoint=found.token_endpoint,
                device_authorization_endpoint=found.device_authorization_endpoint,
                revocation_endpoint=found.revocation_endpoint,
            )
            return located, found.auth_methods
        case Garbled():
            advice = "check --issuer, or give the endpoints instead"
            raise ended(Failed(found), where=profile.issuer, advice=advice)
        case Unreachable():
            raise ended(Failed(found), where=profile.issuer)


_FLAGS: Final = {
    "issuer": "--issuer",
    "token_endpoint": "--token-endpoint",
    "device_authorization_endpoint": "--device-endpoint",
    "revocation_endpoint": "--revocation-endpoint",
    "client_id": "--client-id",
}


def _flagged(error: ValueError) -> CommandError:
    """Return the core's complaint about an argument, in the words of the command line."""
    name, _, problem = str(error).partition(": ")
    return usage(f"{_FLAGS.get(name, name)}: {problem}")


def _client(profile: Profile, proof: ClientAuthentication) -> Client:
    try:
        client = client_of(profile, proof)
    except ValueError as error:
        raise _flagged(error) from None
    if profile.grant == "device" and profile.device_authorization_endpoint is None:
        raise CommandError(
            f"{profile.issuer} offers no device grant: its metadata has no "
            "device_authorization_endpoint; without a person, use --grant client_credentials"
        )
    return client


def _signed_in(client: Client, options: Options, send: Transport) -> Token:
    clock = outside.clock()
    invite = Invite(not options.no_browser and browser_wanted(), not options.no_qr)
    view: Screen = events.Events(clock) if options.json else screen(invite, clock)
    with view:
        if options.grant == "device":
            end = run(DeviceFlow(client, budget=options.timeout), send, clock, view)
        else:
            end = run(_machine_flow(client, options.timeout), send, clock, view)
    match end:
        case Authorized(token):
            return token
        case Expired() | Failed():
            raise ended(end, where=client.provider.name)


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
