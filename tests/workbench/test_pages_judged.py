"""Every page of the workbench in Chromium: judged by axe-core, without colour, narrow, and on paper."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from inference.series import volumes_of
from inference.simulation import Coverage, SimulationPlan, simulate
from inference.workbench import svg
from inference.workbench.cohort_page import page, shown
from inference.workbench.commands_view import _draw
from inference.workbench.idc_audit import audit_index, idc_page
from inference.workbench.overlay import overlay
from inference.workbench.projections import project
from inference.workbench.tag_audit import Tag, TagVerdict, audit
from inference.workbench.tag_page import tag_page
from inference.workbench.units import Unit
from inference.workbench.volume_reports import failed_report
from inference.workbench.windows import Preset
from tests.inference.findings_factory import findings_of
from tests.workbench.test_tag_audit import report, tags

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SERIOUS = ("serious", "critical")
PAGES = ("cohort.html", "tags.html", "view.html", "idc.html")
STOPS = "a.skip,input,th button,.scroll"
"""Where the Tab key stops."""

HOSTILE = "</title><script>window.hit=1</script><img src=x onerror='window.hit=1'>\"'`"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each, with all that a stranger may write in it."""
    folder = tmp_path_factory.mktemp("pages")
    simulate(folder / "ct", SimulationPlan(seed=3, coverage=Coverage.ABDOMEN, matrix=64, spacing_mm=5.0))
    (read,) = volumes_of(sorted((folder / "ct").glob("*.dcm")) or sorted((folder / "ct").iterdir()))
    from inference.report import Seconds, analysed, plain

    seen = plain(analysed(read, findings_of(read), Seconds(read=1.0, infer=1.0)))
    bad = plain(failed_report(Unit(key=HOSTILE, files=()), HOSTILE))
    (folder / "cohort.html").write_text(page([shown(seen), shown(bad)], HOSTILE), encoding="utf-8")
    audited = [audit(report(), tags(value, maker=HOSTILE)) for value in ("HEAD", "CHEST", None, HOSTILE)]
    (folder / "tags.html").write_text(tag_page(audited, 1), encoding="utf-8")
    found = audit_index([(HOSTILE, "CT", HOSTILE, HOSTILE), ("a", "CT", "CHEST", None)], HOSTILE)
    (folder / "idc.html").write_text(idc_page(found), encoding="utf-8")
    _draw(read, (HOSTILE,), [Preset.SOFT, Preset.LUNG], folder / "view")
    (folder / "view" / "view.html").rename(folder / "view.html")
    projections = project(read.volume)
    assert projections is not None
    (folder / "overlay.svg").write_text(overlay(projections, findings_of(read), HOSTILE), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    tab = context.new_page()
    tab.heard = []
    tab.on("request", lambda request: tab.heard.append(request.url))
    tab.on("pageerror", lambda error: tab.heard.append(f"error {error}"))
    tab.on("console", lambda message: tab.heard.append(f"console {message.text}"))
    yield tab
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_no_serious_fault_of_accessibility(name: str, pages: Path, tab: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab.goto((pages / name).as_uri())
    found = [v for v in axe.run(tab).response["violations"] if v["impact"] in SERIOUS]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []


@pytest.mark.parametrize("name", [*PAGES, "overlay.svg"])
def test_what_a_stranger_wrote_is_text_and_nothing_is_loaded(name: str, pages: Path, tab: Any) -> None:
    tab.goto((pages / name).as_uri())
    assert tab.evaluate("window.hit") is None
    assert [h for h in tab.heard if not h.startswith(("file:", "data:"))] == []
    assert len([h for h in tab.heard if h.startswith("file:")]) == 1


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_screen_scrolls_tables_and_nothing_else(name: str, pages: Path, tab: Any) -> None:
    tab.set_viewport_size({"width": 420, "height": 900})
    tab.goto((pages / name).as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 420


@pytest.mark.parametrize("name", PAGES)
def test_every_button_is_reached_by_the_keyboard_in_order(name: str, pages: Path, tab: Any) -> None:
    tab.goto((pages / name).as_uri())
    wanted = tab.evaluate(f"document.querySelectorAll('{STOPS}').length")
    reached = []
    for _ in range(wanted):
        tab.keyboard.press("Tab")
        reached.append(
            tab.evaluate(f"[...document.querySelectorAll('{STOPS}')].indexOf(document.activeElement)")
        )
    assert reached == list(range(wanted))
    assert wanted > 1


def grey_squares(tab: Any, folder: Path) -> list[np.ndarray]:
    """The legend's squares of the first pie, as one sees them who sees no colour."""
    client = tab.context.new_cdp_session(tab)
    client.send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    squares = []
    for n, square in enumerate(tab.query_selector_all("svg[role=img] >> nth=0 >> rect[width='16']")):
        path = folder / f"{n}.png"
        square.screenshot(path=str(path))
        squares.append(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[2:14, 2:14].astype(int))
    return squares


def test_every_share_of_a_pie_is_told_apart_without_colour(tmp_path: Path, tab: Any) -> None:
    counts = {verdict.value: 5 + n for n, verdict in enumerate(TagVerdict)}
    path = tmp_path / "pie.html"
    path.write_text(f"<!doctype html><body>{svg.pie('Verdicts', counts)}</body>", encoding="utf-8")
    tab.goto(path.as_uri())
    squares = grey_squares(tab, tmp_path)
    assert len(squares) == len(TagVerdict) == 7
    assert all(np.ptp(s[..., :3], axis=-1).max() <= 2 for s in squares)  # it is grey
    for one, other in combinations(squares, 2):
        assert (np.abs(one - other).max(axis=-1) > 60).mean() > 0.1
    words = tab.evaluate("[...document.querySelectorAll('svg text')].map(t=>t.textContent)")
    assert "agrees: 5 (8.9 %)" in words


def test_regions_and_levels_of_an_overlay_are_words_and_dashes(pages: Path, tab: Any) -> None:
    tab.goto((pages / "overlay.svg").as_uri())
    words = tab.evaluate("[...document.querySelectorAll('text')].map(t=>t.textContent)")
    assert {"abdomen", "L3: not in field", "slice score", "z, mm"} <= set(words)
    assert any(re.fullmatch(r"T12 -?\d+ mm, slice \d+", word) for word in words)
    dashes = tab.evaluate("[...document.querySelectorAll('line')].map(l=>l.getAttribute('stroke-dasharray'))")
    assert "7 3" in dashes  # T12; L3 has 2 2


def test_a_printed_page_shows_whole_tables(pages: Path, tab: Any) -> None:
    tab.goto((pages / "cohort.html").as_uri())
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.querySelector('.scroll')).maxHeight") == "none"
    assert tab.evaluate("getComputedStyle(document.querySelector('label')).display") == "none"


def test_pictures_are_drawn_and_say_what_they_are(pages: Path, tab: Any) -> None:
    tab.goto((pages / "view.html").as_uri())
    drawn = tab.evaluate("[...document.images].map(i=>[i.complete && i.naturalWidth > 1, i.alt])")
    assert len(drawn) == 10
    assert all(ok for ok, _ in drawn)
    assert [alt for _, alt in drawn if alt.startswith("axial")] == [
        "axial, soft window",
        "axial, lung window",
    ]


def test_a_tag_page_counts_by_every_tag() -> None:
    text = tag_page([audit(report(), tags("ABDOMEN"))], 0)
    assert all(f"{tag.value} by manufacturer" in text for tag in Tag)
