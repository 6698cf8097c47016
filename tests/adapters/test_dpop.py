"""Calls with a token that is bound to a key, at a server that checks each proof (RFC 9449)."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, cast

import anyio
import httpx
import pytest
import requests
from attrs import evolve
from joserfc import jws
from joserfc.jwk import JWKRegistry

from grantflow import (
    Client,
    DPoP,
    GrantError,
    MemoryStore,
    Provider,
    Request,
    Response,
    TokenSession,
    TokenSource,
)
from grantflow import TokenAuth as PlainAuth
from grantflow.integrations.httpx import TokenAuth
from grantflow.signing import dpop_key

KEY = dpop_key()


class Api(ThreadingHTTPServer):
    """Wants a proof for each call, with the nonce that it named last, and never one twice."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.nonce: str | None = None
        self.seen: list[tuple[str, str, int]] = []
        self.used: set[str] = set()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def judged(self, method: str, path: str, headers: dict[str, str]) -> str | None:
        """Return what is wrong with a call."""
        if headers.get("authorization") != "DPoP at-1":
            return "invalid_token"
        proof = headers.get("dpop", "")
        try:
            header, claims, _ = proof.split(".")
            told = cast("dict[str, dict[str, str | list[str]]]", json.loads(_opened(header)))
            jws.deserialize_compact(
                proof, JWKRegistry.import_key(told["jwk"]), algorithms=["ES256"]
            )
            said = cast("dict[str, str]", json.loads(_opened(claims)))
        except ValueError:
            return "invalid_dpop_proof"
        if said.get("nonce") != self.nonce:
            return "use_dpop_nonce"
        digest = urlsafe_b64encode(sha256(b"at-1").digest()).rstrip(b"=").decode()
        expected = {"htm": method, "htu": self.url + path.partition("?")[0], "ath": digest}
        wrong = {name for name, value in expected.items() if said[name] != value}
        if wrong or said["jti"] in self.used or told["jwk"] != dict(KEY.public):
            return "invalid_dpop_proof"
        self.used.add(said["jti"])
        return None


