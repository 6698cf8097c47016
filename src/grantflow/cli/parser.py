"""``argparse`` with one-line errors, the nearest flag, and examples in every ``--help``."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Final, NoReturn, TypeVar, final

from grantflow.cli.errors import usage
from grantflow.cli.redact import quoted
from grantflow.core.values.parsing import number
from grantflow.core.values.time import LONGEST

N = TypeVar("N", bound=Namespace)

_SECRETS: Final = ("--client-secret", "--secret", "--password", "--token")


def nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return the end of a sentence about an unknown word: a suggestion, else ``otherwise``.

    >>> nearest("stauts", ["status", "list"], "see --help")
    "; did you mean 'status'?"
    >>> nearest("xyz", ["status", "list"], "see --help")
    '; see --help'
    """
    found = get_close_matches(word, list(known), cutoff=0.6)
    meant = " or ".join(repr(each) for each in found)
    return f"; did you mean {meant}?" if found else f"; {otherwise}"


@final
class Parser(ArgumentParser):
    """The parser of one command. No abbreviations: a later flag would change their meaning."""

    def __init__(self, command: str, what: str, examples: Sequence[str]) -> None:
        super().__init__(
            prog=f"grantflow {command}",
            description=what,
            epilog="\n".join(("examples:", *(f"  {each}".rstrip() for each in examples))),
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_profile(self) -> None:
        """Take the name of a profile, where one is given."""
        self.add_argument(
            "profile",
            metavar="PROFILE",
            nargs="?",
            help="by default the last one signed in, or what grantflow default chose",
        )

    def add_wishes(self, least: str) -> None:
        """Take how long a token has to live, and whether anybody may be asked for one."""
        self.add_argument("--min-ttl", metavar="S", type=span, default=timedelta(), help=least)
        self.add_argument(
            "--no-input",
            action="store_true",
            help="ask nobody; exit with 3 where a person is needed",
        )

    def error(self, message: str) -> NoReturn:
        """End with one line instead of the usage and a line."""
        # Never the value: a token may have been put behind a flag that takes none.
        message = re.sub(
            r"ignored explicit argument .*", "it takes no value", message, flags=re.DOTALL
        )
        message = re.sub(r"(?<=invalid choice: )'(.*?)'(?= \(choose)", _not_told, message)
        found, _, missing = message.partition("the following arguments are required: ")
        told = f"{missing} is missing" if missing else found.removeprefix("argument ")
        raise usage(f"{told}; see {self.prog} --help")

    def read(self, argv: Sequence[str], into: N, *, mixed: bool = False) -> N:
        """Return ``into`` with what the command line says; ``mixed``: flags between two words."""
        parse = self.parse_known_intermixed_args if mixed else self.parse_known_args
        options, rest = parse(argv, into)
        flag = next((each for each in rest if each.startswith("-") and each != "-"), None)
        if flag is not None:
            self._unknown(flag.partition("=")[0])
        if rest:
            self.error(f"unexpected argument {quoted(rest[0])}")
        return options

    def _unknown(self, flag: str) -> NoReturn:
        if flag in _SECRETS:
            # Its value is in the shell's history by now; at least it is not repeated here.
            self.error(
                f"{flag}: a secret is never an argument; use --client-secret-file, --token-stdin "
                "or the environment"
            )
        known = self._option_string_actions
        raise usage(f"unknown flag {quoted(flag)}{nearest(flag, known, f'see {self.prog} --help')}")


def _not_told(found: re.Match[str]) -> str:
    return quoted(found[1])


def _seconds(text: str) -> timedelta:
    found = number(text)
    if found is None or not 0 <= found <= LONGEST.total_seconds():
        raise ArgumentTypeError(f"a number of seconds is needed, not {quoted(text)}")
    return timedelta(seconds=found)


def span(text: str) -> timedelta:
    """Read a number of seconds, zero included."""
    return _seconds(text)


def positive_span(text: str) -> timedelta:
    """Read a number of seconds above zero."""
    found = _seconds(text)
    if not found:
        raise ArgumentTypeError("a number of seconds above zero is needed, not 0")
    return found


def pair(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        # Not the text: somebody may have put a secret there.
        raise ArgumentTypeError("NAME=VALUE is needed, for example --param prompt=login")
    if name in _OWN_PARAMETERS:
        raise ArgumentTypeError(f"{name} is not a free parameter; {_OWN_PARAMETERS[name]}")
    return name, value


def setting(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``, a value that a provider needs."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ArgumentTypeError("NAME=VALUE is needed, for example --set tenant=common")
    return name, value


_ITSELF: Final = "grantflow sends it by itself"

_OWN_PARAMETERS: Final = {
    "audience": "use --audience",
    "client_assertion": _ITSELF,
    "client_assertion_type": _ITSELF,
    "client_id": "use --client-id",
    "client_secret": "a secret is never an argument, use --client-secret-file",
    "device_code": _ITSELF,
    "grant_type": "use --grant",
    "refresh_token": _ITSELF,
    "resource": "use --resource",
    "scope": "use --scope",
}


def port(text: str) -> int:
    """Read a port number; 0 is any free one."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ArgumentTypeError(f"a port from 0 to 65535 is needed, not {quoted(text)}")
    return int(text)
