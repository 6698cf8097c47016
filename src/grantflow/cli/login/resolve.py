"""Where to sign in: a provider with a name, an issuer and its metadata, or endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from attrs import evolve, fields

from grantflow.cli.errors import CommandError, ended, usage
from grantflow.cli.login.flags import no_client
from grantflow.cli.output import tell
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.profiles.provider import plain_provider, remembering
from grantflow.core.client.provider import Provider, origin_of
from grantflow.core.flows.states import Failed
from grantflow.core.values.errors import InvalidResponse, Unreachable
from grantflow.shell.discovery import discover
from grantflow.shell.ports import Transport

if TYPE_CHECKING:
    from grantflow.providers import Template


def located(wanted: Profile, send: Transport) -> tuple[Profile, Provider]:
    """Return the profile with all of its provider, which the command line only names."""
    if wanted.provider is not None:
        return _by_name(wanted, wanted.provider)
    if wanted.issuer is not None:
        provider = _discovered(wanted.issuer, send)
        _tell_other_origins(wanted.issuer, provider)
    else:
        try:
            provider = plain_provider(wanted)
        except ValueError as error:
            raise flagged(error) from None
    return remembering(wanted, provider), provider


def named(wanted: Profile) -> tuple[Profile, Provider | None]:
    """Return the profile with the name of its provider as it is known; nobody is asked.

    The provider comes along if it says whose a token is.
    """
    if wanted.provider is None:
        return wanted, None
    from grantflow.cli.login import known

    template = _template(wanted, wanted.provider)
    values = known.with_environment(template, wanted.values)
    profile = evolve(wanted, provider=template.name, values=values)
    if template.provider.userinfo_endpoint is None:
        return profile, None  # what else it needs to know is not needed here
    return profile, known.filled(template, values)


def _by_name(wanted: Profile, name: str) -> tuple[Profile, Provider]:
    from grantflow.cli.login import known

    template = _template(wanted, name)
    if wanted.grant == "device" and "device" not in template.grants:
        raise usage(
            f"{template.name} offers no device grant; without a person, "
            "use --grant client_credentials"
        )
    values = known.with_environment(template, wanted.values)
    provider = known.filled(template, values)
    client_id = wanted.client_id or template.client_id_with(dict(values))
    registers = template.provider.registration_endpoint is not None and wanted.grant == "device"
    if client_id is None and not registers:
        raise no_client()
    found = evolve(wanted, provider=template.name, client_id=client_id, values=values)
    return remembering(found, provider), provider


def _template(wanted: Profile, name: str) -> Template:
    # Loaded here: the table of providers is not small.
    from grantflow.cli.login import known

    return known.template(known.catalog(wanted.provider_file), name)


def _discovered(issuer: str, send: Transport) -> Provider:
    try:
        found = discover(issuer, send)
    except ValueError as error:
        raise flagged(error) from None
    match found:
        case Provider():
            # Which one a client is registered with is not in the metadata; this is the usual one
            # (RFC 7591 section 2), wherever it stands in the list.
            methods = sorted(found.auth_methods, key=lambda each: each != "client_secret_basic")
            return evolve(found, auth_methods=tuple(methods))
        case InvalidResponse():
            advice = "check --issuer, or give the endpoints instead"
            raise ended(Failed(found), where=issuer, advice=advice)
        case Unreachable():
            raise ended(Failed(found), where=issuer)


def _tell_other_origins(issuer: str, provider: Provider) -> None:
    """Say where secrets will go, if that is not where the person pointed at."""
    home = origin_of(issuer)
    elsewhere: dict[str, list[str]] = {}
    for what, url in _ends(provider):
        origin = origin_of(url)
        if origin is not None and origin != home:
            elsewhere.setdefault(origin, []).append(what)
    for origin, named_there in elsewhere.items():
        what = ", ".join(named_there)
        tell(f"grantflow: {issuer} sends to another origin: {origin.removesuffix(':443')} ({what})")


def _ends(provider: Provider) -> Iterator[tuple[str, str]]:
    for each in fields(Provider):
        url: object = getattr(provider, each.name)
        if each.name.endswith("_endpoint") and isinstance(url, str):
            yield each.name.removesuffix("_endpoint").replace("_", " "), url
    yield from (("with a certificate", twin) for _, twin in provider.mtls_endpoint_aliases)


_FLAGS: Final = {
    "issuer": "--issuer",
    "token_endpoint": "--token-endpoint",
    "device_authorization_endpoint": "--device-endpoint",
    "revocation_endpoint": "--revocation-endpoint",
    "client_id": "--client-id",
}


def flagged(error: ValueError) -> CommandError:
    """Return the core's complaint about an argument, in the words of the command line."""
    name, _, problem = str(error).partition(": ")
    return usage(f"{_FLAGS.get(name, name)}: {problem}")
