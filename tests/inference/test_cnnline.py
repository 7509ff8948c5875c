"""sarcopenia-ai's CNNLine: the file as Keras lays it out, the network against numpy, and the row's z."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from inference.findings import Presence
from inference.models import cnnline_image
from inference.models.cnnline import NAME, NOT_AXIAL, CnnLineModel
from inference.models.cnnline_h5 import read_tensors
from inference.models.cnnline_image import NO_BONE, OUTSIDE, decoded, frontal, network_input
from inference.models.cnnline_network import CnnLineNetwork
from inference.volume import Volume
from storage.errors import ConfigError
from tests.inference.score_factory import AXIAL, CORONAL, geometry

h5py = pytest.importorskip("h5py", reason="h5py is not installed (ctnode[adapters])")

CPU = torch.device("cpu")

KERNELS = {
    **{f"conv2d_{n}": (3, 3) for n in (1, 2, 3, 4, 5, 6, 8, 9)},
    "conv2d_7": (5, 5),
    "conv1d_1": (5,),
    **{f"conv1d_{n}": (3,) for n in (3, 4, 6, 7, 9, 10)},
    **{f"conv1d_{n}": (1,) for n in (2, 5, 8, 11)},
    "last_conv": (1,),
}
"""Layer to kernel size, of CNNLine.json."""

CHANNELS = {
    "conv2d_1": (1, 32),
    "conv2d_2": (32, 32),
    "conv2d_3": (32, 64),
    "conv2d_4": (64, 64),
    "conv2d_5": (64, 128),
    "conv2d_6": (128, 128),
    "conv2d_7": (128, 256),
    "conv2d_8": (256, 512),
    "conv2d_9": (512, 512),
    "conv1d_1": (512 + 256, 256),
    "conv1d_2": (256, 256),
    "conv1d_3": (256 + 128, 128),
    "conv1d_6": (128 + 64, 128),
    "conv1d_9": (128 + 32, 128),
    **{f"conv1d_{n}": (128, 128) for n in (4, 5, 7, 8, 10, 11)},
    "last_conv": (128, 1),
}
"""Layer to channels in and out: those of the level below and of the line beside it add up."""

CONVOLUTIONS = [*(f"conv2d_{n}" for n in range(1, 10)), *(f"conv1d_{n}" for n in range(1, 12))]
"""In the model's order; the nth is followed by batch_normalization_n."""


def arrays():
    """Every array of the file, 0 but for the statistics' variance and gamma: those pass values through."""
    made = {}
    for layer in (*CONVOLUTIONS, "last_conv"):
        made[layer] = {"kernel:0": np.zeros((*KERNELS[layer], *CHANNELS[layer]), np.float32)}
        made[layer]["bias:0"] = np.zeros(CHANNELS[layer][1], np.float32)
    for n, layer in enumerate(CONVOLUTIONS, start=1):
        names = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")
        made[f"batch_normalization_{n}"] = {k: np.zeros(CHANNELS[layer][1], np.float32) for k in names}
        made[f"batch_normalization_{n}"]["moving_variance:0"] += 1
        made[f"batch_normalization_{n}"]["gamma:0"] += np.sqrt(np.float32(1 + 1e-3))
    return made


@pytest.fixture(scope="module")
def random_arrays():
    random = np.random.default_rng(6)
    made = arrays()
    for layer in made.values():
        for name, array in layer.items():
            spread = (2 / np.prod(array.shape[:-1])) ** 0.5 if name == "kernel:0" else 0.1
            noise = random.standard_normal(array.shape, np.float32) * np.float32(spread)
            layer[name] = np.abs(array + noise) if name == "moving_variance:0" else array + noise
    return made


