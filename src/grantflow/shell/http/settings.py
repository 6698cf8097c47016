"""What the environment says about the network: proxies and authorities.

All transports obey the same variables, whatever their library does by itself: ``HTTPS_PROXY``,
``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` as ``requests`` reads them; ``REQUESTS_CA_BUNDLE``,
else ``CURL_CA_BUNDLE``, else ``SSL_CERT_FILE``, else the bundle of certifi.
"""

from __future__ import annotations

import os
import ssl
import threading
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Final, Literal
from urllib.parse import urlsplit

from grantflow.core.client.provider import is_loopback
from grantflow.core.values.request import Certificate
from grantflow.core.values.response import Fault

_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def proxy_for(url: str) -> str | Fault | None:
    """Return the URL of the proxy for ``url``; this machine is always reached without one.

    What no library could use is a ``Fault``.
    """
    from urllib.request import getproxies  # with an HTTP library, which loads it as well

    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    proxies = getproxies()
    keys = (f"{parts.scheme}://{host}", parts.scheme, f"all://{host}", "all")
    proxy = next((proxies[key] for key in keys if proxies.get(key)), None)
    if proxy is None or _bypassed(host, parts.port):
        return None
    return proxy_url(proxy)


_SCHEMES: Final = frozenset(("http", "https", "socks4", "socks4a", "socks5", "socks5h"))


def proxy_url(proxy: str) -> str | Fault:
    """Return a proxy as a URL; GNOME writes ``socks://`` where libraries know ``socks5h://``."""
    scheme, found, rest = proxy.partition("://")
    if not found:
        proxy = f"http://{proxy}"
    elif scheme.lower() == "socks":
        proxy = f"socks5h://{rest}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    return proxy if usable else proxy_fault(None, why="its URL cannot be used")


def _bypassed(host: str, port: int | None) -> bool:
    from urllib.request import proxy_bypass

    listed = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").replace(" ", "")
    place = f"{host}:{port}" if port else host
    names = [name for name in listed.split(",") if name]
    with suppress(ValueError):
        address = ip_address(host)
        return any(_covers(name, address.compressed) for name in names) or bool(proxy_bypass(host))
    dotted = [name.lstrip(".").lower() for name in names]
    if any(each in (host, place) or place.endswith(f".{each}") for each in dotted):
        return True
    if any(host.endswith(f".{each}") for each in dotted):
        return True
    return bool(proxy_bypass(host))


def _covers(name: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(name.strip("[]"), strict=False)
    except ValueError:
        return False


def place_of(proxy: str) -> str:
    """Return a proxy's host and port: a URL of one may hold a password."""
    try:
        parts = urlsplit(proxy)
        port = parts.port
    except ValueError:
        return "of the environment"
    return f"{parts.hostname}:{port}" if port else str(parts.hostname)


def proxy_fault(proxy: str | None, status: int | None = None, why: str = "") -> Fault:
    """Return what went wrong at a proxy, in words that help; the request never left it."""
    where = "the proxy" if proxy is None else f"the proxy {place_of(proxy)}"
    if status == 407:
        advice = "put them into HTTPS_PROXY, as http://NAME:PASSWORD@HOST:PORT"
        return Fault("proxy", "no", f"{where} wants a name and a password (407): {advice}")
    if status is not None:
        kind: Literal["proxy", "refused"] = "proxy" if 400 <= status < 500 else "refused"
        return Fault(kind, "no", f"{where} refuses to connect: HTTP {status}")
    return Fault("refused", "no", f"{where} did not connect{why and f': {why}'}")


def bundle_in_environment() -> str | None:
    """Return the file or folder of authorities that the environment names."""
    return next((found for name in _BUNDLES if (found := os.environ.get(name))), None)


_CONTEXTS: dict[tuple[object, ...], ssl.SSLContext] = {}
_MOST_CONTEXTS: Final = 16
_LOCK: list[threading.Lock] = [threading.Lock()]


def _fork() -> None:
    _LOCK[0] = threading.Lock()  # another thread may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork)


def trusted(
    bundle: str | None = None, certificate: Certificate | None = None
) -> ssl.SSLContext | Fault:
    """Return the TLS context of this process for a bundle and a client's certificate.

    Reading a bundle takes longer than a handshake, so there is one context for every transport,
    thread and event loop; it is made again when a file changes. Without a ``bundle``, it is the
    environment's. Files that cannot be used are named while it is certain that nothing was sent.
    """
    try:
        key = _key(bundle, certificate)
    except _UnusableError as error:
        return error.fault
    found = _CONTEXTS.get(key)
    if found is not None:
        return found
    with _LOCK[0]:
        found = _CONTEXTS.get(key)
        if found is not None:
            return found
        made = _made(key, certificate)
        if isinstance(made, ssl.SSLContext):
            while len(_CONTEXTS) >= _MOST_CONTEXTS:
                del _CONTEXTS[next(iter(_CONTEXTS))]
            _CONTEXTS[key] = made
    return made


def at_hand(bundle: str | None = None, certificate: Certificate | None = None) -> bool:
    """Tell whether ``trusted`` would answer at once."""
    try:
        return _key(bundle, certificate) in _CONTEXTS
    except _UnusableError:
        return True


class _UnusableError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def _key(bundle: str | None, certificate: Certificate | None) -> tuple[object, ...]:
    path = bundle or bundle_in_environment() or _default_bundle()
    key: tuple[object, ...] = (path, *_stamp(path, "the CA certificate bundle"))
    if certificate is None:
        return key
    for name in _files(certificate):
        key += (name, *_stamp(name, "the client's certificate"))
    return key


def _default_bundle() -> str:
    import certifi  # a dependency of requests

    return certifi.where()


def _files(certificate: Certificate) -> tuple[str, str]:
    return certificate.certificate, certificate.key or certificate.certificate


def _stamp(path: str, what: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise _UnusableError(_unreadable(what, path, error)) from None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _unreadable(what: str, path: str, error: OSError) -> Fault:
    reason = (error.strerror or "cannot be read").lower()
    return Fault("other", "no", f"{what}: {path}: {reason}")


def _made(key: tuple[object, ...], certificate: Certificate | None) -> ssl.SSLContext | Fault:
    path = str(key[0])
    try:
        folder = os.path.isdir(path)
        context = ssl.create_default_context(
            cafile=None if folder else path, capath=path if folder else None
        )
    except ssl.SSLError:
        return Fault("tls", "no", f"the CA certificate bundle: {path}: none in PEM")
    except OSError as error:
        return _unreadable("the CA certificate bundle", path, error)
    if certificate is None:
        return context
    for name in _files(certificate):
        try:
            with open(name, "rb"):  # OpenSSL does not tell which of the two
                pass
        except OSError as error:
            return _unreadable("the client's certificate", name, error)
    try:
        context.load_cert_chain(*_files(certificate), password="")
    except OSError:
        pair = " and ".join(dict.fromkeys(_files(certificate)))
        detail = f"{pair}: no certificate with its key, in PEM without a password"
        return Fault("tls", "no", f"the client's certificate: {detail}")
    return context
