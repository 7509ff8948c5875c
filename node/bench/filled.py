"""A ledger as it is after a while: many series, analysed, most of their results at a destination."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from storage import accounts, arrivals, deliveries, instance_rows, outcomes, workflows
from storage.header import Header
from storage.kinds import DEFAULT_KINDS, SOP_CLASSES
from storage.ledger import Ledger
from storage.records import Association, FindingRow, Instance, ResultRow, VolumeRow
from storage.states import Ending, Role

DESTINATION: Final = "PACS"
ASSOCIATION: Final = "filled"
BEGAN_AT: Final = 1_700_000_000.0
SERIES_S: Final = 60.0
"""Between one series and the next."""
SPACING_MM: Final = 1.25
UNDELIVERED: Final = 10
"""One series of so many still waits for its destination."""
SLICE_BYTES: Final = 531_000


def series_uid(number: int) -> str:
    """Series Instance UID of a series in it."""
    return f"2.25.7000{number}"


def fill(path: Path, *, series: int, instances: int, account: str, password: str) -> None:
    """Write the ledger, with one account.

    Args:
        path: of the SQLite file.
        series: how many.
        instances: of each series.
        account: its name; it may look at everything.
        password: a hash.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(f"sqlite:///{path}")
    ledger.migrate()
    workflows.prepare(ledger)
    with ledger.writing() as connection:
        accounts.add(connection, name=account, role=Role.ADMIN, password=password, now=BEGAN_AT)
        arrivals.open_association(
            connection,
            Association(
                id=ASSOCIATION, calling_ae="CT1", called_ae="CTNODE", address="10.0.0.9", opened_at=BEGAN_AT
            ),
        )
        arrivals.close_association(connection, ASSOCIATION, Ending.RELEASED, BEGAN_AT + SERIES_S)
    for number in range(series):
        with ledger.writing() as connection:
            _add(connection, number, instances)
    ledger.close()


def _add(connection: Any, number: int, instances: int) -> None:
    uid, at = series_uid(number), BEGAN_AT + number * SERIES_S
    assert instance_rows.add(connection, list(_instances(uid, instances, at)))
    found = arrivals.find_series(connection, uid)
    assert found is not None
    outcomes.complete(
        connection,
        uid,
        last_received_at=found.last_received_at,
        rule="geometry closed",
        evidence=f"{instances} instances without a gap",
        now=at + 4,
    )
    results = [_result(uid, kind, at) for kind in DEFAULT_KINDS]
    outcomes.record_analysis(
        connection,
        [(_volume(uid, instances), _findings(number))],
        results,
        series_instance_uid=uid,
        revision=1,
        now=at + 8,
    )
    for result in results:
        deliveries.owe(connection, result.sop_instance_uid, DESTINATION, at + 8)
    if number % UNDELIVERED:
        owed = [row.id for row in deliveries.waiting(connection, uid, DESTINATION)]
        deliveries.stored(connection, owed, at + 9)


def _instances(uid: str, instances: int, at: float) -> Iterator[Instance]:
    for index in range(instances):
        sop = f"{uid}.{index + 1}"
        yield Instance(
            header=Header(
                sop_instance_uid=sop,
                sop_class_uid=CTImageStorage,
                series_instance_uid=uid,
                study_instance_uid=f"{uid}.0",
                modality="CT",
                image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
                instance_number=index + 1,
                position_mm=(-250.0, -250.0, index * SPACING_MM),
                orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
                pixel_spacing_mm=(0.98, 0.98),
                slice_thickness_mm=SPACING_MM,
                rows=512,
                columns=512,
                body_part_examined="ABDOMEN",
                manufacturer="BENCH",
            ),
            transfer_syntax_uid=ExplicitVRLittleEndian,
            digest=f"{index:032x}",
            size_bytes=SLICE_BYTES,
            path=f"instances/2023-11-14/{uid}/{sop}.dcm",
            received_at=at + index / instances,
            association_id=ASSOCIATION,
            ineligible=None,
        )


def _volume(uid: str, instances: int) -> VolumeRow:
    report: dict[str, Any] = {
        "series_instance_uid": uid,
        "axis": {"value": "axial", "confidence": 0.99},
        "scores": [100.0 * index / instances for index in range(instances)],
        "z_mm": [index * SPACING_MM for index in range(instances)],
    }
    return VolumeRow(
        series_instance_uid=uid,
        revision=1,
        number=1,
        eligible=True,
        reason=None,
        slices=instances,
        digest="d" * 64,
        report=report,
    )


def _findings(number: int) -> tuple[FindingRow, ...]:
    agreement = "disagrees" if number % 3 == 0 else "agrees"
    return (
        FindingRow(name="axis", value="axial", confidence=0.99),
        FindingRow(name="BodyPartExamined", value=agreement, confidence=1.0),
    )


def _result(uid: str, kind: Any, at: float) -> ResultRow:
    sop = f"{uid}.9.{list(SOP_CLASSES).index(kind)}"
    return ResultRow(
        sop_instance_uid=sop,
        sop_class_uid=SOP_CLASSES[kind],
        series_instance_uid=uid,
        revision=1,
        volume_number=1,
        kind=kind,
        path=f"results/2023-11-14/{uid}/{sop}.dcm",
        digest=f"{at:064.0f}",
        size_bytes=4096,
    )
