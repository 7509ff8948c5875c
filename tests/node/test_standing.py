"""Where everything stands: for people in 80 columns, for machines as JSON, and asked by commands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from node import queue, standing, standing_table, tables
from node.commands_node import app
from node.config import Assembly
from node.intake import Intake
from node.volume_lines import gate_line, volume_lines
from storage import arrivals, circuits, deliveries, events, expectations, outcomes
from storage.errors import ConfigError
from storage.records import Circuit, Event, VolumeRow
from storage.states import DeliveryState, SeriesState, Source, Trouble
from tests.node import results
from tests.node.receiving import SERIES, Store, ct, take
from tests.node.results import analysed, job_statuses, states, workflow_ledger

workflow_template = results.workflow_template
NOW = 1000.0
HOSTILE = "C000 [/b] no [red]room[/red] \\"


def shown(what: RenderableType) -> str:
    """As a terminal of 80 columns shows it, without colours."""
    out = StringIO()
    Console(width=80, file=out, force_terminal=False).print(what)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert all(len(line) <= 80 for line in lines)
    return "\n".join(lines) + "\n"


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    each = Store(tmp_path)
    fill(each)
    return each


def fill(store: Store) -> None:
    """One series that was analysed; its SR waits for one PACS, its SEG is dead."""
    analysed(store)
    store.association("open", opened_at=990.0)
    with store.ledger.writing() as connection:
        for result in outcomes.results_of(connection, SERIES, 1):
            deliveries.owe(connection, result.sop_instance_uid, "pacs", 400.0)
        by_kind = {row.result.kind: row.id for row in deliveries.unsettled(connection)}
        deliveries.postpone(connection, [by_kind["SR"]], until=1030.0, error="A700 full")
        deliveries.give_up(connection, [by_kind["SEG"]], error=HOSTILE, now=500.0)
        detail = f"SEG to pacs: {HOSTILE}"
        events.tell(connection, Event(at=700.0, kind="dead letter", subject=SERIES, detail=detail))


def test_the_node_at_a_glance(store: Store) -> None:
    with store.ledger.reading() as connection:
        node = standing.standing(connection)
    text = shown(standing_table.standing_table(node, 1000.0))
    assert text.startswith("1 associations open: ")
    assert re.search(rf"^15 min +\.\.\.{SERIES} +1 +1 +analysed", text, re.MULTILINE)
    assert re.search(r"^pacs {10,20}1 +1$", text, re.MULTILINE)  # waiting, dead
    assert f"5 min ago dead letter: {SERIES} SEG to pacs: {HOSTILE}" in squeezed(text)


def test_one_series_in_full(store: Store) -> None:
    with store.ledger.reading() as connection:
        found = standing.series_standing(connection, SERIES, Assembly(), NOW)
        assert standing.series_standing(connection, "1.2.3", Assembly(), NOW) is None
    assert found is not None
    report = {
        "axis": {"value": "axial"},
        "body_part": {"value": "abdomen"},
        "contrast": {"value": "yes"},
        "levels": {"T12": {"found": True, "z_mm": -12.4}, "L3": {"found": False, "state": "not covered"}},
    }
    volume = replace(found.volumes[0], report=report, slices=118)
    refused = VolumeRow(
        series_instance_uid=SERIES,
        revision=1,
        number=2,
        eligible=False,
        reason="orientation differs [x]",
        slices=3,
        digest=None,
        report={"levels": {"T12": {"found": True, "z_mm": None, "state": "edge"}}},
    )
    text = shown(tables.series_table(replace(found, volumes=(volume, refused))))
    assert re.search(rf"^series +{SERIES}$", text, re.MULTILINE)
    assert re.search(r"^state +analysed, revision 1, 1 instances$", text, re.MULTILINE)
    assert re.search(r"^1 +118 +axial +abdomen +yes +-12 +not covered$", text, re.MULTILINE)
    assert re.search(r"^2 +3 +edge$", text, re.MULTILINE)
    assert re.search(r"^volume 1: accept$", text, re.MULTILINE)
    assert re.search(r"^gate +split: 1 accept, 1 hold$", text, re.MULTILINE)
    assert re.search(r"^volume 2: hold: orientation differs \[x\]$", text, re.MULTILINE)
    assert re.search(r"SR +pacs +waiting +1 +A700 full", text)


def test_a_series_that_is_received_says_what_it_waits_for(store: Store) -> None:
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: NOW - 1)
    take(intake, ct(2), association_id="open")
    with store.ledger.reading() as connection:
        found = standing.series_standing(connection, SERIES, Assembly(), NOW)
    assert found is not None and found.waits is not None
    text = squeezed(shown(tables.series_table(found)))
    assert f"waits for {found.waits.reason}" in text
    told = standing.series_json(found)
    assert (told["waits_for"], told["state"]) == (found.waits.reason, "receiving")
    endless = replace(found, waits=replace(found.waits, until=float("inf")))
    assert standing.series_json(endless)["waits_until"] is None
    settled = replace(found, waits=None)
    assert standing.series_json(settled)["waits_for"] is None
    assert "waits for" not in shown(tables.series_table(settled))


TURNED = "the body mirrors itself front to back (0.61) and not left to right (0.21)"
GATED = {
    "axis": {"value": "axial"},
    "body_part": {"value": "undetermined"},
    "contrast": {"value": "undetermined", "reason": "too little is seen"},
    "levels": {
        name: {"found": False, "state": "cannot tell", "reason": f"not credible: {TURNED}"}
        for name in ("T12", "L3")
    },
    "gate": {
        "verdict": "repair",
        "series_verdict": "split",
        "checks": [
            {"check": "HU offset", "outcome": "repaired", "detail": "HU are 1024 too high; 1024 subtracted"},
            {"check": "symmetry", "outcome": "noted", "detail": TURNED},
        ],
    },
    "warnings": ["Not for diagnosis", "HU are 1024 too high; 1024 subtracted", TURNED, "gap: 9.0 mm"],
    "header_disagreements": [{"attribute": "BodyPartExamined", "header": "HEAD", "pixels": "CHEST"}],
}


def test_the_verdict_and_the_reasons_of_a_volume_each_once(store: Store) -> None:
    with store.ledger.reading() as connection:
        found = standing.series_standing(connection, SERIES, Assembly(), NOW)
    assert found is not None
    volume = replace(found.volumes[0], report=GATED)
    assert volume_lines(volume) == [
        "volume 1: repair",
        "HU offset, repaired: HU are 1024 too high; 1024 subtracted",
        f"symmetry, noted: {TURNED}",
        "T12 and L3, cannot tell: not credible: see symmetry",
        "contrast, undetermined: too little is seen",
        "gap: 9.0 mm",
        "BodyPartExamined: the header says HEAD, the pixels say CHEST",
    ]
    assert volume_lines(replace(volume, carried_from=3, report={})) == ["volume 1: accept, as in revision 3"]
    held = {"verdict": "hold", "checks": [{"check": "missing slices", "outcome": "held", "detail": "2 of 9"}]}
    refused = replace(volume, eligible=False, reason="2 of 9; and more", report=GATED | {"gate": held})
    assert volume_lines(refused) == ["volume 1: hold: 2 of 9; and more"]
    assert gate_line((volume, refused)) == "split: 1 hold, 1 repair"
    assert gate_line((replace(volume, report={}),)) == "accept: 1 accept"
    assert gate_line(()) == "-"
    text = shown(tables.series_table(replace(found, volumes=(volume,))))
    assert (
        "\n  symmetry, noted: the body mirrors itself front to back (0.61) and not left to\n  right" in text
    )


def test_why_the_series_was_complete_and_who_counts_its_instances(store: Store) -> None:
    with store.ledger.writing() as connection:
        (image,) = arrivals.instances_of(connection, SERIES)
        for source, told_by, count, listed in (
            (Source.QUERY, "MAINPACS", 3, None),
            (Source.MPPS, "1.2.840.99", 1, [image.header.sop_instance_uid]),
        ):
            expectations.tell(
                connection,
                series_instance_uid=SERIES,
                source=source,
                told_by=told_by,
                count=count,
                sop_instance_uids=listed,
                now=1.0,
            )
    with store.ledger.reading() as connection:
        found = standing.series_standing(connection, SERIES, Assembly(), NOW)
    assert found is not None
    held = replace(found.series, state=SeriesState.HELD, reason="PatientID differs", rule="count known")
    text = shown(tables.series_table(replace(found, series=held)))
    assert re.search(r"^state +held, revision 1, 1 instances$", text, re.MULTILINE)
    assert re.search(r"^rule +count known$", text, re.MULTILINE)
    assert re.search(r"^evidence +quiet$", text, re.MULTILINE)
    assert re.search(r"^expected +1 instances, all are stored: mpps 1.2.840.99$", text, re.MULTILINE)
    assert re.search(r"^expected +3 instances, 2 missing: query MAINPACS$", text, re.MULTILINE)
    assert re.search(r"^reason +PatientID differs$", text, re.MULTILINE)
    told = standing.series_json(found)
    assert (told["rule"], told["released"], told["volumes"][0]["carried_from"]) == (
        found.series.rule,
        False,
        None,
    )
    assert told["expectations"] == [
        {"source": "mpps", "told_by": "1.2.840.99", "count": 1, "missing": 0, "unlisted": 0},
        {"source": "query", "told_by": "MAINPACS", "count": 3, "missing": 2, "unlisted": 0},
    ]


def test_what_has_not_arrived(store: Store) -> None:
    with store.ledger.reading() as connection:
        rows = deliveries.unsettled(connection)
    text = shown(tables.queue_table(rows, 1000.0))
    assert re.search(r"SR +pacs +waiting +10 min +1 +in 30 s +A700 full", text)
    assert re.search(r"SEG +pacs +dead +10 min +1 ", text)
    assert HOSTILE.split()[1] in text  # brackets are shown, not taken for markup
    assert shown(tables.queue_table([], 0)) == "nothing waits\n"
    address = "MAINPACS@pacs.radiology.hospital.example:11112"
    text = shown(tables.queue_table([replace(rows[0], last_error=f"{address}: refused")], 1000.0))
    assert address in "".join(line[49:].strip() for line in text.splitlines())  # broken, not cut


TROUBLED = Circuit(
    destination="pacs",
    trouble=Trouble.BLOCKED,
    failures=4,
    since=400.0,
    next_try_at=1840.0,
    reason="PACS@pacs:104: it does not accept calling AE 'CTNODE' [/x]",
)
BLOCKED = (
    "pacs: blocked since 10 min, 4 tries in vain, next try in 14 min: "
    "PACS@pacs:104: it does not accept calling AE 'CTNODE' [/x]"
)


def test_a_destination_in_trouble_says_since_when_why_and_what_is_next(store: Store) -> None:
    with store.ledger.writing() as connection:
        circuits.keep(connection, TROUBLED)
        node = standing.standing(connection)
        queued = queue.queue(connection)
    assert BLOCKED in squeezed(shown(standing_table.standing_table(node, 1000.0)))
    assert standing.standing_json(node)["destinations_in_trouble"] == [
        {
            "destination": "pacs",
            "trouble": "blocked",
            "since": 400.0,
            "failures": 4,
            "next_try_at": 1840.0,
            "reason": TROUBLED.reason,
        }
    ]
    text = shown(queue.queue_view(queued, 1000.0))
    assert BLOCKED in squeezed(text)
    assert re.search(r"SR +pacs +waiting +10 min +1 +in 14 min +A700 full", text)  # not in 30 s
    trying = replace(TROUBLED, failures=2, next_try_at=None)
    assert "2 tries in vain, each result tries by itself: PACS@" in tables.trouble_line(trying, 1000.0)


def test_what_was_never_tried_waits_for_the_reason_of_its_destination(store: Store) -> None:
    with store.ledger.writing() as connection:
        circuits.keep(connection, TROUBLED)
        deliveries.owe(connection, "2.25.501.1", "vna", 900.0)
        circuits.keep(connection, replace(TROUBLED, destination="vna"))
        found = queue.queue(connection)
    (vna,) = [row for row in found.deliveries if row.destination == "vna"]
    assert (vna.next_attempt_at, vna.last_error) == (1840.0, f"blocked: {TROUBLED.reason}")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "now"), (0.9, "now"), (-5, "now"), (1, "1 s"), (60, "1 min"), (3600, "1 h"), (86_400 * 3, "3 d")],
)
def test_an_age_in_its_largest_unit(seconds: float, words: str) -> None:
    assert tables.age(seconds) == words


def test_every_state_has_a_style() -> None:
    assert set(tables.STYLES) == {*SeriesState, *DeliveryState}


def test_the_same_for_machines(store: Store) -> None:
    with store.ledger.reading() as connection:
        node = standing.standing_json(standing.standing(connection))
        one = standing.series_standing(connection, SERIES, Assembly(), NOW)
    assert one is not None
    assert node["associations"] == [{"calling_ae": "SCU", "address": "127.0.0.1", "opened_at": 990.0}]
    assert node["series"] == [
        {
            "series_instance_uid": SERIES,
            "state": "analysed",
            "revision": 1,
            "instances": 1,
            "modality": "CT",
            "reason": None,
        }
    ]
    assert node["deliveries"] == [
        {"destination": "pacs", "state": "dead", "count": 1},
        {"destination": "pacs", "state": "waiting", "count": 1},
    ]
    series = standing.series_json(one)
    assert (series["state"], series["evidence"], len(series["volumes"])) == ("analysed", "quiet", 1)
    assert {(d["kind"], d["state"], d["last_error"]) for d in series["deliveries"]} == {
        ("SR", "waiting", "A700 full"),
        ("SEG", "dead", HOSTILE),
    }
    json.dumps([node, series], allow_nan=False)


class Commands:
    """`ctnode status` and `ctnode queue` on a node that has run."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yaml"
        self.config.write_text(f"storage: {{root: {folder / 'data'}}}\n")

    def run(self, *arguments: str, code: int = 0) -> str:
        ran = CliRunner().invoke(app, [*arguments, "--config", str(self.config)])
        assert ran.exit_code == code, ran.output
        return ran.stdout


