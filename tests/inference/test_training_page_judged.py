"""The page of a training run in Chromium: judged by axe-core, on a narrow screen, and by what it loads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from inference.training.config import Loss
from inference.training.held_out import read
from inference.training.preview import preview
from inference.training.run_page import run_page
from tests.inference.test_training_watch import Said, course, levelled

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SERIOUS = ("serious", "critical")
HOSTILE = "</title><script>window.hit=1</script><img src=x onerror='window.hit=1'>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two networks, with a picture of a volume that a stranger named."""
    picture = preview(read(Said(), levelled(rows=80, T12=20), Loss.BCE), HOSTILE)
    path = tmp_path_factory.mktemp("page") / "training.html"
    path.write_text(run_page([course(0, picture), course(1, picture)], 8), encoding="utf-8")
    return path


@pytest.fixture
def tab(page: Path):
    """The page, opened; what it asked for and complained of is in `heard`."""
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(viewport={"width": 1300, "height": 900}).new_page()
        heard: list[str] = []
        tab.on("request", lambda request: heard.append(request.url))
        tab.on("pageerror", lambda error: heard.append(f"error {error}"))
        tab.on("console", lambda message: heard.append(f"console {message.text}"))
        tab.goto(page.as_uri())
        tab.heard = heard
        yield tab
        browser.close()


def test_the_page_is_readable_by_all_loads_nothing_and_runs_nothing_of_others(tab: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    assert tab.evaluate("window.hit") is None
    assert [h for h in tab.heard if not h.startswith(("file:", "data:"))] == []
    assert len([h for h in tab.heard if h.startswith("file:")]) == 1
    found = [v for v in axe.run(tab).response["violations"] if v["impact"] in SERIOUS]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []
    assert tab.get_by_role("img", name="Network 0: total loss: training").count() == 1


def test_a_narrow_screen_scrolls_the_table_and_nothing_else(tab: Any) -> None:
    tab.set_viewport_size({"width": 420, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 420
