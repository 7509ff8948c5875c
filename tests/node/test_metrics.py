"""What /metrics tells: the right numbers, nothing of a patient, to those who may read it alone."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event as sqlalchemy_event

from node.config import Audit, Config, Tls
from node.config import Console as ConsoleSection
from node.heartbeat import Heartbeat, receiver_name
from node.metrics.certificates import certificates
from node.metrics.day import DAY_S, KEPT_S
from node.metrics.table import METRICS
from node.peers import Admission, Admitted
from node.rejections import Rejections
from node.settling import settle
from storage import arrivals, audits, circuits, deliveries, events, heartbeats, retention, schema, tallies
from storage.records import Association, Circuit, Event
from storage.states import Ending, Role, Trouble
from storage.tallies import Counter
from tests.console import conftest, filled
from tests.console.browsing import Site, site
from tests.console.filled import NOW, RECEIVED_AT
from tests.node import results
from tests.node.authority import Authority
from tests.storage import rows
from tests.waiting import eventually

workflow_template = results.workflow_template
filled_root = conftest.filled_root
here = conftest.here

Samples = dict[tuple[str, ...], float]


def scraped(here: Site, **headers: str) -> str:
    answer = here.browser().get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def values(text: str, name: str) -> Samples:
    """Labels' values, in the order of the table -> value."""
    labels = next(each.labels for each in METRICS if each.name == name)
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_what_is_told_is_what_the_table_names_and_no_more(here: Site) -> None:
    families = list(text_string_to_metric_families(scraped(here)))
    told = {f"{f.name}_total" if f.type == "counter" else f.name: f for f in families}
    assert list(told) == [each.name for each in METRICS]
    for each in METRICS:
        assert (told[each.name].type, told[each.name].documentation) == (each.kind, each.help)
        assert each.help.endswith(".")
        assert each.name.startswith("ctnode_")
        assert each.name.endswith("_total") is (each.kind == "counter")
        for sample in told[each.name].samples:
            assert set(sample.labels) == set(each.labels)


def test_the_ledger_is_counted_rightly(here: Site) -> None:
    """24 slices for 24 s; the last slice at +1.15 s; one result waits, one is dead."""
    text = scraped(here)
    assert values(text, "ctnode_series") == {
        ("receiving",): 1, ("queued",): 0, ("analysed",): 1, ("not eligible",): 0, ("failed",): 0,
        ("held",): 0,
    }  # fmt: skip
    assert values(text, "ctnode_associations_open") == {("CT1",): 1}
    owed = values(text, "ctnode_deliveries")
    assert (owed["pacs", "waiting"], owed["pacs", "dead"], owed["pacs", "stored"]) == (1, 1, 0)
    assert values(text, "ctnode_delivery_oldest_seconds") == {("pacs",): NOW - RECEIVED_AT - 12}
    ages = values(text, "ctnode_queue_oldest_seconds")
    assert ages == {("receiving",): pytest.approx(100, abs=1), ("analysis",): 0, ("person",): 0}
    assert values(text, "ctnode_model_doubt_ratio") == {("body_part",): 0, ("contrast",): 0, ("L3",): 0}
    assert values(text, "ctnode_inference_seconds") == {("0.5",): 1.25, ("0.95",): 1.25}
    assert values(text, "ctnode_inference_volumes") == {(): 1}
    assert values(text, "ctnode_last_slice_to_destination_series") == {(): 0}
    assert values(text, "ctnode_last_slice_to_destination_seconds") == {}


def test_the_time_from_the_last_slice_to_the_destination_is_that_of_the_first_result(here: Site) -> None:
    last = here.store.series(filled.SERIES).last_received_at
    with here.store.ledger.writing() as connection:
        by_kind = {row.result.kind: row.id for row in deliveries.unsettled(connection)}
        deliveries.stored(connection, [by_kind["SR"]], last + 30)
        deliveries.revive(connection, [by_kind["SEG"]], last + 30)
        deliveries.stored(connection, [by_kind["SEG"]], last + 50)
    text = scraped(here)
    told = values(text, "ctnode_last_slice_to_destination_seconds")
    assert told == {("0.5",): pytest.approx(30), ("0.95",): pytest.approx(30)}
    here.clock.now = last + 86_401
    assert values(scraped(here), "ctnode_last_slice_to_destination_series") == {(): 0}


