"""Records for the ledger's tests, with round numbers."""

from __future__ import annotations

from sqlalchemy import Connection

from storage import arrivals, outcomes
from storage.header import Header
from storage.records import Association, FindingRow, Instance, ResultRow, VolumeRow

STUDY = "1.2.826.0.1.10"
SERIES = "1.2.826.0.1.20"
OTHER_SERIES = "1.2.826.0.1.21"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"


def association(id: str = "a", *, at: float = 900.0) -> Association:
    """An open association."""
    return Association(id=id, calling_ae="MODALITY", called_ae="CTNODE", address="10.0.0.1", opened_at=at)


def instance(
    number: int,
    *,
    series: str = SERIES,
    at: float = 1000.0,
    association_id: str | None = None,
    ineligible: str | None = None,
    modality: str = "CT",
) -> Instance:
    """The instance of a number: its SOP Instance UID ends with it."""
    sop = f"1.2.826.0.1.30.{number}"
    return Instance(
        header=Header(
            sop_instance_uid=sop,
            sop_class_uid=CT,
            series_instance_uid=series,
            study_instance_uid=STUDY,
            modality=modality,
            image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
            position_mm=(-250.0, -250.5, float(number)),
        ),
        transfer_syntax_uid=EXPLICIT_LE,
        digest=f"{number:064x}",
        size_bytes=526_000 + number,
        path=f"instances/1970-01-01/{series}/{sop}.dcm",
        received_at=at,
        association_id=association_id,
        ineligible=ineligible,
    )


def volume(number: int = 1, *, revision: int = 1, series: str = SERIES) -> VolumeRow:
    """An eligible volume."""
    return VolumeRow(
        series_instance_uid=series,
        revision=revision,
        number=number,
        eligible=True,
        reason=None,
        slices=300,
        digest="d" * 64,
        report={"axis": "axial", "z_mm": [1.5, 2.25]},
    )


FINDINGS = (
    FindingRow(name="axis", value="axial", confidence=0.875),
    FindingRow(name="L3", value="present", confidence=0.5),
)


def result(number: int, *, revision: int = 1, series: str = SERIES, kind: str = "sr") -> ResultRow:
    """The result object of a number."""
    sop = f"1.2.826.0.1.40.{number}"
    return ResultRow(
        sop_instance_uid=sop,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.88.33",
        series_instance_uid=series,
        revision=revision,
        volume_number=1,
        kind=kind,
        path=f"results/1970-01-01/{series}/{sop}.dcm",
        digest="e" * 64,
        size_bytes=4096,
    )


def complete(connection: Connection, *, series: str = SERIES, now: float = 2000.0) -> int | None:
    """Complete a series on what is known of it now."""
    found = arrivals.find_series(connection, series)
    assert found is not None
    return outcomes.complete(
        connection,
        series,
        last_received_at=found.last_received_at,
        rule="long quiet",
        evidence="quiet for 5 s",
        now=now,
    )


def analyse(connection: Connection, *results: ResultRow, revision: int = 1, now: float = 3000.0) -> bool:
    """Record one volume, its findings and these results."""
    return outcomes.record_analysis(
        connection,
        [(volume(revision=revision), FINDINGS)],
        results,
        series_instance_uid=SERIES,
        revision=revision,
        now=now,
    )


def add_analysed(connection: Connection, *results: ResultRow) -> None:
    """A series of one instance, completed and analysed."""
    arrivals.add_instance(connection, instance(1))
    complete(connection)
    analyse(connection, *results)
