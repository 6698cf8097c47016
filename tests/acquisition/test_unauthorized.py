"""What a 401 means, over the whole space, against a written table."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantflow import Token
from grantflow.core.acquisition.challenge import challenge_for, challenges
from grantflow.core.acquisition.serving import Origin
from grantflow.core.acquisition.unauthorized import (
    ProveAndReplay,
    Rejection,
    RenewAndReplay,
    Replay,
    Surrender,
    after_rejection,
    origins_of,
    token_origin,
)
from grantflow.core.client.provider import origin_of

OLD, NEW = Token(access_token="old"), Token(access_token="new")
CHALLENGES = {
    None: None,
    "": None,
    "Bearer": None,
    'Bearer realm="api"': None,
    'Bearer error="invalid_token"': "invalid_token",
    "Bearer error=invalid_token": "invalid_token",
    'Bearer realm="a", error="insufficient_scope", scope="x"': "insufficient_scope",
    'bearer ERROR="insufficient_scope"': "insufficient_scope",
    'Basic realm="x", Bearer error="insufficient_scope"': "insufficient_scope",
    'Bearer realm="error=\\"insufficient_scope\\"", error="invalid_token"': "invalid_token",
    'Bearer error_description="error=insufficient_scope"': None,
    'Bearer x_error="insufficient_scope"': None,
    'DPoP error="use_dpop_nonce", algs="ES256"': "use_dpop_nonce",
    'DPoP algs="ES256", error="invalid_dpop_proof"': "invalid_dpop_proof",
    'DPoP error="use_dpop_nonce", Bearer error="invalid_token"': "invalid_token",
    'Bearer error="insufficient_user_authentication", acr_values="x", max_age=5': (
        "insufficient_user_authentication"
    ),
    'Bearer error="insufficient_claims", claims="e30="': "insufficient_claims",
}


@pytest.mark.parametrize(("header", "code"), CHALLENGES.items())
def test_the_challenge_is_read(header: str | None, code: str | None) -> None:
    assert error_of(header) == code


def error_of(header: str | None, scheme: str = "Bearer") -> str | None:
    found = challenge_for(header, scheme)
    return None if found is None else found.error


@given(st.text())
def test_reading_a_challenge_never_raises(header: str) -> None:
    challenges(header)


def test_every_combination_is_decided_as_written() -> None:
    seen = 0
    for status, origin, current, (header, code), renewals, replayable, nonce, proved in product(
        (401, 403, 400),
        get_args(Origin),
        (None, OLD, NEW),
        CHALLENGES.items(),
        (0, 1, 2),
        (True, False),
        (None, "n-1"),
        (True, False),
    ):
        hit = Rejection(
            sent=OLD,
            status=status,
            origin=origin,
            current=current,
            challenge=header,
            renewals=renewals,
            replayable=replayable,
            nonce=nonce,
            proved=proved,
        )
        asked = code == "use_dpop_nonce"
        rows = [
            (asked and nonce == "n-1" and not proved and replayable, ProveAndReplay()),
            (asked, Surrender()),
            (code == "invalid_dpop_proof" and not proved and replayable, ProveAndReplay()),
            (code == "invalid_dpop_proof", Surrender()),
            (
                str(code).startswith("insufficient_"),
                Surrender(challenge_for(header, "Bearer")),
            ),
            (status != 401 and code != "invalid_token", Surrender()),
            (origin in ("given", "environment"), Surrender()),
            (renewals > 0, Surrender()),
            (not replayable, Surrender()),
            (current == NEW, Replay(NEW)),
            (True, RenewAndReplay()),
        ]
        expected = next(verdict for condition, verdict in rows if condition)
        assert after_rejection(hit) == expected, hit
        seen += 1
    assert seen == 3 * 4 * 3 * len(CHALLENGES) * 3 * 2 * 2 * 2


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.example/v1?x", "https://api.example:443"),
        ("HTTPS://API.EXAMPLE:443", "https://api.example:443"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://user@api.example", "https://api.example:443"),
        ("http://[::1]:99999", None),
        ("https://", None),
        ("ftp://api.example", None),
        ("ftp://api.example:21/", None),
        ("api.example", None),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


def test_origins_are_told_by_urls() -> None:
    assert origins_of(["https://a.example/x", "https://a.example/y"]) == {"https://a.example:443"}
    with pytest.raises(ValueError, match="origins: 'a.example' is no http or https URL"):
        origins_of(["a.example"])


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ('Bearer error="invalid_token", DPoP error="use_dpop_nonce"', "use_dpop_nonce"),
        ('Bearer error="insufficient_scope", dpop algs="ES256", error=x', "x"),
        ('Bearer error="invalid_token", DPoP algs="ES256"', "invalid_token"),
        ('Negotiate abc==, DPoP error="use_dpop_nonce"', "use_dpop_nonce"),
    ],
)
def test_the_challenge_of_the_scheme_that_was_sent_counts(header: str, code: str) -> None:
    assert error_of(header, "DPoP") == code


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.example/v1", "https://api.example:443"),
        ("http://localhost:8000/x", "http://localhost:8000"),
        ("http://[::1]/", "http://[::1]:80"),
        ("https://user:pw@api.example/", "https://api.example:443"),
        ("http://api.example/v1", None),
        ("https://api.example\\@evil.example/", None),
        ("https://a@b@evil.example/", None),
        ("http://127.0.0.1%2f.evil.example/", None),
    ],
)
def test_a_token_goes_over_https_or_to_this_machine(url: str, origin: str | None) -> None:
    assert token_origin(url) == origin
    if origin is None:
        with pytest.raises(ValueError, match=r"^origins: "):
            origins_of([url])


def test_a_challenge_is_a_value() -> None:
    header = (
        'Basic, Bearer realm="a, \\"b\\"", error="insufficient_user_authentication" , '
        'acr_values="mfa", max_age=5, resource_metadata="https://api.example/.well-known/x"'
    )
    basic, bearer = challenges(header)
    assert (basic.scheme, basic.parameters, basic.error) == ("Basic", (), None)
    assert (bearer.get("realm"), bearer.get("acr_values")) == ('a, "b"', "mfa")
    assert (bearer.get("max_age"), bearer.get("scope")) == ("5", None)
    assert bearer.resource_metadata == "https://api.example/.well-known/x"


@pytest.mark.parametrize("piece", ['a="', "a=", 'a="\\', "a ", "=", '"', ",", "\\", "a=b,", " "])
def test_reading_a_header_is_linear_in_its_length(piece: str) -> None:
    """What is read is bounded, so a header of any length costs what a short one does."""
    calls = 0

    class Counted(str):
        __slots__ = ()

        def __getitem__(self, key: object) -> str:
            nonlocal calls
            calls += 1
            found = str.__getitem__(self, key)  # type: ignore[index]
            return Counted(found) if len(found) > 100 else found

    for length in (1000, 8000):
        calls = 0
        challenges(Counted(piece * (length // len(piece))))
        assert calls <= 8 * length
