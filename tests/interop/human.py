"""The person at the verification page: opens it, reads the buttons, fills in the forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

# The labels of every server's buttons, as a person reads them.
ONWARD = frozenset({"allow", "continue", "sign-in"})
REFUSE = frozenset({"deny", "abort"})
ANSWERS = {"login": "alice", "password": "any will do"}
MOST_PAGES = 8
TIMEOUT = 20.0


class NotTakenError(Exception):
    """The pages did not lead where the person wanted to go."""


def approve(endpoints: Mapping[str, str], user_code: str, *, verify: str | bool = True) -> None:
    """Say yes to the device that shows this code."""
    _decide(endpoints, user_code, allow=True, verify=verify)


def deny(endpoints: Mapping[str, str], user_code: str, *, verify: str | bool = True) -> None:
    """Say no to the device that shows this code."""
    _decide(endpoints, user_code, allow=False, verify=verify)


def _decide(
    endpoints: Mapping[str, str], user_code: str, *, allow: bool, verify: str | bool
) -> None:
    with requests.Session() as browser:
        browser.trust_env = False  # no proxy and no .netrc between us and loopback
        browser.verify = verify
        browser.headers["Accept"] = "text/html"
        at = endpoints["verification_uri"]
        page = _read(browser.get(at, params={"user_code": user_code}, timeout=TIMEOUT))
        for turn in range(MOST_PAGES):
            if turn and page.asks("user_code"):  # asked again: unknown, used or expired
                raise NotTakenError(f"{user_code}: {page.text}")
            refusal = None if allow else page.button(REFUSE)
            button = refusal or page.button(ONWARD)
            if button is None:
                raise NotTakenError(f"{user_code}: no button to press: {page.text}")
            page = _press(browser, page, button)
            if refusal or (allow and not page.forms):
                return
    raise NotTakenError(f"{user_code}: no end after {MOST_PAGES} pages: {page.text}")


@dataclass
class _Form:
    action: str
    id: str
    fields: dict[str, str] = field(default_factory=dict[str, str])
    visible: set[str] = field(default_factory=set[str])


@dataclass
class _Button:
    form: str | None  # the id of its form, where it names one; else the form it stands in
    within: _Form | None
    name: str
    value: str
    label: str = ""


class _Page(HTMLParser):
    """The forms, buttons and text of one page."""

    def __init__(self, url: str, html: str) -> None:
        super().__init__()
        self.url = url
        self.forms: list[_Form] = []
        self.buttons: list[_Button] = []
        self._words: list[str] = []
        self._form: _Form | None = None
        self._button: _Button | None = None
        self._unseen = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag in ("style", "script"):
            self._unseen += 1
        elif tag == "form":
            self._form = _Form(said.get("action", ""), said.get("id", ""))
            self.forms.append(self._form)
        elif tag == "input" and self._form and "name" in said:
            self._form.fields[said["name"]] = said.get("value", "")
            if said.get("type", "text") != "hidden":
                self._form.visible.add(said["name"])
        elif tag == "button":
            self._button = _Button(
                said.get("form"), self._form, said.get("name", ""), said.get("value", "")
            )
            self.buttons.append(self._button)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script"):
            self._unseen -= 1
        elif tag == "form":
            self._form = None
        elif tag == "button":
            self._button = None

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._words += data.split()
        if self._button:
            self._button.label += data

    @property
    def text(self) -> str:
        return " ".join(self._words)

    def asks(self, name: str) -> bool:
        return any(name in form.visible for form in self.forms)

    def button(self, labels: frozenset[str]) -> _Button | None:
        return next((b for b in self.buttons if b.label.strip(" \n[]").lower() in labels), None)

    def form_of(self, button: _Button) -> _Form:
        if button.form is None and button.within:
            return button.within
        return next(form for form in self.forms if form.id == button.form)


def _press(browser: requests.Session, page: _Page, button: _Button) -> _Page:
    form = page.form_of(button)
    data = form.fields | {name: ANSWERS[name] for name in form.visible & ANSWERS.keys()}
    if button.name:
        data[button.name] = button.value
    return _read(browser.post(urljoin(page.url, form.action), data=data, timeout=TIMEOUT))


def _read(answer: requests.Response) -> _Page:
    page = _Page(answer.url, answer.text)
    if not answer.ok:
        raise NotTakenError(f"{answer.status_code} at {answer.url}: {page.text}")
    return page