def test_doubts_and_disagreements_are_shares_of_the_volumes(here: Site) -> None:
    with here.store.ledger.writing() as connection:
        (volume,) = connection.execute(schema.volume.select()).all()
        finding = schema.finding
        connection.execute(finding.update().where(finding.c.name == "contrast").values(value="undetermined"))
        values_of = {"volume_id": volume.id, "name": "PatientPosition", "value": "agrees", "confidence": 1.0}
        connection.execute(finding.insert().values(**values_of))  # beside the one that disagrees
    text = scraped(here)
    assert values(text, "ctnode_model_doubt_ratio") == {("body_part",): 0, ("contrast",): 1, ("L3",): 0}
    told = values(text, "ctnode_header_disagreement_ratio")
    assert told == {("BodyPartExamined",): 1, ("PatientPosition",): 0}


def test_a_long_report_is_read_once(here: Site) -> None:
    scraped(here)
    asked: list[str] = []
    sqlalchemy_event.listen(
        here.store.ledger.engine, "before_cursor_execute", lambda *given: asked.append(str(given[2:4]))
    )
    assert values(scraped(here), "ctnode_inference_seconds") == {("0.5",): 1.25, ("0.95",): 1.25}
    (about,) = [each for each in asked if "volume.report" in each]
    assert "volume.id > ?" in about
    assert ", 1, " in about.rpartition("(")[2]  # beyond row 1


def test_a_destination_in_trouble_is_told(here: Site) -> None:
    trouble = Circuit(
        destination="pacs", trouble=Trouble.BLOCKED, failures=3, since=NOW, next_try_at=None, reason="no"
    )
    with here.store.ledger.writing() as connection:
        circuits.keep(connection, trouble)
    told = values(scraped(here), "ctnode_destination_trouble")
    assert told == {("pacs", each.value): float(each is Trouble.BLOCKED) for each in Trouble}


# What only grows.


def test_instances_are_counted_once_and_by_caller_and_stay_counted(here: Site) -> None:
    ledger = here.store.ledger
    with ledger.writing() as connection:
        before = tallies.counted(connection)
        arrivals.open_association(connection, rows.association("x"))
        new = [rows.instance(n, association_id="x") for n in (1, 2)]
        assert settle(connection, [*new, rows.instance(3)]).added == 3
        assert settle(connection, new).added == 0  # they came again
    with ledger.writing() as connection:
        grown = {k: v - before.get(k, 0) for k, v in tallies.counted(connection).items()}
        assert {k: v for k, v in grown.items() if v} == {
            (Counter.INSTANCES, "MODALITY"): 2,
            (Counter.BYTES, "MODALITY"): 526_001 + 526_002,
            (Counter.INSTANCES, "unknown"): 1,
            (Counter.BYTES, "unknown"): 526_003,
        }
        retention.forget_series(connection, rows.SERIES)
    assert values(scraped(here), "ctnode_instances_received_total")[("MODALITY",)] == 2


def test_what_is_not_committed_is_not_counted(here: Site) -> None:
    with pytest.raises(RuntimeError, match="lost"), here.store.ledger.writing() as connection:
        settle(connection, [rows.instance(1)])
        raise RuntimeError("lost")
    with here.store.ledger.reading() as connection:
        assert (Counter.INSTANCES, "unknown") not in tallies.counted(connection)


