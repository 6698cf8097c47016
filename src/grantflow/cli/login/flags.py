"""The flags of ``grantflow login``, one row each.

From the table come the parser and its help, the checks of what excludes or needs what, the profile
that remembers a flag, and the command line that signs in again. A new flag is a row here; one that
is remembered has a field of ``Profile``, any other one a line in ``Options``.
"""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, final

import attrs

from grantflow.cli.context import STORES
from grantflow.cli.errors import CommandError, usage
from grantflow.cli.parser import Parser, add_choice, origin, pair, positive_span, setting
from grantflow.cli.profiles.secrets import STDIN
from grantflow.core.client.authentication import ALGORITHMS, METHODS
from grantflow.shell.profiles.profile import Profile

if TYPE_CHECKING:
    from argparse import _ActionsContainer

Reader: TypeAlias = Callable[[str], object]


@final
class Options(Namespace):
    """The flags that a profile does not remember.

    ``wanted`` is the profile as the other flags tell it, ``said`` the names of all that were given.
    """

    dpop: bool
    token_stdin: bool
    refresh_token_stdin: bool
    start: bool
    finish: bool
    replace: bool
    profile: str | None
    no_browser: bool
    no_qr: bool
    json: bool
    timeout: timedelta | None
    said: frozenset[str]
    wanted: Profile


@final
@attrs.frozen(kw_only=True)
class Flag:
    """One flag.

    ``field`` is the profile's field that remembers it, ``keep`` makes its value of the words (one
    word, or all of them with ``many``), and ``say`` makes the words again, none where the profile
    does not need the flag. ``excludes`` names flags, or ``FLAG VALUE``, with the reason; ``needs``
    names one of which it says more. ``waits`` marks what ``--finish`` takes as well.
    """

    name: str
    help: str
    group: str
    metavar: str | None = None
    read: Reader | None = None
    choices: tuple[str, ...] = ()
    many: bool = False
    default: object = None
    field: str = ""
    keep: Callable[[object], object] = lambda value: value
    say: Callable[[Profile], tuple[str, ...]] | None = None
    excludes: Mapping[str, str] = attrs.field(factory=dict[str, str])
    needs: str = ""
    waits: bool = False

    @property
    def dest(self) -> str:
        """Return the name of its option."""
        return self.name.lstrip("-").replace("-", "_").lower()

    @property
    def is_switch(self) -> bool:
        """Return whether it takes no value."""
        return self.metavar is None and not self.choices

    def add_to(self, group: _ActionsContainer) -> None:
        """Add it to a parser."""
        if self.is_switch:
            group.add_argument(self.name, action="store_true", help=self.help)
        elif not self.name.startswith("-"):
            group.add_argument(self.dest, metavar=self.metavar, nargs="?", help=self.help)
        elif self.choices:
            add_choice(
                group,
                self.name,
                self.choices,
                metavar=self.metavar,
                default=None if self.default is None else str(self.default),
                help=self.help,
            )
        else:
            group.add_argument(
                self.name,
                metavar=self.metavar,
                type=self.read or str,
                action="append" if self.many else "store",
                default=[] if self.many else None,
                help=self.help,
            )

    def words(self, profile: Profile) -> Iterator[str]:
        """Yield what the command line said, as far as the profile remembers it."""
        if self.say is not None:
            yield from self.say(profile)
            return
        value: object = getattr(profile, self.field)
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None:
                yield from (self.name, "=".join(each) if isinstance(each, tuple) else str(each))


def _all(values: object) -> tuple[object, ...]:
    return tuple(values) if isinstance(values, list) else ()


def _each_word(values: object) -> tuple[str, ...]:
    return tuple(word for each in _all(values) for word in str(each).split())


def _by_name(profile: Profile) -> bool:
    return profile.provider is not None or profile.url is not None


def _place(profile: Profile) -> tuple[str, ...]:
    named = profile.provider or profile.url
    return () if named is None else (named,)


def _endpoint(name: str, of: str) -> Callable[[Profile], tuple[str, ...]]:
    """Return the words of an endpoint, which a provider's name or an issuer says already."""

    def say(profile: Profile) -> tuple[str, ...]:
        url: str | None = getattr(profile, of)
        known = url is None or _by_name(profile) or (of != "issuer" and profile.issuer is not None)
        return () if known or url is None else (name, url)

    return say


