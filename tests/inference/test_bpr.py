"""BodyPartRegression's published files: what is read, what is refused, and what is made of the answers."""

from __future__ import annotations

import hashlib
import io
import json
import math
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from inference.axial import resampled
from inference.models import bpr_archive
from inference.models.bpr import NAME, BprModel, state_dict
from inference.models.bpr_network import BprNetwork
from inference.models.bpr_settings import BprSettings, Landmark
from inference.models.score_source import ScoreSource, SliceScores
from storage.errors import ConfigError
from tests.inference.score_factory import AXIAL, CORONAL, geometry, volume

CPU = torch.device("cpu")

PUBLISHED = {
    "conv6.weight": (512, 512, 1, 1),
    "conv6.bias": (512,),
    "fc7.weight": (1, 512),
    "fc7.bias": (1,),
    "model.0.weight": (64, 1, 3, 3),
}
CHANNELS = {2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)}
CHANNELS |= {17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512)}
for n, (inputs, outputs) in CHANNELS.items():
    PUBLISHED[f"model.{n}.weight"] = (outputs, inputs, 3, 3)
    PUBLISHED[f"model.{n}.bias"] = (outputs,)

CONFIG = {"model_name": "best-model", "base_model": "vgg", "alpha_h": 1, "beta_h": 0.01}


