"""``grantflow token``: a token that works now, on standard output and nothing else."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal, assert_never

from grantflow.cli.errors import usage
from grantflow.cli.output import answer
from grantflow.cli.parser import Parser
from grantflow.cli.redact import quoted
from grantflow.cli.token.acquire import usable, without_its_key
from grantflow.core.values.token import Token


class Options(Namespace):
    """What the command line says."""

    profile: str | None
    operation: str | None
    min_ttl: timedelta
    no_input: bool
    format: Literal["text", "json", "header", "kubernetes", "git-credential"]
    host: list[str]


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
        choices=("text", "json", "header", "kubernetes", "git-credential"),
        default="text",
        help="the token alone (text, the default), JSON, an Authorization header, "
        "what kubectl's exec plugin or git's credential helper answers",
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
    match options.format:
        case "text":
            return [_token(options).access_token.reveal()]
        case "header":
            return [f"Authorization: {_token(options).authorization.reveal()}"]
        case "json":
            return [_json(_token(options))]
        case "kubernetes":
            return [_exec_credential(options)]
        case "git-credential":
            return _for_git(options)
        case _:
            assert_never(options.format)


def _token(options: Options, *, may_ask: bool = True) -> Token:
    return usable(options.profile, options.min_ttl, may_ask=may_ask and not options.no_input)


def _json(token: Token) -> str:
    ends = token.expires_at
    return json.dumps(
        {
            "access_token": token.access_token.reveal(),
            "token_type": token.token_type,
            "expires_at": None if ends is None else ends.isoformat(),
            "scope": " ".join(token.scope),
        }
    )


def _exec_credential(options: Options) -> str:
    from grantflow.cli.token.kubernetes import VARIABLE, exec_credential, wanted

    asked = wanted(os.environ.get(VARIABLE))
    token = without_its_key(_token(options, may_ask=asked.interactive))
    return exec_credential(token, asked.version)


def _for_git(options: Options) -> list[str]:
    from grantflow.cli.token.credential import answered

    # git adds its word to whatever words there are.
    words = [each for each in (options.profile, options.operation) if each is not None]
    operation = words.pop() if words else None
    name = words[0] if words else None
    return answered(operation, name, options.host, options.min_ttl)
