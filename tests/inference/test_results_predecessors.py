"""New objects name the old ones: read back with highdicom and pydicom, judged by dciodvfy."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import pydicom
import pytest
from pydicom.dataset import Dataset

from inference.results import Predecessor, ResultObject, build_results, predecessors
from tests.inference.results_factory import PROVENANCE, findings_of, run, synthetic, to_bytes

OLD = {
    kind: [
        Predecessor(
            kind=kind,
            sop_class_uid=sop_class,
            sop_instance_uid=f"2.25.{number}{n}",
            series_instance_uid=f"2.25.{number}",
            study_instance_uid="1.2.826.0.1.3680043.9.9999.2",
        )
        for n in (2, 1)
    ]
    for kind, sop_class, number in (
        ("SR", "1.2.840.10008.5.1.4.1.1.88.34", 700),
        ("SEG", "1.2.840.10008.5.1.4.1.1.66.4", 800),
    )
}
ALL = [*OLD["SR"], *OLD["SEG"]]


def built(former: list[Predecessor]) -> dict[str, Dataset]:
    evidence, volume = synthetic()
    found = build_results(evidence, volume, findings_of(volume), PROVENANCE, former)
    return {each.kind: each.dataset for each in found if isinstance(each, ResultObject)}


def test_the_report_names_the_reports_that_it_replaces() -> None:
    (study,) = built(ALL)["SR"].PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (OLD["SR"][0].study_instance_uid, "2.25.700")
    assert [(i.ReferencedSOPClassUID, i.ReferencedSOPInstanceUID) for i in series.ReferencedSOPSequence] == [
        (p.sop_class_uid, p.sop_instance_uid) for p in OLD["SR"]
    ]


def test_the_segmentation_names_the_segmentations_that_it_replaces(tmp_path: Path) -> None:
    dataset = built(ALL)["SEG"]
    old = [(p.sop_class_uid, p.sop_instance_uid) for p in OLD["SEG"]]
    named = [(i.ReferencedSOPClassUID, i.ReferencedSOPInstanceUID) for i in dataset.ReferencedImageSequence]
    assert named == old
    assert dataset.DerivationDescription == predecessors.REPLACES
    images, replaced = dataset.ReferencedSeriesSequence
    assert images.SeriesInstanceUID == synthetic()[0][0].SeriesInstanceUID
    assert replaced.SeriesInstanceUID == "2.25.800"
    assert [i.ReferencedSOPInstanceUID for i in replaced.ReferencedInstanceSequence] == [
        uid for _, uid in old
    ]
    (tmp_path / "seg.dcm").write_bytes(to_bytes(dataset))
    read = hd.seg.segread(tmp_path / "seg.dcm")
    listed = [str(uid) for _, _, uid in read.get_source_image_uids()]  # images first, then what is replaced
    assert listed == [*(ds.SOPInstanceUID for ds in synthetic()[0]), *(uid for _, uid in old)]
    sources = listed[: -len(old)]
    assert read.get_pixels_by_source_instance(sources, ignore_spatial_locations=True).shape[0] == len(sources)


@pytest.mark.parametrize("kind", ["SR", "SEG"])
def test_dciodvfy_finds_nothing_more(kind: str, tmp_path: Path) -> None:
    verdicts = []
    for name, former in (("first", []), ("second", ALL)):
        (tmp_path / name).write_bytes(to_bytes(built(former)[kind]))
        verdicts.append(run("dciodvfy", "-new", tmp_path / name))
    assert verdicts[0] == verdicts[1]
    assert "Error" not in verdicts[1]


def test_without_predecessors_nothing_is_named() -> None:
    for dataset in built([]).values():
        assert not {"PredecessorDocumentsSequence", "ReferencedImageSequence", "DerivationDescription"} & set(
            dataset.dir()
        )


def test_each_kind_names_its_own_kind_alone() -> None:
    assert "ReferencedImageSequence" not in built(OLD["SR"])["SEG"]
    assert "PredecessorDocumentsSequence" not in built(OLD["SEG"])["SR"]


def test_an_object_is_not_its_own_predecessor() -> None:
    own = pydicom.Dataset()
    own.update(built([])["SR"])
    itself = Predecessor(
        kind="SR",
        sop_class_uid=own.SOPClassUID,
        sop_instance_uid=own.SOPInstanceUID,
        series_instance_uid=own.SeriesInstanceUID,
        study_instance_uid=own.StudyInstanceUID,
    )
    evidence, volume = synthetic()
    report = build_results(evidence, volume, findings_of(volume), PROVENANCE, [itself])[0]
    assert isinstance(report, ResultObject)
    assert report.held == f"SOPInstanceUID is {own.SOPInstanceUID}, which is that of a predecessor"


def test_same_inputs_same_bytes() -> None:
    assert {k: to_bytes(ds) for k, ds in built(ALL).items()} == {
        k: to_bytes(ds) for k, ds in built(ALL).items()
    }
