"""The person: a headless Chromium that goes through the pages of any server of the matrix."""

from __future__ import annotations

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from grantflow import DeviceAuthorization
from tests.interop.chromium import SOON

MOST_PAGES = 8

# The labels of the buttons, as a person reads them.
ONWARD = frozenset(
    {"allow", "continue", "login", "sign in", "sign-in", "submit", "submit consent", "yes"}
)
REFUSE = frozenset({"abort", "cancel", "deny", "no"})
FIELDS = {"login": "alice", "username": "alice", "password": "any will do"}


class Person:
    """Signs in as alice, reads the page, and says yes or no."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def approve(self, shown: DeviceAuthorization) -> None:
        """Say yes to the device that shows this."""
        self.decide(shown.verification_uri_complete or shown.verification_uri, shown.user_code)

    def deny(self, shown: DeviceAuthorization) -> None:
        """Say no to the device that shows this."""
        link = shown.verification_uri_complete or shown.verification_uri
        self.decide(link, shown.user_code, allow=False)

    def decide(self, link: str, user_code: str, *, allow: bool = True) -> None:
        """Follow a link, and the pages behind it to their end."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.get(link)
        pressed: list[str] = []
        for _ in range(MOST_PAGES):
            buttons = {label: each for each in self._buttons() if (label := _label(each))}
            refusal = None if allow else next((b for b in buttons if b in REFUSE), None)
            button = refusal or next((b for b in buttons if b in ONWARD), None)
            if button is None:
                break
            self._fill(user_code)
            pressed.append(button)
            self._press(buttons[button])
            if refusal:
                return
        if not allow or not pressed or buttons:
            text = self.driver.find_element(By.TAG_NAME, "body").text
            raise AssertionError(f"pressed {pressed}, and then: {text}")

    def _buttons(self) -> list[WebElement]:
        found = self.driver.find_elements(By.CSS_SELECTOR, "button, input[type=submit]")
        return [each for each in found if each.is_displayed()]

    def _fill(self, user_code: str) -> None:
        """Fill in what the page asks for, and tick what it offers."""
        answers = {**FIELDS, "user_code": user_code}
        for each in self.driver.find_elements(By.CSS_SELECTOR, "input"):
            name, kind = each.get_attribute("name") or "", each.get_attribute("type")
            if not each.is_displayed():
                continue
            if kind == "checkbox" and name == "scope" and not each.is_selected():
                each.click()
            elif name in answers and kind in ("text", "password", "email"):
                each.clear()
                each.send_keys(answers[name])

    def _press(self, button: WebElement) -> None:
        """Click, and wait for the next page."""
        page = self.driver.find_element(By.TAG_NAME, "html")
        button.click()

        def left(_: object) -> bool:
            try:
                page.is_enabled()
            except WebDriverException:
                return bool(self.driver.execute_script("return document.readyState == 'complete'"))
            return False

        WebDriverWait(self.driver, SOON, 0.05).until(left)


def _label(button: WebElement) -> str:
    text = button.text or button.get_attribute("value") or ""
    return text.strip(" \n[]").lower()
