"""A headless Chromium with an empty profile; nothing is downloaded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

SOON = 90.0
"""Seconds that a page may take."""

UNTIL_PARENT_ENDS = Path(__file__).parent / "stores/until_parent_ends.py"
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root has none, and containers often are root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)


def missing_chromium() -> str | None:
    """Return why there is no browser, or None."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return (
        f"not installed: {', '.join(absent)} (Debian: chromium, chromium-driver)"
        if absent
        else None
    )


class Driver(Service):
    """Chromium's driver, which ends with this process, and the browser with it."""

    def __init__(self) -> None:
        super().__init__(executable_path=sys.executable)

    def command_line_args(self) -> list[str]:
        driver = shutil.which("chromedriver") or ""
        return [str(UNTIL_PARENT_ENDS), "", driver, *super().command_line_args()]


@contextmanager
def start_chromium(profile: Path, *flags: str) -> Iterator[webdriver.Chrome]:
    """One browser, which keeps what pages complain about."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        driver = webdriver.Chrome(options, Driver())
        try:
            driver.set_page_load_timeout(SOON)
            yield driver
        finally:
            driver.quit()
