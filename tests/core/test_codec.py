"""Tokens as JSON, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantflow import InvalidResponse, Token
from grantflow.core.codec import MEMBERS, dump_token, load_token
from grantflow.core.values.json import Members
from tests.support.samples import WALL
from tests.support.strategies import objects

visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
tokens = st.builds(
    Token,
    access_token=visible,
    token_type=visible,
    expires_at=st.none()
    | st.datetimes(WALL.replace(year=1971, tzinfo=None)).map(
        lambda when: when.replace(tzinfo=WALL.tzinfo)
    ),
    refresh_token=st.none() | visible,
    scope=st.lists(visible).map(tuple),
    id_token=st.none() | visible,
    extra=objects.map(Members),
    issued_at=st.none()
    | st.datetimes(WALL.replace(year=1971, tzinfo=None)).map(
        lambda when: when.replace(tzinfo=WALL.tzinfo)
    ),
)


@given(tokens)
def test_what_is_dumped_is_loaded(token: Token) -> None:
    document = json.loads(json.dumps(dump_token(token)))
    assert load_token(document).unwrap() == token
    assert set(document) <= MEMBERS


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "written by another version of grantflow"),
        ({"version": 2, "access_token": "x"}, "written by another version of grantflow"),
        ({"version": 1}, "access_token is missing"),
        ({"version": 1, "access_token": "a\nb"}, "access_token has characters that cannot be sent"),
        ({"version": object()}, "not a JSON value, or nested more than 32 deep"),
    ],
)
def test_what_cannot_be_loaded_says_why(document: dict[str, object], problem: str) -> None:
    assert load_token(document).failure() == InvalidResponse(f"stored token: {problem}")


@given(objects)
def test_loading_never_raises(document: dict[str, object]) -> None:
    load_token({"version": 1} | document)


def test_a_device_whose_clock_begins_in_1970_reads_what_it_wrote() -> None:
    at = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    made = Token(access_token="a", issued_at=at, expires_at=at + timedelta(hours=1))
    assert load_token(dump_token(made)).unwrap() == made


def test_a_time_that_is_none_is_as_if_it_were_not_said() -> None:
    document = {"version": 1, "access_token": "a", "expires_at": "tomorrow", "issued_at": "soon"}
    found = load_token(document).unwrap()
    assert (found.expires_at, found.issued_at) == (None, None)