def test_the_commands(tmp_path: Path, workflow_template: Path) -> None:
    commands = Commands(tmp_path)
    with workflow_ledger(workflow_template, tmp_path / "data") as store:
        fill(store)
        assert "1 associations open" in commands.run("status")
        assert json.loads(commands.run("status", "--json"))["series"][0]["state"] == "analysed"
        assert json.loads(commands.run("status", SERIES, "--json"))["series_instance_uid"] == SERIES
        assert "series [/x] is not known here" in commands.run("status", "[/x]", code=1)
        assert {each["kind"] for each in json.loads(commands.run("queue", "list", "--json"))} == {"SR", "SEG"}
        assert "nothing to retry under 'nobody'" in commands.run("queue", "retry", "nobody", code=1)
        assert commands.run("queue", "retry", "dead") == "1 deliveries are tried again\n"
        assert states(store) == {"sr": DeliveryState.WAITING, "seg": DeliveryState.WAITING}
        assert commands.run("queue", "retry", SERIES) == "the series is analysed again as revision 2\n"
        assert store.series().state is SeriesState.QUEUED
        kinds = sorted(job.name for job in job_statuses(store).values())
        assert kinds == ["analyse", "deliver"]


def test_a_question_creates_nothing(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    ran = CliRunner().invoke(app, ["status", "--config", str(commands.config)])
    assert isinstance(ran.exception, ConfigError)
    assert "no node has run here yet" in str(ran.exception)
    assert not (tmp_path / "data").exists()


def test_a_large_node_is_read_at_a_glance(store: Store) -> None:
    """Many peers with long names, many callers, one rejected again and again: a line for each."""
    with store.ledger.reading() as connection:
        node = standing.standing(connection)
    names = [f"PACS-{n}-OF-THE-RADIOLOGY-DEPARTMENT" for n in range(8)]
    rejected = tuple(
        Event(at=NOW - 60 * n, kind="rejected", subject="X", detail="no peer has this AE title")
        for n in range(10)
    )
    one = node.associations[0]
    large = replace(
        node,
        associations=tuple(replace(one, id=str(n), calling_ae=f"CT{n % 6}") for n in range(30)),
        deliveries={(name, state): 12_345 for name in names for state in DeliveryState},
        events=(*rejected, Event(at=0.0, kind="receiver listens", subject="CTNODE", detail="")),
    )
    lines = shown(standing_table.standing_table(large, NOW)).splitlines()
    assert lines[0] == "30 associations open: CT0 5, CT1 5, CT2 5, CT3 5, 2 others"
    head = next(n for n, line in enumerate(lines) if line.startswith("results at"))
    assert lines[head].split() == [
        "results", "at", "waiting", "sent", "stored", "committed", "verified", "dead"
    ]  # fmt: skip
    together = "".join(line[:28].strip() for line in lines[head + 1 :])
    assert all(name in together for name in names)  # broken, not cut
    assert sum(line.count("12345") for line in lines) == 6 * len(names)
    assert squeezed(" ".join(lines[-2:])).endswith(
        "now rejected: X no peer has this AE title (10 times in 9 min) 17 min ago receiver listens: CTNODE"
    )
