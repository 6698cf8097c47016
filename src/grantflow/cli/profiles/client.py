"""From a profile to a client that can prove itself, and to the place of its token.

Rules:

1. A secret comes from a file or standard input, else from the environment. It is read at each
   use; only the file's path is remembered.
2. The profile's own file outranks ``GRANTFLOW_CLIENT_SECRET``, which may belong to another one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final, TextIO

from grantflow.cli.errors import usage
from grantflow.cli.login import dpop_key as proofs
from grantflow.cli.output import is_terminal
from grantflow.cli.profiles.login_command import login_command
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.profiles.provider import plain_provider, remembered
from grantflow.cli.redact import quoted
from grantflow.core.client.authentication import (
    ClientAssertion,
    ClientAuthentication,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretJwt,
    ClientSecretPost,
    MutualTls,
    PrivateKeyJwt,
    Public,
)
from grantflow.core.client.client import Client
from grantflow.core.client.dpop import DPoP
from grantflow.core.client.identity import key_of
from grantflow.core.client.provider import Provider
from grantflow.core.values.secret import Secret
from grantflow.shell.environment import client_secret_given

WITH_SECRET: Final[Mapping[str, Callable[[Secret], ClientAuthentication]]] = {
    "client_secret_basic": ClientSecretBasic,
    "client_secret_basic_raw": partial(ClientSecretBasic, encoding="raw"),
    "client_secret_post": ClientSecretPost,
    "client_secret_jwt": ClientSecretJwt,
    "client_secret_headers": ClientSecretHeaders,
}
WITH_KEY: Final = ("private_key_jwt", "tls_client_auth")
ASSERTION: Final = "client_assertion"
"""An assertion that somebody else signs, in a file (RFC 7521); no registered name."""
_ALGORITHMS: Final = ("ES256", "RS256", "EdDSA", "ES384", "ES512")
"""Tried in this order: what a key is for, is written in it."""

AUTH_NAMES: Final = ("none", *WITH_SECRET, *WITH_KEY, ASSERTION)

STDIN: Final = "-"
_LARGEST_SECRET: Final = 64 * 1024
_PUBLIC: Final = Public()


def auth_decided(
    asked: str | None,
    offered: tuple[str, ...],
    *,
    has_secret: bool,
    has_key: bool = False,
    has_assertion: bool = False,
) -> str:
    """Return the name of the authentication: the one asked for, else what the server takes.

    ``offered`` are the server's, best first.

    >>> auth_decided(None, ("none", "client_secret_post"), has_secret=True)
    'client_secret_post'
    >>> auth_decided(None, (), has_secret=True), auth_decided(None, (), has_secret=False)
    ('client_secret_basic', 'none')
    """
    if asked is not None:
        return asked
    if has_assertion:
        return ASSERTION
    if has_key:
        return "private_key_jwt"
    if not has_secret:
        return "none"
    return next((each for each in offered if each in WITH_SECRET), "client_secret_basic")


def authentication(
    name: str,
    secret: Secret | None,
    key_file: str | None = None,
    assertion_file: str | None = None,
) -> ClientAuthentication:
    """Return the authentication that ``name``, one of ``AUTH_NAMES``, stands for."""
    if name == "none":
        return _PUBLIC
    if name in WITH_KEY:
        return _by_key(name, key_file)
    if name == ASSERTION:
        return _by_assertion(assertion_file)
    if secret is None:
        raise usage(
            f"{name} needs the client's secret: use --client-secret-file FILE, "
            "or set GRANTFLOW_CLIENT_SECRET"
        )
    return WITH_SECRET[name](secret)


def _by_assertion(file: str | None) -> ClientAssertion:
    if file is None:
        raise usage(f"{ASSERTION} needs the assertion: use --client-assertion-file FILE")
    from grantflow.shell.secret_sources import SecretError, from_file

    source = from_file(file)
    try:
        source()
    except SecretError as error:
        raise usage(f"{error}; check --client-assertion-file") from None
    return ClientAssertion(source)


def _by_key(name: str, file: str | None) -> ClientAuthentication:
    if file is None:
        raise usage(f"{name} needs the client's key: use --client-key-file FILE")
    try:
        text = _read(Path(file))
    except (OSError, UnicodeDecodeError) as error:
        problem = (error.strerror or error) if isinstance(error, OSError) else "it is not text"
        raise usage(
            f"cannot read the key file {file}: {problem}; check --client-key-file"
        ) from None
    if name == "tls_client_auth":
        return MutualTls(file)  # certificate and key in one file, as curl takes them
    return _signing_with(Secret(text), file)


def _signing_with(key: Secret, file: str) -> PrivateKeyJwt:
    from grantflow.shell.signing.signer import check

    for alg in _ALGORITHMS:
        proof = PrivateKeyJwt(key, alg=alg)
        try:
            check(proof)
        except ValueError:
            continue
        except ImportError as error:
            raise usage(str(error)) from None
        return proof
    raise usage(f"the key file {file} holds no private key in PEM or JWK that can sign")


def secret_of(file: str | None) -> Secret | None:
    """Return the client's secret from ``file`` (``-`` is standard input) or the environment."""
    if file is None:
        return client_secret_given()
    where = "standard input" if file == STDIN else f"the secret file {_named(file)}"
    try:
        text = standard_input("Client secret") if file == STDIN else _read(Path(file))
    except OSError as error:
        problem = error.strerror or error
        raise usage(f"cannot read {where}: {problem}; check --client-secret-file") from None
    except UnicodeDecodeError:
        raise usage(f"{where} is not UTF-8 text") from None
    secret = text.rstrip("\r\n")
    if not secret.strip():
        raise usage(f"{where} is empty; it should hold the client's secret")
    return Secret(secret)