def _client_auth(profile: Profile) -> tuple[str, ...]:
    offered = profile.spelling.get("auth_methods")
    expected = profile.provider is None or not isinstance(offered, tuple) or "none" in offered
    usual = profile.client_auth == "none" and expected
    return () if usual or profile.registration else ("--client-auth", profile.client_auth)


_BY_NAME: Final = "the provider's name says where it is"
_METADATA: Final = "give the issuer or endpoints"
_ONE_PROOF: Final = "a client authenticates in one way"
_NO_PROMPT: Final = "there is no sign-in to wait for"
_WHERE: Final = "where (a provider by name, an issuer, or endpoints)"
_WHO: Final = "who"
_WHAT: Final = "what"
_WHEN: Final = "when (one program shows the code, another one waits)"
_HOW: Final = "how"

FLAGS: Final = (
    Flag(
        name="PROVIDER",
        metavar="PROVIDER",
        group=_WHERE,
        help="a provider's name, one that grantflow providers lists, or the URL of the API that "
        "the token is for, which says where to sign in (RFC 9728)",
        field="provider",
        say=_place,
        excludes={
            "--issuer": _BY_NAME,
            "--device-endpoint": _BY_NAME,
            "--token-endpoint": _BY_NAME,
            "--revocation-endpoint": _BY_NAME,
        },
    ),
    Flag(
        name="--provider-file",
        metavar="FILE",
        group=_WHERE,
        help="a TOML file with your own providers, which override the built-in ones",
        field="provider_file",
        needs="PROVIDER",
    ),
    Flag(
        name="--set",
        metavar="NAME=VALUE",
        group=_WHERE,
        help="a value that PROVIDER needs, such as tenant=common",
        read=setting,
        many=True,
        field="values",
        keep=_all,
        needs="PROVIDER",
    ),
    Flag(
        name="--issuer",
        metavar="URL",
        group=_WHERE,
        help="the issuer URL; endpoints are discovered from its metadata",
        field="issuer",
        say=_endpoint("--issuer", "issuer"),
        excludes={
            "--device-endpoint": _METADATA,
            "--token-endpoint": _METADATA,
            "--revocation-endpoint": _METADATA,
        },
    ),
    Flag(
        name="--device-endpoint",
        metavar="URL",
        group=_WHERE,
        help="the device authorization endpoint (RFC 8628)",
        field="device_authorization_endpoint",
        say=_endpoint("--device-endpoint", "device_authorization_endpoint"),
    ),
    Flag(
        name="--token-endpoint",
        metavar="URL",
        group=_WHERE,
        help="the token endpoint; sufficient for client_credentials",
        field="token_endpoint",
        say=_endpoint("--token-endpoint", "token_endpoint"),
    ),
    Flag(
        name="--revocation-endpoint",
        metavar="URL",
        group=_WHERE,
        help="the revocation endpoint (RFC 7009), used by logout",
        field="revocation_endpoint",
        say=_endpoint("--revocation-endpoint", "revocation_endpoint"),
    ),
    Flag(
        name="--client-id",
        metavar="ID",
        group=_WHO,
        help="the client id, as registered with the provider",
        field="client_id",
        say=lambda each: (
            () if each.registration or not each.client_id else ("--client-id", each.client_id)
        ),
    ),
    Flag(
        name="--client-auth",
        metavar="METHOD",
        group=_WHO,
        help=f"the client authentication method: {', '.join(METHODS)} (default: what the server "
        "supports)",
        choices=METHODS,
        field="client_auth",
        keep=lambda value: value or "none",
        say=_client_auth,
    ),
    Flag(
        name="--client-secret-file",
        metavar="FILE",
        group=_WHO,
        help="a file with the client secret, read at each use; - is stdin (default: "
        "$GRANTFLOW_CLIENT_SECRET)",
        field="client_secret_file",
        excludes={
            "--client-secret-command": _ONE_PROOF,
            "--client-key-file": _ONE_PROOF,
            "--client-assertion-file": _ONE_PROOF,
        },
        waits=True,
    ),
    Flag(
        name="--client-secret-command",
        metavar="COMMAND",
        group=_WHO,
        help="a command that prints the client secret, run at each use without a shell",
        field="client_secret_command",
        excludes={"--client-key-file": _ONE_PROOF, "--client-assertion-file": _ONE_PROOF},
    ),
    Flag(
        name="--client-key-file",
        metavar="FILE",
        group=_WHO,
        help="a private key (private_key_jwt) in PEM or JWK, named by a certificate if one is "
        "beside it; or certificate and key in PEM (tls_client_auth)",
        field="client_key_file",
        excludes={"--client-assertion-file": _ONE_PROOF},
    ),
    Flag(
        name="--client-key-id",
        metavar="KID",
        group=_WHO,
        help="the key's id at the server (default: the kid of a JWK)",
        field="client_key_id",
        needs="--client-key-file",
    ),
    Flag(
        name="--client-key-alg",
        metavar="ALG",
        group=_WHO,
        help=f"what the key signs with: {', '.join(ALGORITHMS)} (default: the alg of a JWK, else "
        "what suits the key, RS256 for RSA)",
        choices=ALGORITHMS,
        field="client_key_alg",
        needs="--client-key-file",
    ),
    Flag(
        name="--client-assertion-file",
        metavar="FILE",
        group=_WHO,
        help="an assertion signed elsewhere, such as a platform's token file; read at each use",
        field="client_assertion_file",
    ),
    Flag(
        name="--client-assertion-audience",
        metavar="A",
        group=_WHO,
        help="whom the client's assertion is for: token_endpoint, endpoint (the one that is "
        "asked) or a URL (default: what the provider's data says, else the issuer)",
        field="client_assertion_audience",
        excludes={"--client-assertion-file": "that assertion names its audience"},
    ),
    Flag(
        name="--dpop",
        group=_WHO,
        help="bind the tokens to a key of this machine, created on first use (RFC 9449)",
        say=lambda profile: ("--dpop",) if profile.dpop else (),
        excludes={"--token-stdin": "that token exists already"},
    ),
    Flag(
        name="--grant",
        metavar="GRANT",
        group=_WHAT,
        help="the grant type: device (a person approves, the default) or client_credentials",
        choices=("device", "client_credentials"),
        default="device",
        field="grant",
        say=lambda each: () if each.grant == "device" else ("--grant", each.grant),
    ),
    Flag(
        name="--scope",
        metavar="S",
        group=_WHAT,
        help="a scope to request; may be repeated",
        many=True,
        field="scope",
        keep=_each_word,
    ),
    Flag(
        name="--audience",
        metavar="A",
        group=_WHAT,
        help="the API audience (provider-specific)",
        field="audience",
    ),
    Flag(
        name="--resource",
        metavar="URL",
        group=_WHAT,
        help="the API that the token is for (RFC 8707); may be repeated",
        many=True,
        field="resource",
        keep=_all,
    ),
    Flag(
        name="--origin",
        metavar="URL",
        group=_WHAT,
        help="where the token may go, for token --for, git and docker; may be repeated (default: "
        "the server that signs in)",
        read=origin,
        many=True,
        field="origins",
        keep=_all,
    ),
    Flag(
        name="--param",
        metavar="K=V",
        group=_WHAT,
        help="another parameter of the first request; may be repeated",
        read=pair,
        many=True,
        field="param",
        keep=_all,
    ),
    Flag(
        name="--token-stdin",
        group=_WHAT,
        help="store the token on stdin, unless PROVIDER refuses it",
    ),
    Flag(
        name="--refresh-token-stdin",
        group=_WHAT,
        help="sign in with the refresh token on stdin, of another program for example",
        say=lambda each: ("--refresh-token-stdin",) if each.only_renews else (),
        excludes={
            "--token-stdin": "standard input is read only once",
            "--start": _NO_PROMPT,
            "--finish": _NO_PROMPT,
            "--grant client_credentials": "a machine needs no refresh token",
        },
    ),
    Flag(
        name="--start",
        group=_WHEN,
        help="print the link and the code as JSON, and do not wait",
        excludes={
            "--finish": "they are for two processes",
            "--token-stdin": _NO_PROMPT,
            "--grant client_credentials": _NO_PROMPT,
        },
    ),
    Flag(
        name="--finish",
        group=_WHEN,
        help="wait for what was started; --profile is needed only if several are pending",
        waits=True,
    ),
    Flag(
        name="--replace",
        group=_WHEN,
        help="replace a profile of another client, or with --finish one that signed in meanwhile",
        waits=True,
    ),
    Flag(
        name="--profile",
        metavar="NAME",
        group=_HOW,
        help="the profile's name (default: the provider's name or the server's host)",
        say=lambda profile: ("--profile", profile.name),
        waits=True,
    ),
    Flag(
        name="--store",
        metavar="STORE",
        group=_HOW,
        help="where to store the token: file (the default) or keyring",
        choices=STORES,
        default="file",
        field="store",
        say=lambda each: () if each.store == "file" else ("--store", each.store),
    ),
    Flag(name="--no-browser", group=_HOW, help="do not open the link in a browser", waits=True),
    Flag(name="--no-qr", group=_HOW, help="do not show the link as a QR code", waits=True),
    Flag(name="--json", group=_HOW, help="print events for programs, one a line", waits=True),
    Flag(
        name="--timeout",
        metavar="S",
        group=_HOW,
        help="give up after S seconds (or 5m, 2h)",
        read=positive_span,
        waits=True,
    ),
)

