"""What each kind of result object must have besides what all have: least checks, IOD by IOD. Pure.

`dciodvfy` knows the attributes of each IOD; here is what only their author knows to be true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from inference.results import codes
from inference.results.template import CONTAINS, MODIFIER, Row, check_rows, concept_of, shown
from inference.results.tid1500 import LANGUAGE, OBSERVER, check_report
from storage.errors import InvalidResult
from storage.kinds import Kind

PDF_BEGINS: Final = b"%PDF-"
PDF_ENDS: Final = b"%%EOF"
PDF_TAIL_BYTES: Final = 1024
"""Within which the end must stand (ISO 32000-1 Annex H.3, note 18)."""

PDF_MEDIA_TYPE: Final = "application/pdf"
SAME_PLACE_MM: Final = 0.01
"""How far a plane of a segmentation may lie from that of an image: decimal strings have 16 characters."""

SR_FLAGS: Final = {
    "CompletionFlag": "COMPLETE",
    "PreliminaryFlag": "PRELIMINARY",
    "VerificationFlag": "UNVERIFIED",
}

KEY_OBJECT_ROWS: Final = (  # TID 2010
    Row(relation=MODIFIER, kind="CODE", concept=LANGUAGE, most=1),
    *OBSERVER,
    Row(
        relation=CONTAINS,
        kind="TEXT",
        concept=Code("113012", "DCM", "Key Object Description"),
        least=1,
        most=1,
    ),
    Row(relation=CONTAINS, kind="IMAGE", least=1),
)


def check_iod(dataset: Dataset, kind: Kind, evidence: Sequence[Dataset]) -> None:
    """Check what an object of this kind must have.

    Raises:
        InvalidResult: the first that it lacks.
    """
    CHECKS[kind](dataset, evidence)


def _report(dataset: Dataset, evidence: Sequence[Dataset]) -> None:
    for keyword, expected in SR_FLAGS.items():
        if dataset.get(keyword) != expected:
            raise InvalidResult(f"{keyword} is {dataset.get(keyword)!r}, expected {expected!r}")
    check_report(dataset, _frame_of_reference(evidence))


def _key_objects(dataset: Dataset, _evidence: Sequence[Dataset]) -> None:
    title = concept_of(dataset)
    if title is None or title != codes.OF_INTEREST:
        raise InvalidResult(f"the title is {title and shown(title)}, expected {shown(codes.OF_INTEREST)}")
    check_rows(dataset, KEY_OBJECT_ROWS, "TID 2010")


def _segmentation(dataset: Dataset, evidence: Sequence[Dataset]) -> None:
    _check_space(dataset, evidence)
    numbers = [int(s.SegmentNumber) for s in dataset.SegmentSequence]
    if numbers != list(range(1, len(numbers) + 1)):
        raise InvalidResult(f"SegmentNumber runs {numbers}, expected 1 to {len(numbers)}")
    drawn = {_segment_of(frame, dataset) for frame in _frames(dataset)}
    if drawn != set(numbers):
        raise InvalidResult(f"frames show the segments {sorted(drawn)}, the object has {numbers}")
    _check_length(dataset, math.ceil(_pixels(dataset) * int(dataset.NumberOfFrames) / 8))


def _segment_of(frame: Dataset, dataset: Dataset) -> int:
    """Of one segment alone it stands in the shared groups (PS3.3 C.7.6.16)."""
    named = frame.get("SegmentIdentificationSequence")
    named = named or dataset.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence
    return int(named[0].ReferencedSegmentNumber)


def _label_map(dataset: Dataset, evidence: Sequence[Dataset]) -> None:
    _check_space(dataset, evidence)
    _check_length(dataset, _pixels(dataset) * int(dataset.NumberOfFrames) * int(dataset.BitsAllocated) // 8)
    depth = np.uint8 if dataset.BitsAllocated == 8 else np.uint16
    labels = {int(v) for v in np.unique(np.frombuffer(dataset.PixelData, dtype=depth))}
    named = {int(s.SegmentNumber) for s in dataset.SegmentSequence}
    if labels - {0} != named - {0}:
        raise InvalidResult(f"pixels have the labels {sorted(labels)}, the object has {sorted(named)}")


def _capture(dataset: Dataset, _evidence: Sequence[Dataset]) -> None:
    """Whole pixels, no longer than they must be."""
    samples = int(dataset.SamplesPerPixel) * int(dataset.get("NumberOfFrames") or 1)
    _check_length(dataset, _pixels(dataset) * samples * int(dataset.BitsAllocated) // 8)
    _expect(dataset, {"BurnedInAnnotation": ("YES", "NO")})


def _presentation(dataset: Dataset, _evidence: Sequence[Dataset]) -> None:
    """Every annotation and every displayed area is of an image that the state refers to (PS3.3 C.11.11)."""
    shown_images = _instances(i for s in dataset.ReferencedSeriesSequence for i in s.ReferencedImageSequence)
    for keyword in ("GraphicAnnotationSequence", "DisplayedAreaSelectionSequence", "SoftcopyVOILUTSequence"):
        for item in dataset.get(keyword) or ():
            others = _instances(item.get("ReferencedImageSequence") or ()) - shown_images
            if others:
                raise InvalidResult(
                    f"{keyword} is for {sorted(others)[0]}, which the state does not refer to"
                )
    areas = dataset.DisplayedAreaSelectionSequence
    covered = _instances(i for a in areas for i in a.get("ReferencedImageSequence") or ())
    if covered != shown_images and all(a.get("ReferencedImageSequence") for a in areas):
        raise InvalidResult(f"{len(covered)} of {len(shown_images)} images have a displayed area")
    layers = {str(layer.GraphicLayer) for layer in dataset.get("GraphicLayerSequence") or ()}
    for item in dataset.get("GraphicAnnotationSequence") or ():
        if item.GraphicLayer not in layers:
            raise InvalidResult(f"GraphicLayer is {item.GraphicLayer}, expected one of {sorted(layers)}")


def _document(dataset: Dataset, _evidence: Sequence[Dataset]) -> None:
    _expect(dataset, {"MIMETypeOfEncapsulatedDocument": (PDF_MEDIA_TYPE,)})
    content = bytes(dataset.EncapsulatedDocument)
    if not content.startswith(PDF_BEGINS) or PDF_ENDS not in content[-PDF_TAIL_BYTES:]:
        raise InvalidResult(f"EncapsulatedDocument of {len(content)} bytes is no whole PDF")


CHECKS: Final[Mapping[Kind, Callable[[Dataset, Sequence[Dataset]], None]]] = {
    Kind.SR: _report,
    Kind.SEG: _segmentation,
    Kind.LABELMAP: _label_map,
    Kind.KO: _key_objects,
    Kind.SC: _capture,
    Kind.GSPS: _presentation,
    Kind.PDF: _document,
}


def _check_space(dataset: Dataset, evidence: Sequence[Dataset]) -> None:
    """The images' frame of reference, and planes among theirs."""
    ours, theirs = dataset.get("FrameOfReferenceUID"), _frame_of_reference(evidence)
    if ours != theirs:
        raise InvalidResult(f"FrameOfReferenceUID is {ours}, the evidence has {theirs}")
    if len(_frames(dataset)) != int(dataset.NumberOfFrames):
        raise InvalidResult(
            f"NumberOfFrames is {dataset.NumberOfFrames}, {len(_frames(dataset))} frames are described"
        )
    planes = _planes_mm(dataset, evidence)
    if planes is None:
        return
    frames = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in _frames(dataset)]
    for number, place in enumerate(_along_normal(dataset, frames), start=1):
        after = int(np.searchsorted(planes, place))
        nearest = min(planes[max(after - 1, 0) : after + 1], key=lambda z: abs(z - place))
        if abs(nearest - place) > SAME_PLACE_MM:
            raise InvalidResult(
                f"frame {number} lies at {place:.3f} mm along the normal, the next image at {nearest:.3f} mm"
            )


