"""Result objects: what leaves the node for one volume.

To add a kind: one module with one builder, one line in BUILDERS, its SOP class in the node's contexts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pydicom.dataset import Dataset

from inference.findings import Findings
from inference.results import seg, sr
from inference.results.records import (
    NOT_FOR_DIAGNOSIS,
    Inputs,
    LeftOut,
    Predecessor,
    Provenance,
    ResultObject,
)
from inference.results.validate import check, check_one_patient
from inference.volume import Volume
from storage.errors import InvalidResult

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

BUILDERS: Final[dict[str, Callable[[Inputs], Dataset | LeftOut]]] = {
    sr.KIND: sr.build_sr,
    seg.KIND: seg.build_seg,
}
"""Every kind of result object, in the order in which they are built and sent."""


def build_results(
    evidence: Sequence[Dataset],
    volume: Volume,
    findings: Findings,
    provenance: Provenance,
    predecessors: Sequence[Predecessor] = (),
) -> tuple[ResultObject | LeftOut, ...]:
    """Build and check one object of every kind.

    The same arguments give the same bytes. evidence: one data set for each slice of the volume, in slice
    order, or the one multi-frame data set; pixels are not needed. predecessors: newest first; each object
    names those of its kind.

    Raises:
        InvalidResult: the evidence is not that of the volume or names two patients, the findings contradict
            the volume, or an object failed its checks.
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
    return tuple(_built(kind, inputs) for kind in BUILDERS)


def _built(kind: str, inputs: Inputs) -> ResultObject | LeftOut:
    dataset = BUILDERS[kind](inputs)
    if isinstance(dataset, LeftOut):
        return dataset
    check(dataset, inputs.evidence, replaced=[p.sop_instance_uid for p in inputs.predecessors])
    return ResultObject(
        kind=kind,
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        dataset=dataset,
    )


def _check_evidence(inputs: Inputs) -> None:
    ours = list(dict.fromkeys(s.sop_instance_uid for s in inputs.volume.geometry.slices))
    theirs = [str(image.SOPInstanceUID) for image in inputs.evidence]
    if ours != theirs:
        raise InvalidResult(
            f"SOPInstanceUID: the volume has {len(ours)} instances, the evidence {len(theirs)};"
            " expected the same ones in the same order"
        )
