"""What the pages say, and what their buttons do."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from node.console.pages.callers import suggested_name
from node.console.pages.rendering import lasting, moment, precise, short, size, tallied
from storage import arrivals, deliveries, events, schema
from storage.errors import LedgerDown
from storage.states import DeliveryState, Role, SeriesState
from tests.console import filled
from tests.console.browsing import Site
from tests.console.filled import GAPPED, NOW, SERIES, STUDY


@pytest.fixture(scope="module")
def viewer(shown: Site) -> TestClient:
    return shown.visitor(Role.VIEWER)


def words(text: str) -> str:
    """A page as it is read."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)).strip()


def dead(here: Site) -> list[int]:
    with here.store.ledger.reading() as connection:
        return [r.id for r in deliveries.unsettled(connection) if r.state is DeliveryState.DEAD]


def done(here: Site) -> list[str]:
    """What the console recorded, the newest first."""
    with here.store.ledger.reading() as connection:
        found = [e for e in events.recent(connection, 50) if e.kind == "console"]
    return [f"{e.subject}: {e.detail}" for e in found if "logged in" not in e.detail]


def test_monitors_need_no_login(shown: Site) -> None:
    assert [shown.browser().get(path).text for path in ("/healthz", "/readyz")] == ["alive", "ready"]


def test_a_node_without_room_or_database_is_not_ready(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = here.browser()
    monkeypatch.setattr("shutil.disk_usage", lambda _: (1000, 999, 1))
    monkeypatch.setattr("node.console.pages.health.shutil.disk_usage", lambda _: Usage(free=1))
    assert browser.get("/readyz").status_code == 503

    def down() -> None:
        raise LedgerDown("no")

    monkeypatch.setattr(here.console.ledger, "reading", down)
    assert browser.get("/readyz").status_code == 503
    assert browser.get("/healthz").status_code == 200


class Usage:
    def __init__(self, *, free: int) -> None:
        self.free = free


def test_a_database_that_is_down_is_said(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = here.visitor(Role.VIEWER)

    def down() -> None:
        raise LedgerDown("no")

    monkeypatch.setattr(here.console.ledger, "reading", down)
    answer = browser.get("/queue")
    assert (answer.status_code, answer.text) == (503, "the database does not answer")


def test_the_overview(viewer: TestClient) -> None:
    page = words(viewer.get("/").text)
    for sentence in (
        "1 associations open",
        "1 series being received",
        "0 waiting for analysis",
        "1 analysed",
        "1 results on their way",
        "1 dead letters",
        "0 held for a person",
        "0 could not be analysed",
        "CT1 10.0.0.9 1 min 41 s",
        "pacs dead 1 pacs waiting 1",
    ):
        assert sentence in page
    assert "pydicom 3.0" in page


def test_the_overview_asks_again_for_what_changes(viewer: TestClient) -> None:
    assert 'hx-get="/overview" hx-trigger="every 5s"' in viewer.get("/").text
    part = viewer.get("/overview").text
    assert part.lstrip().startswith('<ul class="tiles"') and "<html" not in part


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [GAPPED, SERIES]),
        ("search=2.25.1003", [GAPPED]),
        (f"search={STUDY}", [GAPPED, SERIES]),
        ("search=CT1", [GAPPED]),
        ("search=ct1", []),
        ("search=abdom", [SERIES]),
        ("search=%25", []),
        ("search=_", []),
        ("state=analysed", [SERIES]),
        ("state=receiving", [GAPPED]),
        ("state=held", []),
        ("search=1003&state=analysed", []),
        ("before=1000500.0_9", [SERIES]),
    ],
)
def test_series_are_found(viewer: TestClient, query: str, found: list[str]) -> None:
    page = viewer.get(f"/series?{query}").text
    assert re.findall(r'href="/series/([0-9.]+)"', page) == found


def test_the_list_says_where_results_are(viewer: TestClient) -> None:
    line = words(viewer.get("/series?state=analysed").text)
    assert "ABDOMEN yes found 1 dead 1 waiting 10 min ago" in line


def test_htmx_gets_the_table_alone(viewer: TestClient) -> None:
    answer = viewer.get("/series", headers={"HX-Request": "true", "HX-Target": "found"})
    assert "<html" not in answer.text and "analysed" in answer.text


