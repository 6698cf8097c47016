"""stanford.green.oauth2: its own scenarios, and what was wrong with it, on real sockets."""

from __future__ import annotations

import base64
import logging
import os
import pickle
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
import requests
from exponential_backoff_ca import ExponentialBackoff
from requests.adapters import HTTPAdapter

from grantflow import Failed, InvalidResponse, Refused, Unreachable
from grantflow.compat.stanford_green import (
    AccessToken,
    ApiAccessTokenEndpoint,
    TokenRequestError,
    UnusableAnswerError,
    Waits,
)
from grantflow.testing import Script, VirtualClock, serve
from tests.support.error_reports import shown
from tests.support.samples import seconds
from tests.support.wire_stage import HANGS_UP, SILENT, Said, wired

HOUR = Said(200, {"access_token": "at-1", "expires_in": 3600})
OTHER = Said(200, {"access_token": "at-2", "expires_in": 3600})
BUSY = Said(500, "<html>busy</html>")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRANTFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


class Fixed:
    """The least that a backoff is: no ``number_of_iterations``, no module of its own."""

    def __init__(self, *waits: float) -> None:
        self.waits = waits
        self.counter = 0

    def __iter__(self) -> Fixed:
        return self

    def __next__(self) -> float:
        if self.counter == len(self.waits):
            raise StopIteration
        self.counter += 1
        return self.waits[self.counter - 1]

    def reset(self) -> None:
        self.counter = 0


Make = Callable[..., ApiAccessTokenEndpoint]


@pytest.fixture
def make(clock: VirtualClock) -> Make:
    def made(
        url: str, kind: str = "oauth2", backoff: Waits | None = None, **options: object
    ) -> ApiAccessTokenEndpoint:
        options.setdefault("clock", clock)
        return ApiAccessTokenEndpoint(
            kind,
            url,
            "machine",
            "s3cret-word",
            backoff or Fixed(1, 2, 4),
            **options,  # type: ignore[arg-type]
        )

    return made


