"""sarcopenia-ai's CNNLine.h5, which finds L3 on a frontal projection, where a hospital has downloaded it.

The weights are no part of this product; their terms are their authors'. Not for diagnosis; research software.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from inference import axis
from inference.findings import Axis, ModelIdentity, Presence
from inference.models.cnnline_h5 import read_tensors
from inference.models.cnnline_image import NO_BONE, L3Line, decoded, frontal, network_input
from inference.models.cnnline_network import CnnLineNetwork
from inference.models.exact_weights import load_exactly
from inference.volume import Volume
from storage.errors import ConfigError
from storage.geometry.stack import slice_centres_z_mm

NAME: Final = "CNNLine"
VERSION: Final = "Keras 2.2.4"
"""The file has no version of its own; its SHA-256 tells files apart."""

NOT_AXIAL: Final = "the slices are not axial, or there is one alone: CNNLine is not run"


@dataclass(frozen=True, kw_only=True)
class CnnLineModel:
    """A loaded CNNLine; safe to use from one thread at a time."""

    identity: ModelIdentity  # which weights speak
    device: torch.device
    network: CnnLineNetwork  # in evaluation mode, float32, on the device

    @classmethod
    def load(cls, path: Path, device: torch.device) -> Self:
        """Load CNNLine.h5; the .custom_objects beside it is a pickle and is never read.

        Raises:
            ConfigError: h5py is not installed, the file cannot be read, or it is not of this network.
        """
        network = CnnLineNetwork()
        load_exactly(network, read_tensors(path), str(path))
        return cls(
            identity=ModelIdentity(name=NAME, version=VERSION, sha256=_sha256(path)),
            device=device,
            network=network.to(device),
        )

    def l3(self, volume: Volume) -> L3Line:
        """Where L3 is. CANNOT_TELL, with the reason, for a volume that is not axial or shows no bone."""
        if axis.from_geometry(volume.geometry) is not Axis.AXIAL or len(volume.voxels) < 2:
            return L3Line(presence=Presence.CANNOT_TELL, confidence=0.0, reason=NOT_AXIAL)
        projection = frontal(volume, slice_centres_z_mm(volume.geometry))
        image = network_input(projection.hu)
        if image is None:
            return L3Line(presence=Presence.CANNOT_TELL, confidence=0.0, reason=NO_BONE)
        return decoded(self.line(image), projection.z_mm)

    @torch.inference_mode()
    def line(self, image: NDArray[np.float32]) -> NDArray[np.float64]:
        """The confidences (height,) of an input (height, width) of `network_input`."""
        batch = torch.from_numpy(image)[None, None].to(self.device)
        line: NDArray[np.float64] = self.network(batch)[0].double().cpu().numpy()
        return line


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
