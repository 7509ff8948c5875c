"""The source images as highdicom wants them: each slice at the place that our geometry gives it."""

from __future__ import annotations

from pydicom.dataset import Dataset

from inference.results.content import is_multiframe
from inference.results.equipment import source_header
from inference.results.records import Inputs
from inference.volume import Slice


def source_images(inputs: Inputs) -> list[Dataset]:
    """One data set for each slice, or one multi-frame data set, without pixels.

    Orientation and spacing are the volume's: real headers differ in the last digits from slice to slice,
    and multi-frame headers keep them in places that vary.
    """
    if is_multiframe(inputs):
        return [_multiframe(inputs)]
    return [
        _single(inputs, ds, s) for ds, s in zip(inputs.evidence, inputs.volume.geometry.slices, strict=True)
    ]


def _single(inputs: Inputs, evidence: Dataset, slice_: Slice) -> Dataset:
    first = evidence is inputs.evidence[0]
    image = source_header(evidence) if first else Dataset()
    image.pop("NumberOfFrames", None)
    _identify(inputs, image, evidence)
    image.ImagePositionPatient = list(slice_.position_mm)
    image.ImageOrientationPatient = _orientation(inputs)
    image.PixelSpacing = list(inputs.volume.geometry.pixel_spacing_mm)
    image.SliceThickness = inputs.volume.geometry.spacing_mm  # highdicom reads it; it is not written
    return image


def _multiframe(inputs: Inputs) -> Dataset:
    evidence = inputs.evidence[0]
    image = source_header(evidence)
    _identify(inputs, image, evidence)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = _orientation(inputs)
    measures.PixelSpacing = list(inputs.volume.geometry.pixel_spacing_mm)
    measures.SliceThickness = inputs.volume.geometry.spacing_mm
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    image.SharedFunctionalGroupsSequence = [shared]
    placed = {s.frame: _plane(s) for s in inputs.volume.geometry.slices}
    frames = evidence.PerFrameFunctionalGroupsSequence
    image.PerFrameFunctionalGroupsSequence = [placed.get(n, frame) for n, frame in enumerate(frames, start=1)]
    return image


def _plane(slice_: Slice) -> Dataset:
    item, position = Dataset(), Dataset()
    position.ImagePositionPatient = list(slice_.position_mm)
    item.PlanePositionSequence = [position]
    return item


def _identify(inputs: Inputs, image: Dataset, evidence: Dataset) -> None:
    geometry = inputs.volume.geometry
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(image, keyword, evidence[keyword].value)
    image.FrameOfReferenceUID = geometry.frame_of_reference_uid
    image.Rows, image.Columns = geometry.rows, geometry.columns


def _orientation(inputs: Inputs) -> list[float]:
    return [*inputs.volume.geometry.row_direction, *inputs.volume.geometry.column_direction]