def basic(id_: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{id_}:{secret}".encode()).decode()


# The token


def test_a_token_of_nothing() -> None:
    with pytest.raises(ValueError, match="the token cannot be None"):
        AccessToken(None, NOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the token cannot be the empty string"):
        AccessToken("", NOW)


def test_a_time_without_an_offset() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="expires_at must be offset aware"):
        AccessToken("at-1", naive)
    token = AccessToken("at-1", NOW)
    with pytest.raises(ValueError, match="expires_at must be offset aware"):
        token.expires_at = naive


def test_how_long_a_token_lives(clock: VirtualClock) -> None:
    token = AccessToken("at-1", NOW + seconds(90), clock=clock)
    assert (token.token, token.expires_in(), token.is_expired()) == ("at-1", 90, False)
    clock.advance(seconds(90))
    assert (token.expires_in(), token.is_expired()) == (0, False)
    clock.advance(seconds(0.5))
    assert (token.expires_in(), token.is_expired()) == (0, True)
    clock.advance(seconds(59.5))
    assert token.expires_in() == -60
    token.expires_at = NOW + seconds(3600)
    assert (token.expires_in(), token.is_expired()) == (3600 - 150, False)


def test_zulu_time() -> None:
    pacific = datetime.fromisoformat("2024-07-28T14:42:34.9-07:00")
    assert AccessToken("at-1", pacific).zulu_time_string() == "2024-07-28T21:42:34Z"


def test_a_token_does_not_show_itself(clock: VirtualClock) -> None:
    token = AccessToken("at-secret", NOW + seconds(60), clock=clock)
    shown = "<token: ***, expires_at (UTC): 2026-01-01T00:01:00Z, expires_in (secs): 60>"
    assert str(token) == repr(token) == f"{token}" == shown
    assert "at-secret" not in repr(vars(token))


def test_a_token_is_pickled_as_the_original_pickles_it(clock: VirtualClock) -> None:
    token = AccessToken("at-secret", NOW + seconds(60), clock=clock)
    again = pickle.loads(pickle.dumps(token))
    assert (again.token, again.expires_at) == (token.token, token.expires_at)
    assert token.__getstate__() == {"token": "at-secret", "expires_at": NOW + seconds(60)}
    with pytest.raises(ValueError, match="not the state"):
        again.__setstate__({"token": "at"})


def test_a_token_is_replaced(clock: VirtualClock) -> None:
    token = AccessToken("at-1", NOW + seconds(60), clock=clock)
    token.token = "at-2"
    assert token.token == "at-2"
    assert "at-2" not in repr(vars(token))


# RequestFormat


def test_s1_a_token(make: Make) -> None:
    with wired(HOUR) as wire:
        endpoint = make(wire.url, use_cache=False, scopes=["read", "list"])
        token = endpoint.get_token()
        assert (token.token, token.expires_in()) == ("at-1", 3600)
        endpoint.get_token()
    assert len(wire.asked) == 2
    asked = wire.asked[0]
    assert asked.method == "POST"
    assert asked.headers["authorization"] == basic("machine", "s3cret-word")
    assert asked.headers["accept"] == "application/json"
    assert asked.form == {"grant_type": "client_credentials", "scope": "read list"}


def test_s1_against_a_whole_server(make: Make, clock: VirtualClock) -> None:
    with serve(Script(clients={"machine": "s3cret-word"}), clock=clock) as loopback:
        token = make(f"{loopback.issuer}/token", scopes=["read"]).get_token()
        headers = {"Authorization": f"Bearer {token.token}"}
        answer = requests.get(f"{loopback.issuer}/userinfo", headers=headers, timeout=5)
    assert answer.json()["client_id"] == "machine"


def test_no_scopes_may_be_none(make: Make) -> None:
    with wired(HOUR) as wire:
        endpoint = make(wire.url, scopes=None)
        endpoint.get_token()
    assert endpoint.scopes == []
    assert "scope" not in wire.asked[0].form


def test_the_header_is_raw(make: Make) -> None:
    with wired(HOUR) as wire:
        endpoint = make(wire.url)
        endpoint.client_id = "a b@c"
        endpoint.get_token()
    assert wire.asked[0].headers["authorization"] == basic("a b@c", "s3cret-word")


def test_s2_a_number_as_text(make: Make) -> None:
    with wired(Said(200, {"access_token": "at-1", "expires_in": "3599"})) as wire:
        assert make(wire.url).get_token().expires_in() == 3599


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"access_token": "at-1"}, KeyError),
        ({"access_token": "at-1", "expires_in": None}, ValueError),
        ({"access_token": "at-1", "expires_in": "soon"}, ValueError),
        ({"access_token": "at-1", "expires_in": 0}, ValueError),
        ({"expires_in": 60}, KeyError),
        ({"access_token": None, "expires_in": 60}, RuntimeError),
        ("<html>", ValueError),
        ([], ValueError),
        ("", ValueError),
    ],
)
def test_s3_a_200_without_what_was_asked_for(
    body: object, error: type[Exception], make: Make
) -> None:
    with wired(Said(200, body)) as wire:
        endpoint = make(wire.url)
        with pytest.raises(error) as caught:
            endpoint.get_token()
        assert isinstance(caught.value, UnusableAnswerError)
        assert str(caught.value)[0] != "'"  # as a KeyError would be shown
        assert endpoint.cache_get() is None
    assert len(wire.asked) == 1


def test_s4_trouble_that_passes(
    make: Make, clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    backoff = Fixed(3, 7, 9, 11)
    with wired(BUSY, SILENT, HOUR) as wire:
        endpoint = make(wire.url, backoff=backoff, timeout=3, verbose=True)
        assert endpoint.get_token().token == "at-1"
    assert "did not answer in time: no answer in time (attempt 2)" in capsys.readouterr().out
    assert len(wire.asked) == 3
    assert clock.slept == [seconds(3), seconds(7)]
    assert backoff.counter == 3


def test_s4_with_the_backoff_that_it_was_made_for(make: Make, clock: VirtualClock) -> None:
    backoff = ExponentialBackoff(3.0, 4, limit_value=10.0)
    with wired(BUSY, HANGS_UP, BUSY, HOUR) as wire:
        assert make(wire.url, backoff=backoff).get_token().token == "at-1"
    assert len(wire.asked) == 4
    assert all(timedelta() <= pause <= seconds(10) for pause in clock.slept)
    assert backoff.counter == 4


def test_s5_trouble_that_does_not_pass(make: Make, clock: VirtualClock) -> None:
    with wired(BUSY) as wire, pytest.raises(requests.HTTPError) as caught:
        make(wire.url).get_token()
    assert len(wire.asked) == 3
    assert clock.slept == [seconds(1), seconds(2)]  # and none after the last attempt
    assert str(caught.value) == (
        "token request failed; last error message: server error: HTTP 500 (HTML)"
    )
    assert isinstance(caught.value, TokenRequestError)
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, Unreachable)


