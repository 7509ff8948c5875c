"""An object that fails the gate: a row with its reason, its file kept, and everything else as it would be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from inference import gate, worker
from inference import revision as at_work
from inference.dciodvfy import Judgement, Message
from inference.results import BUILDERS, Inputs
from inference.worker import main
from storage import events, outcomes, repeats
from storage.errors import Unavailable
from storage.kinds import Kind
from storage.ledger import Ledger
from tests.inference.worker import SERIES, Worker, localizer, predecessors, stack

BAD = Judgement(errors=(Message(path="/Modality(0008,0060)", words="Wrong"),), warnings=())
SOUND = Judgement(errors=(), warnings=())
REASON = "dciodvfy: Modality(0008,0060): Wrong"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    each = Worker(tmp_path)
    monkeypatch.setattr(at_work, "analyse", each.find)
    yield each
    each.ledger.close()


def hold(monkeypatch: pytest.MonkeyPatch, modality: bytes) -> None:
    """dciodvfy finds fault with the objects of one modality."""
    marked = b"\x08\x00\x60\x00CS" + len(modality).to_bytes(2, "little") + modality
    monkeypatch.setattr(gate.dciodvfy, "judge", lambda content: BAD if marked in content else SOUND)


def test_its_file_and_row_are_kept_and_nothing_else_is_held(
    node: Worker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hold(monkeypatch, b"SR")
    node.receive(stack(6))
    node.analyse()
    found = node.results(1)
    assert (found[1, "SR"].held, found[1, "SEG"].held) == (REASON, None)
    content = node.blobs.absolute(found[1, "SR"].path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == found[1, "SR"].digest
    with node.ledger.reading() as connection:
        assert [r.kind for r in outcomes.results_that_hold(connection, SERIES, 1)] == ["SEG"]
        assert [(r.kind, r.held) for r in outcomes.results_held(connection, SERIES, 1)] == [("SR", REASON)]
        (event,) = events.recent(connection, 9, subject=SERIES)
    assert (event.kind, event.detail) == ("result held", f"SR of volume 1: {REASON}")
    assert "result held" in "".join(capfd.readouterr())


def test_a_new_revision_does_not_name_it(node: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = stack(8)
    with monkeypatch.context() as patch:
        hold(patch, b"SR")
        node.receive(slices[:4])
        node.analyse()
    node.receive(slices[4:])
    node.analyse()
    report, segmentation = node.results(2)[1, "SR"], node.results(2)[1, "SEG"]
    assert (report.held, report.predecessor_uid) == (None, None)
    assert predecessors(node.dataset(report)) == []
    assert segmentation.predecessor_uid == node.results(1)[1, "SEG"].sop_instance_uid


def test_it_stays_held_where_its_volume_is_carried_over(
    node: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, b"SEG ")
    node.receive(stack(6))
    node.analyse()
    node.receive([localizer()])
    node.analyse()
    with node.ledger.reading() as connection:
        assert [r.kind for r in outcomes.results_that_hold(connection, SERIES, 2)] == ["SR"]
        assert [(r.kind, r.revision) for r in outcomes.results_held(connection, SERIES, 2)] == [("SEG", 1)]


def test_where_nothing_can_be_judged_everything_is_held_until_a_person_asks_again(
    node: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_content: bytes) -> Judgement:
        raise Unavailable("dciodvfy is not installed")

    with monkeypatch.context() as patch:
        patch.setattr(gate.dciodvfy, "judge", away)
        node.receive(stack(6))
        node.analyse()
    held = "not validated: dciodvfy is not installed"
    assert [r.held for r in node.results(1).values()] == [held, held]
    with node.ledger.writing() as connection:
        assert repeats.analyse_again(connection, SERIES, node.now) == 2
    node.analyst.analyse(SERIES, 2)
    assert [r.held for r in node.results(2).values()] == [None, None]


def test_an_object_that_cannot_be_built_takes_no_other_with_it(
    node: Worker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refused(_inputs: Inputs) -> Dataset:
        raise ValueError("Doe^Jane is not a value")

    monkeypatch.setattr("inference.results.BUILDERS", BUILDERS | {Kind.SR: refused})
    node.receive(stack(6))
    node.analyse()
    assert {kind: row.held for (_, kind), row in node.results(1).items()} == {"SEG": None}
    logged = "".join(capfd.readouterr())
    assert "result not built" in logged
    assert "SR: it could not be built: ValueError at __init__.py" in logged
    assert "Doe" not in logged


def test_the_worker_makes_the_kinds_that_it_is_told(node: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    node.kinds = (Kind.KO, Kind.SR)
    node.receive(stack(6))
    node.analyse()
    assert {kind: r.held for (_, kind), r in node.results(1).items()} == {"KO": None, "SR": None}


def test_the_worker_says_at_its_start_that_nothing_can_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.migrate()
    monkeypatch.setattr(worker.dciodvfy, "problem", lambda: "dciodvfy is not installed")
    worker._tell_validator(ledger)
    with ledger.reading() as connection:
        (event,) = events.recent(connection, 9)
    ledger.close()
    assert (event.kind, event.subject, event.detail) == (
        "not validated",
        "dciodvfy",
        "dciodvfy is not installed",
    )
    assert "results cannot be validated" in "".join(capfd.readouterr())


@pytest.mark.parametrize("kinds", ["SR,XYZ", ""])
def test_the_worker_knows_its_kinds(kinds: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--root", str(tmp_path), "--kinds", kinds])
