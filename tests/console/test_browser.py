"""The console as a person has it: Debian's Chromium, driven by Playwright, judged by axe-core."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from node.config import load
from node.config_file import FileEditor
from storage.states import Role, SeriesState
from tests.console import filled, person
from tests.console.browsing import PASSWORD, Site
from tests.console.filled import GAPPED, SERIES
from tests.console.person import NARROW, SERIOUS, WIDE, Person
from tests.console.test_pages import dead
from tests.waiting import eventually

playwright, pytestmark = person.playwright, person.NEEDED
chromium, web = person.chromium, person.web
PAGES = (
    "/",
    "/series",
    f"/series/{SERIES}",
    f"/series/{GAPPED}",
    "/queue",
    "/peers",
    "/callers",
    "/quality",
    "/events",
    "/account",
    "/accounts",
    "/configuration",
)


def test_each_role_logs_in_and_out_by_the_keyboard(chromium: Any, web: tuple[Site, str]) -> None:
    for role in Role:
        person = Person(chromium, web[1])
        page = person.go("/login")
        page.wait_for_function("document.activeElement.name === 'name'")  # the field has the focus
        page.keyboard.type(str(role))
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()
        assert page.get_by_role("link", name="Accounts").count() == (role is Role.ADMIN)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.get_by_role("button", name="Log out").press("Enter")
        page.get_by_role("heading", name="Log in").wait_for()
        assert person.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_every_page(
    chromium: Any, web: tuple[Site, str], scheme: str, size: dict[str, int]
) -> None:
    """No serious fault of accessibility (axe-core), nothing wider than the screen, no complaint."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    person = Person(chromium, web[1], color_scheme=scheme, viewport=size).log_in(Role.ADMIN)
    faults = {}
    for path in PAGES:
        page = person.go(path)
        page.wait_for_load_state("networkidle")
        found = axe.run(page).response["violations"]
        serious = [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found if v["impact"] in SERIOUS]
        too_wide = page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        if serious or too_wide:
            faults[path] = [*serious, *(["wider than the screen"] if too_wide else [])]
    assert faults == {}
    assert person.asked == []  # nothing that others wrote was run
    assert person.complaints == []


def test_a_series_is_looked_at(chromium: Any, web: tuple[Site, str]) -> None:
    person = Person(chromium, web[1]).log_in(Role.VIEWER)
    page = person.go("/series")
    page.get_by_label("UID, calling AE title or body part").fill("abdom")
    playwright.expect(page.locator("#found tbody tr")).to_have_count(1)
    page.get_by_role("link", name=SERIES).click()
    page.get_by_role("heading", name=f"Series {SERIES}").wait_for()
    assert "L3 at 75 mm" in page.locator(".anatomy svg").get_attribute("aria-label")
    slider = page.get_by_role("slider")
    where = page.locator("output")
    assert where.text_content() == "Slice 16 of 24, instance 16, 75.0 mm, score 25.0"
    slider.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowLeft"):
        slider.press(key)
    assert where.text_content().startswith("Slice 23 of 24, instance 23, 110.0 mm")
    page.get_by_text("lung", exact=True).click()
    image = page.locator(".viewer img")
    playwright.expect(image).to_have_attribute("src", re.compile(r"/22\?window=lung$"))
    assert eventually(lambda: image.evaluate("it => it.naturalWidth")) == 64
    picture = page.locator(".anatomy image").first.bounding_box()
    page.mouse.click(picture["x"] + 20, picture["y"] + picture["height"] - 0.1)
    assert where.text_content().startswith("Slice 1 of 24")
    assert person.complaints == []


def test_a_series_arrives_and_completes_and_l3_is_on_its_projection(
    chromium: Any, web: tuple[Site, str]
) -> None:
    """The page is opened once, while slices are missing, and nobody touches it until it shows L3."""
    here, address = web
    person = Person(chromium, address).log_in(Role.VIEWER)
    page = person.page
    page.get_by_role("link", name=GAPPED).click()
    page.get_by_text("1 gap, 3 slices missing; 1 at a place that has one already.").wait_for()
    assert (page.locator(".map .gap").count(), page.locator(".map .twice").count()) == (1, 1)
    filled.fill_the_gap(here.store)
    page.get_by_text("11 axial slices every 5.00 mm").wait_for()
    assert page.locator(".map .gap").count() == 0
    filled.finish(here.store)
    page.get_by_role("heading", name="Volume 1").wait_for()
    playwright.expect(page.locator("#progress .mark").first).to_have_text("analysed")
    assert page.locator(".anatomy text.level").all_text_contents() == ["L3"]
    line = page.locator(".anatomy line.level").bounding_box()
    for name in ("coronal", "sagittal"):
        picture = page.locator(f'.anatomy image[href$="{name}.png"]')
        box = picture.bounding_box()
        shown_at = (line["y"] + line["height"] / 2 - box["y"]) / box["height"]
        assert shown_at == pytest.approx((45 - 20) / 45, abs=0.01)
        assert line["x"] <= box["x"] + 1 and line["x"] + line["width"] >= box["x"] + box["width"] - 1
        assert page.request.get(address + picture.get_attribute("href")).status == 200
    assert page.locator(".anatomy polyline.curve").count() == 1
    assert page.locator("output").text_content().startswith("Slice 6 of 11")  # the viewer opens at L3
    assert person.complaints == []


