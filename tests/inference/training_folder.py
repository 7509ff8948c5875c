"""A data folder of three synthetic patients, whose slices brighten upwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

TABLE = {"pelvis_start": 0.0, "head_end": 107.756, "lung_end": 75.389, "L5": 25.5, "Th12": 44.952}
TABLE |= {f"Th{n}": 80.0 - 3 * n for n in range(1, 12)} | {f"L{n}": 41.0 - 4 * n for n in range(1, 5)}


def data_folder(tmp_path: Path) -> Path:
    """Two patients to train on and one to validate with, T12 at z 60 mm in each."""
    root = tmp_path / "data"
    for sub in ("volumes", "head_neck", "labelled", "priors"):
        (root / sub).mkdir(parents=True)
    rows = "".join(f"{n},{v}\n" for n, v in ((k, f"{v},1") for k, v in TABLE.items()))
    (root / "priors" / "bpr_lookup_table.csv").write_text("landmark,mean,std\n" + rows)
    names = ["wb-one", "wb-two", "petct-acrin013-ax"]
    (root / "catalog.csv").write_text("id,patient\n" + "".join(f"{n},{n[:14]}\n" for n in names))
    z = np.arange(12) * 10.0
    for name in names:
        hu = np.broadcast_to((z * 3).astype(np.int16)[:, None, None], (12, 40, 40))
        np.savez(root / "volumes" / name, hu=hu, z_mm=z, pixel_mm=[5.0, 5.0], iop=[1, 0, 0, 0, 1, 0])
    lines = "".join(f"{n},T12,6,60.0,6,6,high,yes\n" for n in names)
    (root / "landmarks.csv").write_text(
        "id,landmark,slice_index,z_mm,reader1,reader2,confidence,agreement\n" + lines
    )
    return root
