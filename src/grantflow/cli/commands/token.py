"""``grantflow token``: a token that works now, on standard output and nothing else."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from grantflow.cli.errors import usage
from grantflow.cli.output import answer
from grantflow.cli.parser import Parser
from grantflow.cli.redact import quoted
from grantflow.cli.token import formats
from grantflow.cli.token.acquire import members_of, usable, without_its_key


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
    "grantflow token work --min-ttl 300 --no-input",
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
    made = Parser("token", "Print a token that works now; it is renewed where needed.", _EXAMPLES)
    made.add_profile()
    made.add_argument(
        "operation",
        metavar="OPERATION",
        nargs="?",
        help="with git-credential: get, store or erase, which git adds by itself",
    )
    made.add_wishes("renew a token that ends within S seconds")
    made.add_argument(
        "--format",
        choices=tuple(formats.FORMATS),
        default="text",
        help="text (the token, default), json, header (Authorization: ...), headers-json, "
        "kubernetes (exec plugin), git-credential (git's helper protocol)",
    )
    made.add_argument(
        "--host",
        metavar="HOST",
        action="append",
        default=[],
        help="with git-credential: where the token may go, HOST or HOST:PORT, may be repeated; "
        "by default the host where the profile signs in",
    )
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    options = parser().read(argv, Options(), mixed=True)
    if options.format != "git-credential":
        _check(options)
    for line in _answered(options):
        answer(line)
    return 0


def _check(options: Options) -> None:
    if options.operation is not None:
        raise usage(f"unexpected argument {quoted(options.operation)}; see grantflow token --help")
    if options.host:
        raise usage("--host is for --format git-credential")


def _answered(options: Options) -> list[str]:
    if options.format == "git-credential":
        return _for_git(options)
    wish, may_ask = formats.Wish(), True
    if options.format == "kubernetes":
        wish.version, may_ask = _exec_request()
    token = usable(options.profile, options.min_ttl, may_ask=may_ask and not options.no_input)
    if options.format == "kubernetes":
        token = without_its_key(token)
    return formats.lines(options.format, members_of(token), wish)


def _exec_request() -> tuple[str, bool]:
    match formats.exec_request(os.environ.get(_KUBERNETES)):
        case str() as problem:
            raise usage(
                f"{_KUBERNETES} {problem}; in the kubeconfig, use apiVersion "
                f"{formats.VERSIONS[0]}, or v1beta1 for old clients"
            )
        case request:
            return request


def _for_git(options: Options) -> list[str]:
    from grantflow.cli.token.credential import answered

    # git adds its word to whatever words there are.
    words = [each for each in (options.profile, options.operation) if each is not None]
    operation = words.pop() if words else None
    name = words[0] if words else None
    return answered(operation, name, options.host, options.min_ttl)
