"""The key objects: Key Object Selection (PS3.3 A.35.4) of the level slices (PS3.16 TID 2010).

It refers to the images alone: an object that refers to another result says nothing where that one was not
sent. The IOD has no place for a predecessor; a new revision is a new instance of the same series.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from highdicom import ko
from highdicom.sr import ImageContentItem, RelationshipTypeValues
from pydicom.dataset import Dataset

from inference.findings import Presence
from inference.results import codes
from inference.results.content import probability_text
from inference.results.equipment import complete, series_attributes, source_header
from inference.results.flagged import NO_LEVEL_SLICE, FlaggedSlice, flagged_slices, levels_of
from inference.results.observer import device_observer
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs, LeftOut
from storage.kinds import Kind

KIND: Final = Kind.KO
SERIES_NUMBER: Final = 9904
SERIES_DESCRIPTION: Final = f"{PRODUCT} CT level slices - not for diagnosis"
STATEMENT: Final = f"{NOT_FOR_DIAGNOSIS}. Chosen by an algorithm; not reviewed by a person."


def build_ko(inputs: Inputs) -> Dataset | LeftOut:
    """One selection of the images of T12 and L3; LeftOut where neither was found in a slice.

    Raises:
        InvalidResult: a level names a slice that the volume does not have.
    """
    flagged = flagged_slices(inputs)
    if not flagged:
        return LeftOut(kind=KIND, reason=NO_LEVEL_SLICE)
    images = list({str(each.image.SOPInstanceUID): each.image for each in flagged}.values())
    content = ko.KeyObjectSelection(
        document_title=codes.OF_INTEREST,
        referenced_objects=images,
        observer_device_context=device_observer(inputs),
        description=description(inputs, flagged),
    )
    _refer_to(content, flagged)
    dataset = ko.KeyObjectSelectionDocument(
        evidence=[source_header(image) for image in images],
        content=content,
        **series_attributes(inputs, KIND, SERIES_NUMBER, SERIES_DESCRIPTION),
    )
    complete(dataset, inputs)
    return dataset


def description(inputs: Inputs, flagged: list[FlaggedSlice]) -> str:
    """The Key Object Description (113012,DCM): which image is which level, and how sure that is."""
    told = [
        f"{each.name}: {each.where} (probability {probability_text(each.level.confidence)})."
        for each in flagged
    ]
    return " ".join([*told, *_not_told(inputs), STATEMENT])


def _not_told(inputs: Inputs) -> Iterator[str]:
    for name, level in levels_of(inputs).items():
        if level.presence is not Presence.FOUND:
            yield f"{name}: {level.presence}."


def _refer_to(content: ko.KeyObjectSelection, flagged: list[FlaggedSlice]) -> None:
    """In place of highdicom's references, which name no frames: each image once, its frames in order."""
    root = content[0]
    frames: dict[str, list[int]] = {}
    for each in flagged:
        listed = frames.setdefault(each.slice.sop_instance_uid, [])
        listed.extend([each.frame] if each.frame is not None and each.frame not in listed else [])
    classes = {each.slice.sop_instance_uid: each.slice.sop_class_uid for each in flagged}
    del root.ContentSequence[-len(frames) :]
    for uid, numbers in frames.items():
        root.ContentSequence.append(
            ImageContentItem(
                name=codes.SOURCE,
                referenced_sop_class_uid=classes[uid],
                referenced_sop_instance_uid=uid,
                referenced_frame_numbers=sorted(numbers) or None,
                relationship_type=RelationshipTypeValues.CONTAINS,
            )
        )