def brightness():
    """Weights whose line is a sigmoid of each row's brightest pixel: 0.94 at 127, below 1e-4 at 0."""
    made = arrays()
    made["conv2d_1"]["kernel:0"][1, 1, 0, 0] = 1
    made["conv2d_2"]["kernel:0"][1, 1, 0, 0] = 1
    made["conv1d_9"]["kernel:0"][1, 128, 0] = 1  # the line of the widest image comes after the 128 from below
    made["conv1d_10"]["kernel:0"][1, 0, 0] = 1
    made["conv1d_11"]["kernel:0"][0, 0, 0] = 1
    made["last_conv"]["kernel:0"][0, 0, 0] = 0.1
    made["last_conv"]["bias:0"][0] = -10
    return made


def listed(group, names):
    """As Keras does: byte strings of one length."""
    group.attrs["layer_names"] = np.asarray([n.encode() for n in names])


def order(group):
    return [n.decode() for n in group.attrs["layer_names"]]


def written(path, made, *, root="model_weights", told=True, rename=str):
    """As Keras 2 writes it: a group a layer, in it a group of the same name, and groups for empty layers."""
    with h5py.File(path, "w") as file:
        top = file.create_group(root) if root else file
        if told:
            listed(top, ["input_1", *map(rename, made), "leaky_re_lu_1"])
        for name in ("input_1", "leaky_re_lu_1"):
            top.create_group(name)
        for layer, values in made.items():
            for name, array in values.items():
                top.create_dataset(f"{rename(layer)}/{rename(layer)}/{name}", data=array)
    return path


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    return written(tmp_path_factory.mktemp("h5") / "CNNLine.h5", brightness())


@pytest.fixture(scope="module")
def finder(bright):
    return CnnLineModel.load(bright, CPU)


def refused(path, match):
    with pytest.raises(ConfigError, match=match):
        CnnLineModel.load(path, CPU)


# --- the network


def test_the_network_is_the_published_one():
    network = CnnLineNetwork()
    assert sum(p.numel() for p in network.parameters()) == 6_182_241
    statistics = [v for k, v in network.state_dict().items() if k.endswith(("running_mean", "running_var"))]
    assert sum(v.numel() for v in statistics) == 6_784


def leaky(x):
    return np.where(x > 0, x, 0.05 * x)


