"""What the adapters remember between calls never outlives what it was made from."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from grantflow import (
    Client,
    GrantError,
    MemoryStore,
    Provider,
    Token,
    TokenAuth,
    TokenSource,
)
from grantflow.core.client.provider import origin_of
from grantflow.shell.auth.header import Origins, Spelling
from grantflow.signing import dpop_key

API = "https://api.example/v1/things"
CLIENT = Client(
    provider=Provider(name="as", token_endpoint="https://as.example/token"), client_id="app"
)


def prepared(url: str = API) -> requests.PreparedRequest:
    return requests.Request("GET", url).prepare()


def sourced(*tokens: Token, client: Client = CLIENT) -> TokenSource:
    left = list(tokens)
    return TokenSource(client, store=MemoryStore(), token=lambda: left.pop(0))


def test_a_renewed_token_is_spelt_anew() -> None:
    first, second = Token(access_token="at-1"), Token(access_token="at-2")
    source = sourced(first, second)
    auth = TokenAuth(source)
    request = prepared()
    assert auth(request).headers["Authorization"] == "Bearer at-1"
    assert auth(request).headers["Authorization"] == "Bearer at-1"
    source.try_renew(source.token())
    assert auth(request).headers["Authorization"] == "Bearer at-2"
    assert auth(prepared()).headers["Authorization"] == "Bearer at-2"


def test_a_type_that_is_not_understood_is_sent_only_as_the_caller_says() -> None:
    """RFC 6749 section 7.1: a client must not use a token whose type it does not understand."""
    tokens = [Token(access_token="at-1", token_type=kind) for kind in ("bearer", "dPoP", "mac")]
    own, named = Spelling("Authorization", None), Spelling("Authorization", "MAC")
    assert [own.text(each) for each in tokens[:2]] == ["Bearer at-1", "DPoP at-1"]
    with pytest.raises(GrantError, match="token_type 'mac' is neither Bearer nor DPoP") as caught:
        own.text(tokens[2])
    assert "at-1" not in str(caught.value)
    assert named.text(tokens[2]) == "MAC at-1"


def test_a_token_that_no_header_can_hold_is_refused_each_time_and_others_are_not() -> None:
    spelling = Spelling("Authorization", None)
    good, bad = Token(access_token="at-1"), Token(access_token="at-\u00e9")
    for _ in range(2):
        assert spelling.text(good) == "Bearer at-1"
        with pytest.raises(GrantError):
            spelling.text(bad)


def test_threads_with_different_tokens_get_their_own() -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # between any two steps of one, the others have a go
    spelling = Spelling("Authorization", None)
    start = threading.Barrier(4)

    def spell(number: int) -> set[str]:
        token = Token(access_token=f"at-{number}")
        start.wait()
        return {spelling.text(token) for _ in range(5_000)}

    try:
        with ThreadPoolExecutor(4) as threads:
            told = list(threads.map(spell, range(4)))
    finally:
        sys.setswitchinterval(usual)
    assert told == [{f"Bearer at-{each}"} for each in range(4)]


def test_another_origin_gets_nothing_however_often_it_is_asked_for() -> None:
    auth = TokenAuth(sourced(Token(access_token="at-1")))
    auth(prepared())
    for number in range(300):
        for elsewhere in ("http://api.example", "https://api.example:8443", "https://evil.example"):
            assert "Authorization" not in auth(prepared(f"{elsewhere}/{number % 150}")).headers
        own = auth(prepared(f"https://api.example:443/{number % 150}"))
        assert own.headers["Authorization"] == "Bearer at-1"


def test_each_adapter_has_origins_of_its_own() -> None:
    ours, theirs = Origins([API]), Origins(["https://other.example"])
    for _ in range(2):
        assert (API in ours, API in theirs) == (True, False)
    assert origin_of(API) == "https://api.example:443"


def test_each_preparation_gets_a_proof_of_its_own() -> None:
    client = Client(provider=CLIENT.provider, client_id="app", dpop=dpop_key())
    source = sourced(
        Token(access_token="at-1", token_type="DPoP"), Token(access_token="at-2"), client=client
    )
    auth = TokenAuth(source)
    request = prepared()
    proofs = {auth(request).headers["DPoP"] for _ in range(3)}
    assert len(proofs) == 3
    assert request.headers["Authorization"] == "DPoP at-1"
    source.try_renew(source.token())
    assert auth(request).headers["Authorization"] == "Bearer at-2"
    assert "DPoP" not in request.headers, "a bearer token goes without"
