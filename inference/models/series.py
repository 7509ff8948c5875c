"""The series model: plane, body and contrast of a whole volume, by an ensemble of five pairs of networks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from inference.findings import Axis, ModelIdentity
from inference.models.product import PRODUCT
from inference.models.series_weights import Member, SeriesCalibration, read_calibration, read_members
from inference.models.weights_file import device_named, members_of, read_file
from inference.series_input import brightest_tissue_hu, contrast_slices, series_views
from inference.volume import Volume

NAME: Final = "series"
VERSION: Final = "0.1.0"
WEIGHTS: Final = Path(__file__).resolve().parents[1] / "weights" / f"series-{VERSION}.safetensors"

AXIS_ORDER: Final = (Axis.AXIAL, Axis.CORONAL, Axis.SAGITTAL, Axis.OBLIQUE)
"""Of the network's answers."""

BODY_LEAST: Final = 0.5
"""Below this probability of a human body no plane is named."""


@dataclass(frozen=True, kw_only=True)
class Logits:
    """What one member says."""

    axis: NDArray[np.float64]  # (4,), of AXIS_ORDER
    body: float
    contrast: float | None  # None where no axial slices could be made


@dataclass(frozen=True, kw_only=True)
class SeriesLook:
    """What the pixels of a volume show, whatever its header says. Not for diagnosis; research software."""

    axis: Axis  # UNDETERMINED unless it is sure, or where no body is seen
    axis_probabilities: dict[Axis, float]  # of AXIS_ORDER
    body: float  # probability of a human body
    contrast: float | None  # calibrated probability that IV contrast is seen; None where none could look
    contrast_spread: float  # sd of the members' probabilities; 0 for one member
    brightest_hu: float | None  # of the brightest homogeneous soft tissue; None where not measurable


@dataclass(frozen=True, kw_only=True)
class SeriesModel:
    """Loaded networks; safe to use from one thread at a time."""

    identity: ModelIdentity  # which weights speak
    calibration: SeriesCalibration
    device: torch.device
    members: tuple[Member, ...]  # in evaluation mode, float32, on the device

    @classmethod
    def load(cls, device: str = "auto", fold: int | None = None, weights: Path = PRODUCT.series) -> Self:
        """Load weights and calibration.

        Args:
            device: "cpu", "cuda", "cuda:N", or "auto" for CUDA where there is one.
            fold: the one member that has not seen this fold's patients, 0 to 4; all five where None.
            weights: a safetensors file; its calibration is the .json of the same name.

        Raises:
            ConfigError: the device or fold is not there, or a file is missing or not of these networks.
        """
        where = device_named(device)
        content = read_file(weights)
        members = read_members(content, members_of(fold), weights)
        sha256 = hashlib.sha256(content).hexdigest()
        return cls(
            identity=ModelIdentity(name=NAME, version=VERSION, sha256=sha256),
            calibration=read_calibration(weights.with_suffix(".json"), content),
            device=where,
            members=tuple((view.to(where), contrast.to(where)) for view, contrast in members),
        )

    def look(self, volume: Volume) -> SeriesLook:
        """Look at a volume of any orientation, of one slice or many."""
        views = series_views(volume.voxels, volume.geometry)
        slices = contrast_slices(volume)
        bright = None if slices is None else brightest_tissue_hu(slices)
        return decided(self.logits(views, slices), self.calibration, bright)

    @torch.inference_mode()
    def logits(self, views: NDArray[np.float32], slices: NDArray[np.float32] | None) -> tuple[Logits, ...]:
        """What each member says of (VIEWS, h, w) views and (n, h, w) axial slices, HU."""
        seen = torch.from_numpy(views)[None].to(self.device)
        cut = None if slices is None else torch.from_numpy(slices)[None].to(self.device)
        said = []
        for view, contrast in self.members:
            axis, body = view(seen)
            enhanced = None if cut is None else float(contrast(cut)[0])
            said.append(Logits(axis=axis[0].double().cpu().numpy(), body=float(body[0]), contrast=enhanced))
        return tuple(said)


def decided(
    logits: tuple[Logits, ...], calibration: SeriesCalibration, brightest_hu: float | None
) -> SeriesLook:
    """The members' mean probabilities, and the plane where they are sure of one."""
    axes = np.mean([softmax(x.axis / calibration.axis_temperature) for x in logits], axis=0)
    body = float(np.mean([_sigmoid(x.body) for x in logits]))
    scale, offset = calibration.contrast_scale, calibration.contrast_offset
    said = [_sigmoid(scale * x.contrast + offset) for x in logits if x.contrast is not None]
    likeliest = int(axes.argmax())
    sure = axes[likeliest] >= calibration.axis_least and body >= BODY_LEAST
    return SeriesLook(
        axis=AXIS_ORDER[likeliest] if sure else Axis.UNDETERMINED,
        axis_probabilities=dict(zip(AXIS_ORDER, axes.tolist(), strict=True)),
        body=body,
        contrast=float(np.mean(said)) if said else None,
        contrast_spread=float(np.std(said)) if said else 0.0,
        brightest_hu=brightest_hu,
    )


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits (..., n) to probabilities."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(x, -50, 50))))
