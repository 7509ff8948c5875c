"""What is known of people at large, from the product's own weights, as a data set's folder priors/ has it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Final

from inference.landmark_table import LANDMARK_SCORES
from inference.models.product import PRODUCT
from inference.spine import VERTEBRAE
from inference.workbench.content import write_whole
from inference.workbench.tables import to_csv

LUNG_END_SCORE: Final = 75.389
"""The lung's apex on the score scale: BodyPartRegression's public table, and in no landmark of ours."""

P05_SD: Final = 1.645
"""How many sd below its mean the 5th percentile of a normal distribution lies."""


def write_priors(folder: Path) -> None:
    """bpr_lookup_table.csv and vertebra_spacing_stats.csv. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = LANDMARK_SCORES | {"lung_end": LUNG_END_SCORE}
    lines = [(_theirs(name), score) for name, score in scores.items()]
    write_whole(folder / "bpr_lookup_table.csv", to_csv(("landmark", "mean"), lines))
    spacing = json.loads(PRODUCT.levels.read_text(encoding="utf-8"))["spacing"]
    known = zip(pairwise(VERTEBRAE), spacing["mean_mm"], spacing["sd_mm"], strict=True)
    rows = [(upper, lower, mean, sd, round(mean - P05_SD * sd, 2)) for (upper, lower), mean, sd in known]
    columns = ("upper", "lower", "dz_mean", "dz_sd", "dz_p05")
    write_whole(folder / "vertebra_spacing_stats.csv", to_csv(columns, rows))


def _theirs(name: str) -> str:
    """BodyPartRegression writes Th1 for T1."""
    return f"Th{name[1:]}" if name in VERTEBRAE and name.startswith("T") else name