def test_associations_are_counted_by_how_they_ended(here: Site) -> None:
    with here.store.ledger.writing() as connection:
        for number, ending in enumerate((Ending.RELEASED, Ending.RELEASED, Ending.ABORTED, None)):
            arrivals.open_association(connection, rows.association(f"y{number}"))
            if ending is not None:
                arrivals.close_association(connection, f"y{number}", ending, NOW)
                arrivals.close_association(connection, f"y{number}", Ending.ABORTED, NOW)  # told twice
        assert arrivals.close_lost_associations(connection, NOW) == 2  # that one, and CT1's
    told = values(scraped(here), "ctnode_associations_ended_total")
    assert {k: v for k, v in told.items() if k[0] in ("MODALITY", "CT1")} == {
        ("MODALITY", "released"): 2,
        ("MODALITY", "aborted"): 1,
        ("MODALITY", "lost"): 1,
        ("CT1", "lost"): 1,
    }


REASONS = [(each.value,) for each in Admission if each is not Admission.ADMITTED]


def test_a_counter_of_rejections_is_there_before_the_first_one(here: Site) -> None:
    """One that appears with the value 12 has not grown, to Prometheus: the first burst would go unseen."""
    assert values(scraped(here), "ctnode_associations_rejected_total") == dict.fromkeys(REASONS, 0)


def test_strangers_make_no_samples_whatever_they_call_themselves(here: Site) -> None:
    def samples() -> int:
        families = text_string_to_metric_families(scraped(here))
        return sum(len(f.samples) for f in families if not f.name.startswith("ctnode_process"))

    before = samples()
    rejections = Rejections(here.store.ledger)
    for number in range(500):
        who = Association(
            id="", calling_ae=f"STRANGER{number}", called_ae="CTNODE", address="192.0.2.1", opened_at=NOW
        )
        admitted = Admitted(admission=Admission.CALLING_AE_UNKNOWN, reason=f"{who.calling_ae} is not known")
        rejections.tell(who, admitted, now=NOW)
    rejections.start()
    rejections.stop()
    assert values(scraped(here), "ctnode_associations_rejected_total")["calling AE unknown",] == 500
    assert samples() == before
    assert "STRANGER" not in scraped(here)


def test_what_stands_in_an_ae_title_is_escaped(here: Site) -> None:
    """PS3.5 6.2: an AE title may hold quotation marks, and braces; a reader gets back what was written."""
    titles = ['A"B{}', "C} 1'", "D,E=F #"]
    with here.store.ledger.writing() as connection:
        for number, title in enumerate(titles):
            arrivals.open_association(connection, replace(rows.association(f"z{number}"), calling_ae=title))
    told = values(scraped(here), "ctnode_associations_open")
    assert [told[title,] for title in titles] == [1, 1, 1]


def test_how_the_audit_trail_does_is_told(here: Site) -> None:
    text = scraped(here)
    assert (values(text, "ctnode_audit_waiting_bytes"), values(text, "ctnode_audit_broken")) == ({}, {(): 0})
    section = Audit(syslog_host="audit.example")
    here.console.config = here.console.config.model_copy(update={"audit": section})
    with here.store.ledger.writing() as connection:
        audits.keep(connection, audits.Trail(file_bytes=900, lines=3))
        audits.sent(connection, 250)
        events.tell(connection, Event(at=NOW - 10, kind="audit trail broken", subject="X", detail="cut"))
    text = scraped(here)
    assert values(text, "ctnode_audit_waiting_bytes") == {(): 650}
    assert values(text, "ctnode_audit_broken") == {(): 1}
    here.clock.now = NOW + 86_400
    assert values(scraped(here), "ctnode_audit_broken") == {(): 0}


def test_each_rejection_is_counted_though_few_are_told(here: Site) -> None:
    rejections = Rejections(here.store.ledger)
    who = Association(id="", calling_ae="X", called_ae="CTNODE", address="192.0.2.1", opened_at=NOW)
    admitted = Admitted(admission=Admission.CALLING_AE_UNKNOWN, reason="no peer has this AE title")
    for second in range(7):
        rejections.tell(who, admitted, now=NOW + second)
    rejections.start()
    rejections.stop()
    told = values(scraped(here), "ctnode_associations_rejected_total")
    assert told == dict.fromkeys(REASONS, 0) | {("calling AE unknown",): 7}
    assert len([e for e in here.store.events("rejected") if e.subject == "X"]) == 1


