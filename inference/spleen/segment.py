"""Volumes segmented and written: a mask as NIfTI, what it measures, and of DICOM a SEG and a report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from inference.folder_results import (
    FOLDER_DEVICE_UID,
    HELD_SUFFIX,
    REVISION,
    STATION_NAME,
    SUFFIX,
    latest_time,
)
from inference.gate import judged
from inference.provenance import provenance
from inference.results.records import Inputs, ResultObject
from inference.results.references import check_references
from inference.results.validate import check, check_one_patient
from inference.series import ReadVolume, RefusedVolume
from inference.spleen.finding import SpleenFinding, finding_of, record_of, unsaid
from inference.spleen.objects import SEG_NAME, SR_NAME, obstacle, spleen_objects
from inference.spleen.predict import spleen_mask
from inference.spleen.slicing import GRID_MM
from inference.spleen.weights import SpleenWeights
from inference.workbench.batch_files import file_name
from inference.workbench.content import write_whole
from inference.workbench.nifti import stored_values
from inference.workbench.nifti_write import affine_of, nifti
from inference.workbench.units import Unit
from inference.workbench.volume_reports import read_volumes
from storage.errors import CtnodeError, InvalidResult, Refused

RECORD: Final = "spleen.json"
MASK_FILE: Final = "spleen.nii.gz"


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """What became of one volume."""

    name: str  # of its folder
    record: dict[str, Any]  # content of spleen.json
    held: tuple[str, ...]  # why an object of it failed its checks


def segmented(
    unit: Unit, weights: SpleenWeights, out: Path, tell: Callable[[str], None]
) -> Iterator[Segmented]:
    """Every volume of a unit that can be read; the others are told.

    Raises:
        OSError: a file cannot be written.
    """
    if unit.contradiction:
        tell(f"{unit.key}: {unit.contradiction}")
        return
    try:
        for read, _ in read_volumes(unit):
            one = _one(read, unit, weights, out, tell)
            if one is not None:
                yield one
    except CtnodeError as error:
        tell(f"{unit.key}: {error}")


def _one(
    read: ReadVolume | RefusedVolume,
    unit: Unit,
    weights: SpleenWeights,
    out: Path,
    tell: Callable[[str], None],
) -> Segmented | None:
    """None of a volume that is refused, which is told."""
    number = read.number if isinstance(read, RefusedVolume) else read.volume.number
    name = f"{file_name(unit.key)}.{number}"
    try:
        if isinstance(read, RefusedVolume):
            raise Refused(read.reason)
        return _written(read, unit, weights, out / name)
    except Refused as error:
        tell(f"{name}: {error}")
        return None


def _written(read: ReadVolume, unit: Unit, weights: SpleenWeights, folder: Path) -> Segmented:
    volume = read.volume
    if len(volume.geometry.slices) < 2:
        raise Refused("one slice is no volume: nothing can be measured in mm³")
    affine = affine_of(volume.geometry)
    mask = spleen_mask(weights.network, weights.recipe.axis, volume.voxels, affine)
    finding = finding_of(mask, volume.voxels, affine)
    _emptied(folder)
    write_whole(folder / MASK_FILE, _nifti(read, unit, mask, affine))
    record, held = record_of(finding, weights), []
    if finding is not None and not unit.is_nifti:
        inputs = _inputs(read, unit, weights)
        reason = obstacle(inputs)
        if reason is None:
            held = _write_objects(inputs, finding, folder)
        else:
            record["warnings"].append(f"no SEG and no SR: {reason}")
    write_whole(folder / RECORD, json.dumps(record, indent=1, allow_nan=False) + "\n")
    return Segmented(name=folder.name, record=record, held=tuple(held))


def _emptied(folder: Path) -> None:
    """The folder, without what an earlier run said of the volume; the record goes first."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = [f"{name}{end}" for name in (SEG_NAME, SR_NAME) for end in (SUFFIX, HELD_SUFFIX)]
    for name in (RECORD, MASK_FILE, *objects):
        (folder / name).unlink(missing_ok=True)


def _nifti(read: ReadVolume, unit: Unit, mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> bytes:
    """0 and 1; of a NIfTI file in that file's own order and with its affine, however we have read it."""
    if unit.is_nifti:
        header, _ = stored_values(unit.files[0])
        order = [int(s.sop_instance_uid.rpartition("#")[2]) for s in read.volume.geometry.slices]
        mask, affine = mask[np.argsort(order)], header.affine_lps
    return nifti(mask.astype(np.int16), affine)


def _inputs(read: ReadVolume, unit: Unit, weights: SpleenWeights) -> Inputs:
    evidence = _evidence(read, unit)
    check_one_patient(evidence)
    made = provenance(
        device_uid=FOLDER_DEVICE_UID,
        station_name=STATION_NAME,
        revision=REVISION,
        now=latest_time(evidence),
    )
    parameters = (
        "EXPERIMENTAL",
        f"{weights.recipe.axis} slices on {GRID_MM:g} mm",
        f"{len(weights.recipe.cases)} volumes learnt from",
    )
    return Inputs(
        evidence=evidence,
        volume=read.volume,
        findings=unsaid(weights),
        provenance=replace(made, algorithm_parameters=parameters),
    )


def _evidence(read: ReadVolume, unit: Unit) -> list[Dataset]:
    """One data set without pixels for each instance of the volume, in slice order."""
    headers = {str(ds.SOPInstanceUID): ds for ds in (dcmread(p, stop_before_pixels=True) for p in unit.files)}
    return [headers[uid] for uid in dict.fromkeys(s.sop_instance_uid for s in read.volume.geometry.slices)]


def _write_objects(inputs: Inputs, finding: SpleenFinding, folder: Path) -> list[str]:
    """Both objects, judged by our checks and by dciodvfy; says why one is held back under another name."""
    made = spleen_objects(inputs, finding)
    reasons = []
    for name, dataset in ((SEG_NAME, made.seg), (SR_NAME, made.report)):
        found = judged(
            ResultObject(
                kind=name,
                sop_class_uid=str(dataset.SOPClassUID),
                sop_instance_uid=str(dataset.SOPInstanceUID),
                series_instance_uid=str(dataset.SeriesInstanceUID),
                dataset=dataset,
                held=_fault(name, dataset, inputs, made.seg),
            ),
            inputs.evidence[0],
        )
        write_whole(folder / f"{name}{SUFFIX if found.held is None else HELD_SUFFIX}", found.content)
        if found.held is not None:
            reasons.append(f"{name}: {found.held}")
    return reasons


def _fault(name: str, dataset: Dataset, inputs: Inputs, seg: Dataset) -> str | None:
    """The first of our checks that fails. Those of a report are the product's own report's, but for this."""
    try:
        if name == SEG_NAME:
            check(dataset, inputs.evidence)
        else:
            check_references(dataset, [*inputs.evidence, seg], ())
    except InvalidResult as error:
        return str(error)
    return None
