"""A browser for the pages: one per process, headless, with its console kept."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from tests.waiting import PATIENCE_S

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900")


@dataclass(slots=True)
class Pages:
    """The browser as tests use it."""

    driver: Chrome

    def open(self, address: str) -> None:
        """A page from its beginning, also when only the part after # differs; what the console held is forgotten."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(address)

    def find(self, selector: str) -> WebElement:
        """The first element, once it is there."""
        found: list[WebElement] = []
        self.wait_for(f"an element {selector}", lambda: found.extend(self.all(selector)) or found)
        return found[0]

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What an element shows, read in one go so that redrawing does no harm."""
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, what: str, condition: Callable[[], Any]) -> None:
        WebDriverWait(self.driver, PATIENCE_S, 0.05).until(lambda _: condition(), f"waited in vain for {what}")

    def wait_for_text(self, selector: str, part: str) -> None:
        try:
            self.wait_for(f"{part!r} in {selector}", lambda: part in self.text(selector))
        except TimeoutException as error:
            raise AssertionError(f"{error.msg}; there was {self.text(selector)[:300]!r}") from error

    def press(self, key: str, selector: str = "body") -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(key)

    def resize(self, width: int, height: int, *, is_phone: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self) -> list[str]:
        """What the console holds since the page was opened."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def driver(require_program: Callable[[str, str], str]) -> Iterator[Chrome]:
    chromium = require_program("chromium", "apt-get install chromium")
    service = require_program("chromedriver", "apt-get install chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with Chrome(options=options, service=Service(service)) as chrome:
        yield chrome


@pytest.fixture
def pages(driver: Chrome) -> Iterator[Pages]:
    """The browser, as large, light and empty as at its beginning."""
    found = Pages(driver)
    found.resize(1280, 900)
    found.prefer("light")
    yield found
    driver.get("about:blank")


@pytest.fixture(scope="session")
def short_run(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The folder of a real run on the cartridge that took some seconds."""
    folder = tmp_path_factory.mktemp("short")
    command = [sys.executable, "-m", "gamefleet.cli.main", "train", "pokemon_red", "--run", "short", "--no-video"]
    command += ["--config", str(repository / "configs" / "smoke.toml"), "--set", "run.total_steps=400"]
    command += ["--set", "run.metrics_interval_steps=40", "--set", "game.max_episode_steps=50"]
    command += ["--set", "learner.learning_starts_steps=300"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S)
    assert result.returncode == 0, result.stderr
    return folder / "runs" / "short"
