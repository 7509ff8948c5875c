"""The volumes of the catalogue, by networks that have not learnt from them: extents against landmarks that
two people read, and tags against what people saw.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache

import numpy as np
import pytest

from inference.evaluation.volumes import stored_volume
from inference.findings import Findings, Region
from inference.workbench.tag_audit import Audited, Tag, Tags, audit
from tests.real_ct import DATA
from tests.workbench.test_real_volumes import held_out

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / "landmarks.csv").exists(), reason="no ../shared/data"),
]

ENDS = {
    Region.ABDOMEN: ("L5", "T8"),
    Region.CHEST: ("T12", "T1"),
    Region.NECK: ("T3", "C2"),
}
"""The vertebrae whose centres end a region, as BodyPartRegression defines it."""

AGREED = ("chest-lidc-0002", "chest-lidc-0314", "chest-nlst-ohif", "chest-lidc-0001-ce", "chest-lidc-0003-ce")
"""Body part and contrast are what the tags say."""

DISAGREE = {
    ("abd-pancreas-cb-001-di", Tag.BODY_PART): "too narrow",  # CHEST, from T5 to the sacrum
    ("abdpel-tcga-bc-a10w-ce", Tag.BODY_PART): "too narrow",  # LIVER, with the pelvis
    ("petct-acrin001-b", Tag.BODY_PART): "too narrow",  # BREAST, from T9 to the hip
    ("petct-acrin013-ax", Tag.BODY_PART): "too narrow",  # CHEST, with the upper abdomen
    ("wb-ccth-a01", Tag.BODY_PART): "too narrow",  # PELVIS, a whole trunk
    ("abd-crlm-1004-ce", Tag.BODY_PART): "missing",
    ("chest-rider-0109-ce", Tag.BODY_PART): "missing",
    ("abd-c3l-00189-ce", Tag.CONTRAST): "missing",  # contrast medium is seen, and no agent named
    ("abd-pancreas-cb-001-di", Tag.CONTRAST): "missing",
    ("abd-tcga-bc-a10x-ce", Tag.CONTRAST): "missing",
    ("abdpel-tcga-bc-a10w-ce", Tag.CONTRAST): "missing",
    ("chest-c3n-00249-ce", Tag.CONTRAST): "missing",
    ("chest-cmb-crc-01068", Tag.CONTRAST): "missing",
    ("neck-tcga-e3-a3e5-ce", Tag.CONTRAST): "pixels do not tell",  # CONTRAST, and none is seen: not found
}
"""Where people see that a tag is wrong, narrow or missing, and what becomes of it."""


@cache
def catalog() -> dict[str, dict[str, str]]:
    with (DATA / "catalog.csv").open(encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@cache
def landmarks() -> dict[str, dict[str, float]]:
    """Of each volume, the heights on which both readers agree."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    with (DATA / "landmarks.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["agreement"] == "yes":
                found[row["id"]][row["landmark"]] = float(row["z_mm"])
    return dict(found)


@cache
def told(name: str) -> tuple[Findings, dict[str, float]]:
    return held_out(stored_volume(DATA / "volumes" / f"{name}.npz"), catalog()[name]["patient"])


def audited(name: str) -> Audited:
    row, (findings, _) = catalog()[name], told(name)
    report = {
        "series_instance_uid": row["series_instance_uid"],
        "volume": 1,
        "axis": {"from_header": findings.axis.from_header, "from_pixels": findings.axis.from_pixels},
        "body_part": {
            "value": findings.body_part.value,
            "regions": [{"region": r.region} for r in findings.body_part.regions],
        },
        "contrast": {"value": findings.contrast.value},
    }
    tags = Tags(
        body_part=row["body_part_examined_tag"],
        contrast=row["contrast_tag"],
        manufacturer=row["manufacturer"],
    )
    return audit(report, tags)


def errors_mm(calibrated: bool) -> dict[tuple[str, str], float]:
    """(volume, vertebra) to how far it is told from where it was read: of T12 and L3, or of the others."""
    return {
        (name, level): z_mm - truth[level]
        for name, truth in landmarks().items()
        for level, z_mm in told(name)[1].items()
        if level in truth and (level in ("T12", "L3")) is calibrated
    }


def test_ends_of_regions_lie_at_the_vertebrae_that_end_them(record_property) -> None:
    """Where both the region's end and its vertebra are in the field."""
    errors = {}
    for name, truth in landmarks().items():
        for extent in told(name)[0].body_part.regions:
            low, high = ENDS.get(extent.region, ("", ""))
            ends = sorted((extent.start_mm, extent.end_mm))
            errors |= {
                (name, extent.region, level): end - truth[level]
                for level, end in ((low, ends[0]), (high, ends[1]))
                if level in truth
            }
    away = np.abs(list(errors.values()))
    record_property("ends", f"n {len(away)}, median {np.median(away):.1f} mm, most {away.max():.1f} mm")
    assert len(away) >= 20
    assert np.median(away) < 6, errors
    assert away.max() < 25, errors  # a vertebra


def test_t12_and_l3_lie_where_two_people_read_them(record_property) -> None:
    errors = errors_mm(calibrated=True)
    away = np.abs(list(errors.values()))
    record_property("levels", f"n {len(away)}, median {np.median(away):.1f} mm, most {away.max():.1f} mm")
    assert len(away) >= 17
    assert np.median(away) < 2, errors
    assert away.max() < 12, errors


def test_vertebrae_without_calibration_do_too(record_property) -> None:
    errors = errors_mm(calibrated=False)
    away = np.abs(list(errors.values()))
    record_property("others", f"n {len(away)}, median {np.median(away):.1f} mm, most {away.max():.1f} mm")
    assert len(away) >= 50
    assert np.median(away) < 3, errors
    assert away.max() < 16, errors


@pytest.mark.parametrize(("name", "tag"), DISAGREE)
def test_a_tag_that_is_known_to_disagree_is_found(name: str, tag: Tag) -> None:
    assert audited(name).verdicts[tag] == DISAGREE[name, tag]


@pytest.mark.parametrize("name", AGREED)
def test_a_tag_that_is_right_is_believed(name: str) -> None:
    verdicts = audited(name).verdicts
    assert (verdicts[Tag.BODY_PART], verdicts[Tag.CONTRAST]) == ("agrees", "agrees")


def test_no_sound_tag_is_called_contradicted() -> None:
    """Of every series that was read, none names a body part that is not there, nor a wrong plane."""
    for name in landmarks():
        verdicts = audited(name).verdicts
        assert "contradicted" not in (verdicts[Tag.BODY_PART], verdicts[Tag.ORIENTATION]), name
