"""What people read holds nothing that a terminal obeys, and says what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from grantflow import (
    Cancelled,
    Denied,
    DeviceAuthorization,
    Expired,
    Failed,
    Fault,
    InteractionRequired,
    InvalidResponse,
    Problem,
    Refused,
    Unreachable,
)
from grantflow.core.messages import invitation, sentence
from grantflow.core.values.text import escaped
from tests.support.samples import instant


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = escaped(text)
    assert shown.isprintable()
    shown.encode()  # no lone surrogate
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in shown)


@pytest.mark.parametrize(
    "character",
    ["\x1b", "\n", "\r", "\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\ud800", "\x7f"],
)
def test_each_of_these_is_escaped(character: str) -> None:
    assert escaped(f"a{character}b") == f"a\\u{ord(character):04x}b"


def test_other_scripts_stay_as_they_are() -> None:
    assert escaped("Grüße, 世界 — ok") == "Grüße, 世界 — ok"


def code(complete: str | None) -> DeviceAuthorization:
    return DeviceAuthorization(
        "dc", "WD\x1bJB", "https://a.example/\u202e", instant(9), verification_uri_complete=complete
    )


def test_where_there_is_no_code_none_is_asked_for() -> None:
    shown = invitation(DeviceAuthorization("dc", "", "https://a.example/", instant(9)))
    assert shown[1:] == ("  https://a.example/",)


def test_the_link_stands_alone_with_the_code_beside_it() -> None:
    assert invitation(code(None)) == (
        "To sign in, open this link in any browser, on any device:",
        "  https://a.example/\\u202e",
        "and enter the code:",
        "  WD\\u001bJB",
    )


def test_the_complete_link_still_shows_the_code() -> None:
    lines = invitation(code("https://a.example/?c=WDJB"))
    assert lines[1:] == (
        "  https://a.example/?c=WDJB",
        "and check that it shows the code:",
        "  WD\\u001bJB",
    )


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Expired(), "the sign-in expired before it was completed"),
        (
            Expired(Fault("http", "maybe", "HTTP 502")),
            "the sign-in expired before it was completed: server error: HTTP 502",
        ),
        (
            Expired(Fault("http", "maybe", "HTTP 503", retry_after=timedelta(minutes=15))),
            (
                "the sign-in expired before it was completed: server error: HTTP 503; "
                "ask again in 900 s"
            ),
        ),
        (Failed(Denied()), "the sign-in was denied"),
        (Failed(Denied("by\x1b you")), "the sign-in was denied (by\\u001b you)"),
        (Failed(Refused("invalid_scope")), "the server refused: invalid_scope"),
        (Failed(Refused("x\n", "y\n")), "the server refused: x\\u000a (y\\u000a)"),
        (
            Failed(InvalidResponse("HTTP 200: HTML")),
            "invalid response from the server: HTTP 200: HTML",
        ),
        (Failed(Unreachable(Fault("refused", "no"), 1)), "no connection to the server"),
        (
            Failed(Unreachable(Fault("name", "no", "as.example"), 5)),
            "the server's name could not be resolved: as.example after 5 tries",
        ),
        (
            Failed(
                Unreachable(
                    Fault("http", "maybe", "HTTP 503", retry_after=timedelta(seconds=6.5)), 5
                )
            ),
            "server error: HTTP 503 after 5 tries; ask again in 7 s",
        ),
        (Failed(Cancelled()), "the sign-in was canceled"),
        (
            InteractionRequired("the stored token was refused"),
            "the stored token was refused; sign-in required, but prompting is disabled",
        ),
        (InteractionRequired(), "sign-in required, but prompting is disabled"),
    ],
)
def test_every_problem_is_one_sentence(problem: Problem, expected: str) -> None:
    assert sentence(problem) == expected


def test_where_no_code_is_shown_the_link_is_enough() -> None:
    lines = invitation(evolve(code(None), user_code=""))
    assert len(lines) == 2
    assert lines[1].startswith("  https://a.example/")