def _named(file: str) -> str:
    """Return a path as a message names it: what is no file may be the secret itself."""
    folder = os.path.dirname(file)
    known = os.path.exists(file) or (folder and os.path.isdir(folder))
    return file if known else quoted(file)


def standard_input(what: str) -> str:
    """Return all of standard input; at a terminal, ask for ``what`` without showing it."""
    if sys.stdin is None:
        raise OSError("it is closed")
    if not is_terminal(sys.stdin):
        return _whole(sys.stdin)
    from getpass import getpass

    try:
        return getpass(f"{what}: ")
    except EOFError:
        return ""


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return _whole(file)


def _whole(file: TextIO) -> str:
    # Half a secret would be refused somewhere else, where nobody knows why.
    text = file.read(_LARGEST_SECRET + 1)
    if len(text) > _LARGEST_SECRET:
        raise OSError(f"it holds more than {_LARGEST_SECRET} characters")
    return text


def client_of(
    profile: Profile, provider: Provider, proof: ClientAuthentication, dpop: DPoP | None = None
) -> Client:
    """Return the client of a profile; ``ValueError`` names the argument that is unusable."""
    return Client(
        provider=provider,
        client_id=profile.client_id or "",
        authentication=proof,
        scope=profile.scope,
        audience=profile.audience,
        resource=profile.resource,
        extra=profile.param,
        dpop=dpop,
    )


def proven_client_of(profile: Profile) -> Client:
    """Return the client of a profile with its proof, for a request."""
    proof = _proof_of(profile)
    dpop = proofs.key_of(profile)
    return _usable(profile, remembered(profile), proof, lambda _: dpop)


def _proof_of(profile: Profile) -> ClientAuthentication:
    if profile.registration is not None:
        from grantflow.cli.login.register import proof_of

        return proof_of(profile, profile.registration, login_command(profile))
    if profile.client_auth == "none":
        return _PUBLIC
    if profile.client_auth not in AUTH_NAMES:
        raise usage(
            f"profile {profile.name!r} uses the client authentication {profile.client_auth!r}, "
            "which this grantflow does not know; update it, or sign in again with --client-auth"
        )
    if profile.client_auth in WITH_KEY:
        return _by_key(profile.client_auth, profile.client_key_file)
    if profile.client_auth == ASSERTION:
        return _by_assertion(profile.client_assertion_file)
    secret = secret_of(profile.client_secret_file)
    if secret is None:
        raise usage(
            f"profile {profile.name!r} needs its client secret: set GRANTFLOW_CLIENT_SECRET, "
            "or sign in again with --client-secret-file FILE"
        )
    return authentication(profile.client_auth, secret)


def key_of_profile(profile: Profile) -> str:
    """Return the key under which the token of a profile is stored."""
    if profile.token_key is not None:
        return profile.token_key
    if profile.grant == "given":
        # Not a plain hash like the others, so the two never meet.
        return f"given-{sha256(profile.name.encode()).hexdigest()}"
    client = _usable(profile, remembered(profile), _PUBLIC, proofs.named_key)
    return key_of(client, profile.grant, profile.name)


def _usable(
    profile: Profile,
    provider: Provider | None,
    proof: ClientAuthentication,
    dpop: Callable[[Profile], DPoP | None],
) -> Client:
    try:
        return client_of(profile, provider or plain_provider(profile), proof, dpop(profile))
    except ValueError as error:
        raise usage(f"profile {profile.name!r} is not usable: {error}; sign in again") from None
