"""What contradicts its study waits for a person; what is replaced never leaves. Real rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import (
    CTImageStorage,
    EncapsulatedPDFStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)
from structlog.testing import capture_logs
from typer.testing import CliRunner

from node.commands_node import app
from node.config import Config, Peer
from node.delivery import Delivering
from node.dispatcher import Dispatcher
from node.intake import Intake
from node.revival import release_series
from storage import arrivals, deliveries, outcomes
from storage.errors import Misfiled
from storage.states import DeliveryState, SeriesState
from tests.node import results
from tests.node.receiving import SERIES, STUDY, Store, ct, take
from tests.node.results import JobList, analysed, rows, states, workflow_ledger
from tests.node.scu_peers import Store as Pacs
from tests.node.scu_peers import scp
from tests.stores import reading

workflow_template = results.workflow_template
OTHER = "2.25.1003"
BOTH = [(str(uid), ["1.2.840.10008.1.2.1"]) for uid in results.KINDS.values()]
WAITING, STORED, WITHDRAWN = DeliveryState.WAITING, DeliveryState.STORED, DeliveryState.WITHDRAWN


class Node:
    """Intake, completion and delivery, each called by hand."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.jobs = JobList()
        self.now = 1000.0
        self.port = 104
        store.association("node")
        self.intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: self.now)

    @property
    def delivering(self) -> Delivering:
        pacs = Peer(name="pacs", ae_title="PEER", gets_results=True, hosts=("127.0.0.1",), port=self.port)
        return Delivering(
            Config(peers=(pacs,)),
            self.store.blobs,
            self.store.ledger,
            self.jobs,  # type: ignore[arg-type]
            clock=lambda: self.now,
        )

    def take(self, number: int, **attributes: Any) -> None:
        self.now += 1.0
        take(self.intake, ct(number, **attributes), association_id="node")

    def complete(self, uid: str = SERIES) -> tuple[SeriesState, str | None]:
        series = self.store.series(uid)
        with self.store.ledger.writing() as connection:
            outcomes.complete(
                connection,
                uid,
                last_received_at=series.last_received_at,
                rule="quiet",
                evidence="quiet",
                now=self.now,
            )
        found = self.store.series(uid)
        return found.state, found.reason

    def record(self, revision: int) -> None:
        """One report, and no volume."""
        row = results._result(self.store, "sr", revision)
        with self.store.ledger.writing() as connection:
            assert outcomes.record_analysis(
                connection, [], [row], series_instance_uid=SERIES, revision=revision, now=self.now
            )


@pytest.fixture
def node(tmp_path: Path, workflow_template: Path) -> Iterator[Node]:
    with workflow_ledger(workflow_template, tmp_path / "data") as store:
        yield Node(store)


def test_names_that_people_take_for_the_same_hold_nothing(node: Node) -> None:
    names = ["DOE^JANE", "Doe^Jane ", "Doe^Jane=\u5c71\u7530", "Doe^Jane^^^", ""]
    for number, name in enumerate(names):
        node.take(number, PatientID="17", PatientName=name, SpecificCharacterSet="ISO_IR 192")
    assert node.complete() == (SeriesState.QUEUED, None)


def test_another_name_is_held_and_no_value_is_told(node: Node) -> None:
    node.take(1, PatientID="17", PatientName="Doe^Jane")
    node.take(2, PatientID="17", PatientName="Roe^Richard")
    state, reason = node.complete()
    assert state is SeriesState.HELD
    assert reason == (
        "Patient's Name (0010,0010) has 2 values within the study: 1 instances of series 2.25.1002"
        " against 1 instances of series 2.25.1002"
    )
    (told,) = node.store.events("identity conflict")
    assert told.subject == SERIES
    assert not {"doe", "roe", "jane"} & set(told.detail.lower().replace("^", " ").split())


def test_results_wait_while_their_study_is_in_doubt_and_leave_together(node: Node) -> None:
    analysed(node.store)
    with scp(BOTH, (peer := Pacs(lambda event: 0x0000)).handlers) as address:
        node.port = address.port
        node.take(90, PatientID="17")
        node.complete()
        node.record(2)
        node.delivering.route(SERIES, 2)
        node.take(1, series=OTHER, PatientID="18")
        assert node.complete(OTHER)[0] is SeriesState.HELD
        with capture_logs() as logs:
            node.delivering.deliver(SERIES, 2, "pacs")
        assert peer.came == []
        withheld = [line for line in logs if line["event"] == "result withheld"]
        assert [line["instance"] for line in withheld] == ["2.25.501.2"]
        assert "Patient ID (0010,0020) has 2 values" in withheld[0]["reason"]
        with node.store.ledger.writing() as connection:
            assert release_series(connection, node.jobs, OTHER, 5000.0) == (1, 1)  # type: ignore[arg-type]
        assert node.jobs.keys()[-2:] == [f"analyse/{OTHER}/1", f"deliver/pacs/{SERIES}/2/asked/5000000"]
        node.now = 6000.0
        node.delivering.deliver(SERIES, 2, "pacs")
        assert [uid for uid, _, _ in peer.came] == ["2.25.501.2"]


