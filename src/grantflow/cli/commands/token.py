"""``grantflow token``: a valid token on stdout, and nothing else there."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, final

from grantflow.cli.context import Context
from grantflow.cli.errors import quoted, usage
from grantflow.cli.output import answer
from grantflow.cli.parser import Parser, add_choice
from grantflow.cli.token import formats
from grantflow.cli.token.acquire import members_of, valid_token, without_proof


@final
class Options(Namespace):
    """What the command line says."""

    profile: str | None
    operation: str | None
    min_ttl: timedelta
    no_input: bool
    format: str
    host: list[str]


_KUBERNETES: Final = "KUBERNETES_EXEC_INFO"
"""Set by a Kubernetes client that runs this as its exec plugin (KEP 541)."""

_EXAMPLES: Final = (
    "grantflow token",
    "grantflow token work --min-ttl 5m --no-input",
    "grantflow token --format header | curl -H @- https://api.example.com/me",
    "git config --global credential.https://git.example.com.helper \\",
    "    '!grantflow token work --host git.example.com --format git-credential'",
    "",
    "in a kubeconfig:",
    "  exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable,",
    "         command: grantflow, args: [token, work, --format, kubernetes]}",
)


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("token", "Print a valid token, refreshing it if necessary.", _EXAMPLES)
    made.add_profile()
    made.add_argument(
        "operation",
        metavar="OPERATION",
        nargs="?",
        help="with git-credential: get, store or erase, which git adds",
    )
    made.add_demands("refresh a token that expires within S seconds (or 5m, 2h)")
    add_choice(
        made,
        "--format",
        tuple(formats.FORMATS),
        metavar="FORMAT",
        default="text",
        help="the output format: text (the token, the default), json, header (Authorization: ...), "
        "headers-json, kubernetes (exec plugin) or git-credential (git's helper protocol)",
    )
    made.add_argument(
        "--host",
        metavar="HOST",
        action="append",
        default=[],
        help="with git-credential: a host the token may go to, HOST or HOST:PORT; may be repeated "
        "(default: the host where the profile signs in)",
    )
    return made


def main(argv: Sequence[str], context: Context) -> int:
    """Run the command."""
    options = parser().read(argv, Options(), mixed=True)
    if options.format != "git-credential":
        _check(options)
    for line in _answer(options, context):
        answer(line)
    return 0


def _check(options: Options) -> None:
    if options.operation is not None:
        said = f"unexpected argument {quoted(options.operation)}"
        raise usage(said, "see grantflow token --help")
    if options.host:
        raise usage("--host is for --format git-credential")


def _answer(options: Options, context: Context) -> list[str]:
    if options.format == "git-credential":
        return _for_git(options, context)
    wish, prompts = formats.Wish(), not options.no_input
    if options.format == "kubernetes":
        wish.version, interactive = _exec_request(context)
        prompts = prompts and interactive
    token = valid_token(options.profile, context, least=options.min_ttl, prompts=prompts)
    if options.format == "kubernetes":
        token = without_proof(token)
    return formats.lines(options.format, members_of(token), wish)


def _exec_request(context: Context) -> tuple[str, bool]:
    match formats.exec_request(context.environment.get(_KUBERNETES)):
        case str() as problem:
            advice = f"in the kubeconfig, use apiVersion {formats.VERSIONS[0]}, or v1beta1"
            raise usage(f"{_KUBERNETES} {problem}", advice)
        case request:
            return request


def _for_git(options: Options, context: Context) -> list[str]:
    from grantflow.cli.token.git import answered

    # git adds its word to whatever words there are.
    words = [each for each in (options.profile, options.operation) if each is not None]
    operation = words.pop() if words else None
    name = words[0] if words else None
    return answered(operation, name, options.host, options.min_ttl, context)
