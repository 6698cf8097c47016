"""200 device sign-ins at once in one process, over TLS; a process for each library, in turn.

All trust a real bundle, certifi's with the server's own certificate: with one certificate alone,
the largest cost of a connection is hidden, which is to read the bundle. The interval is one second,
and each is approved half a second after its code. CPU is that of the process from its first request
to its last answer, without the imports. The loop over ``authlib`` is ours: it has no device flow of
its own. Two bare loops, over ``httpx`` and over ``httpcore`` below it, know nothing of sign-ins:
what is left is what an async driver over them cannot go below.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import certifi
from measured import Part, Row, best, note
from server import started

FLOWS = 200
ROUNDS = 5
OURS = (
    "grantflow, async",
    "grantflow, threads",
    "grantflow, async, shared",
    "grantflow, threads, shared",
    "grantflow, aiohttp, shared",
)
BARE = ("httpx alone", "httpcore alone")


def grantflow_async(url: str, _: str) -> Callable[[], int]:
    """One task for each, by the default transport: one for each sign-in."""
    return awaited(url, None)


def grantflow_async_shared(url: str, _: str) -> Callable[[], int]:
    """One task for each, over one transport."""
    from grantflow.integrations.httpx import AsyncHttpxTransport

    return awaited(url, AsyncHttpxTransport)


def grantflow_aiohttp_shared(url: str, _: str) -> Callable[[], int]:
    """One task for each, over one transport of aiohttp."""
    from grantflow.integrations.aiohttp import AiohttpTransport

    return awaited(url, AiohttpTransport)


def awaited(url: str, make: Callable[[], Any] | None) -> Callable[[], int]:
    """One task for each."""
    import anyio

    from grantflow import Authorized, Client, DeviceFlow, Provider, aio

    provider = Provider(
        name="bench",
        token_endpoint=f"{url}/token",
        device_authorization_endpoint=f"{url}/device",
    )
    flow = DeviceFlow(Client(provider=provider, client_id="app"))
    ends: list[object] = []

    async def everybody() -> None:
        transport = None if make is None else make()

        async def one() -> None:
            ends.append(await aio.run(flow, transport))

        async with anyio.create_task_group() as tasks:
            for _ in range(FLOWS):
                tasks.start_soon(one)
        if transport is not None:
            await transport.aclose()

    def go() -> int:
        anyio.run(everybody)
        return sum(isinstance(end, Authorized) for end in ends)

    return go


Post = Callable[[str, dict[str, str]], Awaitable[bytes]]


def bare(url: str, post: Post, close: Callable[[], Awaitable[None]]) -> Callable[[], int]:
    """Two requests for each, a second apart, on as many connections as our driver has."""
    import anyio

    device = "urn:ietf:params:oauth:grant-type:device_code"
    done: list[bool] = []

    async def everybody() -> None:
        turns = anyio.Semaphore(4)

        async def one() -> None:
            async with turns:
                code = json.loads(await post(f"{url}/device", {"client_id": "app"}))
            await anyio.sleep(code["interval"])
            form = {"grant_type": device, "device_code": code["device_code"], "client_id": "app"}
            async with turns:
                done.append("access_token" in json.loads(await post(f"{url}/token", form)))

        async with anyio.create_task_group() as tasks:
            for _ in range(FLOWS):
                tasks.start_soon(one)
        await close()

    def go() -> int:
        anyio.run(everybody)
        return sum(done)

    return go


def httpx_alone(url: str, _: str) -> Callable[[], int]:
    """No library of sign-ins at all."""
    import httpx

    client = httpx.AsyncClient()

    async def post(where: str, form: dict[str, str]) -> bytes:
        return (await client.post(where, data=form)).content

    return bare(url, post, client.aclose)


def httpcore_alone(url: str, certificate: str) -> Callable[[], int]:
    """The same without httpx."""
    import ssl
    from urllib.parse import urlencode

    import httpcore

    trusted = ssl.create_default_context(cafile=certificate)
    pool = httpcore.AsyncConnectionPool(ssl_context=trusted, max_keepalive_connections=20)

    async def post(where: str, form: dict[str, str]) -> bytes:
        body = urlencode(form).encode()
        headers = {
            "Host": "127.0.0.1",
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
        }
        return (await pool.request("POST", where, headers=headers, content=body)).content

    return bare(url, post, pool.aclose)


def in_threads(one: Callable[[], bool]) -> Callable[[], int]:
    """One thread for each."""
    done: list[bool] = []

    def go() -> int:
        threads = [threading.Thread(target=lambda: done.append(one())) for _ in range(FLOWS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(done)

    return go


def grantflow_threads(url: str, _: str) -> Callable[[], int]:
    """The blocking driver with a new transport for each sign-in."""
    return blocking(url, shared=False)


def grantflow_threads_shared(url: str, _: str) -> Callable[[], int]:
    """The blocking driver by its default transport, which all of a process share."""
    return blocking(url, shared=True)


def blocking(url: str, *, shared: bool) -> Callable[[], int]:
    """One thread for each."""
    from grantflow import Authorized, Client, DeviceFlow, Provider, run
    from grantflow.integrations.requests import RequestsTransport

    provider = Provider(
        name="bench",
        token_endpoint=f"{url}/token",
        device_authorization_endpoint=f"{url}/device",
    )
    flow = DeviceFlow(Client(provider=provider, client_id="app"))
    if shared:
        return in_threads(lambda: isinstance(run(flow), Authorized))
    return in_threads(lambda: isinstance(run(flow, RequestsTransport()), Authorized))


def msal_threads(url: str, _: str) -> Callable[[], int]:
    """One application."""
    import msal

    app = msal.PublicClientApplication("app", oidc_authority=f"{url}/x")

    def one() -> bool:
        flow = app.initiate_device_flow(["read"])
        return "access_token" in app.acquire_token_by_device_flow(flow)

    return in_threads(one)


def requests_oauth2client_threads(url: str, _: str) -> Callable[[], int]:
    """One client."""
    from requests_oauth2client import DeviceAuthorizationPollingJob, OAuth2Client

    client = OAuth2Client(
        f"{url}/token", client_id="app", device_authorization_endpoint=f"{url}/device"
    )

    def one() -> bool:
        code = client.authorize_device()
        job = DeviceAuthorizationPollingJob(client, code.device_code, interval=code.interval)
        token = None
        while token is None:
            token = job()
        return True

    return in_threads(one)


def authlib_threads(url: str, certificate: str) -> Callable[[], int]:
    """A loop by hand."""
    from authlib.integrations.base_client.errors import OAuthError
    from authlib.integrations.requests_client import OAuth2Session

    session = OAuth2Session("app", token_endpoint_auth_method="none")
    session.verify = certificate

    def one() -> bool:
        code = session.request(
            "POST", f"{url}/device", data={"client_id": "app"}, withhold_token=True
        ).json()
        while True:
            time.sleep(code["interval"])
            try:
                session.fetch_token(
                    f"{url}/token",
                    grant_type="urn:ietf:params:oauth:grant-type:device_code",
                    device_code=code["device_code"],
                    client_id="app",
                )
            except OAuthError as error:
                if error.error != "authorization_pending":
                    raise
            else:
                return True

    return in_threads(one)


KINDS = {
    "grantflow, async": grantflow_async,
    "grantflow, threads": grantflow_threads,
    "grantflow, async, shared": grantflow_async_shared,
    "grantflow, threads, shared": grantflow_threads_shared,
    "grantflow, aiohttp, shared": grantflow_aiohttp_shared,
    "msal": msal_threads,
    "requests_oauth2client": requests_oauth2client_threads,
    "(loop over authlib)": authlib_threads,
    "httpx alone": httpx_alone,
    "httpcore alone": httpcore_alone,
}


def alone(name: str, url: str, certificate: str) -> None:
    """Run one library in this process, and tell."""
    import resource

    go = KINDS[name](url, certificate)
    began, spent = time.monotonic(), time.process_time()
    done = go()
    told = {
        "done": done,
        "cpu": time.process_time() - spent,
        "wall": time.monotonic() - began,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))


def main() -> None:
    """Measure, and tell."""
    if len(sys.argv) > 1:
        alone(*sys.argv[1:])
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in KINDS}
    with started() as (url, own), TemporaryDirectory() as folder:
        certificate = str(Path(folder, "bundle.pem"))
        Path(certificate).write_bytes(Path(certifi.where()).read_bytes() + Path(own).read_bytes())
        env = {**os.environ, "REQUESTS_CA_BUNDLE": certificate, "SSL_CERT_FILE": certificate}
        for number in range(ROUNDS):
            note(f"round {number + 1} of {ROUNDS}")
            for name in KINDS:
                ended = subprocess.run(
                    [sys.executable, __file__, name, url, certificate],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=env,
                    timeout=120,
                    check=True,
                )
                found[name].append(json.loads(ended.stdout))

    def middle(name: str, what: str) -> float:
        return median(each[what] for each in found[name])

    cpu = {name: middle(name, "cpu") for name in KINDS}
    part = Part(head=[f"{FLOWS} sign-ins at once", "Done", "CPU", "Wall", "Memory"])
    part.lines = [
        [
            name,
            f"{min(each['done'] for each in found[name]):.0f}",
            f"{cpu[name]:.2f} s",
            f"{middle(name, 'wall'):.2f} s",
            f"{middle(name, 'memory'):.0f} MiB",
        ]
        for name in KINDS
    ]
    who, least = best(cpu, [*OURS, *BARE])
    what = f"{FLOWS} device sign-ins"
    part.rows = [
        Row(f"{what}, default, async", cpu["grantflow, async"], least, who, 0.3, "s"),
        Row(f"{what}, default, threads", cpu["grantflow, threads"], least, who, 0.3, "s"),
        Row(f"{what}, shared, async", cpu["grantflow, async, shared"], least, who, 0.18, "s"),
        Row(f"{what}, shared, threads", cpu["grantflow, threads, shared"], least, who, 0.18, "s"),
        Row(f"{what}, shared, aiohttp", cpu["grantflow, aiohttp, shared"], least, who, 0.1, "s"),
        Row("the HTTP alone, without httpx", cpu["httpcore alone"], least, who, None, "s"),
    ]
    part.tell()


if __name__ == "__main__":
    main()
