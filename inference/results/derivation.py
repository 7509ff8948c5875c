"""What a derived object says of the images that it was made from, and of the one that it replaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from inference.findings import Region
from inference.results.records import Inputs, Predecessor

SOURCE_IMAGE: Final = Code("121322", "DCM", "Source Image for Image Processing Operation")  # CID 7202

REPLACES: Final = "Replaces the instance of a former revision in Referenced Image Sequence (0008,1140)."

WORKSTATION: Final = "WSD"
"""Conversion Type (0008,0064): made by a computer, neither digitized nor scanned (PS3.3 C.8.6.1)."""

BODY_PART: Final = ("BodyPartExamined", "Laterality", "ImageLaterality")

UNPAIRED: Final = "U"


def copy_body_part(dataset: Dataset, inputs: Inputs) -> None:
    """The body part and its side as the source has them, right or wrong: the series is filed by them.

    Where it has neither, Image Laterality (0020,0062) says that a trunk or a head has no side; of legs alone,
    or where no region was found, Laterality (0020,0060), type 2C, is empty: not known.
    """
    source = inputs.evidence[0]
    for keyword in BODY_PART:
        if source.get(keyword):
            dataset[keyword] = deepcopy(source[keyword])
    if any(keyword in dataset for keyword in BODY_PART):
        return
    regions = {extent.region for extent in inputs.findings.body_part.regions}
    if regions - {Region.LEGS}:
        dataset.ImageLaterality = UNPAIRED
    else:
        dataset.Laterality = None


def image_references(inputs: Inputs) -> list[Dataset]:
    """One reference to each instance; with frame numbers where not all of its frames are in the volume."""
    frames: dict[str, list[int]] = {}
    for slice_ in inputs.volume.geometry.slices:
        frames.setdefault(slice_.sop_instance_uid, []).append(slice_.frame)
    return [_reference(image, sorted(frames[str(image.SOPInstanceUID)])) for image in inputs.evidence]


def purposeful(references: Iterable[Dataset], purpose: Code = SOURCE_IMAGE) -> list[Dataset]:
    """The references with Purpose of Reference Code Sequence (0040,A170)."""
    made = []
    for reference in references:
        item = deepcopy(reference)
        item.PurposeOfReferenceCodeSequence = [coded(purpose)]
        made.append(item)
    return made


def referenced_series(inputs: Inputs, replaced: Sequence[Predecessor]) -> list[Dataset]:
    """The items of Referenced Series Sequence (0008,1115) (PS3.3 C.12.2): the images', then the replaced."""
    images: dict[str, list[Dataset]] = {}
    for image in inputs.evidence:
        images.setdefault(str(image.SeriesInstanceUID), []).append(_reference(image, []))
    for each in replaced:
        images.setdefault(each.series_instance_uid, []).append(reference_to(each))
    return [_series(uid, items) for uid, items in images.items()]


def replaced_by(inputs: Inputs, kind: str) -> list[Predecessor]:
    """The predecessors of a kind, newest first."""
    return [each for each in inputs.predecessors if each.kind == kind]


def reference_to(predecessor: Predecessor) -> Dataset:
    """An item that names a former object."""
    item = Dataset()
    item.ReferencedSOPClassUID = predecessor.sop_class_uid
    item.ReferencedSOPInstanceUID = predecessor.sop_instance_uid
    return item


def predecessor_documents(replaced: Sequence[Predecessor]) -> list[Dataset]:
    """The items of Predecessor Documents Sequence (0040,A360): by study and by series (PS3.3 C.17.2.1)."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for each in replaced:
        series = studies.setdefault(each.study_instance_uid, {})
        series.setdefault(each.series_instance_uid, []).append(reference_to(each))
    made = []
    for uid, series in studies.items():
        item = Dataset()
        item.ReferencedSeriesSequence = [_documents(each, found) for each, found in series.items()]
        item.StudyInstanceUID = uid
        made.append(item)
    return made


def coded(code: Code) -> Dataset:
    """An item of a code sequence (PS3.3 8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _series(uid: str, references: list[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = uid
    item.ReferencedInstanceSequence = references
    return item


def _documents(uid: str, references: list[Dataset]) -> Dataset:
    item = Dataset()
    item.ReferencedSOPSequence = references
    item.SeriesInstanceUID = uid
    return item


def _reference(image: Dataset, frames: Sequence[int]) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    count = int(image.get("NumberOfFrames") or 1)
    if frames and count > 1 and len(set(frames)) < count:
        item.ReferencedFrameNumber = list(frames)
    return item
