"""Former result objects as they stand in their files, or as the ledger knows them where a file is gone."""

from __future__ import annotations

from typing import Final

from pydicom import dcmread

from inference.results import Predecessor
from inference.results.identity import result_series_uid
from storage.blobs import Blobs
from storage.geometry.frames import PARSE_ERRORS
from storage.records import ResultRow, Series

READ: Final = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


def predecessor_of(
    row: ResultRow, blobs: Blobs, series: Series, lineage: int, device_uid: str
) -> Predecessor:
    """Read four UIDs from the object's file; without it, its series is the one that its lineage names.

    Args:
        row: the object's.
        blobs: where its file lies, or lay.
        series: the source series; results are of its study.
        lineage: of the volume that the object speaks of.
        device_uid: of this installation.
    """
    try:
        ds = dcmread(blobs.absolute(row.path), stop_before_pixels=True, specific_tags=list(READ))
        found = [str(ds[keyword].value) for keyword in READ]
    except (OSError, KeyError, *PARSE_ERRORS):
        source = series.series_instance_uid
        series_uid = result_series_uid(source, lineage, row.kind, device_uid)
        found = [row.sop_class_uid, row.sop_instance_uid, series_uid, series.study_instance_uid]
    sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid = found
    return Predecessor(
        kind=row.kind,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        series_instance_uid=series_instance_uid,
        study_instance_uid=study_instance_uid,
    )
