"""Slices from rows: what went in comes out, and no file is opened."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from storage import arrivals
from storage.geometry.frames import placed_slices
from storage.geometry.gate import Verdict, judge
from storage.geometry.index import placed_in, placed_of, slices_from_json, slices_to_json
from storage.header import Header
from storage.ledger import Ledger
from storage.records import Instance
from tests.inference.series_factory import ct_slice, enhanced, stack_of
from tests.storage import rows


def kept(ds, number: int = 1) -> Instance:
    """The row that intake writes of a data set."""
    header = replace(Header.of(ds), series_instance_uid=rows.SERIES, study_instance_uid=rows.STUDY)
    slices = placed_slices(ds) if "PerFrameFunctionalGroupsSequence" in ds else None
    return replace(rows.instance(number), header=header, slices=slices, patient={"PatientID": "ab"})


def test_a_classic_image_is_placed_by_its_header() -> None:
    ds = ct_slice(
        (1, 2, 3), number=4, KVP=120, ConvolutionKernel="B30f", RescaleType="HU", AcquisitionTime="101500.5"
    )

    assert placed_of(kept(ds)) == placed_slices(ds)


def test_the_frames_of_an_enhanced_image_are_kept_with_it() -> None:
    ds = enhanced(5)

    (instance,) = [kept(ds)]

    assert placed_of(instance) == placed_slices(ds)
    assert judge(placed_in([instance])).verdict is Verdict.ACCEPT


def test_an_enhanced_image_of_an_old_row_has_no_place_and_says_so() -> None:
    old = replace(kept(enhanced(5)), slices=None)

    (part,) = judge(placed_of(old)).parts

    assert (part.verdict, part.reason) == (
        Verdict.HOLD,
        "multi-frame image that places no frame: NumberOfFrames 5",
    )


@pytest.mark.parametrize("count", [1, 2, 7])
def test_slices_come_back_from_json_and_what_they_share_is_written_once(count: int) -> None:
    slices = placed_slices(enhanced(count))

    text = json.dumps(slices_to_json(slices))

    assert slices_from_json(json.loads(text)) == slices
    assert text.count(slices[0].sop_instance_uid) == 1


def test_no_slices_are_no_slices() -> None:
    assert slices_from_json(slices_to_json(())) == ()


def test_a_field_of_tomorrow_is_ignored_and_one_of_yesterday_absent() -> None:
    (placed,) = placed_slices(ct_slice((0, 0, 0), number=1))
    value = slices_to_json([placed])
    value["shared"]["of_tomorrow"] = 1
    del value["shared"]["kvp"]

    assert slices_from_json(value) == (placed,)


def test_the_ledger_gives_them_back(ledger: Ledger) -> None:
    multiframe, stack = enhanced(4), stack_of(6)
    written = [kept(ds, n) for n, ds in enumerate([multiframe, *stack], start=1)]
    with ledger.writing() as connection:
        for instance in written:
            assert arrivals.add_instance(connection, instance)
    with ledger.reading() as connection:
        read = arrivals.instances_of(connection, rows.SERIES)
        slices = arrivals.slices_of(connection, rows.SERIES)
        (first,) = [arrivals.find_instance(connection, multiframe.SOPInstanceUID)]

    def by_frame(placed):
        return placed.sop_instance_uid, placed.frame

    assert sorted(read, key=repr) == sorted(written, key=repr)
    assert first is not None and first.patient == {"PatientID": "ab"}
    assert sorted(slices, key=by_frame) == sorted(placed_in(written), key=by_frame)
