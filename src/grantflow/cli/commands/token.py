"""``grantflow token``: a valid token on stdout, and nothing else there."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, final

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, quoted, usage
from grantflow.cli.output import answer
from grantflow.cli.parser import Parser, add_choice
from grantflow.cli.token import formats
from grantflow.cli.token.acquire import (
    Demand,
    members_of,
    profile_for,
    scheme_of,
    token_with_id,
    valid_token,
    without_proof,
)


@final
class Options(Namespace):
    """What the command line says."""

    profile: str | None
    for_url: str | None
    username: str | None
    operation: str | None
    min_ttl: timedelta
    no_input: bool
    renew: bool
    id_token: bool
    format: str
    kubernetes_version: str | None
    host: list[str]


_KUBERNETES: Final = "KUBERNETES_EXEC_INFO"
"""Set by a Kubernetes client that runs this as its exec plugin (KEP 541)."""

_EXAMPLES: Final = (
    "grantflow token",
    "grantflow token work --min-ttl 5m --no-input",
    "grantflow token --format header | curl -H @- https://api.example.com/me",
    "grantflow token --for https://api.example.com/mcp --format headers-json",
    "grantflow token work --renew    # after a server refused the one that was printed",
    "git config --global credential.https://git.example.com.helper \\",
    "    '!grantflow token work --host git.example.com --format git-credential'",
    "",
    "in a kubeconfig:",
    "  exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable,",
    "         command: grantflow, args: [token, work, --format, kubernetes, --id-token]}",
)


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("token", "Print a valid token, refreshing it if necessary.", _EXAMPLES)
    made.add_profile()
    made.add_argument(
        "operation",
        metavar="OPERATION",
        nargs="?",
        help="with git-credential and docker-credential: get, store, erase or list, which git and "
        "docker add",
    )
    made.add_argument(
        "--for",
        dest="for_url",
        metavar="URL",
        help="the token for this URL: of the profile whose --origin or resource it is",
    )
    made.add_demands("refresh a token that expires within S seconds (or 5m, 2h)")
    made.add_argument(
        "--renew",
        action="store_true",
        help="renew the token even if it looks valid, because a server refused it",
    )
    made.add_argument(
        "--id-token",
        action="store_true",
        help="print the ID token (OpenID Connect) instead of the access token; with json, both",
    )
    add_choice(
        made,
        "--format",
        tuple(formats.FORMATS),
        metavar="FORMAT",
        default="text",
        help="the output format: text (the token, the default), json, header (Authorization: ...), "
        "headers-json, kubernetes (exec plugin), git-credential or docker-credential (the helper "
        "protocols of git and docker)",
    )
    made.add_argument(
        "--kubernetes-version",
        metavar="V",
        type=_version,
        help="with kubernetes: v1 (the default) or v1beta1, as in the kubeconfig, for a client "
        "that does not say it in KUBERNETES_EXEC_INFO",
    )
    made.add_argument(
        "--host",
        metavar="HOST",
        action="append",
        default=[],
        help="with git-credential: a host the token may go to, HOST or HOST:PORT; may be repeated "
        "(default: the origins of the profile, else the host where it signs in)",
    )
    made.add_argument(
        "--username",
        metavar="NAME",
        help="with git-credential and docker-credential: the user name beside the token (default: "
        "what the provider wants, else oauth2)",
    )
    return made


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    options = parser().read(argv, Options(), mixed=True)
    _check(options)
    for line in _answer(options, context):
        answer(line)
    return 0


def _version(text: str) -> str:
    found = formats.version_of(text)
    if found is None:
        names = " or ".join(each.rpartition("/")[2] for each in formats.VERSIONS)
        raise ArgumentTypeError(f"unknown version {quoted(text)}; it is {names}")
    return found


def _check(options: Options) -> None:
    if options.kubernetes_version is not None and options.format != "kubernetes":
        raise usage("--kubernetes-version is for --format kubernetes")
    helps = options.format in formats.HELPERS
    if helps and options.renew:
        raise usage(f"--renew is not for {options.format}: git says when it was refused (erase)")
    if helps and options.id_token:
        raise usage(f"--id-token is not for {options.format}")
    if helps and options.for_url is not None:
        raise usage(f"--for is not for {options.format}, which asks about a host itself")
    if options.username is not None and not helps:
        raise usage("--username is for --format git-credential and docker-credential")
    if options.host and options.format != "git-credential":
        raise usage("--host is for --format git-credential")
    if helps:
        return
    if options.operation is not None:
        said = f"unexpected argument {quoted(options.operation)}"
        raise usage(said, "see grantflow token --help")


def _answer(options: Options, context: Context) -> list[str]:
    if options.format in formats.HELPERS:
        return _for_helper(options, context)
    if options.for_url is not None:
        options.profile = profile_for(options.for_url, options.profile)
    wish, prompts = formats.Wish(), not options.no_input
    if options.format == "kubernetes":
        wish.version, interactive = _exec_request(options.kubernetes_version, context)
        prompts = prompts and interactive
    demand = Demand(least=options.min_ttl, prompts=prompts, another=options.renew)
    if options.id_token:
        wish.member = "id_token"
        token = token_with_id(options.profile, context, demand)
    else:
        token = valid_token(options.profile, context, demand)
    if options.format == "kubernetes" and not options.id_token:
        token = without_proof(token)
    members = members_of(token)
    if options.format in formats.HEADERS:
        wish.scheme = scheme_of(options.profile)
        if formats.scheme_for(members, wish) is None:
            raise CommandError(
                f"the token's type is {quoted(token.token_type)}, neither Bearer nor DPoP",
                "print it without a header: --format text, or json",
                kind="unknown_token_type",
            )
    return formats.lines(options.format, members, wish)


def _exec_request(usual: str | None, context: Context) -> tuple[str, bool]:
    match formats.exec_request(context.environment.get(_KUBERNETES), usual):
        case str() as problem:
            advice = f"in the kubeconfig, use apiVersion {formats.VERSIONS[0]}, or v1beta1"
            raise usage(f"{_KUBERNETES} {problem}", advice)
        case request:
            return request


def _for_helper(options: Options, context: Context) -> list[str]:
    # git adds its word to whatever words there are.
    words = [each for each in (options.profile, options.operation) if each is not None]
    operation = words.pop() if words else None
    name = words[0] if words else None
    if options.format == "docker-credential":
        from grantflow.cli.token import docker

        return docker.answered(operation, name, options.min_ttl, context, options.username)
    from grantflow.cli.token import git

    return git.answered(operation, name, options.host, options.min_ttl, context, options.username)
