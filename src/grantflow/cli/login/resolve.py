"""Where to sign in: a provider by name, an issuer and its metadata, or endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import evolve, fields

from grantflow.cli.context import Context
from grantflow.cli.errors import CommandError, nearest, quoted, usage
from grantflow.cli.login.flags import no_client
from grantflow.cli.output import warn
from grantflow.cli.parser import origin
from grantflow.cli.problems import ended
from grantflow.core.acquisition.resource import ProtectedResource
from grantflow.core.client.identity import Grant
from grantflow.core.client.provider import Provider, origin_of
from grantflow.core.flows.states import Failed
from grantflow.core.values.errors import InvalidResponse, Unreachable
from grantflow.core.values.result import either
from grantflow.core.values.validators import ArgumentError
from grantflow.shell.discovery import discover, discover_resource
from grantflow.shell.ports import Transport
from grantflow.shell.profiles.client import plain_provider, remembering
from grantflow.shell.profiles.profile import Profile

if TYPE_CHECKING:
    from grantflow.providers import Catalog, Template, Variable


def located(
    wanted: Profile, send: Transport, context: Context, *, prompts: bool = True
) -> tuple[Profile, Provider]:
    """Return the profile with all of its provider, which the command line only names.

    Without ``prompts`` no person is asked, so the provider needs no grant for that.
    """
    if wanted.provider is not None:
        profile, provider = _by_name(wanted, wanted.provider, send, context, prompts=prompts)
    elif wanted.url is not None:
        profile, provider = _at_resource(wanted, wanted.url, send)
    elif wanted.issuer is not None:
        profile, provider = wanted, _discovered(wanted.issuer, send)
        _report_other_origins(wanted.issuer, provider)
    else:
        try:
            profile, provider = wanted, plain_provider(wanted)
        except ArgumentError as error:
            raise flagged(error) from None
    if wanted.client_assertion_audience is not None:
        try:
            provider = evolve(provider, assertion_audience=wanted.client_assertion_audience)
        except ArgumentError as error:
            raise flagged(error) from None
    return remembering(profile, provider), provider


def named(wanted: Profile, context: Context) -> tuple[Profile, Provider | None]:
    """Return the profile with its provider's own name, without a request.

    The provider comes along if it has a userinfo endpoint.
    """
    if wanted.provider is None:
        return wanted, None
    found = _template(wanted, wanted.provider)
    values = with_environment(found, wanted.values, context)
    profile = evolve(wanted, provider=found.name, values=values, git_user=found.git_user)
    if found.provider.userinfo_endpoint is None:
        return profile, None  # its other values are not needed here
    return profile, filled(found, values)


def _by_name(
    wanted: Profile, name: str, send: Transport, context: Context, *, prompts: bool
) -> tuple[Profile, Provider]:
    found = _template(wanted, name)
    if prompts and wanted.grant == "device" and "device" not in found.grants:
        other = "--grant client_credentials" if found.grants else "--refresh-token-stdin"
        raise usage(f"{found.name} has no device grant", f"use {other}")
    values = with_environment(found, wanted.values, context)
    provider = _discovered_by(found, values, send) if found.discovers else filled(found, values)
    if wanted.grant == "client_credentials" and found.machine_methods:
        provider = evolve(provider, auth_methods=found.machine_methods)
    client_id = wanted.client_id or found.client_id_with(dict(values))
    registers = found.provider.registration_endpoint is not None and wanted.grant == "device"
    if client_id is None and not registers:
        raise no_client()
    profile = evolve(
        wanted,
        provider=found.name,
        client_id=client_id,
        values=values,
        git_user=found.git_user,
    )
    return profile, provider


def _discovered_by(
    template: Template, values: Iterable[tuple[str, str]], send: Transport
) -> Provider:
    """Return a provider whose endpoints are in the metadata of its issuer."""
    chosen = _chosen(template, values)
    try:
        issuer = template.issuer(chosen)
    except ValueError as error:
        raise usage(f"--set {error}") from None
    found = _discovered(issuer, send)
    _report_other_origins(issuer, found)
    return template.over(found, chosen)


def _template(wanted: Profile, name: str) -> Template:
    return template(catalog(wanted.provider_file), name)


def catalog(file: str | None) -> Catalog:
    """Return the providers of ``file``, of the user's own file, then the built-in ones."""
    # Loaded here: the table of providers is not small.
    from grantflow.providers import KNOWN, Catalog
    from grantflow.shell.provider_file import extended_by, with_own_file

    found = with_own_file(KNOWN)
    if file is not None:
        found = found.bind(lambda own: extended_by(own, Path(file)))
    match either(found):
        case Catalog() as known:
            for each in known.mistakes:
                warn(str(each))
            return known
        case problem:
            raise usage(str(problem))


