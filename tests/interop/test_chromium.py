"""The approval page in a real browser: a headless Chromium, and a device that waits for it."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from grantflow import Authorized, Client, Denied, DeviceAuthorization, DeviceFlow, Failed, Pending
from grantflow import run as run_flow
from grantflow.core.flows.states import DeviceState
from grantflow.core.flows.states import Final as Ending
from grantflow.testing import Loopback, Script, serve

from .chromium import SOON, missing_chromium, start_chromium
from .conftest import demand

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all of these tests."""
    demand(missing_chromium())
    with start_chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def person(chromium: webdriver.Chrome) -> Iterator["Person"]:
    """Somebody who has never been here. What the browser complained about fails the test."""
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.get_log("browser")
    yield Person(chromium)
    complaints = [str(entry["message"]) for entry in chromium.get_log("browser")]
    assert [each for each in complaints if "Failed to load resource" not in each] == []


class Person:
    """Reads the page and uses it, by mouse or by keyboard."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)
        # A page is loaded a moment before its field has the focus, and keys would be lost.
        focused = "document.activeElement === document.querySelector('[autofocus]')"
        ready = f"!document.querySelector('[autofocus]') || {focused}"
        WebDriverWait(self.driver, SOON, 0.05).until(lambda _: self.measured(ready))

    @property
    def heading(self) -> str:
        return str(self.measured("document.querySelector('h1').innerText"))

    @property
    def text(self) -> str:
        # In one step: an element found before may be gone when its text is asked for.
        return str(self.measured("document.body?.innerText"))

    def sees(self, text: str) -> None:
        WebDriverWait(self.driver, SOON, 0.05).until(lambda _: text in self.text)

    def click(self, label: str) -> None:
        self.driver.find_element(By.XPATH, f"//button[text()='{label}']").click()

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    @property
    def focused(self) -> str:
        return self.driver.switch_to.active_element.text

    def measured(self, script: str) -> object:
        return self.driver.execute_script(f"return {script}")  # pyright: ignore[reportUnknownMemberType]


class Device:
    """A flow that runs in another thread: what it shows, and how it ends."""

    def __init__(self, running: Loopback, threads: ThreadPoolExecutor) -> None:
        shown = SimpleQueue[DeviceAuthorization]()

        def show(state: DeviceState) -> None:
            if isinstance(state, Pending) and state.polls == 0:
                shown.put(state.authorization)

        flow = DeviceFlow(
            Client(provider=running.provider, client_id="printer", scope="print scan"),
            budget=timedelta(seconds=SOON),
        )
        self._ending: Future[Ending] = threads.submit(run_flow, flow, watch=show)
        self.shows = shown.get(timeout=SOON)

    @property
    def link(self) -> str:
        assert self.shows.verification_uri_complete is not None
        return self.shows.verification_uri_complete

    @property
    def ends(self) -> Ending:
        return self._ending.result(timeout=SOON)


@pytest.fixture
def device() -> Iterator[Device]:
    with serve(Script(interval=timedelta(seconds=1))) as running, ThreadPoolExecutor(1) as threads:
        waiting = Device(running, threads)
        yield waiting
        with suppress(LookupError):  # decided, as it should be
            running.deny(waiting.shows.user_code)


def test_a_person_follows_the_link_and_approves(person: Person, device: Device) -> None:
    person.open(device.link)
    assert person.heading == "Is this the code on your device?"
    for told in (device.shows.user_code, "printer", "print", "scan"):
        assert told in person.text
    person.click("Approve")
    person.sees("You can go back to your device.")
    assert person.heading == "Approved"
    assert isinstance(device.ends, Authorized)
    person.open(device.link)
    person.sees("You already approved this sign-in")


def test_a_person_follows_the_link_and_denies(person: Person, device: Device) -> None:
    person.open(device.link)
    person.click("Deny")
    person.sees("The device was not signed in.")
    assert person.heading == "Denied"
    ending = device.ends
    assert isinstance(ending, Failed)
    assert isinstance(ending.error, Denied)


def test_a_person_types_the_code_after_a_mistake(person: Person, device: Device) -> None:
    person.open(device.shows.verification_uri)
    person.press("wrong")
    person.click("Continue")
    person.sees("This code is not known.")
    field = person.driver.find_element(By.NAME, "user_code")
    assert field.get_attribute("value") == "wrong"
    field.clear()
    field.send_keys(device.shows.user_code.replace("-", " ").lower())
    person.click("Continue")
    person.sees("Is this the code on your device?")
    person.click("Approve")
    person.sees("You can go back to your device.")
    assert isinstance(device.ends, Authorized)


@pytest.mark.parametrize("verdict", ["Approve", "Deny"])
def test_a_keyboard_is_enough(person: Person, device: Device, verdict: str) -> None:
    person.open(device.shows.verification_uri)
    person.press(device.shows.user_code, Keys.ENTER)
    person.sees("Is this the code on your device?")
    # Nothing is decided by an Enter too many.
    assert person.focused != "Approve"
    person.press(Keys.TAB)
    if verdict == "Deny":
        person.press(Keys.TAB)
    assert person.focused == verdict
    outline = person.measured("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    person.press(Keys.ENTER)
    person.sees("You can close this window.")
    assert isinstance(device.ends, Authorized if verdict == "Approve" else Failed)


def test_another_page_of_this_machine_cannot_press_the_button(
    person: Person, device: Device, tmp_path: Path
) -> None:
    person.open(device.link)
    fields = {
        name: person.driver.find_element(By.NAME, name).get_attribute("value")
        for name in ("user_code", "key")
    }
    # Even with the key, which it could not read.
    hidden = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    page = tmp_path / "evil.html"
    page.write_text(
        f'<!doctype html><form method="post" action="{device.shows.verification_uri}">{hidden}'
        '<button name="verdict" value="approved">Approve</button></form>'
    )
    person.open(page.as_uri())
    person.click("Approve")
    person.sees("Nothing was decided")
    person.open(device.link)
    person.click("Deny")
    person.sees("The device was not signed in.")
    assert isinstance(device.ends, Failed)


@pytest.fixture
def small_screen(person: Person) -> Iterator[None]:
    """A screen of 320 pixels."""
    size = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": False}
    person.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield
    person.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.usefixtures("small_screen")
def test_it_fits_a_small_screen(person: Person, device: Device) -> None:
    person.open(device.link)
    root = "document.documentElement"
    assert person.measured(f"{root}.scrollWidth <= {root}.clientWidth") is True
    person.click("Deny")
    person.sees("The device was not signed in.")