def unit(x, made, n):
    """Convolution, normalisation and LeakyReLU of Keras, channels last, in float64."""
    layer = made[CONVOLUTIONS[n]]
    kernel = layer["kernel:0"].astype(np.float64)
    sizes = kernel.shape[:-2]
    padded = np.pad(x, [(s // 2, s // 2) for s in sizes] + [(0, 0)])
    windows = sliding_window_view(padded, sizes, axis=tuple(range(len(sizes))))
    y = np.moveaxis(windows, len(sizes), -1).reshape(*x.shape[:-1], -1) @ kernel.reshape(-1, kernel.shape[-1])
    norm = made[f"batch_normalization_{n + 1}"]
    scale = norm["gamma:0"] / np.sqrt(norm["moving_variance:0"].astype(np.float64) + 1e-3)
    return leaky((y + layer["bias:0"] - norm["moving_mean:0"]) * scale + norm["beta:0"])


def pooled(x, by):
    h, w, c = x.shape
    return x.reshape(h // by, by, w // by, by, c).max(axis=(1, 3))


def keras(image, made):
    """CNNLine.json, layer by layer, of (h, w)."""
    x, n, skips = image[..., None].astype(np.float64), 0, []
    for count, pool in ((2, 2), (2, 2), (2, 2), (1, 4), (2, 1)):
        for _ in range(count):
            x, n = unit(x, made, n), n + 1
        skips.append(x.max(axis=1))
        x = pooled(x, pool)
    line = skips.pop()
    for up, count in ((4, 2), (2, 3), (2, 3), (2, 3)):
        line = np.concatenate([np.repeat(line, up, axis=0), skips.pop()], axis=1)
        for _ in range(count):
            line, n = unit(line, made, n), n + 1
    answer = line @ made["last_conv"]["kernel:0"][0] + made["last_conv"]["bias:0"]
    return 1 / (1 + np.exp(-answer[:, 0]))


@pytest.mark.parametrize("root", ["model_weights", ""], ids=["whole model", "weights alone"])
def test_a_file_of_random_weights_answers_as_keras_does(tmp_path, random_arrays, root):
    model = CnnLineModel.load(written(tmp_path / "w.h5", random_arrays, root=root), CPU)
    image = np.random.default_rng(7).uniform(-1, 1, (64, 32)).astype(np.float32)
    wanted = keras(image, random_arrays)
    assert np.ptp(wanted) > 0.05
    np.testing.assert_allclose(model.line(image), wanted, atol=1e-5)


def test_the_identity_is_the_file_s(bright, finder):
    assert finder.identity.name == NAME
    assert finder.identity.sha256 == hashlib.sha256(bright.read_bytes()).hexdigest()


# --- the file


def shifted(name):
    """The names of a second model in one Keras session: numbers go on where the first one ended."""
    kind, _, number = name.rpartition("_")
    return f"{kind}_{int(number) + 7}" if number.isdigit() else name


@pytest.mark.parametrize("told", [True, False], ids=["layer_names", "numbers alone"])
@pytest.mark.parametrize("rename", [str, shifted])
def test_layers_are_ordered_by_the_file_or_by_number(tmp_path, random_arrays, told, rename):
    tensors = read_tensors(written(tmp_path / "w.h5", random_arrays, told=told, rename=rename))
    for n in range(11):
        kernel = random_arrays[f"conv1d_{n + 1}"]["kernel:0"]
        np.testing.assert_array_equal(tensors[f"conv1d.{n}.weight"], kernel.transpose(2, 1, 0))
    for n in range(20):
        norm = random_arrays[f"batch_normalization_{n + 1}"]
        np.testing.assert_array_equal(tensors[f"norm.{n}.running_var"], norm["moving_variance:0"])


def test_the_file_s_own_order_counts_more_than_numbers(tmp_path):
    path = written(tmp_path / "w.h5", brightness())
    with h5py.File(path, "a") as file:
        swapped = {"conv1d_4": "conv1d_5", "conv1d_5": "conv1d_4"}
        listed(file["model_weights"], [swapped.get(n, n) for n in order(file["model_weights"])])
    refused(path, r"conv1d.3.weight is \(128, 128, 1\), it must be \(128, 128, 3\)")


def unlisted(group, name):
    listed(group, [n for n in order(group) if n != name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.pop("conv2d_3/conv2d_3/kernel:0"), "lacks /model_weights/conv2d_3/conv2d_3/kernel:0"),
        (lambda g: g.pop("conv2d_3/conv2d_3"), "lacks /model_weights/conv2d_3/conv2d_3$"),
        (lambda g: g.pop("conv2d_3"), "lacks /model_weights/conv2d_3$"),
        (lambda g: unlisted(g, "last_conv"), "has 0 last_conv layers, CNNLine has 1"),
        (lambda g: unlisted(g, "conv1d_4"), "has 10 conv1d layers, CNNLine has 11"),
    ],
)
def test_a_layer_that_is_not_there_is_named(tmp_path, change, message):
    path = written(tmp_path / "w.h5", arrays())
    with h5py.File(path, "a") as file:
        change(file["model_weights"])
    refused(path, message)


def replaced(path, name, **dataset):
    with h5py.File(path, "a") as file:
        del file[name]
        file.create_dataset(name, **dataset)
    return path


BIAS = "model_weights/conv2d_1/conv2d_1/bias:0"


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"data": np.zeros(64, np.float32)}, r"conv2d.0.bias is \(64,\), it must be \(32,\)"),
        ({"data": np.full(32, np.nan, np.float32)}, "conv2d.0.bias holds a value that is not finite"),
        ({"data": np.zeros(32, np.int32)}, r"bias:0 is \(32,\) of int32, not an array of CNNLine's"),
        ({"shape": (10**9,), "dtype": "f4", "chunks": (10**6,)}, r"bias:0 is \(1000000000,\) of float32"),
        ({"data": h5py.Empty("f4")}, "bias:0 is None of float32"),
    ],
)
def test_another_array_is_refused(tmp_path, dataset, message):
    refused(replaced(written(tmp_path / "w.h5", arrays()), BIAS, **dataset), message)


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(32, np.float32))
    return path


