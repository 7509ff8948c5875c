"""How a result object names those of former revisions that it replaces.

An SR has a place for it: Predecessor Documents Sequence (0040,A360), PS3.3 C.17.2. A SEG has none; it names
them in Referenced Image Sequence (0008,1140), PS3.3 C.12.4, without a purpose, since CID 7201 has no code
for "replaced", says so in Derivation Description (0008,2111), and lists them in the Referenced Series
Sequence (0008,1115), after the images: PS3.3 C.12.2 wants every reference there, and some readers take the
first series for the one that is overlaid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydicom.dataset import Dataset

from inference.results.records import Predecessor

REPLACES: Final = "Replaces the segmentation of a former revision in Referenced Image Sequence (0008,1140)"


def documents(predecessors: Sequence[Predecessor], kind: str) -> list[Dataset] | None:
    """What highdicom's `previous_versions` needs of each; None where there is none."""
    return [_identity(each) for each in predecessors if each.kind == kind] or None


def name_replaced(dataset: Dataset, predecessors: Sequence[Predecessor], kind: str) -> None:
    """Name the predecessors of a kind in an image object."""
    own = [each for each in predecessors if each.kind == kind]
    if not own:
        return
    dataset.ReferencedImageSequence = [_reference(each) for each in own]
    dataset.DerivationDescription = REPLACES
    for series in dict.fromkeys(each.series_instance_uid for each in own):
        item = Dataset()
        item.SeriesInstanceUID = series
        item.ReferencedInstanceSequence = [_reference(e) for e in own if e.series_instance_uid == series]
        dataset.ReferencedSeriesSequence.append(item)


def _reference(predecessor: Predecessor) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = predecessor.sop_class_uid
    item.ReferencedSOPInstanceUID = predecessor.sop_instance_uid
    return item


def _identity(predecessor: Predecessor) -> Dataset:
    identity = Dataset()
    identity.SOPClassUID = predecessor.sop_class_uid
    identity.SOPInstanceUID = predecessor.sop_instance_uid
    identity.SeriesInstanceUID = predecessor.series_instance_uid
    identity.StudyInstanceUID = predecessor.study_instance_uid
    return identity