def _planes_mm(dataset: Dataset, evidence: Sequence[Dataset]) -> list[float] | None:
    """Where the images lie along the segmentation's normal, from the lowest; None of a multi-frame one."""
    if any("ImagePositionPatient" not in image for image in evidence):
        return None
    return sorted(_along_normal(dataset, [image.ImagePositionPatient for image in evidence]))


def _along_normal(dataset: Dataset, positions_mm: Sequence[Iterable[Any]]) -> list[float]:
    shared = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    row, column = np.asarray(shared.ImageOrientationPatient, dtype=float).reshape(2, 3)
    places: list[float] = (np.asarray(positions_mm, dtype=float) @ np.cross(row, column)).tolist()
    return places


def _frame_of_reference(evidence: Sequence[Dataset]) -> str | None:
    return evidence[0].get("FrameOfReferenceUID") or None


def _frames(dataset: Dataset) -> Sequence[Dataset]:
    frames: Sequence[Dataset] = dataset.PerFrameFunctionalGroupsSequence
    return frames


def _pixels(dataset: Dataset) -> int:
    return int(dataset.Rows) * int(dataset.Columns)


def _check_length(dataset: Dataset, expected_bytes: int) -> None:
    """Pixel Data has an even number of bytes (PS3.5 8.1.1)."""
    expected_bytes += expected_bytes % 2
    if len(dataset.PixelData) != expected_bytes:
        raise InvalidResult(f"PixelData has {len(dataset.PixelData)} bytes, expected {expected_bytes}")


def _expect(dataset: Dataset, values: Mapping[str, tuple[str, ...]]) -> None:
    for keyword, allowed in values.items():
        if dataset.get(keyword) not in allowed:
            raise InvalidResult(f"{keyword} is {dataset.get(keyword)!r}, expected {' or '.join(allowed)}")


def _instances(items: Iterable[Dataset]) -> set[str]:
    return {str(item.ReferencedSOPInstanceUID) for item in items}