def test_times_are_written_in_the_zone_of_the_browser(chromium: Any, web: tuple[Site, str]) -> None:
    person = Person(chromium, web[1], timezone_id="Asia/Kolkata").log_in(Role.VIEWER)
    page = person.go(f"/series/{SERIES}")
    first, known = page.locator("table.trace time").first, page.locator("#progress time").first
    assert (first.text_content(), known.text_content()) == ("13:46:39.000", "1970-01-12 13:46:42")
    page.get_by_role("button", name="Show local times").click()
    assert (first.text_content(), known.text_content()) == ("19:16:39.000", "1970-01-12 19:16:42")
    assert page.get_by_text(re.compile("Times are those of Asia/(Kolkata|Calcutta).")).count() == 1
    page.reload()
    assert known.text_content() == "1970-01-12 19:16:42"  # it stays so
    page.get_by_role("button", name="Show UTC").click()
    assert first.text_content() == "13:46:39.000"
    assert person.complaints == []


def test_a_series_arrives_while_somebody_watches(chromium: Any, web: tuple[Site, str]) -> None:
    here, address = web
    page = Person(chromium, address).log_in(Role.VIEWER).go(f"/series/{GAPPED}")
    page.get_by_text("1 gap, 3 slices missing").wait_for()
    filled.fill_the_gap(here.store)
    page.get_by_text("11 axial slices every 5.00 mm").wait_for()
    assert page.get_by_text("3 slices missing").count() == 0
    filled.close_all(here.store)
    filled.hold(here.store, GAPPED, SeriesState.NOT_ELIGIBLE, "no CT")
    playwright.expect(page.locator("#progress[hx-get]")).to_have_count(0, timeout=20_000)
    assert page.get_by_text("not eligible").count() == 1


def test_updates_can_be_paused(chromium: Any, web: tuple[Site, str]) -> None:
    here, address = web
    page = Person(chromium, address).log_in(Role.VIEWER).page
    page.get_by_role("button", name="Pause updates").click()
    assert page.get_by_role("button", name="Updates are paused").get_attribute("aria-pressed") == "true"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    filled.close_all(here.store)
    assert page.evaluate("htmx.trigger('#live', 'htmx:beforeRequest', {})") is False  # nothing is asked for
    page.get_by_role("button", name="Updates are paused").click()
    page.get_by_text("Nobody is connected.").wait_for()
    assert asked and all(url.endswith("/overview") for url in asked)


def test_an_operator_retries_a_dead_letter(chromium: Any, web: tuple[Site, str]) -> None:
    here, address = web
    (number,) = dead(here)
    page = Person(chromium, address).log_in(Role.OPERATOR).go("/queue")
    page.get_by_role("button", name=f"Retry delivery {number}").click()
    page.get_by_text("It is tried again now.").wait_for()
    page.get_by_text("None: every result has arrived or is on its way.").wait_for()
    assert dead(here) == []


def test_an_operator_releases_a_series_after_a_question(chromium: Any, web: tuple[Site, str]) -> None:
    here, address = web
    filled.hold(here.store, SERIES, SeriesState.HELD, "two patients")
    person = Person(chromium, address).log_in(Role.OPERATOR)
    person.go("/queue").get_by_role("button", name=f"Release series {SERIES}").click()
    person.page.get_by_text("Released: it goes on now.").wait_for()
    assert person.asked == ["Release this series, and all that its contradiction holds?"]
    assert here.store.series(SERIES).state is SeriesState.QUEUED


def test_an_operator_calls_a_peer(chromium: Any, web: tuple[Site, str]) -> None:
    page = Person(chromium, web[1]).log_in(Role.OPERATOR).go("/peers")
    page.get_by_role("button", name="C-ECHO").click()
    page.get_by_text(re.compile("refuses connections on port")).wait_for()
    assert page.url.endswith("/peers")


def test_an_administrator_breaks_the_configuration_and_sees_it_refused(
    chromium: Any, web: tuple[Site, str], tmp_path: Path
) -> None:
    here, address = web
    file = tmp_path / "config.yaml"
    file.write_text("node: {port: 11113}  # ours\nstorage: {root: ./data}\n")
    here.console.editor = FileEditor(path=file)
    page = Person(chromium, address).log_in(Role.ADMIN).go("/configuration")
    text = page.get_by_label("Text of the file")
    text.fill("node: {port: eleven}  # ours\n")
    page.get_by_role("button", name="Check and write").click()
    page.get_by_role("alert").get_by_text("node.port").wait_for()
    assert file.read_text() == "node: {port: 11113}  # ours\nstorage: {root: ./data}\n"
    text.fill("node: {port: 11114}  # ours\nstorage: {root: ./data}\n")
    page.get_by_role("button", name="Check and write").click()
    page.get_by_text("Written. The node takes it over").wait_for()
    assert file.read_text() == "node: {port: 11114}  # ours\nstorage: {root: ./data}\n"


def test_an_administrator_lets_a_caller_in(chromium: Any, web: tuple[Site, str], tmp_path: Path) -> None:
    here, address = web
    file = tmp_path / "config.yaml"
    file.write_text("node: {port: 11113}  # ours\nstorage: {root: ./data}\n")
    here.console.editor = FileEditor(path=file)
    page = Person(chromium, address).log_in(Role.ADMIN).go("/callers")
    page.get_by_role("button", name="Allow STRANGER from 10.0.0.1").click()
    page.get_by_text("Added to the peers.").wait_for()
    (peer,) = load(file, environment={}).peers
    assert (peer.name, peer.ae_title, peer.hosts, peer.may_send) == (
        "STRANGER",
        "STRANGER",
        ("10.0.0.1",),
        True,
    )
    here.console.config = here.console.config.model_copy(update={"peers": (peer,)})  # as it is taken over
    page.reload()
    page.get_by_text("is let in now").wait_for()
    assert page.get_by_role("button", name="Allow STRANGER from 10.0.0.1").count() == 0
