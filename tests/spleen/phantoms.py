"""Made volumes with a bright ellipsoid for a spleen, as arrays, NIfTI pairs and DICOM series."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from inference.spleen.batches import Slices, slices_of
from inference.spleen.labelled import Labelled
from inference.spleen.network import SpleenNetwork
from inference.spleen.slicing import SliceAxis
from inference.spleen.weights import Recipe, SpleenWeights, packed
from tests.inference.results_factory import image

SHAPE = (24, 40, 48)  # z, y, x
SPACING_MM = (5.0, 4.0, 4.0)
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
BODY_HU, SPLEEN_HU, AIR_HU = 30, 150, -1000


def ellipsoid(centre: tuple[float, ...], radii: tuple[float, ...]) -> NDArray[np.bool_]:
    """(z, y, x), in voxels."""
    place = np.indices(SHAPE).T - np.asarray(centre)
    return np.asarray(((place / np.asarray(radii)) ** 2).sum(-1).T < 1)


def upright(seed: int) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """HU and mask, (z, y, x) to head, back and left: a body with a spleen on its left."""
    rng = np.random.default_rng(seed)
    body = ellipsoid((12, 20, 24), (60, 17, 21))
    centre = np.asarray((12, 22, 34)) + rng.uniform(-1.5, 1.5, 3)
    spleen = ellipsoid(tuple(centre), (6.5, 6.0, 5.0))
    hu = np.where(spleen, SPLEEN_HU, np.where(body, BODY_HU, AIR_HU)) + rng.normal(0, 8, SHAPE)
    return np.rint(hu).astype(np.int16), spleen


def affine_lps(spacing_mm: tuple[float, float, float] = SPACING_MM) -> NDArray[np.float64]:
    """Of an upright array."""
    affine = np.diag([*spacing_mm[::-1], 1.0])
    affine[:3, 3] = -90.0, -80.0, 100.0
    return affine


def labelled(seed: int) -> Labelled:
    hu, mask = upright(seed)
    return Labelled(name=f"case{seed}", hu=hu, mask=mask, affine_lps=affine_lps())


def save_nifti(path: Path, array: NDArray[np.int16], axcodes: str) -> Path:
    """An upright array as nibabel stores it in another order, "RAS" and its kin, where it lies."""
    whole = nibabel.Nifti1Image(np.ascontiguousarray(array.T), RAS_TO_LPS @ affine_lps())
    now = nibabel.io_orientation(whole.affine)
    wanted = nibabel.orientations.axcodes2ornt(axcodes)
    turned = whole.as_reoriented(nibabel.orientations.ornt_transform(now, wanted))
    turned.header.set_xyzt_units("mm")
    nibabel.save(turned, path)
    return path


def task09(folder: Path, count: int, axcodes: str = "RAS") -> Path:
    """The layout of the Decathlon, with what macOS leaves in its archive."""
    training = []
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
        (folder / name / "._spleen_1.nii.gz").write_bytes(b"left by an archiver")
    for seed in range(1, count + 1):
        hu, mask = upright(seed)
        save_nifti(folder / "imagesTr" / f"spleen_{seed}.nii.gz", hu, axcodes)
        save_nifti(folder / "labelsTr" / f"spleen_{seed}.nii.gz", mask.astype(np.int16), axcodes)
        names = {part: f"./{part}sTr/spleen_{seed}.nii.gz" for part in ("image", "label")}
        training.append(names)
    listing = {"name": "Spleen", "labels": {"0": "background", "1": "spleen"}, "training": training}
    (folder / "dataset.json").write_text(json.dumps(listing))
    return folder


def save_dicom(folder: Path, seed: int, frame: bool = True) -> Path:
    """The same body as an axial series, its slices from the head down."""
    folder.mkdir(parents=True)
    hu, _ = upright(seed)
    for k, plane in enumerate(hu[::-1]):
        z_mm = 100.0 + (len(hu) - 1 - k) * SPACING_MM[0]
        ds = image(k, (-90.0, -80.0, z_mm), (1, 0, 0, 0, 1, 0), SHAPE[1])
        ds.Rows, ds.Columns = plane.shape
        ds.PixelSpacing = list(SPACING_MM[1:])
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleSlope, ds.RescaleIntercept, ds.SliceThickness = 1, 0, SPACING_MM[0]
        ds.PixelData = plane.tobytes()
        ds["PixelData"].VR = "OW"
        if not frame:
            del ds.FrameOfReferenceUID
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return folder


def cut(seeds: tuple[int, ...], axis: SliceAxis = SliceAxis.AXIAL) -> list[Slices]:
    return [slices_of(labelled(seed), axis) for seed in seeds]


def save_weights(path: Path, axis: SliceAxis = SliceAxis.AXIAL) -> SpleenWeights:
    """A network that calls spleen what is brighter than 100 HU, set by hand: two blocks pass the image on."""
    network = SpleenNetwork(1)
    for value in network.state_dict().values():
        value.zero_()
    for block in (*network.down, *network.up):
        for norm in (block[1], block[4]):
            norm.weight.data.fill_(1)
            norm.running_var.fill_(1)
    passed_on = (
        (network.down[0][0], 0),
        (network.down[0][3], 0),
        (network.up[-1][0], 2),
        (network.up[-1][3], 0),
    )
    for convolution, channel in passed_on:
        convolution.weight.data[0, channel, 1, 1] = 1
    network.last.weight.data.fill_(50)
    network.last.bias.data.fill_(-50 * 0.3)
    recipe = Recipe(axis=axis, channels=1, cases=("a", "b"), held_out=(), epochs=1, seed=1)
    path.write_bytes(packed(network, recipe))
    return SpleenWeights.load(path)