def test_nothing_of_an_overtaken_revision_is_routed_or_sent(node: Node) -> None:
    analysed(node.store)
    with scp(BOTH, (peer := Pacs(lambda event: 0x0000)).handlers) as address:
        node.port = address.port
        node.delivering.route(SERIES, 1)
        node.take(2)
        node.delivering.deliver(SERIES, 1, "pacs")
        assert (peer.came, states(node.store)) == ([], {"sr": WAITING, "seg": WAITING})
        assert node.complete() == (SeriesState.QUEUED, None)
        node.delivering.deliver(SERIES, 1, "pacs")
        node.delivering.route(SERIES, 1)
        assert peer.came == []
        node.record(2)
        node.delivering.route(SERIES, 1)  # late, or again
        node.delivering.deliver(SERIES, 1, "pacs")
        assert peer.came == []
        node.delivering.route(SERIES, 2)
        node.delivering.deliver(SERIES, 2, "pacs")
        assert [uid for uid, _, _ in peer.came] == ["2.25.501.2"]
        with node.store.ledger.reading() as connection:
            found = {d.result.sop_instance_uid: d.state for d in deliveries.deliveries_of(connection, SERIES)}
    assert found == {"2.25.501.1": WITHDRAWN, "2.25.502.1": WITHDRAWN, "2.25.501.2": STORED}


def test_what_is_withheld_is_not_overdue(node: Node) -> None:
    analysed(node.store)
    node.delivering.route(SERIES, 1)
    dispatcher = Dispatcher(
        Config(),
        node.store.blobs,
        node.store.ledger,
        store=reading(node.store.blobs),
        clock=lambda: 5000.0,
        monotonic=lambda: 5000.0,
    )
    node.take(2)
    dispatcher.remind()
    assert results.job_statuses(node.store) == {}
    node.complete()
    node.record(2)
    node.delivering.route(SERIES, 2)
    dispatcher.remind()
    assert list(results.job_statuses(node.store)) == [f"deliver/pacs/{SERIES}/2/overdue/5"]
    dispatcher._jobs.close()


def test_a_route_that_a_late_instance_overtook_owes_nothing(node: Node) -> None:
    analysed(node.store)
    node.take(2)
    node.delivering.route(SERIES, 1)
    assert (rows(node.store), node.jobs.jobs) == ({}, [])


def test_a_series_under_two_studies_is_refused_and_told_once_on_the_series(node: Node) -> None:
    node.take(1)
    for number in (2, 3):
        with pytest.raises(Misfiled):
            node.take(number, study="2.25.1099")
    assert len(node.store.events("kept aside")) == 2
    (told,) = node.store.events("misfiled")
    assert (told.subject, told.detail) == (SERIES, f"series known in study {STUDY}, now in 2.25.1099")


NOT_CT: dict[str, dict[str, Any]] = {
    "MR": {"SOPClassUID": MRImageStorage, "Modality": "MR"},
    "PET": {"SOPClassUID": PositronEmissionTomographyImageStorage, "Modality": "PT"},
    "a report of our own": {"SOPClassUID": results.KINDS["sr"], "Modality": "SR", "PixelData": None},
    "a segmentation of our own": {"SOPClassUID": results.KINDS["seg"], "Modality": "SEG"},
    "a PDF": {"SOPClassUID": EncapsulatedPDFStorage, "Modality": "DOC", "PixelData": None},
    "a CT without pixels": {"SOPClassUID": CTImageStorage, "PixelData": None},
}


@pytest.mark.parametrize("kind", NOT_CT)
def test_what_is_no_ct_image_never_reaches_the_worker(node: Node, kind: str) -> None:
    node.take(1, **NOT_CT[kind])
    state, reason = node.complete()
    assert state is SeriesState.NOT_ELIGIBLE
    assert str(reason).endswith("(1 instances)")
    assert "no Pixel Data" in str(reason) or "not CT image data: " in str(reason)


def test_of_a_mixed_series_the_ct_alone_is_for_the_worker(node: Node) -> None:
    for number, attributes in enumerate(NOT_CT.values(), start=10):
        node.take(number, **attributes)
    node.take(1)
    assert node.complete() == (SeriesState.QUEUED, None)
    with node.store.ledger.reading() as connection:
        found = arrivals.instances_of(connection, SERIES)
    assert [i.header.instance_number for i in found if i.ineligible is None] == [1]


def test_the_commands(node: Node, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"storage: {{root: {tmp_path / 'data'}}}\n")

    def run(*arguments: str, code: int = 0) -> str:
        ran = CliRunner().invoke(app, ["queue", *arguments, "--config", str(config)])
        assert ran.exit_code == code, ran.output
        return ran.stdout

    assert run("list") == "nothing waits\n"
    node.take(1, PatientID="17")
    assert node.complete() == (SeriesState.QUEUED, None)
    node.record(1)
    node.delivering.route(SERIES, 1)
    node.take(1, series=OTHER, PatientID="18")
    assert node.complete(OTHER)[0] is SeriesState.HELD
    waiting, held = json.loads(run("list", "--json"))
    assert (waiting["series_instance_uid"], waiting["state"]) == (SERIES, "waiting")
    assert waiting["last_error"].startswith("withheld: Patient ID (0010,0020) has 2 values")
    assert (held["series_instance_uid"], held["state"], held["kind"]) == (OTHER, "held", "series")
    assert held["last_error"].startswith("Patient ID (0010,0020) has 2 values")
    assert set(held) == set(waiting)
    shown = run("list")
    assert "held" in shown
    assert OTHER in shown
    assert "nothing is held under '1.2'" in run("release", "1.2", code=1)
    assert run("release", OTHER) == "1 series are analysed, 1 deliveries go on\n"
    assert node.store.series(OTHER).state is SeriesState.QUEUED
    (waiting,) = json.loads(run("list", "--json"))
    assert waiting["last_error"] is None
    assert sorted(job.name for job in results.job_statuses(node.store).values()) == ["analyse", "deliver"]
    assert "nothing is held" in run("release", OTHER, code=1)
