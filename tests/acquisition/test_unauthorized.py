"""What a 401 means, over the whole space, against a written table."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantflow import Token
from grantflow.core.acquisition.candidates import Origin
from grantflow.core.acquisition.unauthorized import (
    ProveAndReplay,
    Rejection,
    RenewAndReplay,
    Replay,
    Surrender,
    after_rejection,
    challenged_for,
    origins_of,
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
}


@pytest.mark.parametrize(("header", "code"), CHALLENGES.items())
def test_the_challenge_is_read(header: str | None, code: str | None) -> None:
    assert challenged_for(header) == code


@given(st.text())
def test_reading_a_challenge_never_raises(header: str) -> None:
    challenged_for(header)


def test_every_combination_is_decided_as_written() -> None:
    seen = 0
    for origin, current, (header, code), renewals, replayable, nonce, proved in product(
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
            (code == "insufficient_scope", Surrender()),
            (origin in ("given", "environment"), Surrender()),
            (renewals > 0, Surrender()),
            (not replayable, Surrender()),
            (current == NEW, Replay(NEW)),
            (True, RenewAndReplay()),
        ]
        expected = next(verdict for condition, verdict in rows if condition)
        assert after_rejection(hit) == expected, hit
        seen += 1
    assert seen == 4 * 3 * 15 * 3 * 2 * 2 * 2


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
    assert challenged_for(header, "DPoP") == code