class _Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    moved: ClassVar[dict[str, str]] = {}

    def _answer(self) -> None:
        api = cast("Api", self.server)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): text for name, text in self.headers.items()}
        problem = api.judged(self.command, self.path, headers)
        target = self.path.partition("to=")[2]
        status = 401 if problem else 302 if target else 200
        api.seen.append((self.command, headers.get("dpop", ""), status))
        self.send_response(status)
        if problem:
            self.send_header("WWW-Authenticate", f'DPoP error="{problem}", algs="ES256"')
        if api.nonce is not None:
            self.send_header("DPoP-Nonce", api.nonce)
        if target and not problem:
            self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _opened(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.shutdown()
    made.server_close()


def source(key: DPoP | None = KEY, token_type: str = "DPoP") -> TokenSource:
    provider = Provider(name="acme", token_endpoint="https://acme.example/token")
    client = Client(provider=provider, client_id="app", dpop=key)
    body = json.dumps({"access_token": "at-1", "token_type": token_type}).encode()
    return TokenSource(
        client,
        "client_credentials",
        store=MemoryStore(),
        transport=lambda _: Response(200, {}, body),
    )


Get = Callable[[str], int]


def by_requests(source: TokenSource, origins: list[str] | None) -> Get:
    auth = TokenSession(source, origins).auth

    def get(url: str) -> int:
        with TokenSession(source, origins) as session:
            session.auth = auth
            return session.get(url, timeout=5).status_code

    return get


def by_httpx(source: TokenSource, origins: list[str] | None) -> Get:
    auth = TokenAuth(source, origins)

    def get(url: str) -> int:
        with httpx.Client(auth=auth, follow_redirects=True) as client:
            return client.get(url).status_code

    return get


def by_async_httpx(source: TokenSource, origins: list[str] | None) -> Get:
    auth = TokenAuth(source, origins)

    async def get(url: str) -> int:
        async with httpx.AsyncClient(auth=auth, follow_redirects=True) as client:
            return (await client.get(url)).status_code

    return lambda url: anyio.run(get, url)


def by_plain_requests(source: TokenSource, origins: list[str] | None) -> Get:
    auth = PlainAuth(source, origins)
    return lambda url: requests.get(url, auth=auth, timeout=5).status_code


adapters = pytest.mark.parametrize(
    "made", [by_requests, by_plain_requests, by_httpx, by_async_httpx]
)
Made = Callable[[TokenSource, "list[str] | None"], Get]


@adapters
def test_each_call_has_a_proof_of_its_own(made: Made, api: Api) -> None:
    get = made(source(), None)
    assert [get(f"{api.url}/a?x=1"), get(f"{api.url}/a?x=1")] == [200, 200]
    assert len(api.used) == 2


@adapters
def test_a_nonce_is_given_once_asked_for_and_then_remembered(made: Made, api: Api) -> None:
    api.nonce = "n-1"
    get = made(source(), None)
    assert [get(api.url), get(api.url)] == [200, 200]
    assert [status for _, _, status in api.seen] == [401, 200, 200]
    api.nonce = "n-2"  # the server moves on
    assert get(api.url) == 200
    assert [status for _, _, status in api.seen[3:]] == [401, 200]


@adapters
def test_a_server_that_is_never_content_gets_two_calls(made: Made, api: Api) -> None:
    class Fickle(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return False

        def __ne__(self, other: object) -> bool:
            return True

        __hash__ = str.__hash__

    api.nonce = Fickle("n-1")
    assert made(source(), None)(api.url) == 401
    assert len(api.seen) == 2


@adapters
def test_a_redirect_within_the_origin_gets_a_new_proof(made: Made, api: Api) -> None:
    refreshes = source()
    get = made(refreshes, None)
    assert get(f"{api.url}/a?to=/b") == 200
    assert refreshes.token() is refreshes.current  # nothing was renewed for it
    assert [status for _, _, status in api.seen if status != 401] == [302, 200]


@adapters
def test_each_origin_has_its_own_nonce_and_a_stranger_gets_no_proof(made: Made, api: Api) -> None:
    other, stranger = Api(), Api()
    try:
        api.nonce, other.nonce = "n-api", "n-other"
        get = made(source(), [api.url, other.url])
        assert [get(api.url), get(other.url), get(api.url), get(other.url)] == [200] * 4
        assert [len(each.seen) for each in (api, other)] == [3, 3]
        assert get(f"{api.url}/?to={stranger.url}/") == 401
        assert [proof for _, proof, _ in stranger.seen] == [""]
    finally:
        for each in (other, stranger):
            each.shutdown()
            each.server_close()


@adapters
def test_a_bearer_token_goes_without_a_proof(made: Made, api: Api) -> None:
    get = made(source(evolve(KEY, required=False), "Bearer"), None)
    assert get(api.url) == 401
    assert {proof for _, proof, _ in api.seen} == {""}


@adapters
def test_a_key_that_cannot_be_reached_is_told(made: Made, api: Api) -> None:
    signatures = [bytes(64)]  # for the request of the token, which nobody checks here

    def hsm(data: bytes) -> bytes:
        if signatures:
            return signatures.pop()
        raise OSError("no token in the slot")

    mine = source(evolve(KEY, key=hsm, required=False))
    with pytest.raises(GrantError, match="could not sign"):
        made(mine, None)(api.url)


def test_the_answer_that_asked_is_in_the_history(api: Api) -> None:
    api.nonce = "n-1"
    with TokenSession(source()) as session:
        answer: requests.Response = session.post(api.url, data=b"x", timeout=5)
    assert [each.status_code for each in answer.history] == [401]
    assert [method for method, _, _ in api.seen] == ["POST", "POST"]


@adapters
def test_a_proof_that_is_not_liked_is_made_anew_and_no_token_is_renewed(
    made: Made, api: Api
) -> None:
    asked: list[Request] = []
    provider = Provider(name="acme", token_endpoint="https://acme.example/token")
    body = json.dumps({"access_token": "at-1", "token_type": "DPoP", "refresh_token": "r"})

    def transport(request: Request) -> Response:
        asked.append(request)
        return Response(200, {}, body.encode())

    other = Client(provider=provider, client_id="app", dpop=dpop_key())  # the api knows another
    mine = TokenSource(other, "client_credentials", store=MemoryStore(), transport=transport)
    assert made(mine, None)(api.url) == 401
    assert [status for _, _, status in api.seen] == [401, 401]
    assert len(asked) == 1
