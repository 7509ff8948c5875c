"""The page in Chromium: a zip goes in, the result is seen, read and saved; by keyboard, without colour."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference.report import NOT_FOR_DIAGNOSIS
from inference.workbench.prediction import pages
from tests.inference.series_factory import uid
from tests.workbench.predicting import GO, Served, as_form, packed, series, serving, soon

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
WIDE, NARROW = {"width": 1300, "height": 900}, {"width": 400, "height": 900}
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("page"), upload_limit_mb=2) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Person:
    """Somebody in front of the page; what the browser asks for and complains of is kept."""

    def __init__(self, chromium: Any, served: Served, **settings: Any) -> None:
        self.page = chromium.new_context(**({"viewport": WIDE} | settings)).new_page()
        self.page.set_default_timeout(120_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(served.address)
        self.served = served

    def send(self, *files: dict[str, Any]) -> Any:
        self.page.set_input_files("#files", list(files))
        self.page.get_by_role("button", name="Analyse").click()
        return self.page


def upload(content: bytes, name: str = "Doe^Jane.zip") -> dict[str, Any]:
    return {"name": name, "mimeType": "application/zip", "buffer": content}


def test_a_zip_is_sent_and_its_findings_are_seen(chromium: Any, served: Served, tmp_path: Path) -> None:
    person = Person(chromium, served)
    page = person.page
    assert "token" not in page.url
    page.set_input_files("#files", [upload(packed(tmp_path))])
    page.focus("#files")
    for _ in range(3):  # the folder, then the button
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Analyse":
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Result").wait_for()
    assert page.locator(".notice").inner_text() == NOT_FOR_DIAGNOSIS
    rows = page.evaluate(
        "[...document.querySelectorAll('tbody tr')].map(r=>[...r.cells].map(c=>c.innerText))"
    )
    assert rows[0][:2] == ["series", uid("series")]
    assert ["body part", "ABDOMEN", "0.80", "abdomen 0 to 25 mm"] in rows
    assert ["intravenous contrast", "yes", "0.70", ""] in rows
    assert ["T12", "z 15 mm", "0.60", "slice 3, 0 to 25 mm; 13 ribs are likely"] in rows
    assert ["L3", "not in field", "", "below the lowest slice"] in rows
    assert ["header: BodyPartExamined", "CHEST, but seen is ABDOMEN", "", ""] in rows
    picture = page.locator("figure img")
    assert picture.evaluate("it => it.naturalWidth") > 300
    assert "table that follows says the same" in picture.get_attribute("alt")
    assert {r.split("/")[2] for r in person.requests if r.startswith("http")} == {served.base[7:]}
    assert person.complaints == []


def test_what_is_saved_is_what_was_found(chromium: Any, served: Served, tmp_path: Path) -> None:
    page = Person(chromium, served).send(upload(packed(tmp_path)))
    page.get_by_role("heading", name="Result").wait_for()
    saved = {}
    for words in ("(JSON)", "(CSV)", "(SVG)"):
        with page.expect_download() as download:
            page.get_by_role("link", name=words).click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_text()
    assert set(saved) == {"report.json", "findings.csv", "overlay-1.svg"}
    (report,) = json.loads(saved["report.json"])
    assert report["series_instance_uid"] == uid("series")
    heading, line = saved["findings.csv"].splitlines()
    assert heading.endswith(",notice")
    assert line.startswith(f"{uid('series')},1,yes,")
    assert line.endswith(NOT_FOR_DIAGNOSIS)
    assert NOT_FOR_DIAGNOSIS in saved["overlay-1.svg"]


def test_the_wait_is_told_and_ends_by_itself(chromium: Any, tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        person = Person(chromium, served)
        page = person.send(upload(packed(tmp_path, "slow")))
        page.get_by_text("Analysing series 1 of 1.").wait_for()
        assert page.locator("#state").get_attribute("role") == "status"
        second = Person(chromium, served).send(upload(packed(tmp_path)))
        second.get_by_text("Waiting: 1 before these files.").wait_for()
        (tmp_path / GO).touch()
        page.get_by_role("heading", name="Result").wait_for()
        second.get_by_role("heading", name="Result").wait_for()
        assert person.complaints == []


def test_a_refusal_is_read_out(chromium: Any, served: Served) -> None:
    page = Person(chromium, served).send(upload(b"no DICOM", "a.txt"))
    page.get_by_role("heading", name="These files cannot be analysed").wait_for()
    assert page.get_by_role("alert").inner_text().startswith("no CT found (1 foreign files")
    page.get_by_role("link", name="Send other files").click()
    page.get_by_role("heading", name="Analyse CT").wait_for()


def test_too_much_is_told_before_it_is_sent_and_nothing_is_asked_for(chromium: Any, served: Served) -> None:
    person = Person(chromium, served)
    page = person.page
    page.set_input_files("#files", [upload(bytes(2_000_001))])
    assert page.get_by_role("alert").inner_text() == "More than 2 MB: this server takes no more at once."
    assert page.get_by_role("button", name="Analyse").is_disabled()
    page.set_input_files("#files", [])
    page.get_by_role("button", name="Analyse").click()
    assert page.get_by_role("alert").inner_text() == "Choose files first."
    assert page.evaluate("document.activeElement.id") == "files"
    assert not any("/jobs" in request for request in person.requests)


def test_files_are_dropped(chromium: Any, served: Served, tmp_path: Path) -> None:
    person = Person(chromium, served)
    page = person.page
    content = list(packed(tmp_path))
    page.evaluate(
        """content => {
          const held = new DataTransfer();
          held.items.add(new File([new Uint8Array(content)], 'a.zip'));
          const fire = kind => document.getElementById('drop').dispatchEvent(
            new DragEvent(kind, {dataTransfer: held, bubbles: true, cancelable: true}));
          fire('dragover'); fire('drop');
        }""",
        content,
    )
    page.get_by_text(re.compile(r"^a\.zip, 0\.0 MB$")).wait_for()
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("heading", name="Result").wait_for()
    assert person.complaints == []


def test_the_form_works_without_its_script(chromium: Any, served: Served, tmp_path: Path) -> None:
    person = Person(chromium, served, java_script_enabled=False)
    page = person.send(upload(packed(tmp_path)))
    page.wait_for_url(re.compile("/jobs/"))
    found = page.get_by_role("heading", name="Result")
    soon(lambda: page.reload() and found.count())  # a browser without script is told to do that
    assert page.locator("tbody tr").count() > 5
    waiting = bytes(pages.waiting_page("x", "Waiting.").body).decode()
    assert "<noscript><meta http-equiv='refresh' content='3'></noscript>" in waiting


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_the_pages(
    chromium: Any, served: Served, tmp_path: Path, scheme: str, size: dict[str, int]
) -> None:
    """No serious fault of accessibility (axe-core), nothing wider than the screen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    person = Person(chromium, served, color_scheme=scheme, viewport=size)
    page = person.page
    faults = {"form": _faults(axe, page)}
    page.goto(f"{served.base}/jobs/gone")
    faults["gone"] = _faults(axe, page)
    page.goto(served.base)
    person.send(upload(packed(tmp_path)))
    page.get_by_role("heading", name="Result").wait_for()
    faults["result"] = _faults(axe, page)
    assert faults == {"form": [], "gone": [], "result": []}


def _faults(axe: Any, page: Any) -> list[str]:
    found = axe.run(page).response["violations"]
    serious = [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found if v["impact"] in SERIOUS]
    too_wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [*serious, *(["wider than the screen"] if too_wide else [])]


def test_a_result_is_found_by_its_name_alone_and_the_oldest_goes(tmp_path: Path) -> None:
    with serving(tmp_path, kept=1) as served, served.browser() as browser:
        names = [_done(browser, tmp_path) for _ in range(3)]
        assert [browser.get(f"/jobs/{name}/report.json").status_code for name in names] == [404, 200, 200]
        assert browser.get(f"/jobs/{names[2]}/overlay/2.svg").status_code == 404
        assert (
            "img-src data:"
            in browser.get(f"/jobs/{names[2]}/overlay/1.svg").headers["content-security-policy"]
        )


def _done(browser: httpx.Client, folder: Path) -> str:
    answer = browser.post("/jobs", files=as_form(series(folder)), headers={"Accept": "application/json"})
    assert answer.status_code == 202
    name = answer.json()["location"].rpartition("/")[2]
    soon(lambda: browser.get(f"/jobs/{name}/state").json()["state"] == "done")
    return str(name)