def settings(start=0.0, end=1.0, **more):
    """As bpreg writes it; figures that are not used here are there too, a bare NaN among them."""
    original = {"pelvis_start": {"mean": start, "std": 0.2}, "eyes_end": {"mean": end, "std": 0.3}}
    transformed = {
        "pelvis_start": {"mean": 0.0, "std": 1.983},
        "eyes_end": {"mean": 100.0, "std": 3.789},
        "femur_end": {"mean": math.nan, "std": math.nan},
    }
    table = {"original": original, "transformed": transformed}
    return {
        "slope_mean": 0.118,
        "lower_quantile_tangential_slope": -0.037,
        "lookuptable_train": table,
        "lookuptable_train_val": table,
        "settings": {"start-landmark": "pelvis_start", "end-landmark": "eyes_end", **more},
    }


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def passing():
    """Weights that hand the first channel through: the answer to an even slice of x >= 0 is x."""
    tensors = {k: torch.zeros(s) for k, s in PUBLISHED.items()}
    for key, shape in PUBLISHED.items():
        if len(shape) == 4:
            tensors[key][0, 0, shape[2] // 2, shape[3] // 2] = 1
    tensors["fc7.weight"][0, 0] = 1
    return tensors


@pytest.fixture(scope="module")
def random_tensors():
    torch.manual_seed(11)
    return {k: torch.randn(s) * (2 / max(math.prod(s[1:]), 1)) ** 0.5 for k, s in PUBLISHED.items()}


def files(model, **changes):
    content = {"config.json": json.dumps(CONFIG), "inference-settings.json": json.dumps(settings())}
    return {**content, "model.pt": model, **changes}


def folder(path, content):
    path.mkdir()
    for name, value in content.items():
        (path / name).write_bytes(value if isinstance(value, bytes) else value.encode())
    return path


def zipped(path, content, inside="public_bpr_model/"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(inside + name, value)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return BprModel.load(folder(tmp_path_factory.mktemp("bpr") / "m", files(saved(passing()))), CPU)


def refused(path, match):
    with pytest.raises(ConfigError, match=match):
        BprModel.load(path, CPU)


# --- the network


def test_the_network_is_the_published_one():
    network = BprNetwork()
    assert {k: tuple(v.shape) for k, v in network.state_dict().items()} == PUBLISHED
    assert len(PUBLISHED) == 29
    assert sum(p.numel() for p in network.parameters()) == 14_976_641


def test_random_weights_answer_as_a_forward_pass_written_out(tmp_path, random_tensors):
    t = random_tensors
    x = torch.rand(3, 1, 128, 128, generator=torch.Generator().manual_seed(2)) * 2 - 1
    y = F.relu(F.conv2d(x, t["model.0.weight"], None, padding=1))
    for n in CHANNELS:
        if n in (5, 10, 17, 24):
            y = F.max_pool2d(y, 2)
        y = F.relu(F.conv2d(y, t[f"model.{n}.weight"], t[f"model.{n}.bias"], padding=1))
    y = F.relu(F.conv2d(F.max_pool2d(y, 2), t["conv6.weight"], t["conv6.bias"]))
    wanted = (y.mean((2, 3)) @ t["fc7.weight"].T + t["fc7.bias"])[:, 0]
    loaded = BprModel.load(folder(tmp_path / "m", files(saved(t))), CPU)
    found = loaded.answers(x[:, 0].numpy())
    assert np.ptp(found) > 1e-3
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-5)


# --- scores of volumes whose voxels hold their z: an even slice of h HU is (h + 1000) / 1250 - 1


def wanted(z_mm):
    return 100 * ((np.asarray(z_mm) + 1000) / 1250 - 1)


def test_even_slices_have_the_score_of_their_density(model):
    g = geometry((10, 64, 64), spacing_mm=20, origin_mm=(0, 0, 300))
    scores = model.scores(volume(g))
    np.testing.assert_allclose(scores.z_mm, 300 + 20 * np.arange(10), atol=1e-9)
    np.testing.assert_allclose(scores.raw, wanted(scores.z_mm), atol=1e-3)
    assert scores.sd is None
    assert scores.scored.all()


def test_slices_that_run_to_the_feet_keep_their_order(model):
    row, column = (-1.0, 0.0, 0.0), AXIAL[1]
    scores = model.scores(volume(geometry((10, 64, 64), (row, column), spacing_mm=20, origin_mm=(0, 0, 800))))
    np.testing.assert_allclose(scores.z_mm, 800 - 20 * np.arange(10), atol=1e-9)
    np.testing.assert_allclose(scores.raw, wanted(scores.z_mm), atol=1e-3)


def test_a_coronal_volume_is_scored_on_axial_slices(model):
    g = geometry((64, 12, 64), CORONAL, spacing_mm=7, pixel_mm=(7, 7), origin_mm=(0, 0, 600))
    scores, made = model.scores(volume(g)), resampled(volume(g))
    np.testing.assert_array_equal(scores.z_mm, made.z_mm)
    assert (np.diff(scores.z_mm) > 0).all()
    np.testing.assert_allclose(scores.raw, wanted(scores.z_mm), atol=0.5)  # voxels are 7 mm


def test_what_cannot_be_made_axial_has_no_scores(model):
    scores = model.scores(volume(geometry((1, 40, 64), CORONAL)))
    assert scores.z_mm.shape == scores.raw.shape == (0,)


def test_the_landmarks_means_are_0_and_100(tmp_path):
    content = files(saved(passing()), **{"inference-settings.json": json.dumps(settings(0.2, 0.6))})
    loaded = BprModel.load(folder(tmp_path / "m", content), CPU)
    scores = loaded.scores(volume(geometry((3, 64, 64), spacing_mm=250, origin_mm=(0, 0, 500))))
    np.testing.assert_allclose(scores.raw, [0, 50, 100], atol=1e-3)  # 500, 750, 1000 HU: 0.2, 0.4, 0.6


def test_a_model_is_a_score_source(model):
    source: ScoreSource = model
    assert source.identity.name == NAME


@pytest.mark.parametrize("lengths", [(3, 2, None), (3, 3, 2)])
def test_scores_of_different_lengths_are_refused(lengths):
    z, raw, sd = (None if n is None else np.zeros(n) for n in lengths)
    with pytest.raises(ValueError, match="one z, score and sd a slice"):
        SliceScores(z_mm=z, raw=raw, sd=sd)


# --- settings


def test_the_settings_are_read():
    made = BprSettings.of(json.dumps(settings(2.5, 11.0)).encode(), "s")
    assert (made.start_raw, made.end_raw, made.slope_per_mm, made.background_raw) == (2.5, 11.0, 0.118, ())
    rows = {"pelvis_start": Landmark(mean=0.0, sd=1.983), "eyes_end": Landmark(mean=100.0, sd=3.789)}
    assert made.look_up_table == rows


def test_background_scores_are_dropped_only_where_the_file_lists_them():
    raw = np.asarray([6.14, 6.1449, 6.146, 110.83, 3.0])
    silent = BprSettings.of(json.dumps(settings(0, 10)).encode(), "s")
    np.testing.assert_allclose(silent.scores(raw), raw * 10)
    listed = settings(0, 10, **{"background-scores": [110.83, 6.14]})
    told = BprSettings.of(json.dumps(listed).encode(), "s")
    np.testing.assert_allclose(told.scores(raw), [np.nan, np.nan, 61.46, np.nan, 30.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("slope_mean"), "slope_mean: Field required"),
        (lambda s: s.update(slope_mean="0.118"), "slope_mean: Input should be a valid number"),
        (lambda s: s.update(slope_mean=-0.1), "slope_mean is -0.1, it must be above 0"),
        (lambda s: s["settings"].pop("end-landmark"), "settings.end-landmark: Field required"),
        (lambda s: s["settings"].update({"end-landmark": "nose"}), 'original has no mean of "nose"'),
        (
            lambda s: s["settings"].update({"end-landmark": "pelvis_start"}),
            "mean 0.0 is not above",
        ),
        (lambda s: s["lookuptable_train_val"].pop("original"), "lookuptable_train_val.original: Field"),
    ],
)
def test_settings_that_lack_something_are_refused(change, message):
    value = settings()
    change(value)
    with pytest.raises(ConfigError, match=message):
        BprSettings.of(json.dumps(value).encode(), "s")


