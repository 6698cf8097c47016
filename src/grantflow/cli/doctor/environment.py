"""What the environment adds: variables that override files, proxies, certificates, a keyring."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from grantflow.cli.context import Context
from grantflow.cli.doctor import Finding
from grantflow.cli.errors import ProfileError
from grantflow.cli.profiles.secrets import external_token
from grantflow.shell.environment import variables_of
from grantflow.shell.ports import StoreError
from grantflow.shell.provider_file import check as check_provider_file
from grantflow.shell.provider_file import own_file

BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Where certificates are looked for: the first one that is set."""


def check_environment(profiles: Sequence[str], context: Context) -> Iterator[Finding]:
    """Check everything in the environment."""
    yield from check_variables(context.environment, profiles)
    yield from check_certificates(context.environment)
    yield from check_proxies(getproxies())


def check_variables(environment: Mapping[str, str], profiles: Sequence[str]) -> Iterator[Finding]:
    """Check grantflow's own variables; no value that may be a secret is shown."""
    own = {variables_of(each)[0]: f"profile {each}" for each in profiles}
    for name, target in {**own, "GRANTFLOW_TOKEN": "every profile"}.items():
        text = environment.get(name)
        if not text:
            continue
        try:
            external_token(text, name)
        except ProfileError as error:
            yield Finding("environment", "problem", error.problem, f"{error.advice}, or unset it")
        else:
            message = f"{name} is set: it overrides {target}, and is never refreshed"
            yield Finding("environment", "note", message, f"unset {name}, unless that is intended")
    if environment.get("GRANTFLOW_CLIENT_SECRET"):
        message = "GRANTFLOW_CLIENT_SECRET is set: profiles without a secret file use it"
        yield Finding("environment", "note", message)
    named = os.path.expanduser(environment.get("GRANTFLOW_HOME", ""))
    if os.path.isabs(named):
        yield Finding("environment", "note", "GRANTFLOW_HOME is set: all files are there")
    elif named and not named.startswith("~"):  # whose home is not known is told before
        message = "GRANTFLOW_HOME is relative: it depends on the working directory"
        yield Finding("environment", "note", message, "set it to an absolute path")


def check_providers() -> Iterator[Finding]:
    """Check the user's own providers, if there are any."""
    path = own_file()
    if not os.path.lexists(path):
        return
    mistakes = check_provider_file(path)
    for mistake in mistakes:
        advice = "correct it: until then that provider is not found"
        yield Finding("providers", "problem", mistake, advice)
    if not mistakes:
        yield Finding("providers", "ok", f"{path} is valid")


def check_certificates(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check the certificates that are trusted instead of the default ones."""
    name = next((each for each in BUNDLES if environment.get(each)), None)
    if name is None:
        return
    path = environment[name]
    if Path(path).exists():
        message = f"{name} is set: only those in {path} are trusted"
        yield Finding("certificates", "note", message)
    else:
        message = f"{name} names {path}, which does not exist"
        advice = f"set {name} to a file that exists, or unset it"
        yield Finding("certificates", "problem", message, advice)


def check_proxies(proxies: Mapping[str, str]) -> Iterator[Finding]:
    """Show the proxies, without their credentials."""
    for scheme, url in sorted(proxies.items()):
        if scheme == "no":
            yield Finding("proxy", "note", f"no proxy for {url}")
        elif (shown := without_password(url)) is None:
            message = f"the proxy for {scheme} is not a URL"
            yield Finding("proxy", "problem", message, "correct it: http://HOST:PORT is needed")
        else:
            yield Finding("proxy", "note", f"{scheme} uses the proxy {shown}")


def without_password(url: str) -> str | None:
    """Return a proxy's address without its credentials, ``None`` if it is not a URL.

    >>> without_password("http://alice:hunter2@proxy.example:3128/")
    'http://***@proxy.example:3128'
    >>> without_password("proxy.example:3128")
    'http://proxy.example:3128'
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    name = "***@" if "@" in parts.netloc else ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{shown}{'' if port is None else f':{port}'}"


def check_keyring(*, used: bool) -> Iterator[Finding]:
    """Check that a keyring is there, if a profile uses it; none is opened."""
    if find_spec("keyring") is None:
        if used:
            message = "the keyring extra is not installed"
            yield Finding("keyring", "problem", message, "pip install 'grantflow[keyring]'")
        return
    from grantflow.shell.stores.keyring_entries import usable_backend

    try:
        found = type(usable_backend(None))
    except StoreError as error:
        if used:
            yield Finding("keyring", "problem", str(error), "sign in again with --store file")
        return
    name = f"{found.__module__}.{found.__qualname__}"
    if used:
        yield Finding("keyring", "ok", f"tokens are stored in {name}")