def test_an_error_survives_a_pickle(make: Make) -> None:
    """Task runners send exceptions from process to process."""
    refused = Said(401, {"error": "invalid_client"})
    with wired(refused) as wire, pytest.raises(TokenRequestError) as caught:
        make(wire.url).get_token()
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.problem) == (str(caught.value), caught.value.problem)


@pytest.mark.parametrize("kind", ["oauth2", "acs_api"])
@pytest.mark.parametrize(
    "refusal",
    [
        Said(400, {"error": "invalid_client"}),
        Said(401, {"error": "invalid_client"}),
        Said(401, "<html>who are you"),
        Said(403, "no"),
        Said(404, ""),
    ],
)
def test_a_refusal_is_not_asked_for_again(refusal: Said, kind: str, make: Make) -> None:
    with wired(refusal) as wire, pytest.raises(requests.HTTPError) as caught:
        make(wire.url, kind).get_token()
    assert len(wire.asked) == 1
    assert isinstance(caught.value, TokenRequestError)
    assert isinstance(caught.value.problem, Failed)
    assert isinstance(caught.value.problem.error, Refused | InvalidResponse)
    assert str(caught.value).startswith("token request failed; last error message: ")


def test_the_backoff_is_not_used_up(make: Make) -> None:
    backoff = ExponentialBackoff(1.0, 3)
    with wired(BUSY) as wire:
        endpoint = make(wire.url, backoff=backoff)
        for calls in (1, 2, 3):
            with pytest.raises(requests.HTTPError):
                endpoint.get_token()
            assert len(wire.asked) == 3 * calls
    with wired(BUSY, HOUR, BUSY, BUSY, OTHER) as wire:
        endpoint = make(wire.url, backoff=backoff, use_cache=False)
        assert endpoint.get_token().token == "at-1"
        assert endpoint.get_token().token == "at-2"


def test_the_server_s_own_pause_is_obeyed(make: Make, clock: VirtualClock) -> None:
    busy = Said(503, "", {"Retry-After": "30"})
    with wired(busy, busy, HOUR) as wire:
        make(wire.url, backoff=Fixed(1, 60, 1)).get_token()
    assert clock.slept == [seconds(30), seconds(60)]


def test_a_pause_of_five_minutes_is_slept(make: Make, clock: VirtualClock) -> None:
    with wired(Said(429, "", {"Retry-After": "300"}), HOUR) as wire:
        assert make(wire.url).get_token().token == "at-1"
    assert clock.slept == [seconds(300)]


def test_a_pause_of_hours_is_not_slept(make: Make, clock: VirtualClock) -> None:
    busy = Said(429, "", {"Retry-After": "7200"})
    with wired(busy) as wire, pytest.raises(requests.HTTPError, match="asked to wait"):
        make(wire.url).get_token()
    assert len(wire.asked) == 1
    assert clock.slept == []


def test_a_backoff_that_allows_nothing(make: Make) -> None:
    with wired(HOUR) as wire, pytest.raises(ValueError, match="exp_backoff: it allows no attempt"):
        make(wire.url, backoff=Fixed()).get_token()
    assert wire.asked == []


