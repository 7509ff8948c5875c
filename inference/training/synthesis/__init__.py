"""Synthetic CT to train with: label maps bent, painted and scanned by chance, with exact landmarks."""

from __future__ import annotations

from inference.training.synthesis.atlas import Atlas
from inference.training.synthesis.dataset import draws, write_dataset
from inference.training.synthesis.loading import load_atlases
from inference.training.synthesis.recipe import Recipe
from inference.training.synthesis.synthesise import SyntheticCt, synthesise

__all__ = ["Atlas", "Recipe", "SyntheticCt", "draws", "load_atlases", "synthesise", "write_dataset"]
