from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from inference.spleen.metrics import agreement, hausdorff_mm

SPACING_MM = (5.0, 0.8, 1.25)  # z, y, x


def box(shape: tuple[int, int, int], *ranges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*r) for r in ranges)] = True
    return mask


def blob(seed: int, move: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    place = np.indices((20, 30, 34)).T - np.add((10, 15, 17), move)
    return np.asarray(((place / rng.uniform(5, 9, 3)) ** 2).sum(-1).T < 1)


def as_image(mask: np.ndarray) -> sitk.Image:
    made = sitk.GetImageFromArray(mask.astype(np.uint8))
    made.SetSpacing(SPACING_MM[::-1])
    return made


def test_figures_of_two_boxes_by_hand() -> None:
    truth = box((6, 10, 10), (1, 3), (2, 6), (2, 6))  # 2 x 4 x 4 = 32
    predicted = box((6, 10, 10), (1, 3), (2, 6), (4, 8))  # 32, of which 16 in common
    found = agreement(predicted, truth, SPACING_MM, 5.0)
    assert found.dice == 0.5
    assert found.jaccard == pytest.approx(1 / 3)
    assert found.sensitivity == 0.5
    assert found.specificity == pytest.approx((600 - 48) / (600 - 32))
    assert (found.volume_mm3, found.true_volume_mm3, found.volume_difference_mm3) == (160, 160, 0)
    assert found.hausdorff_95_mm == pytest.approx(2 * 1.25)


def test_one_voxel_against_another_is_their_distance() -> None:
    one, other = box((5, 9, 9), (1, 2), (1, 2), (1, 2)), box((5, 9, 9), (3, 4), (5, 6), (8, 9))
    expected = np.linalg.norm(np.multiply((2, 4, 7), SPACING_MM))
    assert hausdorff_mm(one, other, SPACING_MM, 95) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_overlap_is_simpleitk_s(seed: int) -> None:
    predicted, truth = blob(seed, (1, -2, 3)), blob(seed + 10)
    judge = sitk.LabelOverlapMeasuresImageFilter()
    judge.Execute(as_image(predicted), as_image(truth))  # source, target
    found = agreement(predicted, truth, SPACING_MM, 5.0)
    assert found.dice == pytest.approx(judge.GetDiceCoefficient(1))
    assert found.jaccard == pytest.approx(judge.GetJaccardCoefficient(1))
    assert found.sensitivity == pytest.approx(1 - judge.GetFalseNegativeError(1))
    difference = found.volume_difference_mm3 / found.true_volume_mm3
    judged = (predicted.sum() - truth.sum()) / truth.sum()
    assert difference == pytest.approx(judged)


@pytest.mark.parametrize("move", [(3, 0, 0), (0, 4, 0), (1, -3, 5)])
def test_the_largest_distance_is_simpleitk_s(move: tuple[int, int, int]) -> None:
    """SimpleITK measures from whole masks, not surfaces: of a body and the same one moved it is the same."""
    one, other = blob(1), blob(1, move)
    judge = sitk.HausdorffDistanceImageFilter()
    judge.Execute(as_image(one), as_image(other))
    assert hausdorff_mm(one, other, SPACING_MM, 100) == pytest.approx(judge.GetHausdorffDistance(), rel=1e-5)


def test_the_95th_percentile_is_that_of_all_surface_distances() -> None:
    one, other = blob(4), blob(5, (2, 1, -2))
    ways = []
    for a, b in ((one, other), (other, one)):
        surfaces = [sitk.GetArrayFromImage(sitk.LabelContour(as_image(m), False)) > 0 for m in (a, b)]
        points = [np.argwhere(s) * SPACING_MM for s in surfaces]
        away = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1).min(axis=1)
        ways.append(np.percentile(away, 95))
    assert hausdorff_mm(one, other, SPACING_MM, 95) == pytest.approx(max(ways), rel=1e-5)


def test_what_is_not_defined_is_none() -> None:
    empty, some = np.zeros((4, 4, 4), bool), box((4, 4, 4), (1, 2), (1, 2), (1, 2))
    nothing = agreement(empty, some, SPACING_MM, 5.0)
    assert (nothing.dice, nothing.sensitivity, nothing.hausdorff_95_mm) == (0, 0, None)
    both = agreement(empty, empty, SPACING_MM, 5.0)
    assert (both.dice, both.jaccard, both.sensitivity, both.specificity) == (None, None, None, 1.0)


def test_a_mask_at_the_edge_of_the_image_has_a_surface_there() -> None:
    one = box((4, 4, 4), (0, 4), (0, 4), (0, 4))
    other = box((4, 4, 4), (0, 4), (0, 4), (0, 3))
    assert hausdorff_mm(one, other, (1.0, 1.0, 1.0), 100) == 1.0
