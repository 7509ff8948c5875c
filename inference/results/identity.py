"""UIDs of result objects: the same inputs give the same UIDs, so that a repeated step is a duplicate.

Every UID is a UUIDv5 under the root 2.25 (PS3.5 B.2): at most 44 characters.
"""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID, uuid5

from inference.results.records import Inputs
from inference.volume import Volume

NAMESPACE: Final = UUID("8f3e7c52-6d0b-4f7a-9a43-52c1b7f3de10")
"""The namespace of all UIDs of this product; changing it renames every result."""


def uid(*parts: str) -> str:
    """The UID that these parts name, in this order."""
    return f"2.25.{uuid5(NAMESPACE, chr(0).join(parts)).int}"


def volume_digest(volume: Volume) -> str:
    """SHA-256 over what the volume is made of: its series, its number, its instances and frames in order.

    An instance's content is fixed by its SOP Instance UID (PS3.5 9), so no pixel is hashed.
    """
    frames = [f"{s.sop_instance_uid} {s.frame}" for s in volume.geometry.slices]
    text = "\n".join([volume.series_instance_uid, str(volume.number), *frames])
    return hashlib.sha256(text.encode("ascii")).hexdigest()


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
    return uid("series", kind, volume.series_instance_uid, str(volume.number), inputs.provenance.device_uid)


def tracking_uid(volume: Volume, output: str) -> str:
    """The Tracking Unique Identifier (112040,DCM) of one output of one volume: the same in every run."""
    return uid("tracking", volume.series_instance_uid, str(volume.number), output)


def dimension_organization_uid(inputs: Inputs, kind: str) -> str:
    """The Dimension Organization UID (0020,9164) of a multi-frame result."""
    return uid("dimensions", sop_instance_uid(inputs, kind))
