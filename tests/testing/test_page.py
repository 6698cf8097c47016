"""The approval page as pure functions: what it shows, and whose form decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from html.parser import HTMLParser
from typing import Final, Literal, TypedDict

import pytest

from grantflow import Request, Response, Secret
from grantflow.testing import Script, Server, answer, decided
from grantflow.testing.loopback.page import HEADERS, front, visit, waiting
from grantflow.testing.server.value import SignIn, Verdict

KEY: Final = "unguessable"
HOST: Final = "127.0.0.1:8000"
NOW: Final = timedelta(seconds=1)


def asked(
    client_id: str = "app", scope: str = "read", script: Script | None = None
) -> tuple[Server, SignIn]:
    """A server with one sign-in, and that sign-in."""
    server = Server(script or Script(), issuer=f"http://{HOST}")
    form = {"client_id": client_id, "scope": scope}
    server, _ = answer(server, Request(f"{server.issuer}/device", form=form), timedelta())
    return server, next(server.sign_ins.values())


def opened(server: Server, query: str = "", at: timedelta = NOW) -> Response:
    """What a GET shows; it leaves the server as it was."""
    request = Request(f"http://{HOST}/activate{query}", headers={"Host": HOST}, method="GET")
    after, response = visit(server, request, at, key=KEY)
    assert after is server
    return response


def pressed(
    server: Server,
    user_code: str,
    *,
    verdict: str = "approved",
    key: str = KEY,
    headers: Mapping[str, str] | None = None,
    at: timedelta = NOW,
) -> tuple[Server, Response]:
    """What pressing a button does, with everything right by default."""
    form = {"user_code": user_code, "key": key, "verdict": verdict}
    sent = {"Host": HOST} | dict(headers or {})
    return visit(server, Request(f"http://{HOST}/activate", form, sent), at, key=KEY)


def verdict_on(server: Server, found: SignIn) -> Verdict | None:
    now = server.sign_in(found.user_code)
    assert now is not None
    return now.verdict


class Outline(HTMLParser):
    """The elements of a page."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(response.body.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def every_page() -> Iterator[Response]:
    server, found = asked()
    yield front("http://127.0.0.1:8000")
    yield opened(server)
    yield opened(server, "?user_code=wrong")
    yield opened(server, f"?user_code={found.user_code}")
    yield opened(server, f"?user_code={found.user_code}", found.ends_at)
    for verdict in ("approved", "denied"):
        yield pressed(server, found.user_code, verdict=verdict)[1]
    yield pressed(server, found.user_code, key="")[1]


# What it shows


@pytest.mark.parametrize("response", [*every_page()])
def test_every_page_can_be_read_by_anybody_and_stands_alone(response: Response) -> None:
    page = Outline(response)
    assert page.all("html") == [{"lang": "en"}]
    assert [len(page.all(name)) for name in ("h1", "main", "title")] == [1] * 3
    labelled = {label["for"] for label in page.all("label")}
    ids = {attrs["id"] for _, attrs in page.found if "id" in attrs}
    for field in page.all("input"):
        assert field.get("type") == "hidden" or field["id"] in labelled
        assert set((field.get("aria-describedby") or "").split()) <= ids
    assert not page.all("script")
    for _, attrs in page.found:
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        assert all((attrs.get(name) or "/").startswith("/") for name in ("href", "src", "action"))
    assert {name: response.header(name) for name in HEADERS} == dict(HEADERS)


def test_a_keyboard_is_enough_and_nothing_is_decided_by_an_enter_too_many() -> None:
    server, found = asked()
    entry, question = opened(server), opened(server, f"?user_code={found.user_code}")
    assert "autofocus" in Outline(entry).all("input")[0]
    assert not [attrs for _, attrs in Outline(question).found if "autofocus" in attrs]
    buttons = Outline(question).all("button")
    assert [button["value"] for button in buttons] == ["approved", "denied"]
    assert not [attrs for _, attrs in Outline(question).found if "tabindex" in attrs]


