"""The approval page as pure functions: what it shows, whom it believes, and its colours."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from html.parser import HTMLParser
from typing import Final, Literal, TypedDict

import pytest
from attrs import evolve

from grantflow import Request, Response, Secret
from grantflow.testing import Script, Server, answer, decided
from grantflow.testing.page import (
    COOKIE,
    HEADERS,
    STYLE,
    entry,
    front,
    proof,
    question,
    refusal,
    result,
    shown,
    visit,
    waiting,
)
from grantflow.testing.server import SignIn, Verdict

KEY: Final = b"k" * 32
BROWSER: Final = "b" * 32
FRESH: Final = "f" * 32
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


def opened(
    server: Server, query: str = "", at: timedelta = NOW, cookie: str | None = BROWSER
) -> Response:
    """What a GET shows; it leaves the server as it was."""
    headers = {"Host": HOST} | ({} if cookie is None else {"Cookie": f"{COOKIE}={cookie}"})
    request = Request(f"http://{HOST}/activate{query}", headers=headers, method="GET")
    after, response = visit(server, request, at, key=KEY, fresh=FRESH)
    assert after is server
    return response


def pressed(
    server: Server,
    user_code: str,
    *,
    verdict: str = "approved",
    given: str | None = None,
    cookie: str | None = BROWSER,
    headers: Mapping[str, str] | None = None,
    at: timedelta = NOW,
) -> tuple[Server, Response]:
    """What pressing a button does, with everything right unless told."""
    request = Request(
        f"http://{HOST}/activate",
        form={
            "user_code": user_code,
            "proof": proof(KEY, BROWSER, user_code) if given is None else given,
            "verdict": verdict,
        },
        headers={"Host": HOST}
        | ({} if cookie is None else {"Cookie": f"other=1; {COOKIE}={cookie}"})
        | dict(headers or {}),
    )
    return visit(server, request, at, key=KEY, fresh=FRESH)


def verdict_on(server: Server, found: SignIn) -> Verdict | None:
    now = server.sign_in(found.user_code)
    assert now is not None
    return now.verdict


class Outline(HTMLParser):
    """The elements of a page, and whether each of them is closed in its turn."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def every_page() -> Iterator[str]:
    _, found = asked()
    yield front("http://127.0.0.1:8000")
    yield entry()
    for why in ("unknown", "expired", "used", "approved", "denied"):
        yield entry("ABCD", why)
    yield question(found, "p")
    yield question(evolve(found, scope=""), "p")
    yield result("approved")
    yield result("denied")
    yield refusal()


# What it shows


@pytest.mark.parametrize("html", [*every_page()])
def test_every_page_is_whole_and_can_be_used_by_anybody(html: str) -> None:
    page = Outline(html)
    assert page.all("html") == [{"lang": "en"}]
    assert [len(page.all(name)) for name in ("h1", "main", "header", "footer", "title")] == [1] * 5
    labelled = {label["for"] for label in page.all("label")}
    ids = {attrs["id"] for _, attrs in page.found if "id" in attrs}
    for field in page.all("input"):
        assert field.get("type") == "hidden" or field["id"] in labelled
        assert set((field.get("aria-describedby") or "").split()) <= ids
    assert all(icon["aria-hidden"] == "true" for icon in page.all("svg"))


@pytest.mark.parametrize("html", [*every_page()])
def test_every_page_stands_alone(html: str) -> None:
    page = Outline(html)
    assert not page.all("script")
    for _, attrs in page.found:
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            assert (attrs.get(name) or "/").startswith(("/", "data:"))


def test_the_question_names_the_code_the_client_and_the_scopes() -> None:
    _, found = asked("printer", "read write")
    html = question(found, "p")
    assert f'<p class="code">{found.user_code}</p>' in html
    assert "<dd>printer</dd>" in html
    assert "<ul><li>read</li><li>write</li></ul>" in html
    assert "Compare every letter" in html
    assert "If you did not start this sign-in yourself, deny it." in html
    assert "no particular scope" in question(evolve(found, scope=""), "p")


def test_what_others_chose_is_escaped() -> None:
    _, found = asked("<script>alert(1)</script>", '"><img src=x> a\u202eb')
    html = question(found, '"<p>')
    assert "<script" not in html
    assert "<img" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<li>&quot;&gt;&lt;img</li>" in html
    assert 'value="&quot;&lt;p&gt;"' in html
    assert 'value="&quot;&gt;&lt;b&gt;"' in entry('"><b>', "unknown")
    assert "<b>" not in front("<b>")


def test_text_that_no_page_can_hold_is_shown_all_the_same() -> None:
    _, found = asked("\ud800")
    assert b"\\ud800" in shown(question(found, "p")).body


# What a visit does


def test_without_a_code_it_asks_for_one() -> None:
    server, _ = asked()
    for query in ("", "?user_code=", "?user_code=+"):
        response = opened(server, query)
        assert response.status == 200
        assert b"Type the code that your device shows" in response.body
        assert response.header("set-cookie") is None


def test_a_code_is_found_as_a_person_types_it() -> None:
    server, found = asked()
    typed = found.user_code.replace("-", "+").lower()
    assert found.user_code.encode() in opened(server, f"?user_code={typed}").body


