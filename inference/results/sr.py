"""The report: Comprehensive 3D SR (PS3.3 A.35.13) with an Imaging Measurement Report (PS3.16 TID 1500)."""

from __future__ import annotations

from typing import Final

from highdicom import sr
from pydicom.dataset import Dataset

from inference.results import codes
from inference.results.content import comment
from inference.results.equipment import complete, series_attributes, source_header
from inference.results.groups import measurement_groups, slice_scores
from inference.results.observer import device_observer
from inference.results.predecessors import documents
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs, LeftOut
from inference.results.summary import summary
from storage.kinds import Kind

KIND: Final = Kind.SR
SERIES_NUMBER: Final = 9901
SERIES_DESCRIPTION: Final = f"{PRODUCT} CT findings - not for diagnosis"
STATEMENT: Final = (
    f"{NOT_FOR_DIAGNOSIS}. Written by an algorithm from the pixels of one CT series;"
    " not reviewed by a person."
)


def build_sr(inputs: Inputs) -> Dataset | LeftOut:
    """One preliminary, unverified report on the volume.

    Raises:
        InvalidResult: the findings contradict the volume, or use a class that has no code.
    """
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device_observer(inputs)),
        procedure_reported=codes.CT_PROCEDURE,
        imaging_measurements=measurement_groups(inputs),
    )
    _begin(report, inputs)
    dataset = sr.Comprehensive3DSR(
        evidence=_evidence(inputs),
        content=report[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        previous_versions=documents(inputs.predecessors, KIND),
        **series_attributes(inputs, KIND, SERIES_NUMBER, SERIES_DESCRIPTION),
    )
    # After the constructor, which copies all content twice over: half of the time of 600 slices.
    dataset.ContentSequence[-1].ContentSequence.extend(g[0] for g in slice_scores(inputs))
    complete(dataset, inputs)
    return dataset


def _begin(report: sr.MeasurementReport, inputs: Inputs) -> None:
    """Put the statement and the summary before the measurements, which are the last child of the root."""
    children = report[0].ContentSequence
    for text in (STATEMENT, summary(inputs)):
        children.insert(len(children) - 1, comment(text))


def _evidence(inputs: Inputs) -> list[Dataset]:
    """The first image's header, and the identity alone of the others: highdicom reads no more of them."""
    first, *others = inputs.evidence
    return [source_header(first), *[_identity(ds) for ds in others]]


def _identity(image: Dataset) -> Dataset:
    identity = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(identity, keyword, image[keyword].value)
    return identity
