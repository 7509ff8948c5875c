"""A person in front of Debian's Chromium, which Playwright drives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.states import Role
from tests.console import filled
from tests.console.browsing import PASSWORD, Site, serving, site
from tests.console.conftest import peers
from tests.node.receiving import free_port

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
NEEDED = [
    pytest.mark.peers,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
"""Marks of every module that has a person in it."""
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 420, "height": 900}
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def web(filled_root: Path, tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """A console that is served, with an account for each role."""
    here = site(filled.copied(filled_root, tmp_path / "root"), *peers(), console_port=free_port())
    for role in Role:
        here.add(str(role), role)
    with serving(here) as address:
        yield here, address
    here.console.close()


class Person:
    """Somebody in front of a screen; what the browser complains of is kept."""

    def __init__(self, chromium: Any, address: str, **settings: Any) -> None:
        self.address = address
        self.context = chromium.new_context(**({"viewport": WIDE} | settings))
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("dialog", self._asked)
        self.asked: list[str] = []

    def _asked(self, dialog: Any) -> None:
        self.asked.append(dialog.message)
        dialog.accept()

    def log_in(self, role: Role) -> Person:
        self.page.goto(f"{self.address}/login")
        self.page.get_by_label("Name").fill(str(role))
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("heading", name="Overview").wait_for()
        return self

    def go(self, path: str) -> Any:
        self.page.goto(self.address + path)
        return self.page
