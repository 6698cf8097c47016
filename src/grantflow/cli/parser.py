"""``argparse`` with one-line errors, suggestions, and examples in every ``--help``."""

from __future__ import annotations

from argparse import (
    ArgumentError,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, final

from grantflow.cli.errors import nearest, quoted, usage
from grantflow.cli.output import place
from grantflow.core.acquisition.unauthorized import token_origin

if TYPE_CHECKING:
    from argparse import _ActionsContainer

N = TypeVar("N", bound=Namespace)

_SECRETS: Final = ("--client-secret", "--secret", "--password", "--token")
_LONGEST: Final = timedelta(days=3650)


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
            exit_on_error=False,
        )
        self._see = f"see {self.prog} --help"
        self.add_argument(
            "--verbose",
            action="store_true",
            help="report each request and its result on stderr, never a secret",
        )

    def add_profile(self) -> None:
        """Take the name of a profile."""
        self.add_argument(
            "profile", metavar="PROFILE", nargs="?", help="a profile (default: the default profile)"
        )

    def add_demands(self, least: str) -> None:
        """Take how long a token has to be valid, and whether a person may be asked for one."""
        self.add_argument("--min-ttl", metavar="S", type=span, default=timedelta(), help=least)
        self.add_argument(
            "--no-input", action="store_true", help="never prompt; exit 3 if sign-in is required"
        )

    def error(self, message: str) -> NoReturn:
        """End with one line instead of the usage and a line."""
        raise usage(message, self._see)

    def read(self, argv: Sequence[str], into: N, *, mixed: bool = False) -> N:
        """Return ``into`` with what the command line says; ``mixed``: flags between two words."""
        known = self._option_string_actions
        for each in argv:
            name, equals, _ = each.partition("=")
            if equals and name in known and known[name].nargs == 0:
                self.error(f"{name} takes no value")  # which may be a secret
        parse = self.parse_known_intermixed_args if mixed else self.parse_known_args
        try:
            options, rest = parse(argv, into)
        except ArgumentError as error:
            name = "" if error.argument_name is None else f"{error.argument_name}: "
            self.error(f"{name}{error.message}")
        flag = next((each for each in rest if each.startswith("-") and each != "-"), None)
        if flag is not None:
            self._unknown(flag.partition("=")[0])
        if rest:
            self.error(f"unexpected argument {quoted(rest[0])}")
        return options

    def _unknown(self, flag: str) -> NoReturn:
        if flag in _SECRETS:
            # Its value is in the shell's history by now; at least it is not repeated here.
            raise usage(
                f"{flag}: a secret is never an argument",
                "use --client-secret-file, --token-stdin, or set GRANTFLOW_CLIENT_SECRET",
            )
        raise usage(
            f"unknown flag {quoted(flag)}", nearest(flag, self._option_string_actions, self._see)
        )


def add_choice(
    into: _ActionsContainer,
    name: str,
    choices: Sequence[str],
    *,
    metavar: str | None = None,
    default: str | None = None,
    help: str = "",  # noqa: A002 - as argparse calls it
) -> None:
    """Take one of a few words."""
    reader = one_of(choices)
    into.add_argument(
        name, type=reader, choices=choices, metavar=metavar, default=default, help=help
    )


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Return a reader of one of these words."""

    def read(text: str) -> str:
        if text in choices:
            return text
        said = nearest(text.replace("-", "_"), choices, "")
        rest = said or f"it is one of {', '.join(choices)}"
        raise ArgumentTypeError(f"unknown value {quoted(text)}; {rest}")

    return read


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(text: str) -> timedelta:
    amount, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(amount) * _UNITS[unit]
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _LONGEST.total_seconds() or not text.isascii() or "_" in text:
        raise ArgumentTypeError(f"{quoted(text)} is not a duration such as 90, 90s, 5m or 2h")
    return timedelta(seconds=seconds)


def span(text: str) -> timedelta:
    """Read a duration: seconds, or a number with s, m, h or d; zero included."""
    return _seconds(text)


def positive_span(text: str) -> timedelta:
    """Read a duration above zero."""
    found = _seconds(text)
    if not found:
        raise ArgumentTypeError("a duration above zero is needed")
    return found


def pair(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``, a parameter that grantflow has no flag for."""
    name, value = _pair(text, "--param prompt=login")
    if name in _OWN_PARAMETERS:
        raise ArgumentTypeError(f"{name} cannot be set by hand; {_OWN_PARAMETERS[name]}")
    return name, value


def origin(text: str) -> str:
    """Read a URL, and return the origin that a token may go to: https, or this machine."""
    found = token_origin(text)
    if found is None or "@" in text:
        raise ArgumentTypeError("an https URL is needed (http is only for loopback)")
    return place(found)


def setting(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``, a value that a provider needs."""
    return _pair(text, "--set tenant=common")


def _pair(text: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        # Not the text: it may be a secret.
        raise ArgumentTypeError(f"NAME=VALUE is needed, for example {example}")
    return name, value


_ITSELF: Final = "grantflow sends it"

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
