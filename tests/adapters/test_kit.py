"""What every adapter is made of, by every adapter: providers, challenges, origins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TypeAlias

import aiohttp
import httpx
import httpx2
import pytest
import requests

from grantflow import GrantError, InteractionRequired, Token, integrations
from grantflow.integrations import AsyncTokenProvider, Challenge, OnChallenge, TokenProvider
from grantflow.integrations import aiohttp as over_aiohttp
from grantflow.integrations import httpx as over_httpx
from grantflow.integrations import requests as over_requests
from grantflow.integrations.aiohttp import token_middleware
from grantflow.integrations.httpx import TokenAuth as HttpxAuth
from grantflow.integrations.requests import TokenAuth, TokenSession
from tests.support.auth_stage import SCOPE, Stage, staged

Origins: TypeAlias = "list[str] | None"


class Fake:
    """A provider of one's own: two methods, and nothing else."""

    def __init__(self, *texts: str) -> None:
        self._left = [Token(access_token=text) for text in texts]
        self.renewals = 0

    def token(self) -> Token:
        return self._left[0]

    def renew(self, rejected: Token, /) -> Token:
        assert rejected == self._left[0]
        self.renewals += 1
        if len(self._left) == 1:
            raise GrantError(InteractionRequired())
        self._left.pop(0)
        return self._left[0]


class AsyncFake:
    """The same with ``await``."""

    def __init__(self, *texts: str) -> None:
        self._fake = Fake(*texts)

    async def token(self) -> Token:
        return self._fake.token()

    async def renew(self, rejected: Token, /) -> Token:
        await asyncio.sleep(0)
        return self._fake.renew(rejected)


Get: TypeAlias = Callable[..., int]


def by_requests(url: str, *texts: str, hook: OnChallenge | None = None, at: Origins = None) -> int:
    auth = TokenAuth(Fake(*texts), at, on_challenge=hook)
    return requests.get(url, auth=auth, timeout=5).status_code


def by_session(url: str, *texts: str, hook: OnChallenge | None = None, at: Origins = None) -> int:
    with TokenSession(Fake(*texts), at, on_challenge=hook) as session:
        return session.get(url, timeout=5).status_code


def by_client(library: ModuleType) -> Get:
    def get(url: str, *texts: str, hook: OnChallenge | None = None, at: Origins = None) -> int:
        with library.Client(auth=HttpxAuth(Fake(*texts), at, on_challenge=hook)) as client:
            status: int = client.get(url).status_code
            return status

    return get


def by_async_client(library: ModuleType, made: type[Fake | AsyncFake]) -> Get:
    def get(url: str, *texts: str, hook: OnChallenge | None = None, at: Origins = None) -> int:
        async def main() -> int:
            auth = HttpxAuth(made(*texts), at, on_challenge=hook)
            async with library.AsyncClient(auth=auth) as client:
                status: int = (await client.get(url)).status_code
                return status

        return asyncio.run(main())

    return get


def by_aiohttp(made: type[Fake | AsyncFake]) -> Get:
    def get(url: str, *texts: str, hook: OnChallenge | None = None, at: Origins = None) -> int:
        async def main() -> int:
            middleware = token_middleware(made(*texts), at, on_challenge=hook)
            async with (
                aiohttp.ClientSession(middlewares=[middleware]) as session,
                session.get(url) as answer,
            ):
                return answer.status

        return asyncio.run(main())

    return get


ADAPTERS: dict[str, Get] = {
    "requests": by_requests,
    "a session": by_session,
    "httpx": by_client(httpx),
    "httpx2": by_client(httpx2),
    "async httpx": by_async_client(httpx, Fake),
    "async httpx2": by_async_client(httpx2, AsyncFake),
    "aiohttp": by_aiohttp(Fake),
    "aiohttp, awaiting": by_aiohttp(AsyncFake),
}


@pytest.fixture(params=ADAPTERS)
def get(request: pytest.FixtureRequest) -> Get:
    return ADAPTERS[request.param]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


def test_a_provider_of_ones_own_is_enough(stage: Stage, get: Get) -> None:
    stage.api.refused.add("Bearer one")
    assert get(f"{stage.api.url}/x", "one", "two") == 200
    assert stage.bore() == ["Bearer one", "Bearer two"]


def test_one_that_cannot_renew_leaves_the_refusal(stage: Stage, get: Get) -> None:
    stage.api.refused.add("Bearer one")
    assert get(f"{stage.api.url}/x", "one") == 401
    assert stage.bore() == ["Bearer one"]