def template(known: Catalog, name: str) -> Template:
    """Return the template of a name."""
    wrong = [str(each) for each in known.mistakes if each.place[:1] == (name,)]
    if wrong:
        raise usage(wrong[0])
    try:
        return known.template(name)
    except LookupError:
        advice = nearest(name.lower(), known.names(), "grantflow providers lists them")
        raise usage(f"unknown provider {quoted(name)}", advice) from None


def with_environment(
    template: Template, values: tuple[tuple[str, str], ...], context: Context
) -> tuple[tuple[str, str], ...]:
    """Return the values of ``--set``, and those that the provider's own variables hold."""
    given = {name for name, _ in values}
    found = [
        (need.name, _checked(need, need.environment, text))
        for need in template.needs
        if need.environment is not None and need.name not in given
        if (text := context.environment.get(need.environment, "").strip())
    ]
    return (*values, *found)


def _checked(need: Variable, variable: str, text: str) -> str:
    try:
        return need.checked(text.removeprefix("https://").rstrip("/"))
    except ArgumentError as error:
        raise usage(f"{variable}: {error.problem}") from None


def filled(template: Template, values: Iterable[tuple[str, str]]) -> Provider:
    """Return the provider with the values of ``--set``."""
    chosen = _chosen(template, values)
    try:
        return template.filled(chosen)
    except ValueError as error:
        raise usage(f"--set {error}") from None


def _chosen(template: Template, values: Iterable[tuple[str, str]]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for name, value in values:
        if name in chosen:
            raise usage(f"--set {name} is given twice")
        chosen[name] = value
    needs = {need.name: need for need in template.needs}
    missing = [name for name in needs if needs[name].default is None and name not in chosen]
    if missing and needs.keys() >= chosen.keys():
        flags = " ".join(f"--set {name}={name.upper()}" for name in missing)
        raise usage(f"{template.name} needs its {' and '.join(missing)}", f"add {flags}")
    return chosen


def _discovered(issuer: str, send: Transport) -> Provider:
    try:
        found = discover(issuer, send)
    except ArgumentError as error:
        raise flagged(error) from None
    match found:
        case Provider():
            return _usual_first(found)
        case InvalidResponse():
            advice = "check --issuer, or give the endpoints instead"
            raise ended(Failed(found), where=issuer, advice=advice)
        case Unreachable():
            raise ended(Failed(found), where=issuer)


def _at_resource(wanted: Profile, url: str, send: Transport) -> tuple[Profile, Provider]:
    """Return the provider that a resource names, and the profile for tokens of that resource."""
    grant: Grant = "device" if wanted.grant == "given" else wanted.grant
    try:
        found = discover_resource(url, send, grant=grant)
    except ArgumentError as error:
        raise usage(f"{error.argument}: {error.problem}") from None
    match found:
        case ProtectedResource():
            profile = evolve(
                wanted,
                issuer=found.provider.issuer,
                resource=wanted.resource or (found.resource,),
                origins=tuple(dict.fromkeys((origin(url), *wanted.origins))),
                scope=wanted.scope or _scope(found, grant),
            )
            if not wanted.scope and not found.scope and found.scopes_supported:
                known = " ".join(found.scopes_supported)
                warn(f"no scope is requested; {url} knows: {known} (--scope chooses)")
            return profile, _usual_first(found.provider)
        case InvalidResponse():
            advice = "for an issuer use --issuer, or give the endpoints"
            raise ended(Failed(found), where=url, advice=advice)
        case Unreachable():
            raise ended(Failed(found), where=url)


def _scope(found: ProtectedResource, grant: Grant) -> tuple[str, ...]:
    """Return what the resource asked for, and a refresh token if the server offers one by scope."""
    offered = grant == "device" and "offline_access" in found.provider.scopes_supported
    more = ("offline_access",) if offered and "offline_access" not in found.scope else ()
    return (*found.scope, *more)


def _usual_first(found: Provider) -> Provider:
    # Which one a client is registered with is not in the metadata; this is the default (RFC 7591
    # section 2), wherever it is in the list.
    methods = sorted(found.auth_methods, key=lambda each: each != "client_secret_basic")
    return evolve(found, auth_methods=tuple(methods))


def _report_other_origins(issuer: str, provider: Provider) -> None:
    """Report where secrets will go, if that is not the issuer's own origin."""
    home = origin_of(issuer)
    elsewhere: dict[str, list[str]] = {}
    for what, url in _ends(provider):
        origin = origin_of(url)
        if origin is not None and origin != home:
            elsewhere.setdefault(origin, []).append(what)
    for origin, endpoints in elsewhere.items():
        what = ", ".join(endpoints)
        warn(f"{issuer} uses another origin: {origin.removesuffix(':443')} ({what})")


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
    "assertion_audience": "--client-assertion-audience",
}


def flagged(error: ArgumentError) -> CommandError:
    """Return the library's complaint about an argument, in the words of the command line."""
    return usage(f"{_FLAGS.get(error.argument, error.argument)}: {error.problem}")
