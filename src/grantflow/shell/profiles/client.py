"""From a profile to its client, with its authentication and its provider.

Rules:

1. All of the provider is remembered, wherever it came from: renewing and revoking need neither its
   metadata nor the user's file again, and an update of grantflow changes nothing under a token.
2. The profile's own secret outranks ``GRANTFLOW_CLIENT_SECRET``, which may be another client's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import evolve

from grantflow.core.acquisition.freshness import alive
from grantflow.core.client.authentication import (
    ALGORITHMS,
    METHODS,
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
from grantflow.core.values.json import Members
from grantflow.core.values.secret import Secret
from grantflow.shell.ports import Store
from grantflow.shell.profiles import dpop_key
from grantflow.shell.profiles.errors import ProfileError, usage
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.profiles.secrets import client_secret, read

VERSION: Final = 1

WITH_SECRET: Final[Mapping[str, Callable[[Secret], ClientAuthentication]]] = {
    "client_secret_basic": ClientSecretBasic,
    "client_secret_basic_raw": partial(ClientSecretBasic, encoding="raw"),
    "client_secret_post": ClientSecretPost,
    "client_secret_jwt": ClientSecretJwt,
    "client_secret_headers": ClientSecretHeaders,
}
_WITH_KEY: Final = ("private_key_jwt", "tls_client_auth")
_USUAL: Final = ("ES256", "RS256", "EdDSA", "ES384", "ES512")
"""Tried before the others, in this order: the key itself says which one fits."""
_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\s*", re.DOTALL
)
_PUBLIC: Final = Public()

_BESIDE: Final = (
    "issuer",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)
"""The fields of the provider that a profile has beside its ``spelling``."""


def method_for(asked: str | None, offered: tuple[str, ...], profile: Profile, secret: bool) -> str:
    """Return the client authentication method: the one asked for, else what the server takes.

    ``offered`` are the server's, best first; ``secret`` says whether the client has one.

    >>> method_for(None, ("none", "client_secret_post"), Profile(), True)
    'client_secret_post'
    >>> method_for(None, (), Profile(), True), method_for(None, (), Profile(), False)
    ('client_secret_basic', 'none')
    """
    if asked is not None:
        return asked
    if profile.client_assertion_file is not None:
        return "client_assertion"
    if profile.client_key_file is not None:
        return "private_key_jwt"
    if not secret:
        return "none"
    return next((each for each in offered if each in WITH_SECRET), "client_secret_basic")


def authentication(method: str, profile: Profile, secret: Secret | None) -> ClientAuthentication:
    """Return the authentication that a method, one of ``METHODS``, stands for."""
    if method == "none":
        return _PUBLIC
    if method in _WITH_KEY:
        return _by_key(method, profile)
    if method == "client_assertion":
        return _by_assertion(profile.client_assertion_file)
    if secret is None:
        name = f"profile {profile.name}: " if profile.name else ""
        raise usage(
            f"{name}{method} needs the client's secret",
            "use --client-secret-file FILE, or set GRANTFLOW_CLIENT_SECRET",
        )
    if method not in WITH_SECRET:
        raise usage(f"the client authentication {method} is not supported by the command")
    return WITH_SECRET[method](secret)


def _by_assertion(file: str | None) -> ClientAssertion:
    if file is None:
        raise usage("client_assertion needs the assertion", "use --client-assertion-file FILE")
    from grantflow.shell.secret_sources import SecretError, from_file

    source = from_file(file)
    try:
        source()
    except SecretError as error:
        raise usage(str(error), "check --client-assertion-file") from None
    return ClientAssertion(source)


def _by_key(method: str, profile: Profile) -> ClientAuthentication:
    file = profile.client_key_file
    if file is None:
        raise usage(f"{method} needs the client's key", "use --client-key-file FILE")
    try:
        text = read(Path(file))
    except (OSError, UnicodeDecodeError) as error:
        problem = (error.strerror or error) if isinstance(error, OSError) else "it is not text"
        said = f"cannot read the key file {file}: {problem}"
        raise usage(said, "check --client-key-file") from None
    if method == "tls_client_auth":
        return MutualTls(file)  # certificate and key in one file, as curl takes them
    return _signing_with(text, file, profile)


def _signing_with(text: str, file: str, profile: Profile) -> PrivateKeyJwt:
    """Return the proof by a key; a certificate beside it in the file names the key."""
    from grantflow.shell.signing.signer import check

    certificate = _CERTIFICATE.search(text)
    key = Secret(_CERTIFICATE.sub("", text))
    wanted = profile.client_key_alg
    for alg in dict.fromkeys((*_USUAL, *ALGORITHMS)) if wanted is None else (wanted,):
        proof = PrivateKeyJwt(
            key,
            kid=profile.client_key_id,
            alg=alg,
            certificate=None if certificate is None else certificate[0],
        )
        try:
            check(proof)
        except ValueError:
            continue
        except ImportError as error:
            raise usage(str(error)) from None
        return proof
    with_it = "" if wanted is None else f" with {wanted}"
    raise usage(
        f"the key file {file} does not hold a private key in PEM or JWK that can sign{with_it}"
    )


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


class ClientExpiredError(ProfileError):
    """The registered client of a profile expired: a person has to sign in again."""


def authenticated_client(
    profile: Profile, store: Store, now: datetime, secret: Secret | None = None
) -> Client:
    """Return the client of a profile with its authentication, for a request.

    ``store`` holds its tokens, and its registration if it has one; ``now`` is the wall time;
    ``secret`` stands in for the profile's own.
    """
    proof = _proof_of(profile, store, now, secret)
    try:
        return client_of(profile, remembered(profile), proof, dpop_key.key_of(profile))
    except ValueError as error:
        raise _unusable(profile, str(error)) from None


def _proof_of(
    profile: Profile, store: Store, now: datetime, secret: Secret | None
) -> ClientAuthentication:
    if profile.registration is not None:
        return _registered_proof(profile, profile.registration, store, now)
    if profile.client_auth not in METHODS:
        raise usage(
            f"profile {profile.name!r} uses the client authentication {profile.client_auth!r}, "
            "which this grantflow does not know",
            "update it, or sign in again with --client-auth",
        )
    needs = profile.client_auth in WITH_SECRET
    secret = (secret or client_secret(profile)) if needs else None
    return authentication(profile.client_auth, profile, secret)


def _registered_proof(
    profile: Profile, key: str, store: Store, now: datetime
) -> ClientAuthentication:
    """Return the authentication of a client that the command registered (RFC 7591)."""
    from grantflow.core.flows.registration import registered_client

    token = store.read(key)
    known = token is not None and token.extra.get("client_id") == profile.client_id
    if token is None or not known or not alive(token, now):
        raise ClientExpiredError(
            f"the registered client of profile {profile.name!r} has expired", kind="client_expired"
        )
    unnamed = Client(provider=plain_provider(profile), client_id=profile.client_id or "")
    return registered_client(unnamed, token).authentication


def key_of_profile(profile: Profile) -> str:
    """Return the key under which the token of a profile is stored."""
    if profile.token_key is not None:
        return profile.token_key
    if profile.grant == "given":
        # Not a plain hash like the others, so the two never meet.
        return f"given-{sha256(profile.name.encode()).hexdigest()}"
    try:
        client = client_of(profile, remembered(profile), _PUBLIC, _public_key(profile))
    except ValueError as error:
        raise _unusable(profile, str(error)) from None
    return key_of(client, profile.grant, profile.name)


def _public_key(profile: Profile) -> DPoP | None:
    """Return the key of a profile for its name only: it cannot sign."""
    if not profile.dpop:
        return None
    members = dict(profile.dpop)
    alg, thumbprint = members.pop("alg", None), members.pop("jkt", None)
    if not isinstance(alg, str) or not isinstance(thumbprint, str):
        raise ValueError("dpop: alg and jkt are needed beside the public key")
    return DPoP(key=_cannot_sign, public=Members(members), alg=alg, thumbprint=thumbprint)


def _cannot_sign(_: bytes) -> bytes:
    raise NotImplementedError


def remembering(profile: Profile, provider: Provider) -> Profile:
    """Return the profile with all of the provider in it."""
    from grantflow.providers import document_of

    rest = {name: said for name, said in document_of(provider).items() if name not in _BESIDE}
    return evolve(
        profile,
        issuer=provider.issuer,
        token_endpoint=provider.token_endpoint,
        device_authorization_endpoint=provider.device_authorization_endpoint,
        revocation_endpoint=provider.revocation_endpoint,
        spelling=Members({"version": VERSION, **rest} if rest else {}),
    )


def remembered(profile: Profile) -> Provider:
    """Return the provider that a profile remembers."""
    if not profile.spelling:
        return plain_provider(profile)
    from grantflow.providers import provider_from

    if profile.spelling.get("version") != VERSION:
        raise _unusable(profile, "it was written by another version of grantflow")
    rest = {name: said for name, said in profile.spelling.items() if name != "version"}
    beside = {name: url for name in _BESIDE if (url := getattr(profile, name)) is not None}
    found = provider_from(profile.place or "", {**rest, **beside})
    if isinstance(found, Provider):
        return found
    raise _unusable(profile, f"its provider's {found[0].key}: {found[0].problem}")


def plain_provider(profile: Profile) -> Provider:
    """Return the provider that endpoints alone describe; ``ValueError`` names a wrong one."""
    return Provider(
        name=profile.place or "",
        issuer=profile.issuer,
        token_endpoint=profile.token_endpoint or "",
        device_authorization_endpoint=profile.device_authorization_endpoint,
        revocation_endpoint=profile.revocation_endpoint,
    )


def _unusable(profile: Profile, problem: str) -> ProfileError:
    return usage(f"profile {profile.name!r} is not usable: {problem}", "sign in again")
