"""Result objects: what leaves the node for one volume.

To add a kind: one module with one builder, one line in BUILDERS, its SOP class in `storage.kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from pydicom.dataset import Dataset

from inference.findings import Findings
from inference.results import gsps, ko, labelmap, pdf, sc, seg, sr
from inference.results.records import (
    NOT_FOR_DIAGNOSIS,
    Inputs,
    LeftOut,
    Predecessor,
    Provenance,
    ResultObject,
)
from inference.results.validate import check, check_one_patient, check_together
from inference.volume import Volume
from storage.errors import InvalidResult
from storage.kinds import DEFAULT_KINDS, Kind
from storage.logs import describe

__all__ = [
    "BUILDERS",
    "NOT_FOR_DIAGNOSIS",
    "Inputs",
    "LeftOut",
    "Predecessor",
    "Provenance",
    "ResultObject",
    "build_results",
]

BUILDERS: Final[dict[Kind, Callable[[Inputs], Dataset | LeftOut]]] = {
    Kind.SR: sr.build_sr,
    Kind.SEG: seg.build_seg,
    Kind.LABELMAP: labelmap.build_labelmap,
    Kind.KO: ko.build_ko,
    Kind.SC: sc.build_sc,
    Kind.GSPS: gsps.build_gsps,
    Kind.PDF: pdf.build_pdf,
}
"""Every kind of result object, in the order in which they are built and sent."""


NOT_ENCODED: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What pydicom and highdicom raise for a header that they refuse. Its words may quote the patient."""


def build_results(
    evidence: Sequence[Dataset],
    volume: Volume,
    findings: Findings,
    provenance: Provenance,
    predecessors: Sequence[Predecessor] = (),
    kinds: Collection[Kind] = DEFAULT_KINDS,
) -> tuple[ResultObject | LeftOut, ...]:
    """Build and check one object of every kind that is wanted, in the order of BUILDERS.

    An object that fails a check is held, and says why; the others are not concerned.

    The same arguments give the same bytes. evidence: one data set for each slice of the volume, in slice
    order, or the one multi-frame data set; pixels are not needed. predecessors: newest first; each object
    names those of its kind.

    Raises:
        InvalidResult: the evidence is not that of the volume or names two patients, or the findings
            contradict the volume.
    """
    inputs = Inputs(
        evidence=evidence,
        volume=volume,
        findings=findings,
        provenance=provenance,
        predecessors=predecessors,
    )
    _check_evidence(inputs)
    check_one_patient(evidence)
    built = {kind: _built(kind, inputs) for kind in BUILDERS if kind in kinds}
    whole = {kind: made for kind, made in built.items() if isinstance(made, Dataset)}
    wrong = check_together(whole)
    return tuple(
        _checked(kind, made, inputs, wrong.get(kind)) if isinstance(made, Dataset) else made
        for kind, made in built.items()
    )


def _built(kind: Kind, inputs: Inputs) -> Dataset | LeftOut:
    """An object that cannot be encoded does not take the others with it. Raises InvalidResult."""
    try:
        return BUILDERS[kind](inputs)
    except NOT_ENCODED as error:
        return LeftOut(kind=kind, reason=f"it could not be built: {describe(error)}", fault=True)


def _checked(kind: Kind, dataset: Dataset, inputs: Inputs, wrong: str | None) -> ResultObject:
    return ResultObject(
        kind=kind,
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        dataset=dataset,
        held=wrong or _fault(dataset, inputs),
    )


def _fault(dataset: Dataset, inputs: Inputs) -> str | None:
    """The first check of ours that an object fails; None where it passes."""
    try:
        check(dataset, inputs.evidence, inputs.predecessors)
    except InvalidResult as error:
        return str(error)
    return None


def _check_evidence(inputs: Inputs) -> None:
    ours = list(dict.fromkeys(s.sop_instance_uid for s in inputs.volume.geometry.slices))
    theirs = [str(image.SOPInstanceUID) for image in inputs.evidence]
    if ours != theirs:
        raise InvalidResult(
            f"SOPInstanceUID: the volume has {len(ours)} instances, the evidence {len(theirs)};"
            " expected the same ones in the same order"
        )
