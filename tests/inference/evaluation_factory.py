"""Cases with truths, findings about them, and a small data set, for the tests of inference.evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from inference.evaluation.case import (
    Case,
    Containment,
    Group,
    Kind,
    Landmark,
    LevelTruth,
    Measured,
    RegionTruth,
    Truth,
)
from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    ClassGuess,
    Contrast,
    ContrastFinding,
    Findings,
    LevelFinding,
    ModelIdentity,
    Presence,
    SliceScore,
)

UNKNOWN = LevelTruth(containment=Containment.UNKNOWN)
Z = tuple(float(z) for z in range(0, 400, 5))
GAPS = [("C1", "C2", 10)] + [(f"C{n}", f"C{n + 1}", 11) for n in range(2, 7)] + [("C7", "T1", 12)]
GAPS += [(f"T{n}", f"T{n + 1}", 15 + n // 2) for n in range(1, 12)] + [("T12", "L1", 26)]
GAPS += [(f"L{n}", f"L{n + 1}", 28 + n) for n in range(1, 5)] + [("L5", "L6", 25)]


def case(name="a", patient=None, kind=Kind.REAL, group=Group.TRUNK, z_mm=Z, **truth):
    """A case of which nothing is known but what is given; its volume cannot be loaded."""

    def load():
        raise AssertionError("these tests measure findings made by hand")

    return Case(
        identifier=name,
        source=name,
        folder="volumes",
        patient=patient or name,
        kind=kind,
        group=group,
        truth=Truth(**{"axis": Axis.AXIAL, "t12": UNKNOWN, "l3": UNKNOWN} | truth),
        z_mm=tuple(z_mm),
        load=load,
    )


def findings(**said):
    """Findings that say nothing but what is given."""
    untold = LevelFinding(presence=Presence.CANNOT_TELL)
    silent = {
        "axis": AxisFinding(value=Axis.AXIAL, confidence=0.9, from_header=Axis.AXIAL),
        "body_part": BodyPartFinding(value="undetermined", confidence=0.0, regions=()),
        "contrast": ContrastFinding(value=Contrast.UNDETERMINED, confidence=0.0),
        "slice_scores": (),
        "t12": untold,
        "l3": untold,
        "disagreements": (),
        "curve_warnings": (),
        "model": ModelIdentity(name="by hand", version="0", sha256="0" * 64),
    }
    return Findings(**silent | said)


def measured(said=None, **of):
    return Measured(case=case(**of), findings=findings(**(said or {})))


def scores(z_mm, raw, smooth=None):
    rows = zip(z_mm, raw, raw if smooth is None else smooth, strict=True)
    return tuple(
        SliceScore(sop_instance_uid=f"1.2.{k}", z_mm=float(z), raw=float(r), score=float(s))
        for k, (z, r, s) in enumerate(rows)
    )


def found(z_mm, half=10.0, **more):
    return LevelFinding(
        presence=Presence.FOUND, z_mm=z_mm, interval_mm=(z_mm - half, z_mm + half), confidence=0.9, **more
    )


def inside(z_mm):
    return LevelTruth(containment=Containment.INSIDE, z_mm=z_mm)


def marks(**at):
    """Landmarks by name: (z, score)."""
    return tuple(Landmark(name=n, z_mm=z, score=s) for n, (z, s) in at.items())


def part(value, *classes):
    guesses = tuple(ClassGuess(name=n, probability=p) for n, p in classes)
    return BodyPartFinding(value=value, confidence=0.9, regions=(), classes=guesses)


def regions(required, allowed=None, exact=None):
    allowed = required if allowed is None else allowed
    return RegionTruth(required=frozenset(required), allowed=frozenset(allowed), exact=exact)


def data_set(root: Path) -> Path:
    """Two trunks (T1 to L5, 100 slices of 5 mm), a coronal slab, a masked neck, a label map without CT."""
    for name in ("volumes", "head_neck", "labelled", "priors"):
        (root / name).mkdir(parents=True)
    table = {"pelvis_start": 0.0, "head_end": 107.756, "lung_end": 75.389, "C1": 89.234, "L5": 25.532}
    table |= {"L4": 29.414, "L3": 33.817, "L2": 37.763, "L1": 41.478, "Th12": 44.952}
    table |= {f"Th{n}": 75.794 - 2.8 * (n - 1) for n in range(1, 12)}
    _csv(root / "priors/bpr_lookup_table.csv", "landmark,mean,std", [(n, v, 1) for n, v in table.items()])
    _csv(root / "priors/vertebra_spacing_stats.csv", "upper,lower,dz_p05", GAPS)
    _csv(
        root / "catalog.csv",
        "id,folder,patient,orientation,region_seen,iv_contrast_seen",
        [
            ("wb-one", "volumes", "p-1", "axial", "whole trunk: neck base - mid-thigh", "yes (portal)"),
            ("wb-two", "volumes", "p-2", "axial", "whole trunk: neck base - mid-thigh", "no"),
            ("wb-two", "dicom", "elsewhere", "axial", "chest", "yes"),
            ("wb-slab", "volumes", "p-2", "coronal", "unheard of", "header yes, visually NOT enhanced"),
        ],
    )
    _csv(
        root / "series.csv",
        "id,iv_contrast,p_level_name_right_reader1,p_reader2",
        [("wb-one", "yes", 0.9, 0.95), ("wb-two", "yes", 0.9, "")],
    )
    rows = [("wb-one", n, z, "high", "yes") for n, z in trunk_points()]
    rows += [
        ("wb-two", n, z, "low" if n == "L3" else "high", "no" if n == "T11" else "")
        for n, z in trunk_points()
    ]
    _csv(root / "landmarks.csv", "id,landmark,z_mm,confidence,agreement", rows)
    z = np.arange(100) * 5.0
    for name in ("wb-one", "wb-two"):
        _volume(root / "volumes" / name, z, iop=[1, 0, 0, 0, 1, 0])
    _volume(root / "volumes/wb-slab", z[:10], iop=[1, 0, 0, 0, 0, -1])
    _volume(root / "head_neck/kbp-1", z[:50] - 50)
    np.savez(root / "labelled/map", labels=np.zeros((3, 4, 4), np.uint8), z_mm=z[:3], pixel_mm=[2.0, 2.0])
    (root / "labelled/map.labels.json").write_text(json.dumps({}))
    return root


def trunk_points():
    """T1 at 480 mm down to L5 at 57.6 mm, where the table's scores lie at 0.118 units/mm."""
    names = [f"T{n}" for n in range(1, 13)] + [f"L{n}" for n in range(1, 6)]
    values = [75.794 - 2.8 * n for n in range(11)] + [44.952, 41.478, 37.763, 33.817, 29.414, 25.532]
    return [(n, round(480 - (75.794 - s) / 0.118, 1)) for n, s in zip(names, values, strict=True)]


def _csv(path, head, rows):
    lines = [head, *(",".join(f'"{cell}"' for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def _volume(path, z_mm, **more):
    """Slices that brighten upwards, rows to the back, columns to the left."""
    hu = np.add.outer(np.add.outer(np.arange(len(z_mm)) * 8, np.arange(20)), 30 * np.arange(24)) - 500
    np.savez(path, hu=hu.astype(np.int16), z_mm=z_mm, pixel_mm=[4.0, 5.0], **more)


def renamed(m, patient):
    return replace(m, case=replace(m.case, patient=patient))
