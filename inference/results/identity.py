"""UIDs of result objects: the same inputs give the same UIDs, so that a repeated step is a duplicate.

Every UID is a UUIDv5 under the root 2.25 (PS3.5 B.2): at most 44 characters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID, uuid5

from inference.results.records import Inputs
from inference.volume import Volume

NAMESPACE: Final = UUID("8f3e7c52-6d0b-4f7a-9a43-52c1b7f3de10")
"""The namespace of all UIDs of this product; changing it renames every result."""


def uid(*parts: str) -> str:
    """The UID that these parts name, in this order."""
    return f"2.25.{uuid5(NAMESPACE, chr(0).join(parts)).int}"


def frame_name(sop_instance_uid: str, frame: int) -> str:
    """What a digest is made over: an instance's content is fixed by its UID (PS3.5 9), so no pixel is."""
    return f"{sop_instance_uid} {frame}"


def content_digest(series_instance_uid: str, frames: Iterable[str]) -> str:
    """SHA-256 over what a volume is made of: its series and its frames, in any order and under any number."""
    return _sha256([series_instance_uid, *sorted(frames)])


def volume_digest(volume: Volume) -> str:
    """SHA-256 over what names a volume's results: its series, its lineage, its frames in order of space."""
    frames = [frame_name(s.sop_instance_uid, s.frame) for s in volume.geometry.slices]
    return _sha256([volume.series_instance_uid, str(_lineage(volume)), *frames])


def _sha256(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def _lineage(volume: Volume) -> int:
    """A volume keeps it where a late phase shifts the numbers: its series and tracking UIDs stay its own."""
    return volume.number if volume.lineage is None else volume.lineage


def sop_instance_uid(inputs: Inputs, kind: str) -> str:
    """One instance for each volume, result kind, model, revision and installation."""
    provenance = inputs.provenance
    return uid(
        "instance",
        kind,
        volume_digest(inputs.volume),
        inputs.findings.model.sha256,
        str(provenance.revision),
        provenance.device_uid,
    )


def series_instance_uid(inputs: Inputs, kind: str) -> str:
    """One series for each volume, result kind and installation; revisions are its instances."""
    volume = inputs.volume
    return result_series_uid(volume.series_instance_uid, _lineage(volume), kind, inputs.provenance.device_uid)


def result_series_uid(series_instance_uid: str, lineage: int, kind: str, device_uid: str) -> str:
    """The same from its parts, for an object whose file is gone."""
    return uid("series", kind, series_instance_uid, str(lineage), device_uid)


def tracking_uid(volume: Volume, output: str) -> str:
    """The Tracking Unique Identifier (112040,DCM) of one output of one volume: the same in every run."""
    return uid("tracking", volume.series_instance_uid, str(_lineage(volume)), output)


def dimension_organization_uid(inputs: Inputs, kind: str) -> str:
    """The Dimension Organization UID (0020,9164) of a multi-frame result."""
    return uid("dimensions", sop_instance_uid(inputs, kind))
