"""Labelled pairs out of the product's data set: its labelled CT, and label maps painted as CT.

Painted volumes are nobody's: an organ's values are drawn for a phase of contrast medium, as for the
training of the product's own networks (`inference.training.synthesis`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.spleen.labelled import ENDINGS, SPLEEN
from inference.training.synthesis.atlas import VOXEL_MM, Atlas, read_atlas
from inference.training.synthesis.labels import NUMBER
from inference.training.synthesis.paint import draw_looks, painted
from inference.training.synthesis.recipe import Phase, Recipe
from inference.workbench.content import write_whole
from inference.workbench.nifti_write import nifti
from storage.errors import Refused

FOLDER: Final = "labelled"
LOWEST_HU, HIGHEST_HU = -1024, 3071
REAL, PAINTED = "real", "painted"

AFFINE_LPS: Final = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
"""Index to mm: an atlas lies upright."""


def write_pairs(data: Path, out: Path, copies: int, seed: int) -> tuple[str, ...]:
    """Write NAME.nii.gz and NAME_label.nii.gz of every body with a spleen; the same seed, the same files.

    Args:
        data: holds labelled/.
        out: made if it is not there.
        copies: how often each label map is painted.
        seed: of what is drawn.

    Returns:
        The names: "ID.real" where there is a CT, and "ID.painted1" and so on.

    Raises:
        Refused: no label map there shows a spleen.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = []
    for path in sorted((data / FOLDER).glob("*.npz")):
        if SPLEEN not in json.loads(path.with_suffix(".labels.json").read_text(encoding="utf-8")).values():
            continue
        atlas = read_atlas(path)
        mask = atlas.labels == NUMBER[SPLEEN]
        for kind, hu in _images(atlas, copies, seed):
            name = f"{atlas.identifier}.{kind}"
            write_whole(out / f"{name}.nii.gz", nifti(hu, AFFINE_LPS))
            write_whole(out / f"{name}{ENDINGS[0]}.nii.gz", nifti(mask.astype(np.int16), AFFINE_LPS))
            names.append(name)
    if not names:
        raise Refused(f"no label map in {FOLDER}/ shows a spleen")
    return tuple(names)


def _images(atlas: Atlas, copies: int, seed: int) -> Iterator[tuple[str, NDArray[np.int16]]]:
    if atlas.hu is not None:
        yield REAL, atlas.hu
    for number in range(1, copies + 1):
        rng = np.random.default_rng([seed, number, *atlas.identifier.encode()])
        phase = tuple(Phase)[(number - 1) % len(Phase)]
        looks = draw_looks(rng, phase, Recipe())
        depth = atlas.depth_mm.astype(np.float32)
        hu = painted(atlas.labels, depth, looks, (VOXEL_MM, VOXEL_MM), rng)
        yield f"{PAINTED}{number}", np.clip(np.rint(hu), LOWEST_HU, HIGHEST_HU).astype(np.int16)
