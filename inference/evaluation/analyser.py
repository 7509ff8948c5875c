"""What `ctnode evaluate` measures: each case with the models that have not learnt from its patient."""

from __future__ import annotations

from collections.abc import Callable

from inference.analysis import analyse
from inference.evaluation.case import Case
from inference.findings import Findings
from inference.models.bundle import Models
from inference.models.product import PRODUCT, WeightsFiles
from inference.training.folds import FOLDS, fold_of
from inference.volume import Volume
from storage.header import Header


def held_out_analyser(device: str, files: WeightsFiles = PRODUCT) -> Callable[[Volume, Case], Findings]:
    """Load every fold's models.

    Args:
        device: as in the configuration.
        files: the weights to measure.

    Returns:
        What analyses a case, with one member of each model instead of five.
    """
    models = [Models.load(device, fold, files) for fold in range(FOLDS)]

    def findings(volume: Volume, case: Case) -> Findings:
        return analyse(volume, models[fold_of(case.patient)], blank_header(volume))

    return findings


def blank_header(volume: Volume) -> Header:
    """The header of a volume that comes without one: nothing but its first slice's identity."""
    first = volume.geometry.slices[0]
    return Header(
        sop_instance_uid=first.sop_instance_uid,
        sop_class_uid=first.sop_class_uid,
        series_instance_uid=volume.series_instance_uid,
        study_instance_uid="",
    )