def test_the_policy_lets_nothing_in_and_sends_the_form_nowhere_else() -> None:
    assert HEADERS["Content-Security-Policy"].split("; ") == [
        "default-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]


def test_the_question_names_the_code_the_client_and_the_scopes() -> None:
    server, found = asked("printer", "read write")
    html = opened(server, f"?user_code={found.user_code}").body.decode()
    for told in (found.user_code, "printer", "read write"):
        assert told in html


def test_what_others_chose_is_escaped() -> None:
    server, found = asked("<script>alert(1)</script>", '"><img src=x> a\u202eb')
    html = opened(server, f"?user_code={found.user_code}").body.decode()
    for forbidden in ("<script", "<img", "\u202e"):
        assert forbidden not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    typed = Outline(opened(server, "?user_code=%22%3E%3Cb%3E"))
    assert typed.all("input")[0]["value"] == '"><b>'
    assert not typed.all("b")
    assert not Outline(front("<b>")).all("b")


def test_text_that_no_page_can_hold_is_shown_all_the_same() -> None:
    server, found = asked("\ud800")
    assert b"\\ud800" in opened(server, f"?user_code={found.user_code}").body


# What a visit does


def test_without_a_code_it_asks_for_one() -> None:
    server, _ = asked()
    for query in ("", "?user_code=", "?user_code=+"):
        response = opened(server, query)
        assert response.status == 200
        assert [field["name"] for field in Outline(response).all("input")] == ["user_code"]


def test_a_code_is_found_as_a_person_types_it() -> None:
    server, found = asked()
    typed = found.user_code.replace("-", "+").lower()
    assert found.user_code.encode() in opened(server, f"?user_code={typed}").body


@pytest.mark.parametrize("verdict", ["approved", "denied"])
def test_pressing_a_button_decides(verdict: Verdict) -> None:
    server, found = asked()
    server, response = pressed(server, found.user_code, verdict=verdict)
    assert response.status == 200
    assert f"<h1>{verdict.capitalize()}</h1>".encode() in response.body
    assert verdict_on(server, found) == verdict


def test_the_first_decision_stands() -> None:
    server, found = asked()
    server, _ = pressed(server, found.user_code, verdict="denied")
    server, response = pressed(server, found.user_code, verdict="approved")
    assert response.status == 410
    assert verdict_on(server, found) == "denied"


class Wrong(TypedDict, total=False):
    """What a forger has or tells."""

    key: str
    headers: Mapping[str, str]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "é\udcff"},
        {"key": KEY[:-1]},
        {"headers": {"Origin": "https://evil.example"}},
        {"headers": {"Origin": "http://127.0.0.1:9000"}},
        {"headers": {"Origin": "null"}},
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
        {"headers": {"Sec-Fetch-Site": "same-site"}},
    ],
    ids=str,
)
def test_a_form_from_elsewhere_decides_nothing(wrong: Wrong) -> None:
    server, found = asked()
    after, response = pressed(server, found.user_code, **wrong)
    assert after is server
    assert response.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"},
        {"Origin": f"http://{HOST}"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_a_form_of_its_own_decides_whatever_the_browser_tells(headers: dict[str, str]) -> None:
    server, found = asked()
    assert pressed(server, found.user_code, headers=headers)[1].status == 200


def test_a_form_without_a_button_asks_again() -> None:
    server, found = asked()
    for verdict in ("", "maybe"):
        after, response = pressed(server, found.user_code, verdict=verdict)
        assert after is server
        assert len(Outline(response).all("button")) == 2


# Codes about which nobody can decide


def used(server: Server, found: SignIn) -> Server:
    """The server after its script approved and the device fetched its token."""
    form: dict[str, str | Secret] = {
        "client_id": found.client_id,
        "device_code": found.device_code,
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    }
    return answer(server, Request(f"{server.issuer}/token", form=form), timedelta(seconds=9))[0]


Why = Literal["unknown", "expired", "used", "approved", "denied"]


def blocked(why: Why) -> tuple[Server, str, timedelta]:
    server, found = asked(script=Script(approve_after=timedelta(seconds=2)))
    match why:
        case "unknown":
            return server, "BBBB-BBBB", NOW
        case "expired":
            return server, found.user_code, found.ends_at
        case "used":
            return used(server, found), found.user_code, NOW
        case "approved" | "denied":
            return decided(server, found.user_code, why), found.user_code, found.ends_at


@pytest.mark.parametrize("why", ["unknown", "expired", "used", "approved", "denied"])
def test_a_code_that_is_over_says_why_and_asks_for_another(why: Why) -> None:
    server, user_code, at = blocked(why)
    assert waiting(server, user_code, at) == why
    after, posted = pressed(server, user_code, at=at)
    assert after is server
    for response in (posted, opened(server, f"?user_code={user_code}", at)):
        assert response.status == (404 if why == "unknown" else 410)
        page = Outline(response)
        told = [attrs for _, attrs in page.found if attrs.get("id") == "why"]
        assert [attrs["role"] for attrs in told] == ["status" if why == "approved" else "alert"]
        field = page.all("input")[0]
        assert (field["value"] == user_code) is (why == "unknown")
        assert field["aria-describedby"] == "why"
