"""A token that was made elsewhere (``login --token-stdin``): checked, if possible, and stored.

A refresh token (``--refresh-token-stdin``) is used at once, which checks it.

Rules:

1. Only a provider with a name says where to ask (``userinfo_endpoint``), and the token goes there
   only if that is the origin of the provider's token endpoint.
2. A 401 or 403 is a refusal. Any other failure (an outage, a redirect, a page) says nothing about
   the token.
"""

from __future__ import annotations

from argparse import ArgumentTypeError

from attrs import evolve

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, usage
from grantflow.cli.login import resolve
from grantflow.cli.login.flags import Options, with_absolute_files
from grantflow.cli.login.prepare import called, check_provider, keep, known_profiles
from grantflow.cli.output import warn
from grantflow.cli.parser import origin
from grantflow.cli.profiles.secrets import STDIN, external_token, standard_input
from grantflow.core.client.provider import Provider, origin_of
from grantflow.core.flows.states import Failed
from grantflow.core.messages import sentence
from grantflow.core.values.errors import Error, InvalidResponse, Refused, Unreachable
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import members
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Response
from grantflow.core.values.result import either
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell.ports import Transport
from grantflow.shell.profiles.profile import Profile


def stored(options: Options, context: Context) -> tuple[Profile, Token]:
    """Store the token on standard input, unless its provider refuses it."""
    if options.wanted.client_secret_file == STDIN:
        raise usage("--token-stdin and --client-secret-file -: standard input is read only once")
    if options.wanted.provider is not None:
        check_provider(options.wanted.provider)
    asked = evolve(options.wanted, grant="given")
    if asked.url is not None:
        asked = evolve(asked, origins=(_origin(asked.url), *asked.origins))
    if options.profile is None and asked.place is None:
        raise usage("--token-stdin needs --profile NAME, to find the token again")
    known = known_profiles()
    found, provider = resolve.named(asked, context)
    profile = called(with_absolute_files(found), options, known)
    token = evolve(_read("Token", context), scope=profile.scope)
    if provider is not None:
        _check(token, provider, context.transport(options.timeout))
    return keep(profile, token, known, context), token


def _origin(url: str) -> str:
    try:
        return origin(url)
    except ArgumentTypeError as error:
        raise usage(str(error)) from None


def refresh_token(options: Options, context: Context) -> Secret:
    """Return the refresh token on standard input."""
    if options.wanted.client_secret_file == STDIN:
        raise usage(
            "--refresh-token-stdin and --client-secret-file -: standard input is read only once"
        )
    return _read("Refresh token", context).access_token


def _read(what: str, context: Context) -> Token:
    try:
        text = standard_input(what, context)
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"cannot read a token from standard input: {error}") from None
    return external_token(text, "standard input")


def _check(token: Token, provider: Provider, send: Transport) -> None:
    """Ask the provider about a token; if that fails, a warning is printed and it is stored."""
    match problem_with(token, provider, send):
        case None:
            return
        case Refused(status=status) as refused:
            raise CommandError(
                f"{provider.name} refuses this token (HTTP {status}), and nothing was stored",
                "create another one there, or store it unchecked: "
                "grantflow login --token-stdin --profile NAME",
                kind=refused.code,
            )
        case problem:
            warn(
                f"the token was stored without a check at {provider.name}: "
                f"{sentence(Failed(problem))}"
            )


def userinfo_endpoint(provider: Provider) -> str | None:
    """Return where a provider describes a token's user, if the token may go there."""
    url = provider.userinfo_endpoint
    home = origin_of(provider.token_endpoint)
    return url if url is not None and origin_of(url) == home else None


def problem_with(token: Token, provider: Provider, send: Transport) -> Error | None:
    """Ask whose the token is, once: a ``Refused``, or why that is not known, else ``None``."""
    url = userinfo_endpoint(provider)
    if url is None:
        return None
    sent = evolve(token, token_type=provider.authorization_scheme or token.token_type)
    match send(Request(url, headers=(("Authorization", sent.authorization),), method="GET")):
        case Fault() as fault:
            return Unreachable(fault, 1)
        case Response(status=401 | 403 as status):
            return Refused("invalid_token", status=status)
        case Response(status=200, body=body):
            found = either(members(body))
            if isinstance(found, Members):
                return None
            return InvalidResponse(f"HTTP 200: {found} instead of a user", 200)
        case Response(status=status) if status == 429 or status >= 500:
            return Unreachable(Fault("http", "maybe", f"HTTP {status}"), 1)
        case Response(status=status):
            return InvalidResponse(f"HTTP {status} instead of a user", status)
