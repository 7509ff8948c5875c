"""The pages in Chromium: nothing is loaded, the keyboard sorts and filters, colour alone says nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.report import Seconds, analysed, plain
from inference.series import volumes_of
from inference.workbench.cohort_page import page
from inference.workbench.cohort_page import shown as kept
from inference.workbench.svg import bars, pie
from inference.workbench.units import Unit
from inference.workbench.volume_reports import failed_report
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import save, stack_of

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def html(tmp_path: Path) -> Path:
    """Three volumes: 4 and 12 slices, and one that was refused for a reason with markup in it."""
    reports = []
    for name, count in (("a", 12), ("b", 4)):
        (read,) = volumes_of(save(stack_of(count, name=name), tmp_path / name))
        reports.append(plain(analysed(read, findings_of(read), Seconds(read=1.0, infer=2.0))))
    reports.append(plain(failed_report(Unit(key="9.9", files=()), "<b onclick=x>broken</b>")))
    path = tmp_path / "report.html"
    path.write_text(page([kept(r) for r in reports], "1 foreign files"), encoding="utf-8")
    return path


@pytest.fixture
def shown(html: Path) -> Iterator[tuple[Any, list[str]]]:
    """The page in Chromium, and every request that it made."""
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    requests: list[str] = []
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("pageerror", lambda error: requests.append(f"error {error}"))
        tab.goto(html.as_uri())
        yield tab, requests
        browser.close()


def test_the_page_says_what_was_found(html: Path) -> None:
    text = html.read_text()
    assert "3 series, 3 volumes, 2 analysed, 1 refused. 1 foreign files." in text
    assert "&lt;b onclick=x&gt;broken&lt;/b&gt;" in text
    assert "<b onclick" not in text
    assert not re.search(r"(src|href)='?\"?(https?:)?//", text)


def test_nothing_is_loaded_and_no_script_fails(shown: tuple[Any, list[str]]) -> None:
    tab, requests = shown
    assert [r for r in requests if not r.startswith(("file:", "data:"))] == []
    assert tab.title() == "CT cohort"


def test_the_keyboard_alone_sorts_and_filters(shown: tuple[Any, list[str]]) -> None:
    tab, _ = shown
    slices = "document.querySelector('#volumes tbody').innerText"
    column = "[...document.querySelectorAll('#volumes tbody tr:not([hidden])')].map(r=>r.cells[2].innerText)"
    assert tab.evaluate(column) == ["12", "4", "0"]
    for _ in range(60):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.innerText") == "slices":
            break
    assert tab.evaluate("document.activeElement.tagName") == "BUTTON"
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    assert tab.evaluate(column) == ["0", "4", "12"]
    assert tab.evaluate("document.activeElement.parentElement.getAttribute('aria-sort')") == "ascending"
    tab.keyboard.press("Space")
    assert tab.evaluate(column) == ["12", "4", "0"]
    assert tab.inner_text("#volumes-status") == "sorted by slices, falling"
    tab.focus("#volumes-filter")
    tab.keyboard.type("broken")
    assert tab.evaluate(column) == ["0"]
    assert tab.inner_text("#volumes-status") == "1 of 3 rows shown"
    assert tab.evaluate(slices)


def test_every_plot_says_its_numbers_in_words(shown: tuple[Any, list[str]]) -> None:
    tab, _ = shown
    titles = tab.evaluate("[...document.querySelectorAll('svg[role=img] > title')].map(t=>t.textContent)")
    assert titles[:2] == ["Body part", "Series class"]
    words = tab.evaluate("[...document.querySelectorAll('svg text')].map(t=>t.textContent)")
    assert "2 (100.0 %)" in words
    assert len(titles) == tab.evaluate("document.querySelectorAll('svg').length")


def test_shares_are_told_by_hatch_and_number() -> None:
    drawn = pie("Verdicts", {"agrees": 3, "missing": 1})
    assert "agrees: 3 (75.0 %)" in drawn
    assert "<title>Verdicts: agrees 3, missing 1</title>" in drawn
    assert "url(#pie0)" in drawn
    assert "url(#pie1)" in drawn
    assert "<circle" in pie("one", {"all": 5})
    assert "5 (100.0 %)" in bars("one", {"all": 5})