def test_a_new_browser_gets_a_name_and_a_known_one_keeps_its_own() -> None:
    server, found = asked()
    query = f"?user_code={found.user_code}"
    first = opened(server, query, cookie=None)
    assert first.header("set-cookie") == (
        f"{COOKIE}={FRESH}; Path=/activate; HttpOnly; SameSite=Strict"
    )
    assert proof(KEY, FRESH, found.user_code).encode() in first.body
    again = opened(server, query)
    assert again.header("set-cookie") is None
    assert proof(KEY, BROWSER, found.user_code).encode() in again.body
    assert opened(server, query, cookie="short").header("set-cookie") is not None


def test_every_visit_forbids_framing_scripts_and_keeping() -> None:
    server, found = asked()
    responses = [opened(server), opened(server, f"?user_code={found.user_code}")]
    responses += [pressed(server, found.user_code, given=given)[1] for given in ("", None)]
    for response in responses:
        assert {name: response.header(name) for name in HEADERS} == dict(HEADERS)


def test_the_policy_lets_nothing_but_the_style_in() -> None:
    digest = b64encode(sha256(STYLE.encode()).digest()).decode()
    assert HEADERS["Content-Security-Policy"].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    assert f"<style>{STYLE}</style>" in entry()


@pytest.mark.parametrize("verdict", ["approved", "denied"])
def test_pressing_a_button_decides(verdict: Verdict) -> None:
    server, found = asked()
    server, response = pressed(server, found.user_code, verdict=verdict)
    assert response.status == 200
    assert f"<h1>{verdict.capitalize()}</h1>".encode() in response.body
    assert b'role="status"' in response.body
    assert verdict_on(server, found) == verdict


def test_the_first_decision_stands() -> None:
    server, found = asked()
    server, _ = pressed(server, found.user_code, verdict="denied")
    server, response = pressed(server, found.user_code, verdict="approved")
    assert response.status == 410
    assert b"You already denied this sign-in" in response.body
    assert verdict_on(server, found) == "denied"


class Wrong(TypedDict, total=False):
    """What a forger has or tells."""

    cookie: str | None
    given: str
    headers: Mapping[str, str]


@pytest.mark.parametrize(
    "wrong",
    [
        {"cookie": None},
        {"cookie": "a" * 32},
        {"cookie": "not hexadecimal, but 32 letters!"},
        {"given": ""},
        {"given": "é\udcff"},
        {"given": proof(KEY, BROWSER, "WDJB-MJHT")},
        {"given": proof(b"another key", BROWSER, "")},
        {"headers": {"Origin": "https://evil.example"}},
        {"headers": {"Origin": "http://127.0.0.1:9000"}},
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
        {"headers": {"Sec-Fetch-Site": "same-site"}},
        {"headers": {"Origin": "null", "Sec-Fetch-Site": "cross-site"}},
    ],
    ids=str,
)
def test_a_form_from_elsewhere_decides_nothing(wrong: Wrong) -> None:
    server, found = asked()
    after, response = pressed(server, found.user_code, **wrong)
    assert after is server
    assert response.status == 403
    assert b'role="alert"' in response.body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
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
        assert b"Is this the code on your device?" in response.body


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


@pytest.mark.parametrize(
    ("why", "status", "said"),
    [
        ("unknown", 404, "This code is not known"),
        ("expired", 410, "This code has expired"),
        ("used", 410, "This code has been used"),
        ("approved", 410, "You already approved this sign-in"),
        ("denied", 410, "You already denied this sign-in"),
    ],
)
def test_a_code_that_is_over_says_why(why: Why, status: int, said: str) -> None:
    server, user_code, at = blocked(why)
    assert waiting(server, user_code, at) == why
    after, posted = pressed(server, user_code, at=at)
    assert after is server
    for response in (posted, opened(server, f"?user_code={user_code}", at)):
        assert response.status == status
        html = response.body.decode()
        assert f"<title>{said} - " in html
        assert f"<strong>{said}.</strong>" in html
        assert f'role="{"status" if why == "approved" else "alert"}"' in html
        field = Outline(html).all("input")[0]
        assert (field["value"] == user_code) is (why == "unknown")
        assert ("aria-invalid" in field) is (why == "unknown")


# Colours


def palette(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css))


LIGHT, DARK = (palette(part) for part in STYLE.split("@media (prefers-color-scheme: dark)"))


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


TEXT: Final = [
    *[(ink, ground) for ink in ("ink", "quiet") for ground in ("page", "card")],
    *[("ink", "panel"), ("good", "good-panel"), ("bad", "bad-panel"), ("care", "care-panel")],
    *[("accent", "card"), ("accent-hover", "card")],
    *[("on-accent", "accent"), ("on-accent", "accent-hover")],
]
# What tells a control or its focus from the ground (WCAG 2.2, 1.4.11).
SHAPES: Final = [("edge", "card"), ("bad", "card"), ("accent", "card"), ("accent", "page")]


def test_the_colours_are_known_in_both_schemes() -> None:
    named = {name for pair in TEXT + SHAPES for name in pair}
    # A line only divides; nothing is told by it alone.
    assert set(LIGHT) == set(DARK) == named | {"line"}
    assert set(re.findall(r"var\(--([a-z-]+)\)", STYLE)) == set(LIGHT)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_the_colours_can_be_read(colours: Mapping[str, str]) -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    ratios = {pair: contrast(*(colours[name] for name in pair)) for pair in TEXT + SHAPES}
    assert {pair: ratios[pair] for pair in TEXT if ratios[pair] < 4.5} == {}
    assert {pair: ratios[pair] for pair in SHAPES if ratios[pair] < 3} == {}


def test_only_named_colours_are_used() -> None:
    rules = re.sub(r"--[a-z-]+: #[0-9a-f]{6};", "", STYLE)
    assert "#" not in rules
