"""A ledger and a store with everything that a page can show, some of it by somebody who means harm."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from node.heartbeat import receiver_name
from node.intake import Intake
from storage import arrivals, deliveries, events, expectations, heartbeats, outcomes, schema
from storage.geometry.index import placed_of
from storage.records import Association, Event, FindingRow, ResultRow, VolumeRow
from storage.states import Ending, SeriesState, Source
from tests.node.receiving import Store, ct, take

SERIES: Final = "2.25.1002"
GAPPED: Final = "2.25.1003"
STUDY: Final = "2.25.1001"
SLICES: Final = 24
SPACING_MM: Final = 5.0
HOSTILE: Final = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
HOSTILE_AE: Final = "<b>&\"'</b>"
PATIENT: Final = "DOE^<i>JANE</i>"
RECEIVED_AT: Final = 1_000_000.0
NOW: Final = RECEIVED_AT + 600


def phantom(height: int) -> bytes:
    """64 x 64 pixels: a body of water, a spine, and a mark that moves with the slice."""
    y, x = np.mgrid[0:64, 0:64]
    values = np.full((64, 64), -1000, dtype="<i2")
    values[(x - 32) ** 2 / 28**2 + (y - 32) ** 2 / 20**2 <= 1] = 30
    values[(x - 32) ** 2 + (y - 46) ** 2 <= 16] = 800
    values[30:34, 8 + height : 10 + height] = 300
    return values.tobytes()


def slice_of(number: int, *, series: str = SERIES, z_mm: float, **attributes: Any) -> Dataset:
    """One axial slice; whoever wrote its texts means harm."""
    with disable_value_validation():
        return _slice_of(number, series, z_mm, attributes)


def _slice_of(number: int, series: str, z_mm: float, attributes: dict[str, Any]) -> Dataset:
    return ct(
        number,
        series=series,
        study=STUDY,
        **{
            "Rows": 64,
            "Columns": 64,
            "PixelData": phantom(number),
            "PixelSpacing": [6.0, 6.0],
            "ImagePositionPatient": [-192.0, -192.0, z_mm],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "RescaleSlope": 1,
            "RescaleIntercept": 0,
            "SliceThickness": SPACING_MM,
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "Manufacturer": HOSTILE[:60],
            "ConvolutionKernel": "<i>B30</i>",
            "BodyPartExamined": "<B>LEG</B>",
            "SeriesDescription": HOSTILE[:60],
            "PatientName": PATIENT,
            "PatientID": "4711",
            **attributes,
        },
    )


def report(*, series: str = SERIES) -> dict[str, Any]:
    """What `analyze --json` writes of the phantom, with L3 in it."""
    heights = [index * SPACING_MM for index in range(SLICES)]
    return {
        "series_instance_uid": series,
        "volume": 1,
        "eligible": True,
        "reason": "",
        "gate": {"verdict": "accept", "series_verdict": "accept", "checks": []},
        "slices": SLICES,
        "axis": {"value": "axial", "confidence": 0.98, "from_header": "axial", "from_pixels": "axial"},
        "body_part": {
            "value": "ABDOMEN",
            "class": "Abdomen",
            "confidence": 0.91,
            "regions": [
                {"region": "pelvis", "start_mm": 0.0, "end_mm": 40.0, "first_slice": 0, "last_slice": 8},
                {"region": "abdomen", "start_mm": 45.0, "end_mm": 115.0, "first_slice": 9, "last_slice": 23},
            ],
        },
        "contrast": {"value": "yes", "confidence": 0.9, "probability": 0.97, "reason": ""},
        "slice_scores": [
            {"sop_instance_uid": f"{series}.{n + 1}", "z_mm": z, "raw": z / 3, "score": z / 3, "sd": 2.0}
            for n, z in enumerate(heights)
        ],
        "levels": {
            "T12": {"found": False, "state": "not in field", "reason": HOSTILE, "warnings": []},
            "L3": {
                "found": True,
                "state": "found",
                "z_mm": 75.0,
                "slice_index": 15,
                "sop_instance_uid": f"{series}.16",
                "confidence": 0.93,
                "interval_mm": [70.0, 80.0],
                "reason": "",
                "warnings": [HOSTILE],
            },
        },
        "header_disagreements": [
            {"attribute": "BodyPartExamined", "header": HOSTILE, "pixels": "ABDOMEN"},
        ],
        "model": {"name": "reference", "version": "9.9.9", "sha256": "0" * 64},
        "seconds": {"read": 0.5, "infer": 1.25, "total": 1.75},
        "warnings": ["Not for diagnosis; research software", HOSTILE],
    }


def fill(store: Store) -> None:
    """An analysed series with a result that waits and a dead one; one that is being received, with a gap."""
    _receive(store, "a1", SERIES, range(1, SLICES + 1), calling_ae=HOSTILE_AE)
    store.close_association("a1", RECEIVED_AT + 3)
    _complete(store)
    _results(store)
    _receive(store, "a2", GAPPED, (1, 2, 3, 4, 8, 9, 10), at=RECEIVED_AT + 500)
    _again_at_one_place(store)
    with store.ledger.writing() as connection:
        expectations.tell(
            connection, series_instance_uid=GAPPED, source=Source.MPPS, told_by="2.25.77", count=10,
            sop_instance_uids=None, now=NOW,
        )  # fmt: skip
        for receiver in range(4):
            heartbeats.beat(connection, receiver_name(receiver), NOW)
        for number, calling_ae in ((1, "STRANGER"), (2, HOSTILE_AE)):
            detail = f"caller AE {calling_ae!r} from 10.0.0.{number}: no peer has this AE title"
            about = Event(at=NOW - number, kind="rejected", subject=calling_ae, detail=detail)
            events.tell(connection, about)


def _receive(
    store: Store,
    association: str,
    series: str,
    numbers: Any,
    *,
    at: float = RECEIVED_AT,
    calling_ae: str = "CT1",
) -> None:
    row = Association(
        id=association, calling_ae=calling_ae, called_ae="CTNODE", address="10.0.0.9", opened_at=at - 1
    )
    with store.ledger.writing() as connection:
        arrivals.open_association(connection, row)
    clock = iter(at + 0.05 * step for step in range(1000))
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: next(clock))
    for number in numbers:
        ds = slice_of(number, series=series, z_mm=(number - 1) * SPACING_MM)
        take(intake, ds, association_id=association)


def _again_at_one_place(store: Store) -> None:
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: RECEIVED_AT + 502)
    take(intake, slice_of(99, series=GAPPED, z_mm=SPACING_MM), association_id="a2")


def _complete(store: Store) -> None:
    series = store.series(SERIES)
    frames = tuple(sorted(f"{SERIES}.{number} 1" for number in range(1, SLICES + 1)))
    assert len(placed_of(store.instance(f"{SERIES}.1"))) == 1
    volume = VolumeRow(
        series_instance_uid=SERIES, revision=1, number=1, eligible=True, reason=None, slices=SLICES,
        digest="d" * 64, frames=frames, report=report(),
    )  # fmt: skip
    found = (
        FindingRow(name="body_part", value="ABDOMEN", confidence=0.91),
        FindingRow(name="contrast", value="yes", confidence=0.9),
        FindingRow(name="L3", value="found", confidence=0.93),
        FindingRow(name="BodyPartExamined", value="disagrees", confidence=0.91),
    )
    with store.ledger.writing() as connection:
        assert outcomes.complete(
            connection, SERIES, last_received_at=series.last_received_at, rule="long quiet",
            evidence=HOSTILE, now=RECEIVED_AT + 8,
        ) == 1  # fmt: skip
        outcomes.record_analysis(
            connection, [(volume, found)], [result("SR", 501), result("SEG", 502)],
            series_instance_uid=SERIES, revision=1, now=RECEIVED_AT + 12,
        )  # fmt: skip


def result(kind: str, number: int) -> ResultRow:
    """A result object's row; there is no file behind it."""
    return ResultRow(
        sop_instance_uid=f"2.25.{number}", sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
        series_instance_uid=SERIES, revision=1, volume_number=1, kind=kind,
        path=f"results/2026-01-01/{SERIES}/2.25.{number}.dcm", digest="e" * 64, size_bytes=4096,
    )  # fmt: skip


