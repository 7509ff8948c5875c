from __future__ import annotations

from pathlib import Path

import pytest

from inference.findings import Region
from inference.series import volumes_of
from inference.workbench.limits import between, of_region
from storage.errors import Refused
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import save, stack_of

PLACES = {"T11": 130.0, "T12": 100.0, "L3": 5.0}


def test_a_region_reaches_from_its_lowest_slice_to_its_highest(tmp_path: Path) -> None:
    (read,) = volumes_of(save(stack_of(4), tmp_path))
    limits = of_region(findings_of(read), Region.ABDOMEN)
    assert (limits.low_mm, limits.high_mm, limits.what) == (0.0, 15.0, "region abdomen")
    wider = limits.widened(2.5)
    assert (wider.low_mm, wider.high_mm) == (-2.5, 17.5)
    assert wider.what == "region abdomen, and 2.5 mm at each end"


def test_a_region_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (read,) = volumes_of(save(stack_of(4), tmp_path))
    with pytest.raises(Refused, match="region head is not in this volume; regions in it: abdomen"):
        of_region(findings_of(read), Region.HEAD)


@pytest.mark.parametrize(("start", "end"), [("L3", "T12"), ("T12", "L3")])
def test_two_vertebrae_in_either_order(start: str, end: str) -> None:
    limits = between(PLACES, start, end)
    assert (limits.low_mm, limits.high_mm) == (5.0, 100.0)


def test_a_landmark_that_no_model_knows_is_refused_with_those_that_they_know() -> None:
    with pytest.raises(Refused, match=r"lung_start is no landmark .* they know C1, C2, .* S1"):
        between(PLACES, "lung_start", "T12")


def test_a_vertebra_that_is_not_found_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refused, match="C3 is not found in this volume; found are T11, T12, L3"):
        between(PLACES, "T12", "C3")
    with pytest.raises(Refused, match=r"found are none \(reversed\)"):
        between({}, "T12", "L3", "reversed")