_EXAMPLES: Final = (
    "grantflow login github --client-id my-app --scope repo",
    "grantflow login entra --set tenant=common --client-id my-app --scope offline_access",
    "grantflow login https://api.example.com/mcp",
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
    for name in dict.fromkeys(each.group for each in FLAGS):
        group = made.add_argument_group(name)
        for flag in FLAGS:
            if flag.group == name:
                flag.add_to(group)
    return made


def read(argv: list[str]) -> Options:
    """Read the command line; what contradicts itself is a usage error."""
    options = parser().read(argv, Options())
    said = [flag for flag in FLAGS if _is_said(options, flag)]
    _check(options, said)
    kept = {flag.field: flag.keep(getattr(options, flag.dest)) for flag in FLAGS if flag.field}
    options.said = frozenset(flag.name for flag in said)
    wanted = Profile(**kept)  # type: ignore[arg-type]
    if "://" in (wanted.provider or ""):
        wanted = attrs.evolve(wanted, provider=None, url=wanted.provider)
    options.wanted = wanted
    return options


def _is_said(options: Options, flag: Flag) -> bool:
    return getattr(options, flag.dest) not in (None, False, [], flag.default)


def _check(options: Options, said: list[Flag]) -> None:
    """Refuse what excludes each other, and what needs another flag."""
    names = {flag.name for flag in said}
    words = names | {f"{flag.name} {getattr(options, flag.dest)}" for flag in said if flag.choices}
    if "--finish" in names and "--start" not in names:
        extra = next((flag.name for flag in said if not flag.waits), None)
        if extra is not None:
            raise usage(f"--finish and {extra} exclude each other: --start has said everything")
    for flag in said:
        for other, reason in flag.excludes.items():
            if other in words:
                raise usage(f"{flag.name} and {other} exclude each other: {reason}")
        if flag.needs and flag.needs not in names:
            raise usage(f"{flag.name} is about a {flag.needs}, and none is named")


def with_absolute_files(profile: Profile) -> Profile:
    """Return the profile as it is stored: its files are found from anywhere, stdin is none."""
    files = {
        flag.field: _absolute(getattr(profile, flag.field))
        for flag in FLAGS
        if flag.field and flag.metavar == "FILE"
    }
    return attrs.evolve(profile, **files)  # type: ignore[arg-type]


def _absolute(file: str | None) -> str | None:
    return None if file in (None, STDIN) else str(Path(file or "").absolute())


def login_command(profile: Profile) -> str:
    """Return the command line that signs in again as this profile."""
    if profile.grant == "given":
        return shlex.join(("grantflow", "login", "--token-stdin", "--profile", profile.name))
    words = (word for flag in FLAGS if flag.field or flag.say for word in flag.words(profile))
    return shlex.join(("grantflow", "login", *words))


def no_client() -> CommandError:
    """Return the error of a sign-in without a client id."""
    return usage("--client-id is missing", "the provider shows it where the app is registered")
