"""Start and stop real authorization servers.

with start_authlib(device_ttl=3) as server:
    server.approve(user_code)
"""

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, TypedDict, cast

import platformdirs
import requests
from attrs import frozen

from . import human
from .pki import Certificates, issue
from .process import Process

HERE = Path(__file__).parent
OIDC_PROVIDER = HERE / "oidc_provider"


@frozen
class RealClient:
    """A client that the server knows. `auth` is its registered method."""

    client_id: str
    client_secret: str | None
    auth: str
    jwk: Mapping[str, str] | None  # the private key, for private_key_jwt


@frozen
class Stats:
    """What the server was asked for, and which errors it answered. A missing name counts 0."""

    endpoints: Counter[str]  # by metadata name: "token_endpoint"
    grants: Counter[str]  # by grant_type
    errors: Counter[str]  # by error code

    def since(self, earlier: "Stats") -> "Stats":
        return Stats(
            self.endpoints - earlier.endpoints,
            self.grants - earlier.grants,
            self.errors - earlier.errors,
        )


@frozen
class RealServer:
    """A server that runs, and the person and the clerk who come with it."""

    name: str
    issuer: str
    endpoints: Mapping[str, str]  # metadata names, and metadata, verification_uri, stats
    clients: Mapping[str, RealClient]  # by what they are for: "cc-basic"; their ids may be odd
    scope: str  # what a device asks for to get a refresh token
    machine_scope: str
    api_resource: str | None  # a resource indicator that makes JWT access tokens
    certificates: Certificates | None  # with mtls

    @property
    def verify(self) -> str | bool:
        """What requests calls verify."""
        return str(self.certificates.authority) if self.certificates else True

    def approve(self, user_code: str) -> None:
        """Play the person who says yes."""
        human.approve(self.endpoints, user_code, verify=self.verify)

    def deny(self, user_code: str) -> None:
        """Play the person who says no."""
        human.deny(self.endpoints, user_code, verify=self.verify)

    def stats(self) -> Stats:
        with requests.Session() as http:
            http.trust_env = False
            answer = http.get(self.endpoints["stats"], verify=self.verify, timeout=20)
        answer.raise_for_status()
        counts = cast("dict[str, dict[str, int]]", answer.json())
        return Stats(
            Counter(counts["endpoints"]), Counter(counts["grants"]), Counter(counts["errors"])
        )


class Start(Protocol):
    """What every start function takes."""

    def __call__(
        self,
        *,
        device_ttl: int = ...,
        access_ttl: int = ...,
        interval: int = ...,
        token_delay_ms: int = ...,
    ) -> AbstractContextManager[RealServer]: ...


def missing_authlib() -> str | None:
    """Why the Authlib server cannot start, or None."""
    absent = [name for name in ("authlib", "flask") if find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


@contextmanager
def start_authlib(
    *, device_ttl: int = 600, access_ttl: int = 3600, interval: int = 1, token_delay_ms: int = 0
) -> Iterator[RealServer]:
    """Authlib's endpoints on Flask. Times are in whole seconds, the delay in milliseconds."""
    command = [
        sys.executable,
        str(HERE / "authlib_server.py"),
        f"--device-ttl={device_ttl}",
        f"--access-ttl={access_ttl}",
        f"--interval={interval}",
        f"--token-delay-ms={token_delay_ms}",
    ]
    with _running("authlib", command) as server:
        yield server


def interop_cache() -> Path:
    """Where install.sh puts packages: never in the checkout."""
    chosen = os.environ.get("GRANTFLOW_INTEROP_CACHE")
    return Path(chosen or platformdirs.user_cache_dir("grantflow-interop"))


def missing_oidc_provider() -> str | None:
    """Why oidc-provider cannot start, or None."""
    if shutil.which("node") is None:
        return "oidc-provider needs node, which is not on the PATH"
    wanted = cast("_Package", json.loads((OIDC_PROVIDER / "package.json").read_text("utf-8")))
    version = wanted["dependencies"]["oidc-provider"]
    home = interop_cache() / "oidc-provider"
    try:
        text = (home / "node_modules/oidc-provider/package.json").read_text("utf-8")
    except OSError:
        found = "nothing"
    else:
        found = cast("_Package", json.loads(text))["version"]
    if found == version:
        return None
    return f"oidc-provider {version} is not in {home} (found {found}): run {HERE / 'install.sh'}"


@contextmanager
def start_oidc_provider(
    *,
    device_ttl: int = 600,
    access_ttl: int = 3600,
    interval: int | None = None,
    token_delay_ms: int = 0,
    dpop_nonce: bool = False,
    mtls: bool = False,
) -> Iterator[RealServer]:
    """node-oidc-provider. It has no interval of its own: one given here is our addition."""
    command = [
        shutil.which("node") or "node",
        str(OIDC_PROVIDER / "server.mjs"),
        f"--modules={interop_cache() / 'oidc-provider'}",
        f"--device-ttl={device_ttl}",
        f"--access-ttl={access_ttl}",
        f"--token-delay-ms={token_delay_ms}",
    ]
    if interval is not None:
        command.append(f"--interval={interval}")
    if dpop_nonce:
        command.append("--dpop-nonce")
    if not mtls:
        with _running("oidc-provider", command) as server:
            yield server
        return
    with tempfile.TemporaryDirectory(prefix="grantflow-interop-") as folder:
        certificates = issue(Path(folder))
        with _running("oidc-provider", [*command, f"--tls={folder}"], certificates) as server:
            yield server


class _Package(TypedDict):
    version: str
    dependencies: dict[str, str]


class _DescribedClient(TypedDict):
    client_id: str
    client_secret: str | None
    auth: str
    jwk: dict[str, str] | None


class _Described(TypedDict):
    """The endpoints file."""

    issuer: str
    endpoints: dict[str, str]
    clients: dict[str, _DescribedClient]
    scope: str
    machine_scope: str
    api_resource: str | None


@contextmanager
def _running(
    name: str, command: Sequence[str], certificates: Certificates | None = None
) -> Iterator[RealServer]:
    with tempfile.TemporaryDirectory(prefix="grantflow-interop-") as folder:
        ready, log = Path(folder, "endpoints.json"), Path(folder, "log")
        process = Process([*command, f"--endpoints={ready}", "--end-with-parent"], ready, log)
        try:
            process.start()
            described = cast("_Described", json.loads(ready.read_text("utf-8")))
            yield RealServer(
                name=name,
                issuer=described["issuer"],
                endpoints=described["endpoints"],
                clients={
                    purpose: RealClient(**client)
                    for purpose, client in described["clients"].items()
                },
                scope=described["scope"],
                machine_scope=described["machine_scope"],
                api_resource=described["api_resource"],
                certificates=certificates,
            )
        finally:
            process.stop()