def _results(store: Store) -> None:
    with store.ledger.writing() as connection:
        for number in (501, 502):
            deliveries.owe(connection, f"2.25.{number}", "pacs", RECEIVED_AT + 12)
        by_kind = {row.result.kind: row.id for row in deliveries.unsettled(connection)}
        deliveries.postpone(connection, [by_kind["SR"]], until=NOW + 30, error="A700 full")
        deliveries.give_up(connection, [by_kind["SEG"]], error=HOSTILE, now=RECEIVED_AT + 20)


def close_all(store: Store) -> None:
    """The association that is still open ends."""
    with store.ledger.writing() as connection:
        arrivals.close_association(connection, "a2", Ending.ABORTED, NOW)


def fill_the_gap(store: Store) -> None:
    """The slices that were missing arrive."""
    clock = iter(NOW + step for step in range(1000))
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: next(clock))
    for number in (5, 6, 7):
        ds = slice_of(number, series=GAPPED, z_mm=(number - 1) * SPACING_MM)
        take(intake, ds, association_id="a2")


def finish(store: Store) -> None:
    """The series that was being received completes, and is analysed: L3 is at 20 mm."""
    close_all(store)
    numbers = (*range(1, 11), 99)
    told: dict[str, Any] = {
        "slices": len(numbers),
        "slice_scores": [
            {
                "sop_instance_uid": f"{GAPPED}.{n}",
                "z_mm": 5.0 * n,
                "raw": 3.0 * n,
                "score": 3.0 * n,
                "sd": 1.0,
            }
            for n in range(10)
        ],
        "levels": {
            "L3": report()["levels"]["L3"] | {"z_mm": 20.0, "slice_index": 5, "interval_mm": [17.0, 23.0]}
        },
    }
    volume = VolumeRow(
        series_instance_uid=GAPPED, revision=1, number=1, eligible=True, reason=None, slices=len(numbers),
        digest="d" * 64, frames=tuple(sorted(f"{GAPPED}.{n} 1" for n in numbers)),
        report=report(series=GAPPED) | told,
    )  # fmt: skip
    found = (FindingRow(name="L3", value="found", confidence=0.93),)
    last_received_at = store.series(GAPPED).last_received_at
    with store.ledger.writing() as connection:
        outcomes.complete(
            connection, GAPPED, last_received_at=last_received_at, rule="geometry closed",
            evidence="11 instances without a gap", now=NOW + 5,
        )  # fmt: skip
        outcomes.record_analysis(
            connection, [(volume, found)], [], series_instance_uid=GAPPED, revision=1, now=NOW + 7
        )


def hold(store: Store, series: str, state: SeriesState, reason: str) -> None:
    """A series gets another state, with its reason."""
    table = schema.series
    with store.ledger.writing() as connection:
        this = table.update().where(table.c.series_instance_uid == series)
        connection.execute(this.values(state=state, reason=reason))


def prepared(template: Path, root: Path) -> Store:
    """A filled store whose database has the workflow tables too."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, root / "ledger.sqlite")
    store = Store(root)
    fill(store)
    return store


def copied(filled: Path, root: Path) -> Store:
    """The same again, much faster: a copy of a folder that `prepared` has made, which nobody uses."""
    shutil.copytree(filled, root)
    return Store(root)


def first_data_set(store: Store) -> Dataset:
    """The first slice as it is stored."""
    with store.instances.open(store.instance(f"{SERIES}.1").path) as file:
        return pydicom.dcmread(file)
