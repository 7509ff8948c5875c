"""Content items that the measurement groups share (PS3.16 TID 1501, 4019, 4108)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from inference.results import codes
from inference.results.identity import tracking_uid
from inference.results.records import PRODUCT, Inputs
from inference.volume import Slice
from storage.errors import InvalidResult

SCORE_SCALE: Final = "slice score scale: 0 = start of the pelvis, 100 = end of the eyes"
PROBABILITY_DECIMALS: Final = 3
ALMOST_CERTAIN: Final = 0.995


def identification(inputs: Inputs, output: str) -> dict[str, Any]:
    """What opens every group: its own tracking identifiers and the algorithm that made it (TID 4019)."""
    model = inputs.findings.model
    parameters = (f"weights SHA-256: {model.sha256}", SCORE_SCALE, *inputs.provenance.algorithm_parameters)
    return {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=tracking_uid(inputs.volume, output), identifier=output
        ),
        "algorithm_id": sr.AlgorithmIdentification(
            name=model.name,
            version=model.version,
            parameters=parameters,
            family=codes.ARTIFICIAL_INTELLIGENCE,
            manufacturer=PRODUCT,
        ),
    }


def group(
    inputs: Inputs, output: str, *, remarks: Iterable[str] = (), **content: Any
) -> sr.MeasurementsAndQualitativeEvaluations:
    """One TID 1501 group, named after what it says, with remarks as comments."""
    whole = sr.MeasurementsAndQualitativeEvaluations(**identification(inputs, output), **content)
    whole[0].ContentSequence.extend(comment(remark) for remark in remarks)
    return whole


def comment(text: str) -> sr.TextContentItem:
    """A (121106,DCM,"Comment"); what ASCII cannot hold is escaped, for the source's character set may not."""
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    return sr.TextContentItem(
        name=codes.COMMENT, value=plain, relationship_type=sr.RelationshipTypeValues.CONTAINS
    )


def evaluation(name: Code, value: Code, *, modifier: tuple[Code, Code] | None = None) -> Any:
    """A coded statement, with an optional modifier (CID 210) as its child."""
    item = sr.QualitativeEvaluation(name, value)
    if modifier is not None:
        kind, what = modifier
        child = sr.CodeContentItem(
            name=kind, value=what, relationship_type=sr.RelationshipTypeValues.HAS_CONCEPT_MOD
        )
        item[0].ContentSequence = sr.ContentSequence([child])
    return item


def probability(value: float) -> sr.Measurement:
    """The confidence of a statement, 0..1.

    Raises:
        InvalidResult: the value is not a probability.
    """
    if not 0.0 <= value <= 1.0:
        raise InvalidResult(f"Probability is {value}, expected 0..1")
    return number(codes.PROBABILITY, value, PROBABILITY_DECIMALS)


def probability_text(value: float) -> str:
    """A probability for a reader, to two digits; never 1.00 or 0.00, for nothing here is certain."""
    if value >= ALMOST_CERTAIN:
        return ">0.99"
    return "<0.01" if value < 1 - ALMOST_CERTAIN else f"{value:.2f}"


def number(name: Code, value: float, decimals: int, **content: Any) -> sr.Measurement:
    """A NUM without unit, rounded; the decimal string is exact, so no Floating Point Value (PS3.3 C.18.1)."""
    item = sr.Measurement(name=name, value=round(float(value), decimals), unit=codes.NO_UNITS, **content)
    del item[0].MeasuredValueSequence[0].FloatingPointValue
    return item


def slice_at(inputs: Inputs, index: int, uid: str | None) -> Slice:
    """The slice of this index, if it is the instance that the finding names.

    Raises:
        InvalidResult: there is no such slice, or it is another instance.
    """
    slices = inputs.volume.geometry.slices
    if not 0 <= index < len(slices):
        raise InvalidResult(f"slice index {index} is outside the volume of {len(slices)} slices")
    if uid != slices[index].sop_instance_uid:
        raise InvalidResult(
            f"SOP Instance UID of slice {index} is {slices[index].sop_instance_uid}, the finding names {uid}"
        )
    return slices[index]


def measured_in(inputs: Inputs, slice_: Slice) -> sr.SourceImageForMeasurement:
    """INFERRED FROM IMAGE (121112,DCM,"Source of Measurement") for one measurement."""
    return sr.SourceImageForMeasurement(**_reference(inputs, [slice_]))


def group_images(inputs: Inputs, slices: Iterable[Slice]) -> list[sr.SourceImageForMeasurementGroup]:
    """IMAGE (121112,DCM,"Source of Measurement") of a whole group (TID 1501 row 10b).

    One item for each single-frame instance; one item with all frame numbers for a multi-frame one.
    """
    by_instance: dict[str, list[Slice]] = {}
    for slice_ in slices:
        by_instance.setdefault(slice_.sop_instance_uid, []).append(slice_)
    return [sr.SourceImageForMeasurementGroup(**_reference(inputs, s)) for s in by_instance.values()]


def _reference(inputs: Inputs, slices: list[Slice]) -> dict[str, Any]:
    frames = [s.frame for s in slices] if is_multiframe(inputs) else None
    return {
        "referenced_sop_class_uid": slices[0].sop_class_uid,
        "referenced_sop_instance_uid": slices[0].sop_instance_uid,
        "referenced_frame_numbers": frames,
    }


def is_multiframe(inputs: Inputs) -> bool:
    """Whether the volume is one multi-frame instance; single-frame ones may have Number of Frames 1."""
    return is_multiframe_image(inputs.evidence[0])


def is_multiframe_image(image: Dataset) -> bool:
    """Whether an image says that it has more than one frame."""
    return int(image.get("NumberOfFrames") or 1) > 1