@pytest.mark.parametrize("link", ["external", "soft"])
def test_a_link_is_not_followed(tmp_path, outside, link):
    path = written(tmp_path / "w.h5", arrays())
    with h5py.File(path, "a") as file:
        del file[BIAS]
        soft = h5py.SoftLink("/" + BIAS.replace("conv2d_1", "conv2d_2"))
        file[BIAS] = h5py.ExternalLink(str(outside), "x") if link == "external" else soft
    refused(path, "/conv2d_1/conv2d_1/bias:0 points elsewhere, and is not followed")


def test_an_array_stored_in_another_file_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(128))
    external = [(str(tmp_path / "secret"), 0, 128)]
    path = written(tmp_path / "w.h5", arrays())
    replaced(path, BIAS, shape=(32,), dtype="f4", external=external)
    refused(path, "bias:0 is not an array of this file")


def test_an_array_made_of_another_file_s_is_refused(tmp_path, outside):
    layout = h5py.VirtualLayout(shape=(32,), dtype="f4")
    layout[:] = h5py.VirtualSource(str(outside), "x", shape=(32,))
    path = written(tmp_path / "w.h5", arrays())
    with h5py.File(path, "a") as file:
        del file[BIAS]
        file.create_virtual_dataset(BIAS, layout)
    refused(path, "bias:0 is not an array of this file")


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04\x95 a pickle", None], ids=["empty", "pickle", "truncated"]
)
def test_what_is_not_hdf5_is_refused(tmp_path, bright, content):
    path = tmp_path / "w.h5"
    path.write_bytes(bright.read_bytes()[:100_000] if content is None else content)
    refused(path, "cannot be read as a Keras weights file")


def test_a_missing_file_is_the_administrator_s_fault(tmp_path):
    refused(tmp_path / "absent.h5", "cannot be read as a Keras weights file")


def test_without_h5py_the_message_says_what_to_install(monkeypatch, bright):
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(bright, r"needs h5py: pip install 'ctnode\[adapters\]'")


# --- the projection and the answer

HEADWARDS = AXIAL
FEETWARDS = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
TURNED = ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0))


def slab(slices, directions=HEADWARDS, *, at, spacing_mm=5.0, hu=1000, pixel_mm=(7.0, 7.0), **options):
    """Soft tissue, and one slice with bone in its middle."""
    g = geometry((slices, 64, 64), directions, spacing_mm=spacing_mm, pixel_mm=pixel_mm, **options)
    voxels = np.full((slices, 64, 64), 50, np.int16)
    voxels[at, 30:34, 30:34] = hu
    return Volume(series_instance_uid="1.2.3", number=1, geometry=g, voxels=voxels)


@pytest.mark.parametrize(
    ("directions", "slices", "height"),
    [
        (HEADWARDS, 61, 512),
        (FEETWARDS, 61, 512),
        (FEETWARDS, 103, 512),
        (TURNED, 104, 1024),
        (TURNED, 206, 1056),
    ],
)
def test_the_slice_with_bone_is_found_exactly(bright, directions, slices, height):
    model = CnnLineModel.load(bright, CPU)
    volume = slab(slices, directions, at=40, origin_mm=(0, 0, -812.5))
    made = frontal(volume, np.asarray([s.position_mm[2] for s in volume.geometry.slices]))
    assert len(made.hu) == len(made.z_mm) == 5 * (slices - 1) + 1
    assert network_input(made.hu).shape == (height, 512)
    found = model.l3(volume)
    assert found.presence is Presence.FOUND
    assert found.z_mm == pytest.approx(volume.geometry.slices[40].position_mm[2], abs=1e-6)
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-2.7)), abs=1e-4)


def test_a_z_that_is_no_whole_millimetre_is_found_within_half(finder):
    volume = slab(50, at=33, spacing_mm=3.7, origin_mm=(0, 0, 0.3))
    assert finder.l3(volume).z_mm == pytest.approx(0.3 + 33 * 3.7, abs=0.5)


