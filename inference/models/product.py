"""Where the product's weights lie; names only, so that nothing is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "weights"
"""The model card lies here too."""


@dataclass(frozen=True, kw_only=True)
class WeightsFiles:
    """The weights of all models; the product's by default."""

    score: Path = FOLDER / "score-0.2.0.safetensors"
    levels: Path = FOLDER / "levels-0.2.0.json"  # fitted to `score`
    series: Path = FOLDER / "series-0.1.0.safetensors"  # its calibration is the .json of the same name


PRODUCT: Final = WeightsFiles()