def test_settings_that_are_not_json_are_refused():
    with pytest.raises(ConfigError, match="s: Invalid JSON"):
        BprSettings.of(b"\x80\x04.", "s")


# --- the archive


@pytest.mark.parametrize("inside", ["public_bpr_model/", ""])
def test_zip_and_folder_hold_the_same_model(tmp_path, model, inside):
    weights = saved(passing())
    loaded = BprModel.load(zipped(tmp_path / "m.zip", files(weights, **{"reference.xlsx": "-"}), inside), CPU)
    assert loaded.identity.sha256 == hashlib.sha256(weights).hexdigest()
    assert loaded.identity.version == "best-model"
    for key, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, loaded.network.state_dict()[key])


@pytest.mark.parametrize("name", ["../model.pt", "/etc/x", "public_bpr_model/../../x", "c:\\x", "a\\..\\x"])
def test_an_entry_that_leaves_the_archive_is_refused(tmp_path, name):
    content = files(b"-", **{name: "-"})
    refused(zipped(tmp_path / "m.zip", content, ""), "lies outside the archive")
    assert {p.name for p in tmp_path.iterdir()} == {"m.zip"}


def test_a_file_twice_is_refused(tmp_path):
    content = {**files(b"-"), "other/config.json": "{}"}
    refused(zipped(tmp_path / "m.zip", content, ""), r"has config.json twice")


def test_a_huge_entry_is_refused(tmp_path):
    content = files(b"-", **{"config.json": b"\0" * (2**20 + 1)})
    refused(zipped(tmp_path / "m.zip", content), "config.json is longer than 1048576 bytes")


def test_no_more_than_the_limit_is_unfolded():
    endless = io.BytesIO(b"\0" * (2**20 + 500))
    with pytest.raises(ConfigError, match=r"config\.json is longer than 1048576 bytes"):
        bpr_archive.limited(endless, "config.json", Path("m.zip"))
    assert endless.tell() == 2**20 + 1


def test_too_many_entries_are_refused(tmp_path):
    content = {**files(b"-"), **{f"x{n}": "" for n in range(998)}}
    refused(zipped(tmp_path / "m.zip", content, ""), "has 1001 entries; at most 1000")


def test_a_truncated_zip_is_refused(tmp_path):
    path = zipped(tmp_path / "m.zip", files(b"-" * 5000))
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, "cannot be read as a zip")