@pytest.mark.parametrize("way", [1, -1])
def test_row_0_is_the_highest(way):
    volume = slab(11, at=2)
    z = 5.0 * np.arange(11)[::way]
    made = frontal(volume, z)
    np.testing.assert_allclose(made.z_mm, np.arange(50, -1, -1))
    assert made.z_mm[np.argmax(made.hu.max(axis=1))] == z[2]


@pytest.mark.parametrize("directions", [HEADWARDS, FEETWARDS, TURNED])
def test_columns_run_to_the_patient_s_left(directions):
    volume = slab(9, directions, at=4)
    g = volume.geometry
    j, i = 20, 45
    volume.voxels[4, j, i] = 1500
    x = g.slices[4].position_mm[0] + 7 * (i * g.row_direction[0] + j * g.column_direction[0])
    ends = (0, g.row_direction[0], g.column_direction[0])
    rightmost = min(g.slices[4].position_mm[0] + 7 * 63 * d for d in ends)
    hu = frontal(volume, np.asarray([s.position_mm[2] for s in g.slices])).hu
    assert np.unravel_index(np.argmax(hu), hu.shape)[1] == pytest.approx(x - rightmost, abs=1)


def test_the_frame_is_not_seen(finder):
    volume = slab(20, at=10, hu=50)
    volume.voxels[:, :5], volume.voxels[:, :, -5:] = 2000, 2000  # 40 of 512 is 5 of 64
    found = finder.l3(volume)
    assert (found.presence, found.reason, found.z_mm) == (Presence.CANNOT_TELL, NO_BONE, None)
    volume.voxels[12, 5, 30] = 1000
    assert finder.l3(volume).z_mm == 60


def test_the_grey_values_are_sarcopenia_ai_s():
    hu = np.full((3, 6), -500, np.float32)
    hu[1] = [100, 450, 800, 1150, 1500, 3000]
    made = network_input(hu)
    left = (512 - 6) // 2
    np.testing.assert_allclose(made[1, left : left + 6], [-128, -64.25, -0.5, 63.25, 127, 127], atol=1e-4)
    made[:3, left : left + 6] = -128
    assert (made == -128).all()


def test_odd_spare_columns_go_before_and_wide_images_lose_both_sides():
    hu = np.full((1, 511), 1500, np.float32)
    hu[0, 5] = 0
    np.testing.assert_array_equal(network_input(hu)[0, [0, 1, 511]], [-128, 127, 127])
    wide = np.full((1, 600), 100, np.float32)
    wide[0, 44] = 1500
    assert np.argmax(network_input(wide)[0]) == 0


def test_confidence_decides():
    z = np.asarray([9.0, 8.0, 7.0])
    found = decoded(np.asarray([0.0, 0.1, 0.05, 0]), z)
    assert (found.presence, found.z_mm, found.confidence) == (Presence.FOUND, 8.0, 0.1)
    doubt = decoded(np.asarray([0.0, 0.0999, 0.05, 0]), z)
    assert (doubt.presence, doubt.z_mm) == (Presence.CANNOT_TELL, None)
    assert doubt.reason == "the highest confidence is 0.10, below 0.1"


def test_padding_is_no_answer():
    found = decoded(np.asarray([0.2, 0.3, 0.9]), np.asarray([5.0, 4.0]))
    assert (found.presence, found.reason, found.confidence) == (Presence.CANNOT_TELL, OUTSIDE, 0.9)


@pytest.mark.parametrize(("slices", "directions"), [(20, CORONAL), (1, HEADWARDS)])
def test_what_has_no_frontal_projection_is_not_told(finder, slices, directions):
    found = finder.l3(slab(slices, directions, at=0))
    assert (found.presence, found.reason) == (Presence.CANNOT_TELL, NOT_AXIAL)


def test_few_slices_are_interpolated_in_lines(finder):
    assert finder.l3(slab(3, at=1)).z_mm == 5
    assert cnnline_image.SPLINE_SAMPLES == 4
