"""What is drawn in the segmentation: the regions from the feet upwards, then the level slices."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
from pydicom.sr.coding import Code

from inference.axis import from_geometry
from inference.findings import Axis, Presence
from inference.results import codes
from inference.results.content import slice_at
from inference.results.flagged import levels_of
from inference.results.groups import region_output
from inference.results.levels import level_output
from inference.results.records import Inputs
from inference.results.segment_description import segment_description
from storage.errors import InvalidResult


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One segment: the body within a run of slices."""

    output: str  # tracking identifier, the same as of the report's group
    label: str  # what a viewer shows
    first_slice: int  # slice index, inclusive
    last_slice: int  # slice index, inclusive
    category: Code  # CID 7150
    type: Code  # CID 7151
    anatomy: Code | None = None  # the vertebra of a level slice
    z_mm: tuple[float, float] | None = None  # the part of its slices that is in it; None: all of them

    def description(self, inputs: Inputs, number: int) -> hd.seg.SegmentDescription:
        """The item of the Segment Sequence (0062,0002) with this Segment Number."""
        return segment_description(
            inputs,
            number,
            output=self.output,
            label=self.label,
            category=self.category,
            type=self.type,
            anatomy=self.anatomy,
        )


def segments_of(inputs: Inputs) -> list[Segment]:
    """The segments of one volume; regions may overlap.

    Raises:
        InvalidResult: a region or a level lies outside the volume.
    """
    return [*_regions(inputs), *_levels(inputs)]


def _regions(inputs: Inputs) -> list[Segment]:
    """Slices that are not axial are cut through by the regions: each is in several."""
    axial = from_geometry(inputs.volume.geometry) is Axis.AXIAL
    count = len(inputs.volume.geometry.slices)
    for extent in inputs.findings.body_part.regions:
        if not 0 <= extent.first_slice <= extent.last_slice < count:
            raise InvalidResult(
                f"region {extent.region} spans the slices {extent.first_slice} to {extent.last_slice},"
                f" the volume has {count}"
            )
    return [
        Segment(
            output=region_output(extent),
            label=codes.REGIONS[extent.region].meaning,
            first_slice=extent.first_slice,
            last_slice=extent.last_slice,
            category=codes.ANATOMICAL_STRUCTURE,
            type=codes.REGIONS[extent.region],
            z_mm=None if axial else (extent.start_mm, extent.end_mm),
        )
        for extent in inputs.findings.body_part.regions
    ]


def _levels(inputs: Inputs) -> list[Segment]:
    segments = []
    for name, level in levels_of(inputs).items():
        if level.presence is Presence.FOUND and level.slice_index is not None:
            slice_at(inputs, level.slice_index, level.sop_instance_uid)
            segments.append(
                Segment(
                    output=level_output(name),
                    label=f"{name} level slice",
                    first_slice=level.slice_index,
                    last_slice=level.slice_index,
                    category=codes.SPATIAL_CONCEPT,
                    type=codes.REFERENCE_REGION,
                    anatomy=codes.VERTEBRAE[name],
                )
            )
    return segments
