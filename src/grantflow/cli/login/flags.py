"""The command line of ``grantflow login``: what may be said, and what contradicts itself."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from grantflow.cli.errors import CommandError, usage
from grantflow.cli.parser import Parser, pair, positive_span, setting
from grantflow.cli.profiles.client import ASSERTION, AUTH_NAMES, STDIN, WITH_KEY, WITH_SECRET
from grantflow.cli.profiles.profiles import Profile


class Options(Namespace):
    """What the command line says."""

    provider: str | None
    set: list[tuple[str, str]]
    provider_file: str | None
    issuer: str | None
    device_endpoint: str | None
    token_endpoint: str | None
    revocation_endpoint: str | None
    client_id: str | None
    client_auth: str | None
    client_secret_file: str | None
    client_key_file: str | None
    client_assertion_file: str | None
    dpop: bool
    scope: list[str]
    audience: str | None
    resource: list[str]
    param: list[tuple[str, str]]
    grant: Literal["device", "client_credentials"]
    token_stdin: bool
    start: bool
    finish: bool
    replace: bool
    profile: str | None
    no_browser: bool
    no_qr: bool
    json: bool
    timeout: timedelta | None


_EXAMPLES: Final = (
    "grantflow login github --client-id my-app --scope repo",
    "grantflow login entra --set tenant=common --client-id my-app --scope offline_access",
    "grantflow login --issuer https://login.example.com --client-id my-app --scope openid",
    "grantflow login --device-endpoint https://a.example/device \\",
    "                --token-endpoint https://a.example/token --client-id my-app",
    "grantflow login --token-endpoint https://a.example/token --client-id robot \\",
    "                --client-secret-file secret.txt --grant client_credentials",
    "grantflow login --token-stdin --profile ci < token.txt",
    "grantflow login --start github --client-id my-app; grantflow login --finish",
)


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("login", "Sign in, store the token, and remember how it was done.", _EXAMPLES)
    where = made.add_argument_group("where (a provider by name, an issuer, or its endpoints)")
    where.add_argument(
        "provider", metavar="PROVIDER", nargs="?", help="a name that grantflow providers lists"
    )
    where.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=setting,
        action="append",
        default=[],
        help="a value that PROVIDER needs, such as tenant=common",
    )
    where.add_argument(
        "--provider-file", metavar="FILE", help="providers of your own in TOML; their names win"
    )
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
    who.add_argument(
        "--client-assertion-file",
        metavar="FILE",
        help="an assertion that somebody else signs, read at each use (a platform's token file)",
    )
    who.add_argument(
        "--dpop",
        action="store_true",
        help="bind the tokens to a key of this machine, made at the first use (RFC 9449)",
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
        help="store the token given on standard input, unless PROVIDER refuses it",
    )
    when = made.add_argument_group("when (a program shows the code, and another one waits)")
    when.add_argument(
        "--start", action="store_true", help="print the link and the code as JSON, and do not wait"
    )
    when.add_argument(
        "--finish",
        action="store_true",
        help="wait for what was started; it needs --profile only where several were",
    )
    when.add_argument(
        "--replace",
        action="store_true",
        help="with --finish: also where its profile was signed in after the start",
    )
    how = made.add_argument_group("how")
    how.add_argument(
        "--profile", metavar="NAME", help="by default the provider's name or the server's host"
    )
    how.add_argument("--no-browser", action="store_true", help="do not open the link here")
    how.add_argument("--no-qr", action="store_true", help="do not draw the link")
    how.add_argument("--json", action="store_true", help="events for programs, one a line")
    how.add_argument("--timeout", metavar="S", type=positive_span, help="give up after S seconds")
    return made


def check(options: Options) -> None:
    """Refuse what contradicts itself or is not enough, before anybody is asked."""
    _check_where(options)
    named = options.provider is not None and options.client_id is None  # it may have one of its own
    if not named and not (options.client_id or "").strip():
        raise no_client()
    _check_proof(options)


def _check_proof(options: Options) -> None:
    """Refuse a file that would not be used: whoever gives one thinks that it is."""
    given = [flag for flag, (file, _) in _proofs(options).items() if file is not None]
    if len(given) > 1:
        raise usage(f"{given[0]} and {given[1]} contradict each other: a client has one proof")
    auth = options.client_auth
    if given and auth is not None and auth not in _proofs(options)[given[0]][1]:
        raise usage(f"--client-auth {auth} and {given[0]} contradict each other")


def proof_flag(options: Options) -> str | None:
    """Return the flag of a file with which the client proves itself, if one is given."""
    return next((flag for flag, (file, _) in _proofs(options).items() if file is not None), None)


def _proofs(options: Options) -> Mapping[str, tuple[str | None, Collection[str]]]:
    """Return each flag of such a file with what it says, and what the file is good for."""
    return {
        "--client-secret-file": (options.client_secret_file, WITH_SECRET),
        "--client-key-file": (options.client_key_file, WITH_KEY),
        "--client-assertion-file": (options.client_assertion_file, (ASSERTION,)),
    }


def no_client() -> CommandError:
    """Return what to say where nobody said who asks."""
    return usage("--client-id is missing; the provider gave one when the app was registered")


def check_when(options: Options) -> None:
    """Refuse what contradicts ``--start`` or ``--finish``."""
    if options.start and options.finish:
        raise usage("--start and --finish contradict each other: the one is before the other")
    if options.start and options.token_stdin:
        raise usage("--start and --token-stdin contradict each other: nobody is asked")
    if options.dpop and options.token_stdin:
        raise usage("--dpop and --token-stdin contradict each other: that token is made already")
    if options.start and options.grant != "device":
        raise usage(f"--start and --grant {options.grant} contradict each other: nobody is asked")
    if options.replace and not options.finish:
        raise usage(
            "--replace is for --finish; any other sign-in replaces its profile's former one"
        )
    if options.finish:
        said = next((name for name in vars(options) if _is_said(options, name)), None)
        if said is not None:
            flag = "PROVIDER" if said == "provider" else f"--{said.replace('_', '-')}"
            raise usage(f"--finish and {flag} contradict each other: --start has said it all")


_WHILE_WAITING: Final = frozenset(
    {
        "finish",
        "replace",
        "profile",
        "client_secret_file",
        "no_browser",
        "no_qr",
        "json",
        "timeout",
    }
)


def _is_said(options: Options, name: str) -> bool:
    unsaid: tuple[object, ...] = (None, False, [], "device")
    return name not in _WHILE_WAITING and getattr(options, name) not in unsaid


def check_provider(options: Options) -> None:
    """Refuse what contradicts the name of a provider, or says more of one that is not named."""
    places = {
        "--issuer": options.issuer,
        "--device-endpoint": options.device_endpoint,
        "--token-endpoint": options.token_endpoint,
        "--revocation-endpoint": options.revocation_endpoint,
    }
    given = [flag for flag, value in places.items() if value is not None]
    if options.provider is None:
        more = {"--set": bool(options.set), "--provider-file": options.provider_file is not None}
        flag = next((flag for flag, is_given in more.items() if is_given), None)
        if flag is not None:
            raise usage(f"{flag} is about a PROVIDER, and none is named")
    elif "://" in options.provider:
        raise usage(f"{options.provider!r} is no provider's name; for an address, use --issuer")
    elif given:
        raise usage(
            f"{options.provider} and {given[0]} contradict each other: "
            "a provider's name says where it is"
        )


def _check_where(options: Options) -> None:
    check_provider(options)
    ends = {
        "--device-endpoint": options.device_endpoint,
        "--token-endpoint": options.token_endpoint,
        "--revocation-endpoint": options.revocation_endpoint,
    }
    given = [flag for flag, value in ends.items() if value is not None]
    if options.issuer is not None and given:
        raise usage(f"--issuer and {given[0]} contradict each other; give the issuer or endpoints")
    if options.issuer is not None or options.provider is not None:
        return
    if not given:
        raise usage(
            "where to sign in? Name a PROVIDER (grantflow providers lists them), or give "
            "--issuer URL, or --device-endpoint URL and --token-endpoint URL"
        )
    if options.token_endpoint is None:
        raise usage("--token-endpoint is missing; the token comes from there")
    if options.device_endpoint is None and options.grant == "device":
        raise usage(
            "--device-endpoint is missing; without a person, use --grant client_credentials"
        )


def wanted(options: Options) -> Profile:
    """Return the profile as far as the command line tells it."""
    secret = None if options.client_secret_file == STDIN else options.client_secret_file
    return Profile(
        grant=options.grant,
        provider=options.provider,
        provider_file=_absolute(options.provider_file),
        values=tuple(options.set),
        issuer=options.issuer,
        token_endpoint=options.token_endpoint,
        device_authorization_endpoint=options.device_endpoint,
        revocation_endpoint=options.revocation_endpoint,
        client_id=options.client_id,
        client_secret_file=_absolute(secret),
        client_key_file=_absolute(options.client_key_file),
        client_assertion_file=_absolute(options.client_assertion_file),
        scope=tuple(word for each in options.scope for word in each.split()),
        audience=options.audience,
        resource=tuple(options.resource),
        param=tuple(options.param),
    )


def _absolute(file: str | None) -> str | None:
    return None if file is None else str(Path(file).absolute())
