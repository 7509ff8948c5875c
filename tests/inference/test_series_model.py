"""The series model: its file, its refusals, how members are joined, and real volumes."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.axis import from_geometry
from inference.findings import Axis
from inference.models.product import PRODUCT
from inference.models.series import AXIS_ORDER, Logits, SeriesModel, decided
from inference.models.series_network import ContrastNetwork, ViewNetwork
from inference.models.series_weights import SeriesCalibration, packed
from inference.series_input import SIZE, VIEW_SLICES, VIEWS
from inference.training.folds import fold_of
from inference.training.series_data import AXIAL_IOP, stacked
from inference.volume import Volume
from storage.errors import ConfigError
from tests.inference.score_factory import CORONAL, geometry

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
CALIBRATION = SeriesCalibration(
    axis_temperature=1.0, axis_least=0.8, contrast_scale=2.0, contrast_offset=-1.0
)
REAL = pytest.mark.skipif(not (DATA / "volumes").is_dir(), reason="no real CT at ../shared/data")
SHIPPED = pytest.mark.skipif(not PRODUCT.series.is_file(), reason="the weights are not there")


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(4)
    path = tmp_path / "series.safetensors"
    save_file(packed([(ViewNetwork(), ContrastNetwork()) for _ in range(5)]), path)
    calibrate(path)
    return path


def calibrate(path, sha256=None):
    digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest, "calibration": asdict(CALIBRATION)}))


def volume(shape=(9, 30, 40), directions=None):
    voxels = np.random.default_rng(2).normal(30, 60, shape).astype(np.int16)
    placed = geometry(shape, directions) if directions else geometry(shape)
    return Volume(series_instance_uid="1.2.3", number=1, geometry=placed, voxels=voxels)


def test_the_identity_is_the_file_s(weights):
    model = SeriesModel.load("cpu", weights=weights)
    assert (model.identity.name, model.identity.version) == ("series", "0.1.0")
    assert model.identity.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert len(model.members) == 5 and model.calibration == CALIBRATION


def test_the_ensemble_is_the_mean_of_its_members(weights):
    seen = volume()
    whole = SeriesModel.load("cpu", weights=weights).look(seen)
    alone = [SeriesModel.load("cpu", n, weights).look(seen) for n in range(5)]
    assert whole.body == pytest.approx(np.mean([a.body for a in alone]), abs=1e-6)
    assert whole.contrast == pytest.approx(np.mean([a.contrast for a in alone]), abs=1e-6)
    assert whole.contrast_spread == pytest.approx(np.std([a.contrast for a in alone]), abs=1e-6)
    for axis in AXIS_ORDER:
        mean = np.mean([a.axis_probabilities[axis] for a in alone])
        assert whole.axis_probabilities[axis] == pytest.approx(mean, abs=1e-6)
    assert len({a.body for a in alone}) == 5


def test_a_look_can_be_repeated(weights):
    model = SeriesModel.load("cpu", weights=weights)
    assert model.look(volume()) == model.look(volume())


def test_the_order_of_the_slices_does_not_matter(weights):
    model = SeriesModel.load("cpu", 0, weights)
    views = np.random.default_rng(3).normal(0, 300, (VIEWS, SIZE, SIZE)).astype(np.float32)
    mixed = np.concatenate([views[:VIEW_SLICES][::-1], views[VIEW_SLICES:][::-1]])
    one, other = (model.logits(v, None)[0] for v in (views, mixed))
    np.testing.assert_allclose(one.axis, other.axis, atol=1e-4)
    assert one.body == pytest.approx(other.body, abs=1e-4) and one.contrast is None


def test_a_single_slice_that_is_not_axial_is_looked_at_but_not_for_contrast(weights):
    look = SeriesModel.load("cpu", weights=weights).look(volume((1, 30, 40), CORONAL))
    assert look.contrast is None and look.brightest_hu is None
    assert 0 <= look.body <= 1


def said(axis=(9.0, 0, 0, 0), body=9.0, contrast=0.5):
    return Logits(axis=np.asarray(axis), body=body, contrast=contrast)


def test_a_plane_is_named_only_where_it_is_sure_and_a_body_is_seen():
    assert decided((said(),), CALIBRATION, None).axis is Axis.AXIAL
    assert decided((said((0, 0, 9.0, 0)),), CALIBRATION, None).axis is Axis.SAGITTAL
    # e / (e + 3) = 0.475
    assert decided((said((1.0, 0, 0, 0)),), CALIBRATION, None).axis is Axis.UNDETERMINED
    assert decided((said(body=-1.0),), CALIBRATION, None).axis is Axis.UNDETERMINED


def test_members_that_disagree_name_no_plane():
    two = (said((9.0, 0, 0, 0)), said((0, 9.0, 0, 0)))
    look = decided(two, CALIBRATION, None)
    assert look.axis is Axis.UNDETERMINED
    assert look.axis_probabilities[Axis.CORONAL] == pytest.approx(0.5, abs=1e-3)


def test_contrast_is_calibrated():
    # 1 / (1 + exp(-(2 * 0.5 - 1))) = 0.5; 1 / (1 + exp(-(2 * 1.5 - 1))) = 0.8808
    look = decided((said(contrast=0.5), said(contrast=1.5)), CALIBRATION, 120.0)
    assert look.contrast == pytest.approx(0.6904, abs=1e-4)
    assert look.contrast_spread == pytest.approx(0.1904, abs=1e-4)
    assert look.brightest_hu == 120.0


def test_weights_of_another_network_are_refused(weights):
    tensors = load_file(weights)
    del tensors["3.view.axis.bias"]
    save_file(tensors, weights)
    calibrate(weights)
    with pytest.raises(ConfigError, match=r"view network 3.*lacks axis.bias"):
        SeriesModel.load("cpu", weights=weights)
    assert len(SeriesModel.load("cpu", 2, weights).members) == 1


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    path = tmp_path / "series.safetensors"
    with pytest.raises(ConfigError, match="cannot be read"):
        SeriesModel.load("cpu", weights=path)
    path.write_bytes(b"not weights")
    with pytest.raises(ConfigError, match="is not a safetensors file"):
        SeriesModel.load("cpu", weights=path)


def test_a_calibration_of_other_weights_is_refused(weights):
    calibrate(weights, "0" * 64)
    with pytest.raises(ConfigError, match="belongs to weights 0000"):
        SeriesModel.load("cpu", weights=weights)


@pytest.mark.parametrize("wrong", ["{}", "[1]", '{"sha256": 3'])
def test_a_broken_calibration_is_refused(weights, wrong):
    weights.with_suffix(".json").write_text(wrong)
    with pytest.raises(ConfigError, match="is not a calibration"):
        SeriesModel.load("cpu", weights=weights)


@pytest.mark.parametrize(("device", "fold"), [("tpu", None), ("cpu", 5), ("cpu", -1)])
def test_a_device_or_fold_that_is_not_there_is_refused(weights, device, fold):
    with pytest.raises(ConfigError, match="must be"):
        SeriesModel.load(device, fold, weights)


@SHIPPED
def test_the_shipped_weights_are_small():
    assert PRODUCT.series.stat().st_size <= 3_000_000
    tensors = load_file(PRODUCT.series)
    assert {t.dtype for k, t in tensors.items() if "running" not in k} == {torch.float16}


@SHIPPED
@pytest.mark.parametrize("hu", [-1000, 0, 120])
def test_air_water_and_acrylic_are_no_body(hu):
    rows, columns = np.ogrid[:128, :128]
    voxels = np.full((30, 128, 128), -1000, np.int16)
    voxels[:, np.hypot(rows - 63.5, columns - 63.5) < 40] = hu
    placed = geometry(voxels.shape, pixel_mm=(2.5, 2.5))
    look = SeriesModel.load("cpu").look(
        Volume(series_instance_uid="1.2.3", number=1, geometry=placed, voxels=voxels)
    )
    assert look.body < 0.5 and look.axis is Axis.UNDETERMINED


def real(identifier):
    """A volume and the fold of its patient."""
    with (DATA / "catalog.csv").open(encoding="utf-8") as file:
        patients = {r["id"]: r["patient"] for r in csv.DictReader(file)}
    folder = "head_neck" if identifier.startswith("kbp") else "volumes"
    with np.load(DATA / folder / f"{identifier}.npz") as file:
        iop = tuple(float(v) for v in file.get("iop", AXIAL_IOP))
        placed = stacked(file["hu"].shape, file["z_mm"], file["pixel_mm"], iop)
        seen = Volume(series_instance_uid="1.2.3", number=1, geometry=placed, voxels=file["hu"])
    return seen, fold_of(patients.get(identifier, identifier))


@REAL
@SHIPPED
@pytest.mark.data
@pytest.mark.parametrize(
    "identifier",
    ["wb-ccth-a01", "mip-acrin013-cor", "mip-acrin013-sag", "spine-taichi-sag", "head-qa-ge-tilt", "sts-049",
     "kbp-112", "chest-rider-0117-pe"],
)  # fmt: skip
def test_real_series_are_bodies_in_their_own_plane(identifier):
    seen, fold = real(identifier)
    look = SeriesModel.load("cpu", fold).look(seen)
    assert look.body > 0.5
    assert look.axis in (from_geometry(seen.geometry), Axis.UNDETERMINED)


@REAL
@SHIPPED
@pytest.mark.data
def test_a_coronal_reformat_with_an_axial_header_is_found_out():
    seen, fold = real("mip-acrin013-cor")
    lying = Volume(
        series_instance_uid="1.2.3",
        number=1,
        geometry=geometry(seen.voxels.shape, spacing_mm=1.68, pixel_mm=(2.5, 2.5)),
        voxels=seen.voxels,
    )
    assert SeriesModel.load("cpu", fold).look(lying).axis is Axis.CORONAL


@REAL
@SHIPPED
@pytest.mark.data
@pytest.mark.parametrize(
    ("identifier", "enhanced"),
    [
        ("abd-crlm-1006-ce", True),
        ("chest-lidc-0003-ce", True),
        ("kbp-13", True),
        ("wb-ccth-a01", False),
        ("chest-nlst-ohif", False),
        ("sts-010", False),
    ],
)
def test_contrast_of_real_volumes(identifier, enhanced):
    seen, fold = real(identifier)
    assert (SeriesModel.load("cpu", fold).look(seen).contrast > 0.5) is enhanced