@pytest.mark.parametrize("kind", ["oauth2", "acs_api"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused(status: int, kind: str, make: Make) -> None:
    with (
        wired(HOUR) as elsewhere,
        wired(Said(status, "", {"Location": elsewhere.url})) as wire,
        pytest.raises(requests.HTTPError, match="a redirect, which is never followed"),
    ):
        make(wire.url, kind).get_token()
    assert len(wire.asked) == 1
    assert elsewhere.asked == []


# The cache


def test_s6_the_second_time_nobody_is_asked(make: Make, clock: VirtualClock) -> None:
    with wired(HOUR, OTHER) as wire:
        endpoint = make(wire.url)
        first = endpoint.get_token()
        clock.advance(seconds(60))
        second = endpoint.get_token()
        again = make(wire.url).get_token()  # another object, as in another process
    assert len(wire.asked) == 1
    assert [each.token for each in (first, second, again)] == ["at-1"] * 3
    assert second.expires_at == again.expires_at == NOW + seconds(3600)
    assert second.expires_in() == 3540


@pytest.mark.parametrize("life", [1, 5])
def test_s7_what_is_about_to_end_is_not_cached(life: int, make: Make) -> None:
    brief = Said(200, {"access_token": "at-1", "expires_in": life})
    with wired(brief, OTHER) as wire:
        endpoint = make(wire.url)
        assert endpoint.get_token().token == "at-1"
        assert endpoint.cache_get() is None
        assert endpoint.get_token().token == "at-2"


def test_s7_an_entry_ends_five_seconds_early(make: Make, clock: VirtualClock) -> None:
    with wired(HOUR, OTHER) as wire:
        endpoint = make(wire.url)
        endpoint.get_token()
        clock.advance(seconds(3594))
        assert endpoint.get_token().token == "at-1"
        clock.advance(seconds(1))
        assert endpoint.cache_get() is None
        assert endpoint.get_token().token == "at-2"


def test_s8_an_end_in_the_past(make: Make) -> None:
    with wired(HOUR, OTHER) as wire:
        endpoint = make(wire.url)
        token = endpoint.get_token(expires_at_override=NOW - seconds(1))
        assert (token.token, token.is_expired()) == ("at-1", True)
        assert endpoint.get_token().token == "at-2"


def test_s8_an_end_of_the_caller_s_own(make: Make, clock: VirtualClock) -> None:
    with wired(HOUR, OTHER, OTHER) as wire:
        endpoint = make(wire.url)
        assert endpoint.get_token(NOW + seconds(60)).expires_in() == 60
        assert endpoint.get_token(NOW + seconds(9_999)).expires_in() == 60  # it was cached
        clock.advance(seconds(55))
        assert endpoint.get_token().token == "at-2"
        without = make(wire.url, use_cache=False)
        assert without.get_token(NOW + seconds(60)).expires_at == NOW + seconds(60)


def test_s8_an_end_without_an_offset_costs_no_request(make: Make) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with wired(HOUR) as wire:
        for use_cache in (True, False):
            with pytest.raises(ValueError, match="^expires_at_override must be offset aware$"):
                make(wire.url, use_cache=use_cache).get_token(naive)
    assert wire.asked == []


def test_what_a_caller_caches(make: Make, clock: VirtualClock) -> None:
    with wired(HOUR) as wire:
        endpoint = make(wire.url)
        assert endpoint.cache_get() is None
        mine = AccessToken("mine", NOW + seconds(100), clock=clock)
        endpoint.cache_set(mine, 20)
        found = endpoint.get_token()
        assert (found.token, found.expires_in()) == ("mine", 100)
        endpoint.cache_set(mine, 0)
        assert endpoint.cache_get() is None
        assert wire.asked == []
        without = make(wire.url, use_cache=False)
        without.cache_set(mine, 20)
        assert without.cache_get() is None
        assert endpoint.cache_get() is None


@pytest.mark.parametrize("left", [-1, 0, 5])
def test_a_caller_s_cache_gives_out_nothing_that_has_ended(
    left: int, make: Make, clock: VirtualClock
) -> None:
    with wired(HOUR) as wire:
        endpoint = make(wire.url)
        endpoint.cache_set(AccessToken("mine", NOW + seconds(left), clock=clock), 3600)
        assert endpoint.cache_get() is None
        assert endpoint.get_token().token == "at-1"
        endpoint.cache_set(AccessToken("mine", NOW + seconds(60), clock=clock), 3600)
        clock.advance(seconds(54))
        assert endpoint.get_token().token == "mine"
        clock.advance(seconds(1))  # an entry ends 5 seconds before its token
        assert endpoint.cache_get() is None


def test_the_cache_is_kept_by_client_scope_and_kind(make: Make) -> None:
    def endpoint(url: str, id_: str = "one", **options: object) -> ApiAccessTokenEndpoint:
        found = make(url, **options)
        found.client_id = id_
        return found

    numbered = [Said(200, {"access_token": f"at-{each}", "expires_in": 60}) for each in range(9)]
    with wired(*numbered) as wire:
        found = [
            endpoint(wire.url).get_token(),
            endpoint(wire.url, "two").get_token(),
            endpoint(wire.url, scopes=["read"]).get_token(),
            endpoint(wire.url, scopes=["read", "list"]).get_token(),
            endpoint(wire.url, grant_type="urn:example:own").get_token(),
            endpoint(wire.url + "/other").get_token(),
            endpoint(wire.url, scopes="list read").get_token(),
        ]
    assert [each.token for each in found] == [f"at-{each}" for each in (0, 1, 2, 3, 4, 5, 3)]
    assert wire.asked[4].form["grant_type"] == "urn:example:own"
    with wired(HOUR, acs()) as wire:
        assert make(wire.url, "oauth2").get_token().expires_in() == 3600
        assert make(wire.url, "acs_api").cache_get() is None


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_the_cache_is_private_and_plain(make: Make, home: Path, tmp_path: Path) -> None:
    with wired(HOUR) as wire:
        make(wire.url).get_token()
        make(wire.url, cache_dir=tmp_path / "mine").get_token()
    for folder in (home / "tokens", tmp_path / "mine"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (file,) = folder.glob("*.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_bytes().startswith(b"{")
        assert b"s3cret-word" not in file.read_bytes()


def test_the_cache_may_be_below_the_home(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with wired(HOUR) as wire:
        make(wire.url, cache_dir="~/mine").get_token()
    assert len([*(tmp_path / "mine").glob("*.json")]) == 1


def test_a_cache_that_is_damaged_costs_a_request(
    make: Make, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with wired(HOUR, OTHER) as wire:
        make(wire.url).get_token()
        (file,) = (home / "tokens").glob("*.json")
        for damage in (b"\x80\x04evil pickle", b"{}", b""):
            file.write_bytes(damage)
            assert make(wire.url).get_token().token == "at-2"
    assert "damaged" in caplog.text


def test_a_cache_that_cannot_be_used_costs_no_token(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with wired(HOUR) as wire:
        endpoint = make(wire.url, cache_dir=tmp_path / "file" / "folder")
        assert endpoint.get_token().token == "at-1"
    assert "the cache cannot be used: " in caplog.text


def crowd() -> Callable[[], None]:
    """Holds each answer back until a second one is asked for, which must not be, or for a while."""
    came: list[None] = []
    second = threading.Event()

    def before() -> None:
        came.append(None)
        if len(came) > 1:
            second.set()
        second.wait(0.3)

    return before


def test_one_thread_asks_for_all(make: Make) -> None:
    with wired(HOUR, OTHER, before=crowd()) as wire:
        endpoints = [make(wire.url) for _ in range(4)] * 3
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda each=each: found.append(each.get_token().token))
            for each in endpoints
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert found == ["at-1"] * 12
    assert len(wire.asked) == 1


def test_threads_that_share_an_endpoint_share_no_attempts(make: Make, clock: VirtualClock) -> None:
    """The state of ``exp_backoff`` belongs to one call at a time."""
    with wired(BUSY, before=crowd()) as wire:
        endpoint = make(wire.url, use_cache=False)
        both = threading.Barrier(2)

        def failed() -> bool:
            both.wait(60)
            with pytest.raises(TokenRequestError):
                endpoint.get_token()
            return True

        with ThreadPoolExecutor(2) as pool:
            assert [each.result(60) for each in [pool.submit(failed) for _ in range(2)]]
    assert len(wire.asked) == 6
    assert clock.slept == [seconds(1), seconds(2)] * 2


PROCESS = """
import sys
from grantflow.compat.stanford_green import ApiAccessTokenEndpoint

class Once:
    counter = 0
    def __iter__(self): return iter([0.0])
    def reset(self): pass

endpoint = ApiAccessTokenEndpoint("oauth2", sys.argv[1], "one", "s3cret", Once())
print(endpoint.cache_get(), flush=True)
sys.stdin.readline()
print(endpoint.get_token().token)
"""


def test_one_process_asks_for_all() -> None:
    with wired(HOUR, OTHER, before=crowd()) as wire:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROCESS, wire.url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "None\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        found = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert found == ["at-1"] * 4
    assert len(wire.asked) == 1


# The other dialect


END = "2026-01-01T01:00:00Z"


def acs(expires_at: object = END) -> Said:
    return Said(200, {"access_token": "at-1", "expires_at": expires_at, "expires_in": 7})


def test_s9_acs(make: Make) -> None:
    with wired(acs()) as wire:
        endpoint = make(wire.url, "acs_api", scopes=["of", "no", "use"])
        token = endpoint.get_token()
        assert (endpoint.is_acs_api(), endpoint.is_oauth2()) == (True, False)
        assert endpoint.get_token().token == token.token == "at-1"
    assert token.expires_at == NOW + seconds(3600)
    (asked,) = wire.asked
    assert (asked.method, asked.target, asked.body) == ("GET", "/token", "")
    assert asked.headers["client-id"] == "machine"
    assert asked.headers["client-secret"] == "s3cret-word"
    assert asked.headers["accept"] == "application/json"
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    "expires_at", ["2024-07-28T21:42:34", "2024-07-28 21:42:34Z", "2024-13-28T21:42:34Z", 7, None]
)
def test_s10_acs_with_a_bad_time(expires_at: object, make: Make) -> None:
    with wired(acs(expires_at)) as wire, pytest.raises(ValueError, match="expires_at in Zulu time"):
        make(wire.url, "acs_api").get_token()
    assert len(wire.asked) == 1


def test_s10_zulu_times(make: Make) -> None:
    for text in ("2026-01-01T00:30:00.123456789Z", "2026-01-01T00:30:00.1Z"):
        with wired(acs(text)) as wire:
            assert make(wire.url, "acs_api").get_token().expires_in() == 1800


@pytest.mark.parametrize("use_basic_auth", [True, False])
def test_s11_the_secret_is_in_one_place(use_basic_auth: bool, make: Make) -> None:
    with wired(HOUR) as wire:
        make(wire.url, use_basic_auth=use_basic_auth).get_token()
    (asked,) = wire.asked
    in_header = asked.headers.get("authorization") == basic("machine", "s3cret-word")
    in_body = asked.form.get("client_secret") == "s3cret-word"
    assert (in_header, in_body) == (use_basic_auth, not use_basic_auth)
    assert "client-secret" not in asked.headers


def test_one_mode_s_secret_does_not_stay_for_the_next(make: Make) -> None:
    with wired(acs(), HOUR, acs()) as wire:
        endpoint = make(wire.url, "acs_api", use_cache=False)
        endpoint._get_token_acs_api()  # noqa: SLF001
        endpoint._get_token_oauth2()  # noqa: SLF001
        endpoint._get_token()  # noqa: SLF001
    assert "client-secret" in wire.asked[0].headers
    assert "client-secret" not in wire.asked[1].headers
    assert "authorization" not in wire.asked[2].headers


def test_s12_an_unknown_endpoint_type(make: Make) -> None:
    with pytest.raises(ValueError, match="endpoint_type: acs_api or oauth2 is needed, not 'x'"):
        make("https://api.example", "x")


def test_what_cannot_be_used_is_told_at_once(make: Make) -> None:
    for url in ("", "api.example", "http://api.example/token"):
        for kind in ("oauth2", "acs_api"):
            with pytest.raises(ValueError, match="^url: must"):
                make(url, kind)
    with pytest.raises(ValueError, match="secret: it is empty"):
        ApiAccessTokenEndpoint("oauth2", "https://api.example", "one", "", Fixed(1))
    with pytest.raises(ValueError, match="client_id: it is empty"):
        ApiAccessTokenEndpoint("oauth2", "https://api.example", "", "s3cret", Fixed(1))


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), "15", (1, 0), (1, "x")])
def test_a_time_that_is_none_is_told_at_once(timeout: object, make: Make) -> None:
    with pytest.raises(ValueError, match="^timeout: a positive number of seconds is needed, not "):
        make("https://api.example", timeout=timeout)


def test_a_secret_that_no_header_can_hold_is_not_tried_again_and_again() -> None:
    """As it comes from a file, with its last line break; in ``Authorization`` it is encoded."""
    url, secret = "https://api.example", "s3cret-word\n"
    with pytest.raises(ValueError, match="^secret: no header can hold it") as caught:
        ApiAccessTokenEndpoint("acs_api", url, "one", secret, Fixed(1))
    assert shown(caught.value, "s3cret-word") == []
    assert ApiAccessTokenEndpoint("oauth2", url, "one", secret, Fixed(1)).is_oauth2()


def test_an_international_host(make: Make) -> None:
    for host in ("bücher.example", "xn--bcher-kva.example"):
        assert make(f"https://{host}/token").cache_get() is None


def test_progress(
    make: Make, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with wired(BUSY, HOUR) as wire:
        endpoint = make(wire.url, verbose=True)
        endpoint.get_token()
        endpoint.get_token()
        make(wire.url, use_cache=False).get_token()
        endpoint.progress("mine")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[progress] 2026-01-01 00:00:00+00:00 cache MISS"
    assert [line.split("+00:00 ")[1] for line in lines] == [
        "cache MISS",
        "server error: HTTP 500 (HTML) (attempt 1)",
        "cache HIT",
        "mine",
    ]
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("grantflow.")]
    assert ours[-2:] == ["the cache is not used", "mine"]


def test_nothing_shows_a_secret(
    make: Make, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    told: list[str] = []
    echo = {"error": "invalid_client", "error_description": "s3cret-word is wrong"}
    for kind in ("oauth2", "acs_api"):
        with wired(BUSY, acs(), Said(401, echo)) as wire:
            endpoint = make(wire.url, kind, verbose=True)
            told += [repr(endpoint.get_token()), repr(vars(endpoint))]
            endpoint.use_cache = False
            endpoint.use_basic_auth = False
            with pytest.raises(TokenRequestError) as caught:
                endpoint.get_token()
            told += [str(caught.value), repr(caught.value), repr(caught.value.problem)]
    told += [*capfd.readouterr(), *caplog.messages]
    for text in ("s3cret-word", "at-1", basic("machine", "s3cret-word")):
        assert text not in "".join(told)


class Boom(BaseException):
    """What nobody expects, wherever it strikes: Ctrl-C, or a bug in a library."""


def strikes(*_: object, **__: object) -> NoReturn:
    raise Boom


@pytest.mark.parametrize("kind", ["oauth2", "acs_api"])
def test_no_frame_of_ours_shows_a_secret(
    kind: str, make: Make, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reporter of errors sends all local variables away, not only the messages."""
    failed: list[BaseException] = []

    def fails(action: Callable[[], object]) -> None:
        with pytest.raises((Exception, Boom)) as caught:
            action()
        failed.append(caught.value)

    for url, type_ in (("https://api.example", "x"), ("http://api.example", kind)):
        fails(lambda url=url, type_=type_: make(url, type_))
    fails(lambda: make("https://api.example", kind, scopes=7))
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    fails(lambda: AccessToken("at-1", naive))
    echo = {"error": "invalid_client", "error_description": "s3cret-word is wrong"}
    for said in (Said(401, echo), Said(200, {"access_token": "at-1"}), BUSY):
        with wired(said) as wire:
            fails(make(wire.url, kind).get_token)

    good = Said(200, {"access_token": "at-1", "expires_in": 60, "expires_at": END})
    with wired(good) as wire:
        endpoint = make(wire.url, kind)
        for where, name in ((HTTPAdapter, "send"), (os, "fsync"), (VirtualClock, "now")):
            with monkeypatch.context() as patch:
                patch.setattr(where, name, strikes)
                fails(endpoint.get_token)
        fails(lambda: endpoint.get_token(naive))
        endpoint.get_token()
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", strikes)
            fails(endpoint.cache_get)
    assert len(failed) == 12
    words = ("s3cret-word", "at-1", basic("machine", "s3cret-word").split()[1])
    assert [place for error in failed for place in shown(error, *words)] == []