# Certificates and processes.


def test_certificates_that_end_or_cannot_be_read_are_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.sign("node")
    tls = Tls(port=2762, certificate=pair.certificate, key=pair.key, authorities=tmp_path / "missing.pem")
    ends = certificates(Config(tls=tls))
    expected = ssl._ssl._test_decode_cert(str(pair.certificate))["notAfter"]  # type: ignore[attr-defined]
    assert ends == {"tls.certificate": ssl.cert_time_to_seconds(expected), "tls.authorities": 0.0}


def test_a_process_that_is_silent_grows_old(here: Site) -> None:
    with here.store.ledger.writing() as connection:
        heartbeats.beat(connection, "host/receiver 0", NOW - 5)
        heartbeats.beat(connection, "host/receiver 0", NOW - 3)
    assert values(scraped(here), "ctnode_heartbeat_age_seconds")["host/receiver 0",] == 3.0


def test_a_node_is_ready_while_every_receiver_is_heard_of(here: Site) -> None:
    names = [receiver_name(number) for number in range(here.console.config.node.receiver_count)]

    def ready(*ages_s: float) -> int:
        with here.store.ledger.writing() as connection:
            for name, age_s in zip(names, ages_s, strict=False):
                heartbeats.beat(connection, name, NOW - age_s)
        return here.browser().get("/readyz").status_code

    with here.store.ledger.writing() as connection:
        for name in names:
            heartbeats.forget(connection, name)
    assert ready() == 503
    assert ready(*[1] * len(names)) == 200
    assert ready(61) == 503
    assert ready(60) == 200


def test_a_receiver_says_that_it_is_alive_until_it_is_told_to_stop(here: Site) -> None:
    ledger = here.store.ledger

    def last() -> dict[str, float]:
        with ledger.reading() as connection:
            return heartbeats.last(connection, ["host/receiver 9"])

    heartbeat = Heartbeat(ledger, "host/receiver 9")
    begun = time.time()
    heartbeat.start()
    eventually(last)
    assert begun <= last()["host/receiver 9"] <= time.time()
    heartbeat.stop()
    assert last() == {}


# Who may read.


@pytest.fixture
def made(filled_root: Path, tmp_path: Path) -> Iterator[Any]:
    open_sites: list[Site] = []

    def make(**section: Any) -> Site:
        store = filled.copied(filled_root, tmp_path / f"root{len(open_sites)}")
        open_sites.append(site(store, console=ConsoleSection(**section)))
        return open_sites[-1]

    yield make
    for each in open_sites:
        each.console.close()


def test_only_monitors_and_those_who_are_logged_in_read(made: Any) -> None:
    there = made(metrics_from=("10.0.0.7", "10.1.0.0/16"))
    statuses = {
        address: there.browser(address=address).get("/metrics").status_code
        for address in ("10.0.0.7", "10.1.2.3", "10.0.0.8", "127.0.0.1")
    }
    assert statuses == {"10.0.0.7": 200, "10.1.2.3": 200, "10.0.0.8": 401, "127.0.0.1": 401}
    assert there.visitor(Role.VIEWER).get("/metrics").status_code == 200
    assert there.browser(address="10.0.0.7").get("/overview").status_code == 401
    assert there.browser(address="10.0.0.7").post("/metrics").status_code == 405


def test_what_a_proxy_passes_on_is_no_monitors(made: Any) -> None:
    undeclared = made()
    assert undeclared.browser().get("/metrics").status_code == 200
    assert undeclared.browser().get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
    assert made(trusted_proxies=("127.0.0.1",)).browser().get("/metrics").status_code == 401


def test_nothing_of_a_patient_a_study_or_a_series_is_told(here: Site) -> None:
    text = scraped(here)
    for telling in (filled.PATIENT, "JANE", "4711", filled.SERIES, filled.STUDY, "<script>", "Manufacturer"):
        assert telling not in text, telling


