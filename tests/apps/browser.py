"""A real Chromium without a window, driven by its own driver."""

import json
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.conftest import ROOT

SECONDS = 60.0  # to wait for what will come
SHOTS = ROOT / "build/screenshots"
# Chromium does many things besides showing pages.
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-default-apps --lang=en-US --force-device-scale-factor=1"
)


class Browser:
    """What the tests do with the page of `url`. `downloads` is where it saves."""

    def __init__(self, driver: Chrome, url: str, downloads: Path) -> None:
        self.driver = driver
        self.url = url
        self.downloads = downloads

    def open(self) -> None:
        self.driver.get(f"{self.url}/")
        self.until(lambda: self.find("#model option"))

    def enter_key(self, key: str) -> None:
        """As a person does whom the page asks: a wrong one first. The tab knows the key from now on."""
        self.driver.get(f"{self.url}/")
        self.until(lambda: self.find("#key")).send_keys("wrong" + Keys.ENTER)
        self.until(lambda: self.run("return document.querySelector('#key-dialog .error:not([hidden])') !== null"))
        self.get("#key").send_keys(key + Keys.ENTER)
        self.until(lambda: self.find("#model option"))

    def find(self, selector: str) -> WebElement | None:
        found = self.all(selector)
        return found[0] if found else None

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements("css selector", selector)

    def get(self, selector: str) -> WebElement:
        return self.driver.find_element("css selector", selector)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, SECONDS, 0.05).until(lambda _: condition())

    def press(self, *keys: str) -> str:
        """Into whatever has the focus -> the id of what has it then, or its class."""
        ActionChains(self.driver).send_keys(*keys).perform()
        return str(self.run("return document.activeElement.id || document.activeElement.className"))

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.run("document.getAnimations().forEach((animation) => animation.finish && animation.effect.getTiming().iterations "
                 "!== Infinity && animation.finish())")  # fmt: skip
        self.driver.get_screenshot_as_file(str(SHOTS / f"{name}.png"))

    def look(self, *, width: int = 1100, height: int = 900, dark: bool = False, phone: bool = False) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def requested(self) -> set[str]:
        """The addresses of everything that was asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}


Tab = TypeVar("Tab", bound=Browser)


@contextmanager
def browser(kind: type[Tab], url: str, key: str, folder: Path, *flags: str) -> Generator[Tab]:
    """flags: of Chromium's, besides those that every page is tested with."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        assert "CI" not in os.environ, "found no chromium, expected it with its driver (.ci/run)"
        pytest.skip("needs chromium and chromedriver")
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in [*_FLAGS.split(), *flags, f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(shutil.which("chromedriver")))
    try:
        downloads = folder / "downloads"
        downloads.mkdir()
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
        tab = kind(driver, url, downloads)
        tab.enter_key(key)
        yield tab
    finally:
        driver.quit()
