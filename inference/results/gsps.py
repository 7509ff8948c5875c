"""The presentation state: Grayscale Softcopy Presentation State (PS3.3 A.33.1) of the level slices.

One object refers to both slices, with a cross and a name on each. Its window is the image's own. The IOD has
no place for a predecessor; a new revision is a new instance of the same series.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Final

import highdicom as hd
from highdicom.content import ReferencedImageSequence
from highdicom.pr import GrayscaleSoftcopyPresentationState, SoftcopyVOILUTTransformation
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from inference.results.annotations import LAYER, annotation
from inference.results.equipment import complete, series_attributes, source_header
from inference.results.flagged import NO_LEVEL_SLICE, FlaggedSlice, flagged_slices
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs, LeftOut
from inference.results.window import Window, window_of
from storage.kinds import Kind

KIND: Final = Kind.GSPS
SERIES_NUMBER: Final = 9906
SERIES_DESCRIPTION: Final = f"{PRODUCT} CT levels on their slices - not for diagnosis"
CONTENT_DESCRIPTION: Final = f"CT levels. {NOT_FOR_DIAGNOSIS}"
CONTENT_LABEL: Final = "CTNODE_LEVELS"


def build_gsps(inputs: Inputs) -> Dataset | LeftOut:
    """One state for the slices of T12 and L3; LeftOut where there is none, or no one state fits both.

    Raises:
        InvalidResult: a level names a slice that the volume does not have.
    """
    flagged = flagged_slices(inputs)
    if not flagged:
        return LeftOut(kind=KIND, reason=NO_LEVEL_SLICE)
    rescaled = {(each.slice.rescale_slope, each.slice.rescale_intercept) for each in flagged}
    if len(rescaled) > 1:
        return LeftOut(
            kind=KIND,
            reason="the slices differ in Rescale Slope or Intercept: a presentation state has one for all",
        )
    dataset = _state(inputs, flagged)
    complete(dataset, inputs)
    _finish(dataset, inputs, flagged)
    return dataset


def _state(inputs: Inputs, flagged: Sequence[FlaggedSlice]) -> GrayscaleSoftcopyPresentationState:
    images = {uid: _image(inputs, each) for uid, each in ((f.slice.sop_instance_uid, f) for f in flagged)}
    in_slice: dict[int, list[FlaggedSlice]] = {}
    for each in flagged:
        in_slice.setdefault(each.index, []).append(each)
    first = flagged[0].slice
    return GrayscaleSoftcopyPresentationState(
        referenced_images=list(images.values()),
        content_label=CONTENT_LABEL,
        content_description=CONTENT_DESCRIPTION,
        graphic_layers=[deepcopy(LAYER)],
        graphic_annotations=[
            annotation(inputs, levels, images[levels[0].slice.sop_instance_uid])
            for levels in in_slice.values()
        ],
        modality_lut_transformation=hd.ModalityLUTTransformation(
            rescale_slope=first.rescale_slope, rescale_intercept=first.rescale_intercept, rescale_type="HU"
        ),
        voi_lut_transformations=_windows(images, flagged),
        **_attributes(inputs),
    )


def _attributes(inputs: Inputs) -> dict[str, Any]:
    """A presentation state has a time of its creation instead of its content (PS3.3 C.11.10)."""
    shared = series_attributes(inputs, KIND, SERIES_NUMBER, SERIES_DESCRIPTION)
    return {name: value for name, value in shared.items() if name not in ("content_date", "content_time")}


def _image(inputs: Inputs, flagged: FlaggedSlice) -> Dataset:
    """The header that highdicom reads; what it needs and the file may lack is the volume's."""
    image = source_header(flagged.image)
    image.Rows, image.Columns = inputs.volume.geometry.rows, inputs.volume.geometry.columns
    image.SamplesPerPixel = 1  # only such images become volumes
    return image


def _windows(
    images: dict[str, Dataset], flagged: Sequence[FlaggedSlice]
) -> list[SoftcopyVOILUTTransformation]:
    """One item for each window, with the images and frames that it is for."""
    shown: dict[Window, dict[str, list[int]]] = {}
    for each in flagged:
        frames = shown.setdefault(window_of(each.image, each.frame), {})
        listed = frames.setdefault(each.slice.sop_instance_uid, [])
        listed.extend([each.frame] if each.frame is not None and each.frame not in listed else [])
    return [
        SoftcopyVOILUTTransformation(
            window_center=[window.center],
            window_width=[window.width],
            window_explanation=[window.explanation] if window.explanation else None,
            voi_lut_function=window.function,
            referenced_images=_references(images, frames),
        )
        for window, frames in shown.items()
    ]


def _references(images: dict[str, Dataset], frames: dict[str, list[int]]) -> ReferencedImageSequence:
    whole = ReferencedImageSequence([images[uid] for uid in frames])
    _name_frames(whole, frames)
    return whole


def _name_frames(references: Sequence[Dataset], frames: dict[str, list[int]]) -> None:
    for item in references:
        numbers = sorted(frames[item.ReferencedSOPInstanceUID])
        if numbers:
            item.ReferencedFrameNumber = numbers if len(numbers) > 1 else numbers[0]


def _finish(dataset: Dataset, inputs: Inputs, flagged: Sequence[FlaggedSlice]) -> None:
    """Write what highdicom does not, or not so: the frames, the pixels' shape, the body part, the time."""
    frames: dict[str, list[int]] = {}
    for each in flagged:
        frames.setdefault(each.slice.sop_instance_uid, []).extend([each.frame] if each.frame else [])
    for series in dataset.ReferencedSeriesSequence:
        _name_frames(series.ReferencedImageSequence, frames)
    for area in dataset.DisplayedAreaSelectionSequence:
        del area.PixelOriginInterpretation, area.PresentationPixelAspectRatio
        area.PresentationPixelSpacing = [
            DSfloat(spacing, auto_format=True) for spacing in inputs.volume.geometry.pixel_spacing_mm
        ]
    source = source_header(flagged[0].image)
    for keyword in ("BodyPartExamined", "Laterality"):
        if keyword in source:
            dataset[keyword] = source[keyword]
    if not dataset.get("BodyPartExamined"):
        dataset.setdefault("Laterality", "")  # type 2C: asked for where no body part says that it has no side
    dataset.PresentationCreationDate = dataset.InstanceCreationDate
    dataset.PresentationCreationTime = dataset.InstanceCreationTime