def test_a_scrape_of_a_hundred_thousand_instances_asks_no_row_of_them(here: Site) -> None:
    """What an instance's table would cost grows with it: no question looks there."""
    asked: list[str] = []
    sqlalchemy_event.listen(
        here.store.ledger.engine, "before_cursor_execute", lambda *given: asked.append(given[2])
    )
    scraped(here)
    assert len(asked) < 30
    assert [each for each in asked if "FROM instance" in each or "JOIN instance" in each] == []


def test_what_is_of_a_day_is_looked_for_among_the_series_of_that_day(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deliveries, results, volumes and findings are those of all days: no question reads them all."""
    monkeypatch.setattr("storage.figures.series_since", lambda *_: [f"1.2.{n}" for n in range(400)])
    asked: list[tuple[str, Any]] = []
    engine = here.store.ledger.engine
    sqlalchemy_event.listen(
        engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3]))
    )
    scraped(here)
    of_a_day = [
        each
        for each in asked
        if any(told in each[0] for told in ("finding", "JOIN delivery", "volume.report"))
    ]
    assert len(of_a_day) == 3
    with engine.connect() as connection:
        for statement, values in of_a_day:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert [row[3] for row in plan if row[3].startswith("SCAN") or "state" in row[3]] == []


def test_a_node_that_analyses_nothing_for_days_does_not_read_its_old_reports_again(here: Site) -> None:
    here.clock.now = NOW + 2 * DAY_S
    assert values(scraped(here), "ctnode_inference_volumes") == {(): 0}
    asked: list[str] = []
    sqlalchemy_event.listen(
        here.store.ledger.engine, "before_cursor_execute", lambda *given: asked.append(str(given[2:4]))
    )
    scraped(here)
    (about,) = [each for each in asked if "volume.report" in each]
    assert "volume.id > ?" in about
    assert ", 1, " in about.rpartition("(")[2]  # beyond row 1, which was of no series of that day


def test_a_day_of_many_series_is_read_once_a_minute(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.metrics.day.MANY", 1)  # there are two
    assert values(scraped(here), "ctnode_model_doubt_ratio")["contrast",] == 0
    with here.store.ledger.writing() as connection:
        finding = schema.finding
        connection.execute(finding.update().where(finding.c.name == "contrast").values(value="undetermined"))
    here.clock.now += KEPT_S - 1
    assert values(scraped(here), "ctnode_model_doubt_ratio")["contrast",] == 0
    assert values(scraped(here), "ctnode_series")["analysed",] == 1, "what is no figure of a day is as of now"
    here.clock.now += 1
    assert values(scraped(here), "ctnode_model_doubt_ratio")["contrast",] == 1


def test_a_day_of_few_series_is_read_with_each_scrape(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.metrics.day.MANY", 2)
    scraped(here)
    with here.store.ledger.writing() as connection:
        finding = schema.finding
        connection.execute(finding.update().where(finding.c.name == "contrast").values(value="undetermined"))
    assert values(scraped(here), "ctnode_model_doubt_ratio")["contrast",] == 1


def test_receivers_that_are_no_more_are_forgotten_when_the_node_begins(here: Site) -> None:
    """After a start with fewer of them, or under another name of the host, nobody waits for the old ones."""
    names = ["host/receiver 0", "host/receiver 3", "other/receiver 0", "host/dispatcher", "other/worker"]
    with here.store.ledger.writing() as connection:
        for name in names:
            heartbeats.beat(connection, name, NOW - 1000)
        heartbeats.forget_receivers(connection)
        assert sorted(heartbeats.last(connection, names)) == ["host/dispatcher", "other/worker"]
    told = {process for (process,) in values(scraped(here), "ctnode_heartbeat_age_seconds")}
    assert told >= {"host/dispatcher", "other/worker"} and not told & set(names[:3])
