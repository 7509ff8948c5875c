"""`ctnode store`: what is stored, whether it is whole, and DICOM files that others read."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from sqlalchemy import insert, update
from typer.testing import CliRunner

from node.commands_store import store_app
from node.part10 import file_head
from storage import arrivals, events, marks, schema
from storage.blobs import Shelf
from storage.ledger import Ledger
from storage.locator import InSegment, segment_of
from storage.segments.store import SegmentStore
from storage.store import Label
from tests.storage.rows import CT, EXPLICIT_LE, OTHER_SERIES, SERIES, instance

MIB = 1 << 20


class Stored:
    """A node's folder with three instances: two of one series, one of another."""

    def __init__(self, folder: Path) -> None:
        self.root, self.config = folder / "data", folder / "config.yaml"
        self.config.write_text(f"storage: {{root: {self.root}, segment_mb: 4, spare_segments: 0}}\n")
        self.store = SegmentStore(self.root, segment_bytes=4 * MIB, spares=0)
        self.ledger = Ledger(f"sqlite:///{self.root / 'ledger.sqlite'}")
        self.ledger.migrate()
        self.locators = [self._keep(1, SERIES), self._keep(2, SERIES), self._keep(3, OTHER_SERIES)]
        with self.ledger.writing() as connection:
            marks.note(connection, self.store.marks(self.locators), 0.0)
        self.store.close()

    def _keep(self, number: int, series: str) -> str:
        row = instance(number, series=series)
        sop = row.header.sop_instance_uid
        head = file_head(
            sop_class_uid=CT,
            sop_instance_uid=sop,
            transfer_syntax_uid=EXPLICIT_LE,
            sending_ae="MODALITY",
            receiving_ae="CTNODE",
        )
        arrival, data = self.store.begin(head), _data_set(sop, series)
        arrival.room(len(data))[:] = data
        arrival.advance(len(data))
        label = Label(
            shelf=Shelf.INSTANCES,
            series_instance_uid=series,
            sop_instance_uid=sop,
            received_at=0.0,
            association_id=None,
        )
        locator = self.store.keep(arrival, label)
        with self.ledger.writing() as connection:
            arrivals.add_instance(connection, row)
            place = {"path": locator, "segment": segment_of(locator), "size_bytes": len(head) + len(data)}
            mine = schema.instance.c.sop_instance_uid == sop
            connection.execute(update(schema.instance).where(mine).values(**place))
        return locator

    def damage(self, number: int) -> None:
        place = InSegment.of(self.locators[number - 1])
        assert place is not None
        with (self.root / "segments" / f"{place.segment}.seg").open("r+b") as file:
            file.seek(place.offset + place.length - 1)
            file.write(b"\xee")

    def run(self, *arguments: str, exit_code: int = 0) -> str:
        ran = CliRunner().invoke(store_app, [*arguments, "--config", str(self.config)])
        assert ran.exit_code == exit_code, ran.output
        return ran.output


def _data_set(sop: str, series: str) -> bytes:
    ds = Dataset()
    ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.SOPClassUID = sop, series, CT
    ds.PatientComments = "x" * 1000
    content = BytesIO()
    ds.save_as(content, implicit_vr=False, little_endian=True)
    return content.getvalue()


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return Stored(tmp_path)


def _sop(number: int) -> str:
    return instance(number).header.sop_instance_uid


def test_list_says_what_is_in_each_segment(stored: Stored) -> None:
    with stored.ledger.writing() as connection:
        aside = {"sop_instance_uid": "1.2", "digest": "0", "path": "x", "received_at": 0.0, "reason": "other"}
        connection.execute(insert(schema.aside).values(**aside, segment=segment_of(stored.locators[0])))
    size = sum(place.length for place in map(InSegment.of, stored.locators) if place is not None)
    told = json.loads(stored.run("list", "--json"))
    assert told == {
        "segments": [
            {
                "name": segment_of(stored.locators[0]),
                "size_bytes": 4 * MIB,
                "instances": 3,
                "instance_bytes": size,
                "aside": 1,
                "sealed": False,
            }
        ],
        "spares": 0,
        "spare_bytes": 0,
        "plain": 0,
        "plain_bytes": 0,
    }
    assert "open" in stored.run("list")


def test_verify_reads_everything(stored: Stored) -> None:
    assert "3 instances read, 0 damaged" in stored.run("verify")
    assert json.loads(stored.run("verify", "--json")) == {"read": 3, "damaged": []}


def test_verify_names_what_is_damaged_and_what_is_missing(stored: Stored) -> None:
    stored.damage(2)
    gone = f"segments/{'a' * 32}.seg:4608:100"
    with stored.ledger.writing() as connection:
        mine = schema.instance.c.sop_instance_uid == _sop(3)
        connection.execute(update(schema.instance).where(mine).values(path=gone))
    told = json.loads(stored.run("verify", "--json", exit_code=1))
    assert told["read"] == 3
    reasons = {each["instance"]: each["reason"] for each in told["damaged"]}
    assert set(reasons) == {_sop(2), _sop(3)}
    assert f"segment {segment_of(stored.locators[1])}, offset 8192: acknowledged with" in reasons[_sop(2)]
    assert reasons[_sop(3)] == f"not stored here: {gone}"
    assert "3 instances read, 2 damaged" in stored.run("verify", exit_code=1)


def test_export_writes_files_that_pydicom_reads(stored: Stored, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert "3 instances written, 0 damaged" in stored.run("export", str(folder))
    paths = [folder / SERIES / f"{_sop(1)}.dcm", folder / SERIES / f"{_sop(2)}.dcm"]
    paths.append(folder / OTHER_SERIES / f"{_sop(3)}.dcm")
    assert sorted(folder.rglob("*.*dcm")) == sorted(paths)
    for number, path in enumerate(paths, 1):
        ds = dcmread(path)
        assert (ds.SOPInstanceUID, ds.SeriesInstanceUID) == (_sop(number), path.parent.name)
        assert ds.file_meta.TransferSyntaxUID == EXPLICIT_LE


def test_export_of_one_series_goes_on_where_it_was(stored: Stored, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    stored.run("export", str(folder), "--series", SERIES)
    assert [path.name for path in folder.iterdir()] == [SERIES]
    first, second = sorted((folder / SERIES).iterdir())
    second.write_bytes(b"half")
    inode = first.stat().st_ino
    assert json.loads(stored.run("export", str(folder), "--json")) == {"written": 2, "damaged": []}
    assert first.stat().st_ino == inode
    assert dcmread(second).SOPInstanceUID == _sop(2)


def test_what_was_exported_is_told_and_audited(stored: Stored, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for _ in range(2):  # the second time there is nothing to write
        stored.run("export", str(folder), "--series", SERIES)
    with stored.ledger.reading() as connection:
        (told,) = events.recent(connection, 10)
    assert (told.kind, told.subject) == ("exported", "command line")
    assert told.detail == f"2 instances of series {SERIES} to {folder}"


def test_export_leaves_out_what_is_damaged(stored: Stored, tmp_path: Path) -> None:
    stored.damage(1)
    output = stored.run("export", str(tmp_path / "out"), exit_code=1)
    assert "2 instances written, 1 damaged" in output
    assert not (tmp_path / "out" / SERIES / f"{_sop(1)}.dcm").exists()


def test_a_series_that_is_not_stored_is_said_so(stored: Stored, tmp_path: Path) -> None:
    output = stored.run("export", str(tmp_path / "out"), "--series", "1.2.9", exit_code=1)
    assert "no instance is stored of series 1.2.9" in output
