"""What the environment adds: variables that outrank files, proxies, certificates, a keyring."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from grantflow.cli.doctor.finding import Finding
from grantflow.cli.errors import CommandError
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import sendable
from grantflow.core.values.result import either
from grantflow.shell.environment import variables_of
from grantflow.shell.ports import StoreError
from grantflow.shell.provider_file import own_file


def variables_judged(environment: Mapping[str, str], profiles: Sequence[str]) -> Iterator[Finding]:
    """Judge the variables of grantflow; no value that may be a secret is shown."""
    own = {variables_of(each)[0]: f"profile {each}" for each in profiles}
    for name, whose in {**own, "GRANTFLOW_TOKEN": "every profile"}.items():
        text = environment.get(name)
        if not text:
            continue
        if isinstance(either(sendable(Members({"token": text.strip()}), "token")), str):
            advice = "it has to hold a token alone; set it anew, or unset it"
            yield Finding("environment", "problem", f"{name} holds no token", advice)
        else:
            said = f"{name} is set: it outranks {whose}, and nothing renews it"
            yield Finding("environment", "note", said, f"unset {name}, unless that is meant")
    if environment.get("GRANTFLOW_CLIENT_SECRET"):
        said = "GRANTFLOW_CLIENT_SECRET is set: profiles without a secret file use it"
        yield Finding("environment", "note", said)
    named = environment.get("GRANTFLOW_HOME")
    if named and Path(named).expanduser().is_absolute():
        yield Finding("environment", "note", "GRANTFLOW_HOME is set: all files are there")
    elif named:
        said = "GRANTFLOW_HOME is relative: in another folder there are other files"
        yield Finding("environment", "note", said, "set it to an absolute path")


def providers_judged() -> Iterator[Finding]:
    """Judge the user's own providers, if there are any."""
    if not os.path.lexists(own_file()):
        return
    # Loaded here: the table of providers is not small.
    from grantflow.cli.login import known

    try:
        known.catalog(None)
    except CommandError as error:
        advice = "mend it, or move it away: until then no provider is found by its name"
        yield Finding("providers", "problem", str(error), advice)
    else:
        yield Finding("providers", "ok", f"{own_file()} is understood")


BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Where ``requests`` looks for certificates, the first one that is set."""


def bundle_judged(name: str, path: str, *, there: bool) -> Finding:
    """Judge the certificates that are trusted instead of the usual ones."""
    if there:
        return Finding("certificates", "note", f"{name} is set: only those in {path} are trusted")
    advice = f"set {name} to a file that is there, or unset it"
    return Finding("certificates", "problem", f"{name} names {path}, which is not there", advice)


def proxies_judged(proxies: Mapping[str, str]) -> Iterator[Finding]:
    """Tell the proxies, without the name and password that may be in them."""
    for scheme, url in sorted(proxies.items()):
        if scheme == "no":
            yield Finding("proxy", "note", f"no proxy for {url}")
        elif (shown := without_password(url)) is None:
            said = f"the proxy for {scheme} is no address"
            yield Finding("proxy", "problem", said, "correct it: http://HOST:PORT is needed")
        else:
            yield Finding("proxy", "note", f"{scheme} goes through {shown}")


def without_password(url: str) -> str | None:
    """Return a proxy's address as it may be shown, or ``None`` where it is none.

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


def keyring() -> str | StoreError | None:
    """Return the name of this machine's keyring, why there is none, or nothing without the extra.

    The library is asked, no keyring is opened.
    """
    if find_spec("keyring") is None:
        return None
    from grantflow.shell.stores.keyring_entries import usable_backend

    try:
        found = type(usable_backend(None))
    except StoreError as error:
        return error
    return f"{found.__module__}.{found.__qualname__}"


def keyring_judged(found: str | StoreError | None) -> Finding:
    """Tell whether ``KeyringStore`` could be used; the command itself keeps its tokens in files."""
    unused = "the command keeps tokens in files and needs none"
    match found:
        case None:
            return Finding("keyring", "ok", f"the extra is not installed; {unused}")
        case str(name):
            return Finding("keyring", "ok", f"KeyringStore would use {name}; {unused}")
        case StoreError():
            return Finding("keyring", "note", f"KeyringStore cannot be used: {found}", unused)


def findings(profiles: Sequence[str]) -> Iterator[Finding]:
    """Look at everything in the environment."""
    yield from variables_judged(os.environ, profiles)
    bundle = next((name for name in BUNDLES if os.environ.get(name)), None)
    if bundle is not None:
        path = os.environ[bundle]
        yield bundle_judged(bundle, path, there=Path(path).exists())
    yield from proxies_judged(getproxies())
    yield keyring_judged(keyring())
