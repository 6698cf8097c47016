"""The servers of the matrix: each is one process on loopback, on ports that survive a restart."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from filecmp import cmpfiles
from pathlib import Path
from typing import Literal, cast

import requests
from attrs import evolve, frozen
from joserfc.jwk import ECKey, RSAKey

from tests.interop.pki import Certificates, issue
from tests.interop.process import START_SECONDS, Process, free_port
from tests.interop.servers import (
    OIDC_PROVIDER,
    RealClient,
    interop_cache,
    missing_authlib,
    missing_oidc_provider,
)

INTEROP = Path(__file__).parent.parent
SECRET = "correct-horse-battery-staple-for-hs256"
ODD_ID, ODD_SECRET = "odd +%/&=:ä%2B", "p+%/&=: ä%C3%A4"
BRIEF = 7
"""Seconds that a device code lives, for the test of its end."""


@frozen
class Running:
    """A server that runs."""

    name: str
    version: str
    issuer: str
    process: Process
    protected: str  # a URL that answers an access token with 200
    scope: str  # what a device asks for
    machine_scope: str
    clients: Mapping[str, RealClient]  # by what they are for: "cc-basic"
    secure_issuer: str | None = None  # where it asks for a client certificate
    certificates: Certificates | None = None
    send_client_id: Literal["always"] | None = None  # what a Provider of this server has to say
    registration: str | None = None  # "open", or the client that may ask for an initial token
    brief: Callable[[], AbstractContextManager[Running]] | None = None
    """A server whose codes end after BRIEF seconds; None: this one, for the client device-brief."""

    @property
    def verify(self) -> str | bool:
        """What requests calls verify."""
        return str(self.certificates.authority) if self.certificates else True

    def briefly(self) -> AbstractContextManager[Running]:
        """Return a server whose client device-brief has codes of BRIEF seconds."""
        return self.brief() if self.brief else nullcontext(self)


Start = Callable[[], AbstractContextManager[Running]]


def signing_key(kind: type[ECKey | RSAKey] = ECKey) -> dict[str, str]:
    """Return a private key as a JWK."""
    key = ECKey.generate_key("P-256") if kind is ECKey else RSAKey.generate_key(2048)
    named = {"kid": "client-key", "use": "sig", "alg": "ES256" if kind is ECKey else "RS256"}
    return {**cast("dict[str, str]", key.as_dict(private=True)), **named}


def public(jwk: Mapping[str, str]) -> dict[str, str]:
    return {name: jwk[name] for name in jwk if name not in {"d", "p", "q", "dp", "dq", "qi"}}


def clients(
    jwk: Mapping[str, str], *names: str, secret: Callable[[str], str] = lambda _: SECRET
) -> dict[str, RealClient]:
    """Return the clients of these names; the ending of a name says how it authenticates."""
    methods = {
        "public": "none",
        "dpop": "none",
        "post": "client_secret_post",
        "secret-jwt": "client_secret_jwt",
        "private-jwt": "private_key_jwt",
        "mtls": "tls_client_auth",
    }
    made: dict[str, RealClient] = {
        "odd": RealClient(ODD_ID, ODD_SECRET, "client_secret_basic", None)
    }
    for name in names:
        method = methods.get(name.partition("-")[2], "client_secret_basic")
        made[name] = RealClient(
            name,
            secret(name) if method.startswith("client_secret") else None,
            method,
            jwk if method == "private_key_jwt" else None,
        )
    return made


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that goes at the end; a server may still write to it as it does."""
    made = Path(tempfile.mkdtemp(prefix="grantflow-interop-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def started(running: Running) -> Iterator[Running]:
    try:
        running.process.start()
        yield running
    finally:
        running.process.stop()


def installed(name: str) -> Path:
    return interop_cache() / name


def missing(name: str, *programs: str) -> str | None:
    """Return why a server that install.sh makes cannot start, or None."""
    absent = [each for each in programs if shutil.which(each) is None]
    if absent:
        return f"{name} needs {', '.join(absent)}, not on the PATH: run {INSTALL}"
    home, source = installed(name), INTEROP / name
    files = [str(each.relative_to(source)) for each in source.rglob("*") if each.is_file()]
    same, _, _ = cmpfiles(source, home / "source", files, shallow=False)
    if (home / "made").exists() and len(same) == len(files):
        return None
    return f"{name} as it is now is not in {home}: run {INSTALL}"


INSTALL = Path(__file__).parent / "install.sh"


# Keycloak

JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""A process that lives for a minute starts in half the time with the fast compiler alone."""


@contextmanager
def start_keycloak() -> Iterator[Running]:
    """Keycloak with a new database; its realm is imported at the start."""
    server = installed("keycloak") / "server"
    with folder() as home:
        certificates, jwk = issue(home), signing_key()
        for name in ("bin", "conf", "lib", "providers", "themes"):
            (home / name).symlink_to(server / name)
        (home / "data/import").mkdir(parents=True)
        realm = json.loads((INTEROP / "keycloak/realm.json").read_text("utf-8"))
        for each in realm["clients"]:
            if each.get("clientAuthenticatorType") == "client-jwt":
                each["attributes"]["jwks.string"] = json.dumps({"keys": [public(jwk)]})
        (home / "data/import/grantflow-realm.json").write_text(json.dumps(realm), "utf-8")
        port, secure = free_port(), free_port()
        path = "/realms/grantflow"
        issuer = f"http://127.0.0.1:{port}{path}"
        opens = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in OPENED]
        command = [
            *(sys.executable, str(INTEROP / "stores/until_parent_ends.py"), ""),
            *("java", "-Xms64m", "-Xmx600m", "-XX:MaxMetaspaceSize=256m", *JVM, *opens),
            f"-D{POOL}=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
            *(f"-Dkc.home.dir={home}", "-Dkc.config.built=true"),
            *("-cp", str(server / "lib/quarkus-run.jar")),
            *("io.quarkus.bootstrap.runner.QuarkusEntryPoint", "start", "--optimized"),
            *("--http-enabled=true", "--hostname-strict=false", "--import-realm"),
            *("--http-host=127.0.0.1", f"--http-port={port}", f"--https-port={secure}"),
            f"--https-certificate-file={home / 'server.pem'}",
            f"--https-certificate-key-file={home / 'server.key'}",
            *("--https-client-auth=request", f"--https-trust-store-file={home / 'ca.pem'}"),
            "--https-trust-store-type=pem",
        ]
        version = (INTEROP / "keycloak/VERSION").read_text("utf-8").strip()
        yield from _running(
            Running(
                name="Keycloak",
                version=version,
                issuer=issuer,
                secure_issuer=f"https://127.0.0.1:{secure}{path}",
                certificates=certificates,
                process=Process(command, answers(issuer + OIDC), home / "log"),
                protected=f"{issuer}/protocol/openid-connect/userinfo",
                scope="openid offline_access",
                machine_scope="email",
                clients=clients(
                    jwk,
                    *("device-public", "device-basic", "device-brief", "device-dpop"),
                    *("device-private-jwt", "device-mtls", "cc-basic", "cc-post"),
                    *("cc-secret-jwt", "cc-private-jwt", "cc-mtls"),
                ),
                registration="open",
            )
        )


POOL = "java.util.concurrent.ForkJoinPool.common.threadFactory"
OPENED = ("lang", "security", "util", "util.concurrent")
OIDC = "/.well-known/openid-configuration"


def answers(url: str) -> Callable[[], bool]:
    def ready() -> bool:
        with requests.Session() as http:
            http.trust_env = False
            try:
                return http.get(url, timeout=5).ok
            except requests.RequestException:
                return False

    return ready


def _running(running: Running) -> Iterator[Running]:
    with started(running) as server:
        yield server


def missing_keycloak() -> str | None:
    return missing("keycloak", "java")


# Spring Authorization Server


@contextmanager
def start_spring() -> Iterator[Running]:
    """Spring Authorization Server, whose codes and tokens are in a database that outlives it."""
    with folder() as home:
        certificates, jwk = issue(home), signing_key()
        (home / "jwk.json").write_text(json.dumps(public(jwk)), "utf-8")
        port, secure = free_port(), free_port()
        issuer = f"http://127.0.0.1:{port}"
        ready = home / "endpoints.json"
        command = [
            *("java", "-Xmx300m", *JVM, "-jar", str(installed("spring") / "server.jar")),
            *(f"--http.port={port}", f"--server.port={secure}", f"--state={home}"),
            *(f"--tls={home}", f"--jwk={home / 'jwk.json'}", f"--endpoints={ready}"),
        ]
        running = Running(
            name="Spring Authorization Server",
            version="",
            issuer=issuer,
            secure_issuer=f"https://127.0.0.1:{secure}",
            certificates=certificates,
            process=Process(command, answers(issuer + OAUTH), home / "log"),
            protected=f"{issuer}/api/me",
            scope="profile",
            machine_scope="api:read",
            clients=clients(
                jwk,
                *("device-public", "device-basic", "device-brief"),
                *("device-private-jwt", "device-mtls", "cc-basic", "cc-post"),
                *("cc-secret-jwt", "cc-private-jwt", "cc-mtls", "registrar"),
                secret=lambda name: f"{name}-{SECRET}",
            )
            # It takes no id beyond ASCII (RFC 6749 appendix A.1 allows none).
            | {"odd": RealClient("odd +%/&=:%C3%A4", ODD_SECRET, "client_secret_basic", None)},
            send_client_id="always",  # beside an assertion, too: "REQUIRED by this implementation"
            registration="registrar",
        )
        with started(running):
            yield evolve(running, version=told(ready))


OAUTH = "/.well-known/oauth-authorization-server"


def told(ready: Path) -> str:
    """Return the version that a server of ours says it has."""
    deadline = time.monotonic() + START_SECONDS
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return cast("dict[str, str]", json.loads(ready.read_text("utf-8")))["version"].lstrip("v")


def missing_spring() -> str | None:
    return missing("spring", "java")


# zitadel/oidc


@contextmanager
def start_zitadel() -> Iterator[Running]:
    """The example server of zitadel/oidc. It keeps everything in memory."""
    with folder() as home:
        jwk = signing_key(RSAKey)
        (home / "jwk.json").write_text(json.dumps(public(jwk)), "utf-8")
        port, ready = free_port(), home / "endpoints.json"
        issuer = f"http://127.0.0.1:{port}"
        command = [
            *(str(installed("zitadel") / "server"), f"--port={port}"),
            *(f"--jwk={home / 'jwk.json'}", f"--endpoints={ready}"),
        ]
        running = Running(
            name="zitadel/oidc",
            version="",
            issuer=issuer,
            process=Process(command, answers(issuer + OIDC), home / "log"),
            protected=f"{issuer}/userinfo",
            scope="openid offline_access",
            machine_scope="api:read",
            clients=clients(
                jwk,
                *("device-public", "device-basic", "device-brief", "device-private-jwt"),
                *("cc-basic", "cc-post"),
            ),
        )
        with started(running):
            yield evolve(running, version=told(ready))


def missing_zitadel() -> str | None:
    return missing("zitadel")


# oidc-provider and Authlib: the programs of the other tests, on ports that survive a restart.


def start_oidc_provider(device_ttl: int = 600) -> AbstractContextManager[Running]:
    """node-oidc-provider as it is: no interval and no slow_down."""
    modules = interop_cache() / "oidc-provider"
    package = json.loads((OIDC_PROVIDER / "package.json").read_text("utf-8"))
    command = [shutil.which("node") or "node", str(OIDC_PROVIDER / "server.mjs")]
    return _ours(
        "oidc-provider",
        cast("str", package["dependencies"]["oidc-provider"]),
        [*command, f"--modules={modules}", f"--device-ttl={device_ttl}"],
        lambda: start_oidc_provider(BRIEF),
        secure=True,
        registration="open",
    )


def start_authlib(device_ttl: int = 600) -> AbstractContextManager[Running]:
    """Authlib's endpoints on Flask."""
    from importlib.metadata import version

    command = [sys.executable, str(INTEROP / "authlib_server.py"), "--interval=5"]
    return _ours(
        "Authlib",
        version("authlib"),
        [*command, f"--device-ttl={device_ttl}"],
        lambda: start_authlib(BRIEF),
    )


@contextmanager
def _ours(
    name: str,
    version: str,
    command: list[str],
    brief: Start,
    *,
    secure: bool = False,
    registration: str | None = None,
) -> Iterator[Running]:
    with folder() as home:

        def process(label: str, *more: str) -> tuple[Process, Path]:
            ready = home / f"{label}.json"
            options = [f"--port={free_port()}", f"--endpoints={ready}", "--end-with-parent", *more]
            return Process([*command, *options], ready, home / f"{label}.log"), ready

        main, ready = process("http")
        certificates = issue(home) if secure else None
        tls, tls_ready = process("https", f"--tls={home}")
        try:
            main.start()
            if certificates:
                tls.start()
            described = json.loads(ready.read_text("utf-8"))
            there = json.loads(tls_ready.read_text("utf-8")) if certificates else None
            known = dict(described["clients"])
            if there:
                # Each process makes a key of its own; what signs and what shows a certificate
                # goes to the one with TLS.
                known |= {each: there["clients"][each] for each in there["clients"] if signs(each)}
            yield Running(
                name=name,
                version=version,
                issuer=described["issuer"],
                secure_issuer=there and there["issuer"],
                certificates=certificates,
                process=main,
                protected=described["endpoints"]["userinfo_endpoint"],
                scope=described["scope"],
                machine_scope=described["machine_scope"],
                clients={each: RealClient(**known[each]) for each in known}
                | {"device-brief": RealClient(**known["device-basic"])},
                registration=registration,
                brief=brief,
            )
        finally:
            main.stop()
            tls.stop()


def signs(name: str) -> bool:
    return name.endswith(("jwt", "mtls"))


STARTS: Mapping[str, tuple[Callable[[], str | None], Start]] = {
    "keycloak": (missing_keycloak, start_keycloak),
    "spring": (missing_spring, start_spring),
    "zitadel": (missing_zitadel, start_zitadel),
    "oidc-provider": (missing_oidc_provider, start_oidc_provider),
    "authlib": (missing_authlib, start_authlib),
}
