"""The level model's file and its refusals; the product's scores as a source like any other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from inference.models.levels import LevelModel
from inference.models.reference_scores import ReferenceScores
from storage.errors import ConfigError
from tests.inference.score_factory import (
    CALIBRATION,
    CORONAL,
    LEVEL_MODEL,
    SLOPE,
    SPACING,
    geometry,
    ruler_models,
    volume,
)
from tests.inference.score_factory import WEIGHTS as CHAIN_WEIGHTS


def level_file(path, **change):
    value = {
        "score_sha256": "ab",
        "spacing": asdict(SPACING),
        "all": asdict(CHAIN_WEIGHTS),
        "folds": [asdict(replace(CHAIN_WEIGHTS, clip=float(k))) for k in range(5)],
        "levels": asdict(LEVEL_MODEL.levels),
        "curve": asdict(CALIBRATION),
        "variant_log_odds": 4.5,
    } | change
    path.write_text(json.dumps({k: v for k, v in value.items() if v is not None}))
    return path


def test_the_level_model_is_read_as_it_was_written(tmp_path):
    path = level_file(tmp_path / "levels.json")
    model = LevelModel.load("ab", path=path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert model == replace(LEVEL_MODEL, sha256=digest, variant_log_odds=4.5)
    assert [LevelModel.load("ab", fold, path).weights.clip for fold in range(5)] == [0, 1, 2, 3, 4]
    assert LevelModel.load("ab", 2, path).spacing == SPACING


def test_a_level_model_of_other_weights_is_refused(tmp_path):
    path = level_file(tmp_path / "levels.json")
    with pytest.raises(ConfigError, match=r"levels\.json belongs to weights ab, not to cd"):
        LevelModel.load("cd", path=path)


@pytest.mark.parametrize(
    "change",
    [{"spacing": None}, {"all": {"centre": 1}}, {"curve": {"offset_sd": 1}}, {"variant_log_odds": "much"}],
)
def test_what_is_no_level_model_is_refused_by_name(tmp_path, change):
    with pytest.raises(ConfigError, match=r"levels\.json is not a level model"):
        LevelModel.load("ab", path=level_file(tmp_path / "levels.json", **change))


def test_a_missing_level_model_and_a_missing_fold_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.json cannot be read"):
        LevelModel.load("ab", path=tmp_path / "absent.json")
    with pytest.raises(ConfigError, match="fold is 5; it must be 0 to 4"):
        LevelModel.load("ab", 5, level_file(tmp_path / "levels.json"))


# ------------------------------------------------------------------ as a source of scores


def test_the_source_gives_a_score_a_slice():
    g = geometry((60, 32, 32), origin_mm=(0.0, 0.0, 200.0))
    scored = ReferenceScores(models=ruler_models()).scores(volume(g))
    assert scored.z_mm.tolist() == [200.0 + 5 * k for k in range(60)]
    np.testing.assert_allclose(scored.raw, SLOPE * scored.z_mm, atol=0.2)
    assert scored.sd.shape == (60,) and (scored.sd > 0).all()


def test_the_source_makes_coronal_slices_axial_and_gives_none_where_it_cannot():
    source = ReferenceScores(models=ruler_models())
    g = geometry((30, 90, 60), CORONAL, spacing_mm=4.0, origin_mm=(-100.0, -60.0, 660.0))
    scored = source.scores(volume(g))
    np.testing.assert_allclose(np.diff(scored.z_mm), 5)
    np.testing.assert_allclose(scored.raw[3:-3], SLOPE * scored.z_mm[3:-3], atol=0.3)
    none = source.scores(volume(geometry((1, 20, 20), CORONAL)))
    assert none.z_mm.shape == none.raw.shape == (0,) and none.sd is None
