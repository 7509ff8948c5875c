"""Cases drawn by this program: exact truths, no patient. Their figures stand in a column of their own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from inference.evaluation.case import Case, Group, Kind
from inference.evaluation.truths import Known, Priors, truth_of
from inference.evaluation.volumes import AXIAL_IOP, placed
from inference.findings import Axis, Contrast
from inference.simulation.anatomy import Person, landmarks
from inference.simulation.field import field_of
from inference.simulation.plan import Arms, Coverage, SimulationPlan
from inference.simulation.render import render_volume
from inference.volume import Volume

SEEDS: Final = range(9001, 9005)
"""Persons; no other part of the program draws with these seeds."""

GROUPS: Final = {Coverage.HEAD_NECK: Group.HEAD_NECK, Coverage.LEGS: Group.LEGS}
"""Trunk where it is none of these."""

CLASSES: Final = {
    Coverage.TRUNK: "Chest-abdomen-pelvis",
    Coverage.CHEST: "Chest",
    Coverage.ABDOMEN: "Abdomen",
    Coverage.ABDOMEN_PELVIS: "Abdomen-pelvis",
    Coverage.PELVIS: "Pelvis",
    Coverage.HEAD_NECK: "Head and neck",
}
"""The series class of a coverage; none of the 16 for the others."""

NAMES: Final = {"pelvis_start": "ischium_bottom", "head_end": "vertex"}
"""The phantom's landmark names, as landmarks.csv spells them."""

MATRIX: Final = 192


def simulated_cases(priors: Priors) -> Iterator[Case]:
    """One axial series of each coverage and person, every other one with contrast medium."""
    for seed in SEEDS:
        for number, coverage in enumerate(Coverage):
            plan = SimulationPlan(
                seed=seed,
                coverage=coverage,
                contrast=bool((seed + number) % 2),
                arms=Arms.UP if seed % 3 else Arms.NONE,
                matrix=MATRIX,
            )
            yield simulated_case(plan, priors)


def simulated_case(plan: SimulationPlan, priors: Priors) -> Case:
    """The axial series of a plan."""
    z_mm = field_of(plan).positions_mm
    points = [(NAMES.get(m.name, m.name), m.z_mm) for m in landmarks(Person.of(plan.seed))]
    known = Known(
        axis=Axis.AXIAL,
        contrast=Contrast.YES if plan.contrast else Contrast.NO,
        series_class=CLASSES.get(plan.coverage),
    )
    name = f"simulated-{plan.seed}-{plan.coverage.value}"
    return Case(
        identifier=name,
        source=name,
        folder="simulated",
        patient=f"simulated-{plan.seed}",
        kind=Kind.SYNTHETIC,
        group=GROUPS.get(plan.coverage, Group.TRUNK),
        truth=truth_of(points, np.asarray(z_mm), known, priors),
        z_mm=tuple(z_mm),
        load=partial(_rendered, name, plan),
    )


def _rendered(name: str, plan: SimulationPlan) -> Volume:
    voxels, z_mm = render_volume(plan)
    pixel = field_of(plan).pixel_mm
    return placed(name, voxels, z_mm, np.array([pixel, pixel]), np.asarray(AXIAL_IOP))