def test_a_damaged_entry_is_refused(tmp_path):
    path = zipped(tmp_path / "m.zip", files(bytes(range(256)) * 40))
    content = bytearray(path.read_bytes())
    at = content.index(b"model.pt") + 60
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    refused(path, "cannot be read as a zip")


@pytest.mark.parametrize("name", ["config.json", "inference-settings.json", "model.pt"])
def test_a_missing_file_is_named(tmp_path, name):
    content = files(b"-")
    del content[name]
    refused(folder(tmp_path / "m", content), f"lacks {name}$")
    refused(zipped(tmp_path / "m.zip", content), f"lacks {name}$")


def test_a_pickled_configuration_is_never_read(tmp_path):
    content = files(b"-", **{"config.p": pickle.dumps(Program(tmp_path / "ran"))})
    del content["config.json"]
    refused(folder(tmp_path / "m", content), "lacks config.json; config.p is a pickle and is never read")
    assert not (tmp_path / "ran").exists()


def test_nothing_there_is_the_administrator_s_fault(tmp_path):
    refused(tmp_path / "absent.zip", "No such file")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"base_model": "resnet"}', "base_model is 'resnet'"),
    ],
)
def test_another_configuration_is_refused(tmp_path, config, message):
    refused(folder(tmp_path / "m", files(b"-", **{"config.json": config})), message)


# --- the weights


class Program:
    """A pickle that makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    "hidden",
    [lambda p: p, lambda p: {"conv6.bias": p}, lambda p: {"state_dict": passing(), "callbacks": p}],
    ids=["alone", "as a weight", "beside Lightning's weights"],
)
@pytest.mark.parametrize("write", [saved, pickle.dumps], ids=["torch", "pickle"])
def test_a_program_in_the_weights_does_not_run(tmp_path, hidden, write):
    content = write(hidden(Program(tmp_path / "ran")))
    refused(folder(tmp_path / "m", files(content)), "model.pt is not a file of plain weights")
    assert not (tmp_path / "ran").exists()


def test_the_program_of_these_tests_would_run(tmp_path):
    pickle.loads(pickle.dumps(Program(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before torch 1.6"])
def test_a_lightning_checkpoint_is_read(old):
    content = saved({"epoch": 3, "state_dict": passing()}, _use_new_zipfile_serialization=not old)
    assert set(state_dict(content, "m")) == set(PUBLISHED)


@pytest.mark.parametrize("content", [b"", b"not torch's", saved(torch.zeros(9))[:-60], saved([1.0])])
def test_what_is_not_weights_is_refused(content):
    with pytest.raises(ConfigError, match=r"^m (is not a file of plain weights|is damaged|holds a list)"):
        state_dict(content, "m")


def test_weights_that_unfold_to_too_much_are_refused():
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a/data/0", "w") as entry,
    ):
        for _ in range(257):
            entry.write(b"\0" * 2**20)
    with pytest.raises(ConfigError, match=f"unfolds to {257 * 2**20} bytes; at most {2**28}"):
        state_dict(buffer.getvalue(), "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("conv6.bias"), "model.pt lacks conv6.bias$"),
        (lambda t: t.update({"model.0.bias": torch.zeros(64)}), "has the unknown model.0.bias$"),
        (
            lambda t: t.update({"fc7.weight": torch.zeros(1, 256)}),
            r"fc7.weight is \(1, 256\), it must be \(1, 512\)",
        ),
        (
            lambda t: t.update({"fc7.bias": torch.zeros(1, dtype=torch.int64)}),
            "fc7.bias is not a tensor",
        ),
        (lambda t: t.update({"fc7.bias": [0.0]}), "fc7.bias is not a tensor"),
        (
            lambda t: t.update({"fc7.bias": torch.tensor([math.inf])}),
            "fc7.bias holds a value that is not",
        ),
        (lambda t: t.clear(), r"lacks conv6.bias, conv6.weight, fc7.bias and 26 more$"),
    ],
)
def test_other_weights_are_refused(tmp_path, change, message):
    tensors = passing()
    change(tensors)
    refused(folder(tmp_path / "m", files(saved(tensors))), message)
