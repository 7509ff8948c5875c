"""What every result object carries alike: whose study it belongs to, who made it, and when."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

import highdicom as hd
from pydicom.dataset import Dataset

from inference.results import codes
from inference.results.identity import series_instance_uid, sop_instance_uid
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs

PIXEL_DATA_GROUP: Final = 0x7FE0

_EMPTY_IF_ABSENT: Final = (
    "PatientID", "PatientBirthDate", "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
)  # fmt: skip
"""Type 2 attributes (PS3.3 C.7.1.1, C.7.2.1) that real images leave out."""

_RESTORED: Final = ("PatientName", "PatientSex", "SpecificCharacterSet")
"""Kept from highdicom, which quotes a name in a warning and refuses a sex or character set unknown to it."""


def source_header(evidence: Dataset) -> Dataset:
    """A copy of an image's top level that highdicom accepts: no pixels, no private or restored elements."""
    header = Dataset()
    for tag in list(evidence.keys()):
        if not tag.is_private and tag.group != PIXEL_DATA_GROUP:
            header.add(deepcopy(evidence[tag]))  # a shared element would let a result change its source
    for keyword in _EMPTY_IF_ABSENT:
        header.setdefault(keyword, "")
    for keyword in _RESTORED:
        header.pop(keyword, None)
    header.PatientName = None
    header.PatientSex = None
    return header


def series_attributes(inputs: Inputs, kind: str, series_number: int, description: str) -> dict[str, Any]:
    """The keyword arguments that the constructors of highdicom share."""
    provenance = inputs.provenance
    return {
        "series_instance_uid": series_instance_uid(inputs, kind),
        "series_number": series_number,
        "series_description": description,
        "sop_instance_uid": sop_instance_uid(inputs, kind),
        "instance_number": provenance.revision,
        "manufacturer": PRODUCT,
        "manufacturer_model_name": PRODUCT,
        "software_versions": provenance.software_version,
        "device_serial_number": provenance.device_uid,
        "content_date": provenance.now.date(),
        "content_time": provenance.now.time(),
        "specific_character_set": None,
        "contributing_equipment": [_algorithm_equipment(inputs)],
    }


def complete(dataset: Dataset, inputs: Inputs) -> None:
    """Write what highdicom does not: the source's identity as it stands, this device, and one time."""
    source, provenance = inputs.evidence[0], inputs.provenance
    for keyword in _RESTORED:
        dataset.pop(keyword, None)
        if keyword in source:
            dataset[keyword] = deepcopy(source[keyword])
        elif keyword != "SpecificCharacterSet":
            setattr(dataset, keyword, None)
    dataset.DeviceUID = provenance.device_uid
    dataset.StationName = provenance.station_name
    dataset.InstanceCreationDate = dataset.ContentDate
    dataset.InstanceCreationTime = dataset.ContentTime
    # The last item is highdicom's own, with the time of the wall clock: a repeat would differ.
    dataset.ContributingEquipmentSequence[-1].ContributionDateTime = _date_time(inputs)


def _algorithm_equipment(inputs: Inputs) -> hd.ContributingEquipment:
    """The algorithm as IHE AI Results asks, under the purpose that CID 7005 has for it."""
    provenance, model = inputs.provenance, inputs.findings.model
    item = hd.ContributingEquipment(
        manufacturer=PRODUCT,
        purpose_of_reference=codes.PROCESSING_EQUIPMENT,
        manufacturer_model_name=model.name,
        software_versions=[provenance.software_version, model.version],
        device_serial_number=provenance.device_uid,
        station_name=provenance.station_name,
        contribution_datetime=_date_time(inputs),
        contribution_description=(
            f"Processing algorithm. {NOT_FOR_DIAGNOSIS}. Weights SHA-256 {model.sha256}"
        ),
    )
    item.DeviceUID = provenance.device_uid
    return item


def _date_time(inputs: Inputs) -> str:
    return inputs.provenance.now.strftime("%Y%m%d%H%M%S.%f")