@pytest.mark.parametrize("status", [400, 403])
def test_a_refusal_by_another_status_is_renewed(stage: Stage, get: Get, status: int) -> None:
    stage.api.refused.add("Bearer one")
    assert get(f"{stage.api.url}/x?refuse={status}", "one", "two") == 200
    assert stage.bore() == ["Bearer one", "Bearer two"]


MORE = [
    SCOPE,
    'Bearer error="insufficient_user_authentication", acr_values="mfa", max_age="60"',
    'Bearer realm="x", error="insufficient_claims", claims="e30"',
]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("challenge", MORE)
def test_what_a_renewal_cannot_answer_is_handed_on(
    stage: Stage, get: Get, status: int, challenge: str
) -> None:
    stage.api.refused.add("Bearer one")
    heard: list[Challenge] = []

    def step_up(found: Challenge) -> Token:
        heard.append(found)
        return Token(access_token="more")

    url = f"{stage.api.url}/x?refuse={status}&challenge={challenge.replace(' ', '%20')}"
    assert get(url, "one", "two", hook=step_up) == 200
    assert stage.bore() == ["Bearer one", "Bearer more"]
    (found,) = heard
    assert found.scheme == "Bearer"
    assert str(found.error) in challenge
    stage.seen.clear()
    assert get(url, "one", "two", hook=lambda _: None) == status
    assert get(url, "one", "two") == status
    assert stage.bore() == ["Bearer one"] * 2


def test_a_step_that_does_not_help_is_made_once(stage: Stage, get: Get) -> None:
    calls: list[Challenge] = []

    def step_up(found: Challenge) -> Token:
        calls.append(found)
        return Token(access_token=f"more-{len(calls)}")

    url = f"{stage.api.url}/x?say=403&challenge={SCOPE.replace(' ', '%20')}"
    assert get(url, "one", hook=step_up) == 403
    assert len(calls) == 1


def test_no_token_goes_over_plain_http(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **_: seen.append(a))
    with pytest.raises(ValueError, match=r"must be https \(http is only for loopback\)"):
        get("http://api.example/me", "one")
    with pytest.raises(ValueError, match=r"must be https \(http is only for loopback\)"):
        get("http://api.example/me", "one", at=["http://api.example"])
    assert seen == []


def test_a_listed_origin_is_not_left_by_a_lookalike(stage: Stage, get: Get) -> None:
    assert get(f"{stage.other.url}/x?open", "one", at=[stage.api.url]) == 200
    assert stage.bore() == [None]


def test_the_first_origin_is_the_only_one_for_aiohttp(stage: Stage) -> None:
    async def main() -> list[int]:
        middleware = token_middleware(AsyncFake("one"))
        async with aiohttp.ClientSession(middlewares=[middleware]) as session:
            statuses = []
            for url in (stage.api.url, stage.other.url, stage.api.url):
                async with session.get(f"{url}/x") as answer:
                    statuses.append(answer.status)
            return statuses

    assert asyncio.run(main()) == [200, 401, 200]
    assert stage.bore() == ["Bearer one", None, "Bearer one"]


def test_an_exception_closes_the_answer_of_aiohttp(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a provider raises reaches the caller, who has no answer to close."""

    class Broken(AsyncFake):
        async def renew(self, rejected: Token, /) -> Token:
            raise RuntimeError(f"cannot renew {rejected!r}")

    closed: list[int] = []
    monkeypatch.setattr(aiohttp.ClientResponse, "close", lambda self: closed.append(self.status))

    async def main() -> None:
        middlewares = [token_middleware(Broken("one"))]
        async with aiohttp.ClientSession(middlewares=middlewares) as session:
            with pytest.raises(RuntimeError, match="cannot renew"):
                await session.get(f"{stage.api.url}/x")

    stage.api.refused.add("Bearer one")
    asyncio.run(main())
    assert closed == [401]


def test_protocols_are_met() -> None:
    assert isinstance(Fake("a"), TokenProvider)
    assert isinstance(AsyncFake("a"), AsyncTokenProvider)


def test_each_door_has_its_transport_too() -> None:
    assert over_requests.RequestsTransport
    assert over_httpx.HttpxTransport
    assert over_httpx.AsyncHttpxTransport
    assert over_aiohttp.AiohttpTransport


def test_the_kit_is_reached_by_its_door() -> None:
    for name in integrations.__all__:
        assert getattr(integrations, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        integrations.nothing  # noqa: B018
