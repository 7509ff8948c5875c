"""What a PACS administrator asks a page: what failed, what has not arrived, how sure that is, since when."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from storage import circuits, commitments, deliveries, events, proofs, schema
from storage.records import Circuit, Event
from storage.states import DeliveryState, Role, SeriesState, Trouble
from tests.console import filled
from tests.console.browsing import Site, log_in, send
from tests.console.filled import NOW, SERIES
from tests.console.test_pages import done, words


def test_of_many_a_few_are_tried_again_at_a_time(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers write between two transactions; each says who asked for it."""
    monkeypatch.setattr("node.console.pages.queue.ROWS_AT_ONCE", 1)
    send(here.visitor(Role.OPERATOR), "/queue/retry", what="to pacs")
    assert done(here) == ["some-operator: try again to pacs: 1 deliveries"] * 2


def test_a_long_queue_shows_its_oldest(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with here.store.ledger.writing() as connection:
        deliveries.owe(connection, "2.25.501", "archive", NOW - 1)
    monkeypatch.setattr("node.console.pages.queue.SHOWN", 1)
    page = words(here.visitor(Role.OPERATOR).get("/queue").text)
    assert "On their way 2 Retry all to archive Retry all to pacs" in page
    assert "The oldest 1 of 2." in page


def test_what_else_has_not_arrived_is_in_the_queue(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    before = words(browser.get("/queue").text)
    for heading in ("not yet proven", "Commitments that senders asked", "failed their own checks"):
        assert heading not in before
    with here.store.ledger.writing() as connection:
        (row,) = [d for d in deliveries.unsettled(connection) if d.state is DeliveryState.WAITING]
        deliveries.stored(connection, [row.id], NOW)
        proofs.ask_at(connection, [row.id], NOW + 60, now=NOW)
        commitments.ask(
            connection, transaction_uid="2.25.9", calling_ae="CT1", instances=[("1.2", "1.3")], now=NOW - 90
        )
        commitments.postpone(connection, "2.25.9", until=NOW + 30, error="CT1 does not answer")
        events.tell(connection, Event(at=NOW - 5, kind="result held", subject=SERIES, detail="SR: not valid"))
    page = words(browser.get("/queue").text)
    assert "Stored, and not yet proven" in page and "pacs 1" in page
    assert "CT1 1 waiting 2 min ago 1 in 30.0 s CT1 does not answer" in page
    assert "SR: not valid" in page


def test_a_destination_in_trouble_is_on_the_overview(here: Site) -> None:
    circuit = Circuit(
        destination="pacs", trouble=Trouble.BLOCKED, failures=4, since=NOW - 3600, next_try_at=NOW + 60,
        reason="calling AE title not recognised",
    )  # fmt: skip
    with here.store.ledger.writing() as connection:
        circuits.keep(connection, circuit)
    page = words(here.visitor(Role.VIEWER).get("/overview").text)
    assert "pacs does not let us in since 1 h, 4 tries in vain: calling AE title not recognised." in page


def test_series_that_failed_are_an_alarm(here: Site) -> None:
    filled.hold(here.store, SERIES, SeriesState.FAILED, "the worker died three times")
    browser = here.visitor(Role.VIEWER)
    assert '<li class="alarm"><a href="/series?state=failed"><b>1</b>' in browser.get("/overview").text
    assert "the worker died three times" in words(browser.get("/series?state=failed").text)


def test_a_result_that_failed_its_checks_is_on_its_series(here: Site) -> None:
    row = replace(filled.result("PDF", 503), held="it is no PDF")
    with here.store.ledger.writing() as connection:
        connection.execute(schema.result.insert().values(**vars(row), created_at=NOW))
    page = words(here.visitor(Role.VIEWER).get(f"/series/{SERIES}").text)
    assert "PDF 2.25.503 1 4.1 kB held, it failed its checks: it is no PDF" in page


@pytest.mark.parametrize(
    ("contrast", "shown"),
    [
        ({"value": "no", "confidence": 0.97, "probability": 0.03}, "Contrast medium no 97 %"),
        (
            {"value": "undetermined", "confidence": 0.9, "probability": 0.45},
            "Contrast medium undetermined probability 45 %",
        ),
        ({"value": "undetermined", "confidence": 0, "probability": None}, "Contrast medium undetermined 0 %"),
    ],
)
def test_how_sure_it_is_belongs_to_what_is_said(here: Site, contrast: dict[str, Any], shown: str) -> None:
    report = filled.report() | {"contrast": contrast}
    with here.store.ledger.writing() as connection:
        connection.execute(schema.volume.update().values(report=report))
    assert shown in words(here.visitor(Role.VIEWER).get(f"/series/{SERIES}").text)


def test_a_trace_shows_how_long_the_proof_took(here: Site) -> None:
    with here.store.ledger.writing() as connection:
        (row,) = [d for d in deliveries.unsettled(connection) if d.state is DeliveryState.WAITING]
        deliveries.stored(connection, [row.id], filled.RECEIVED_AT + 12.043)
        proofs.prove(connection, [row.id], DeliveryState.COMMITTED, filled.RECEIVED_AT + 14.5)
        proofs.prove(connection, [row.id], DeliveryState.VERIFIED, filled.RECEIVED_AT + 14.75)
    page = words(here.visitor(Role.VIEWER).get(f"/series/{SERIES}").text)
    for sentence in (
        "13:46:52.000 13,000 ms SR to pacs 43 ms stored, attempt 2",
        "13:46:52.043 13,043 ms SR committed to by pacs 2,457 ms",
        "13:46:54.500 15,500 ms SR found in its study at pacs 250 ms",
    ):
        assert sentence in page, sentence


def test_events_have_pages_and_lead_to_what_they_are_about(here: Site) -> None:
    with here.store.ledger.writing() as connection:
        for number in range(450):
            about = SERIES if number % 2 else "CT1"
            connection.execute(
                schema.event.insert().values(at=100.0 + number // 2, kind="k", subject=about, detail="")
            )
    browser, path, seen = here.visitor(Role.VIEWER), "/events", []
    while path:
        page = browser.get(path).text
        seen.append(page.count('<td class="time">'))
        older = re.search(r'href="([^"]+)" rel="next"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    total = sum(seen)
    assert (len(seen), seen[0], 450 <= total <= 470) == (3, 200, True)
    assert f'href="/series/{SERIES}"' in page and 'href="/events?subject=CT1"' in page
    assert browser.get("/events?until=x").status_code == 404


def test_the_own_password_is_not_changed_without_it(here: Site) -> None:
    browser, new = here.visitor(Role.ADMIN), {"password": "x1y2z3x1y2z3", "again": "x1y2z3x1y2z3"}
    answer = send(browser, "/accounts/some-admin/password", **new)
    assert (answer.status_code, "with the present one" in answer.text) == (422, True)
    assert 'action="/accounts/some-admin/password"' not in browser.get("/accounts").text
    assert log_in(here.browser(), "some-admin").status_code == 303


def test_a_caller_stands_as_the_configuration_says_now(here: Site) -> None:
    with here.store.ledger.writing() as connection:
        for ae_title, address in (("CT1", "10.0.0.9"), ("CT1", "10.0.0.77"), ("MAINPACS", "127.0.0.1")):
            detail = f"caller AE {ae_title!r} from {address}: why"
            events.tell(connection, Event(at=NOW, kind="rejected", subject=ae_title, detail=detail))
        events.tell(connection, Event(at=NOW, kind="rejected", subject="CT8", detail="no address"))
        wrong = "caller AE 'CT1' from 10.0.0.10 called 'CTNOED'; we are 'CTNODE'"
        events.tell(connection, Event(at=NOW, kind="rejected", subject="CT1", detail=wrong))
    page = words(here.visitor(Role.ADMIN).get("/callers").text)
    for sentence in (
        "CT1 10.0.0.9 why now 1 is let in now",
        "CT1 10.0.0.77 why now 1 a peer has this title: correct it",
        "MAINPACS 127.0.0.1 why now 1 a peer has this title: correct it",  # and it may not send
        "CT8 no address now 1 its address was not told",
        "called &#39;CTNOED&#39;; we are &#39;CTNODE&#39; now 1 correct the called AE title there",
    ):
        assert sentence in page, sentence
