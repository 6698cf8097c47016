"""One script through requests, both generations of httpx and aiohttp: identical traces.

On the event loops with both front doors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from types import ModuleType
from typing import Protocol

import aiohttp
import anyio
import httpx
import httpx2
import pytest
import requests
from attrs import frozen

from grantflow import Token
from grantflow.integrations.aiohttp import token_middleware
from grantflow.integrations.httpx import TokenAuth as HttpxAuth
from grantflow.integrations.requests import TokenAuth as RequestsAuth
from tests.support.auth_stage import SCOPE, Stage, staged


@frozen
class Ask:
    """One call of a script."""

    url: str
    method: str = "GET"
    params: dict[str, str] | None = None
    body: bytes | None = None
    streamed: bool = False


Script = Callable[[Stage], Iterator[Ask]]


class Adapter(Protocol):
    def __call__(
        self, stage: Stage, script: Script, origins: list[str] | None, header: str
    ) -> list[int]: ...


def _scheme(header: str) -> str | None:
    return None if header == "Authorization" else ""


def over_requests(
    stage: Stage, script: Script, origins: list[str] | None, header: str
) -> list[int]:
    auth = RequestsAuth(stage.source, origins, header=header, scheme=_scheme(header))
    with requests.Session() as session:
        session.trust_env = False
        return [
            session.request(
                ask.method,
                ask.url,
                params=ask.params,
                data=iter([ask.body]) if ask.streamed and ask.body else ask.body,
                auth=auth,
            ).status_code
            for ask in script(stage)
        ]


def over_httpx(library: ModuleType) -> Adapter:
    def run(stage: Stage, script: Script, origins: list[str] | None, header: str) -> list[int]:
        auth = HttpxAuth(stage.source, origins, header=header, scheme=_scheme(header))
        with library.Client(auth=auth, follow_redirects=True, trust_env=False) as client:
            return [
                client.request(
                    ask.method,
                    ask.url,
                    params=ask.params,
                    content=iter([ask.body]) if ask.streamed and ask.body else ask.body,
                ).status_code
                for ask in script(stage)
            ]

    return run


def over_aiohttp(*, awaiting: bool) -> Adapter:
    def run(stage: Stage, script: Script, origins: list[str] | None, header: str) -> list[int]:
        source = stage.awaiting if awaiting else stage.source
        middleware = token_middleware(source, origins, header=header, scheme=_scheme(header))

        async def main() -> list[int]:
            async with aiohttp.ClientSession(middlewares=[middleware]) as session:
                statuses = []
                for ask in script(stage):

                    async def body(data: bytes = ask.body or b"") -> AsyncIterator[bytes]:
                        yield data

                    async with session.request(
                        ask.method,
                        ask.url,
                        params=ask.params,
                        data=body() if ask.streamed else ask.body,
                    ) as answer:
                        statuses.append(answer.status)
                return statuses

        return anyio.run(main)

    return run


def over_loop(library: ModuleType, backend: str, *, awaiting: bool) -> Adapter:
    def run(stage: Stage, script: Script, origins: list[str] | None, header: str) -> list[int]:
        source = stage.awaiting if awaiting else stage.source
        auth = HttpxAuth(source, origins, header=header, scheme=_scheme(header))

        async def main() -> list[int]:
            async with library.AsyncClient(
                auth=auth, follow_redirects=True, trust_env=False
            ) as client:
                statuses = []
                for ask in script(stage):

                    async def body(data: bytes = ask.body or b"") -> AsyncIterator[bytes]:
                        yield data

                    answer = await client.request(
                        ask.method,
                        ask.url,
                        params=ask.params,
                        content=body() if ask.streamed else ask.body,
                    )
                    statuses.append(answer.status_code)
                return statuses

        return anyio.run(main, backend=backend)

    return run


ADAPTERS: dict[str, tuple[Adapter, str | None]] = {
    "requests": (over_requests, None),
    "httpx": (over_httpx(httpx), None),
    "httpx2": (over_httpx(httpx2), None),
    "httpx on asyncio": (over_loop(httpx, "asyncio", awaiting=False), None),
    "httpx2 on trio": (over_loop(httpx2, "trio", awaiting=False), None),
    "httpx2 on asyncio, awaiting": (over_loop(httpx2, "asyncio", awaiting=True), "asyncio"),
    "httpx on trio, awaiting": (over_loop(httpx, "trio", awaiting=True), "trio"),
    "aiohttp": (over_aiohttp(awaiting=False), None),
    "aiohttp, awaiting": (over_aiohttp(awaiting=True), "asyncio"),
}


def refused_between(stage: Stage) -> Iterator[Ask]:
    for number in range(3):
        yield Ask(f"{stage.api.url}/{number}")
        refuse(stage)
        yield Ask(f"{stage.api.url}/{number}", "POST", body=b"payload")


def refused_again_and_again(stage: Stage) -> Iterator[Ask]:
    yield Ask(f"{stage.api.url}/x?say=401")
    yield Ask(f"{stage.api.url}/x")
    yield Ask(f"{stage.api.url}/x?say=401", "POST", body=b"1")


def without_a_scope(stage: Stage) -> Iterator[Ask]:
    yield Ask(f"{stage.api.url}/x", params={"say": "401", "challenge": SCOPE})
    yield Ask(f"{stage.api.url}/x", params={"say": "403", "challenge": SCOPE})


def refused_by_another_status(stage: Stage) -> Iterator[Ask]:
    """A token is renewed where the challenge says so, whatever the status; and only there."""
    for status in ("403", "400", "429"):
        refuse(stage)
        yield Ask(f"{stage.api.url}/x?refuse={status}", "POST", body=b"1")
        refuse(stage)
        challenge = {"refuse": status, "challenge": 'Bearer realm="x"'}
        yield Ask(f"{stage.api.url}/x", params=challenge)
    for error in ("insufficient_user_authentication", "insufficient_claims", "invalid_request"):
        for status in ("401", "403"):
            refuse(stage)
            told = {"refuse": status, "challenge": f'Bearer error="{error}"'}
            yield Ask(f"{stage.api.url}/x", params=told)


def a_stream(stage: Stage) -> Iterator[Ask]:
    refuse(stage)
    yield Ask(f"{stage.api.url}/x", "POST", body=b"payload", streamed=True)
    yield Ask(f"{stage.api.url}/x", "POST", body=b"payload")
    yield Ask(f"{stage.api.url}/x", "POST", body=b"payload", streamed=True)


def a_sibling(stage: Stage) -> Iterator[Ask]:
    yield Ask(f"{stage.api.url}/x")
    old: Token = stage.source.token()
    refuse(stage)
    stage.api.before = lambda: [stage.source.try_renew(old), None][1]
    yield Ask(f"{stage.api.url}/x")


def a_dead_server(stage: Stage) -> Iterator[Ask]:
    yield Ask(f"{stage.api.url}/x")
    refuse(stage)
    stage.down = True
    yield Ask(f"{stage.api.url}/x")
    stage.down = False
    yield Ask(f"{stage.api.url}/x")


def to_elsewhere(stage: Stage) -> Iterator[Ask]:
    yield Ask(f"{stage.api.url}/x", params={"to": f"{stage.other.url}/y"})
    yield Ask(f"{stage.other.url}/y")
    yield Ask(
        f"{stage.api.url}/x", "POST", {"to": f"{stage.other.url}/y", "say": "307"}, body=b"payload"
    )
    yield Ask(f"{stage.api.url}/x", params={"to": f"{stage.other.url}/y?open&to={stage.api.url}/z"})
    refuse(stage)
    yield Ask(f"{stage.api.url}/x", params={"to": f"{stage.other.url}/y"})


def redirected(stage: Stage) -> Iterator[Ask]:
    for status in ("301", "302", "303", "307", "308"):
        yield Ask(f"{stage.api.url}/x", "POST", {"to": "/y", "say": status}, body=b"payload")
        refuse(stage)
        yield Ask(f"{stage.api.url}/x", "POST", {"to": "/y", "say": status}, body=b"payload")
        yield Ask(f"{stage.api.url}/x", "PUT", {"to": "/y?say=401", "say": status}, body=b"1")


def refuse(stage: Stage) -> None:
    stage.refuse("Bearer {}" if stage.header == "authorization" else "{}")


ANYWHERE = (
    refused_between,
    refused_again_and_again,
    without_a_scope,
    refused_by_another_status,
    a_stream,
    a_sibling,
    a_dead_server,
)
PLAYED = [
    *(
        (script, header, both)
        for script in ANYWHERE
        for header in ("Authorization", "x-api-key")
        for both in (False, True)
    ),
    # Where a header other than Authorization is redirected within the origins, httpx drops it and
    # it comes back a request later; requests keeps it.
    (to_elsewhere, "Authorization", False),
    (to_elsewhere, "Authorization", True),
    (to_elsewhere, "x-api-key", False),
    (redirected, "Authorization", False),
    (redirected, "Authorization", True),
]

Trace = tuple[list[int], list[tuple[str, str, str, int | None, int]], int]


def played(name: str, script: Script, header: str, *, both: bool) -> Trace:
    adapter, awaits = ADAPTERS[name]
    with ExitStack() as stack:
        stage = stack.enter_context(staged(header, awaits=awaits))
        origins = [stage.api.url, stage.other.url] if both else None
        statuses = adapter(stage, script, origins, header)
        return statuses, stage.trace(), stage.issued


@pytest.mark.parametrize(("script", "header", "both"), PLAYED)
def test_identical_traces(script: Script, header: str, both: bool) -> None:
    played_by = {name: played(name, script, header, both=both) for name in ADAPTERS}
    first = played_by["requests"]
    assert len(first[1]) >= len(first[0])
    for name, trace in played_by.items():
        # aiohttp keeps more methods on a redirect, and asks for each step anew who gets the token.
        follows = script is redirected or (script is to_elsewhere and both)
        assert trace == first or (follows and name.startswith("aiohttp")), name