def test_the_list_has_pages(here: Site) -> None:
    with here.store.ledger.writing() as connection:
        for number in range(119):
            values = {
                "series_instance_uid": f"2.25.7{number:03}",
                "study_instance_uid": STUDY,
                "modality": "CT",
            }
            times = {"first_received_at": 1.0, "last_received_at": 10.0 + number // 2}
            connection.execute(
                schema.series.insert().values(**values, **times, state=SeriesState.RECEIVING, instances=1)
            )
    browser, found, path = here.visitor(Role.VIEWER), [], "/series?search=&state="
    pages = []
    while path:
        page = browser.get(path).text
        pages.append(re.findall(r'href="/series/([0-9.]+)"', page))
        found += pages[-1]
        older = re.search(r'href="([^"]+)" rel="next"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert [len(page) for page in pages] == [50, 50, 21]
    assert len(set(found)) == 121
    assert found[:2] == [GAPPED, SERIES]


def test_one_series(viewer: TestClient) -> None:
    page = words(viewer.get(f"/series/{SERIES}").text)
    for sentence in (
        "24 axial slices every 5.00 mm, from 0.0 to 115.0 mm. No gap, no place twice.",
        "Body part ABDOMEN 91 % &lt;B&gt;LEG&lt;/B&gt; disagrees",
        "L3 z 75.0 mm, slice 16 93 %, 70 to 80 mm",
        "T12 not in field",
        "Contrast medium yes 90 %",
        "Model reference 9.9.9",
        "SR 2.25.501 1 4.1 kB pacs waiting 1",
        "SEG 2.25.502 1 4.1 kB pacs dead 1",
        "&lt;b&gt;&amp;&#34;&#39;&lt;/b&gt; from 10.0.0.9, receiver 0: released",
    ):
        assert sentence in page, sentence


def test_the_trace_is_in_milliseconds(viewer: TestClient) -> None:
    page = words(viewer.get(f"/series/{SERIES}").text)
    for sentence in (
        "13:46:39.000 0 ms association 4,000 ms",
        "13:46:40.000 1,000 ms instances stored 2,300 ms 24 instances",
        "13:46:42.300 3,300 ms complete as revision 1 5,700 ms long quiet:",
        "13:46:48.000 9,000 ms waited for a worker 2,250 ms",
        "13:46:50.250 11,250 ms analysed 1,750 ms reading 0.50 s, models 1.25 s; 2 result objects",
        "13:46:52.000 13,000 ms SEG to pacs 8,000 ms dead, attempt 1",
    ):
        assert sentence in page, sentence


def test_a_series_that_is_being_received_shows_its_gap(viewer: TestClient) -> None:
    page = viewer.get(f"/series/{GAPPED}").text
    read = words(page)
    assert "1 gap, 3 slices missing; 1 at a place that has one already." in read
    assert "3 slices missing between instance 4 and 8 (20.0 mm)" in read
    assert "Expected by mpps 10 instances, 2 missing" in read
    assert f'hx-get="/series/{GAPPED}/progress?state=receiving" hx-trigger="every 2s"' in page
    assert page.count('class="gap"') == 1 and page.count('class="twice"') == 1


def test_the_page_is_another_one_when_the_series_went_on(viewer: TestClient) -> None:
    still = viewer.get(f"/series/{GAPPED}/progress?state=receiving")
    gone_on = viewer.get(f"/series/{SERIES}/progress?state=receiving")
    assert ("hx-refresh" in still.headers, gone_on.headers.get("hx-refresh")) == (False, "true")


def test_the_levels_are_drawn_beside_the_projections(viewer: TestClient) -> None:
    page = viewer.get(f"/series/{SERIES}").text
    assert f"/series/{SERIES}/projections/0/coronal.png" in page
    assert 'class="level"' in page and "L3 at 75 mm" in page
    assert re.findall(r'class="region"[^>]*>(\w+)<', page) == ["pelvis", "abdomen"]


def test_a_series_that_is_not_known(viewer: TestClient) -> None:
    for path in ("/series/1.2.3", "/series/1.2.3/progress", "/series/1.2.3/slices/0/0"):
        assert viewer.get(path).status_code == 404


def test_a_viewer_sees_no_button_that_is_not_for_him(viewer: TestClient) -> None:
    for path in ("/queue", "/peers", "/callers", f"/series/{SERIES}"):
        forms = re.findall(r'<form[^>]*action="([^"]+)"', viewer.get(path).text)
        assert set(forms) == {"/logout"}, path


def test_peers_show_when_they_were_heard(viewer: TestClient) -> None:
    page = words(viewer.get("/peers").text)
    assert "CT1 CT1 Calls from 10.0.0.9" in page and "Last association 2 min ago" in page
    assert "Results 1 dead 1 waiting" in page


def test_the_quality_of_data(viewer: TestClient) -> None:
    page = words(viewer.get("/quality").text)
    assert "100 % 1 of 1 compared (1 analysed) 2.25.1002 : header" in page
    assert "– 0 of 0 compared (1 analysed)" in page  # ContrastBolusAgent: the header says nothing
    assert viewer.get("/quality?days=0").status_code == 404


def test_events_of_one_subject(viewer: TestClient) -> None:
    page = words(viewer.get("/events?subject=STRANGER").text)
    assert "no peer has this AE title" in page and "console" not in page.partition("Events")[2]


def test_associations_that_end_are_gone_from_the_overview(here: Site) -> None:
    filled.close_all(here.store)
    assert "Nobody is connected." in here.visitor(Role.VIEWER).get("/overview").text
    with here.store.ledger.reading() as connection:
        assert arrivals.open_associations(connection) == []


def test_how_values_are_written() -> None:
    assert [size(n) for n in (12, 4096, 2.5e6, 3e9, 7.25e12)] == [
        "12 B",
        "4.1 kB",
        "2.5 MB",
        "3.0 GB",
        "7.2 TB",
    ]
    assert [lasting(s) for s in (0.0123, 4.25, 65, 7500)] == ["12 ms", "4.2 s", "1 min 5 s", "2 h 5 min"]
    assert (moment(NOW), precise(0.0625), moment(None)) == ("1970-01-12 13:56:40", "00:00:00.062", "")
    assert (short("2.25.1"), short("1.2.3456789012345678901")) == ("2.25.1", "…6789012345678901")
    assert [tallied(v) for v in ((), ("yes",), ("no", "yes", "no", "yes", "yes"))] == [
        "",
        "yes",
        "yes (3), no (2)",
    ]
    assert [suggested_name(ae) for ae in ("CT 1", "<b>&\"'</b>", "  ", "..")] == [
        "CT-1",
        "b-b",
        "peer",
        "peer",
    ]
