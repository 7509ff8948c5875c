"""What every result object carries alike: whose study it belongs to, who made it, and when."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

import highdicom as hd
from pydicom.charset import convert_encodings
from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import VR, validate_value

from inference.results import codes
from inference.results.characters import is_legible
from inference.results.identity import series_instance_uid, sop_instance_uid
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs

PIXEL_DATA_GROUP: Final = 0x7FE0

METHOD_NOT_STATED: Final = "not stated in the source images"

_EMPTY_IF_ABSENT: Final = (
    "PatientID", "PatientBirthDate", "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
)  # fmt: skip
"""Type 2 attributes (PS3.3 C.7.1.1, C.7.2.1) that real images leave out."""

_JUDGED: Final = frozenset({VR.AS, VR.CS, VR.DA, VR.DT, VR.LO, VR.LT, VR.SH, VR.ST, VR.TM})
"""Value representations whose values are held against PS3.5 6.2."""

_RESTORED: Final = (
    "PatientName", "PatientSex", "PatientBirthDate", "StudyDate", "StudyTime", "SpecificCharacterSet",
)  # fmt: skip
"""Kept from highdicom, which quotes a name in a warning and refuses a sex, date or set unknown to it."""


def source_header(evidence: Dataset) -> Dataset:
    """A copy of an image's top level that highdicom accepts: no pixels, no private or restored elements.

    Nor what breaks the rules of its VR, an age of "0Y" say, or cannot be read in its character set, as a text
    that was cut in the middle of a character: a result with it would be refused.
    """
    header = Dataset()
    encodings = convert_encodings(evidence.get("SpecificCharacterSet"))
    for tag in list(evidence.keys()):
        if tag.is_private or tag.group == PIXEL_DATA_GROUP:
            continue
        if _may_be_copied(evidence[tag], encodings):
            header.add(deepcopy(evidence[tag]))  # a shared element would let a result change its source
    for keyword in _RESTORED:
        header.pop(keyword, None)
    for keyword in _EMPTY_IF_ABSENT:
        header.setdefault(keyword, "")
    _state_deidentification(header)
    header.PatientName = None
    header.PatientSex = None
    return header


def _may_be_copied(element: DataElement, encodings: list[str]) -> bool:
    """What identifies the patient or the order is copied as it stands."""
    if element.keyword in _EMPTY_IF_ABSENT:
        return True
    if element.VR not in _JUDGED:
        return is_legible(element, encodings)
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    try:
        for value in values:
            validate_value(element.VR, "" if value is None else str(value), RAISE)
    except ValueError:
        return False
    return is_legible(element, encodings)


def _state_deidentification(header: Dataset) -> None:
    """Say that the method is not stated, where an image says that it was and leaves its method empty.

    Patient Identity Removed (0012,0062) YES asks for a method (PS3.3 C.7.1.1): a copy would be refused.
    """
    coded = header.get("DeidentificationMethodCodeSequence")
    if header.get("PatientIdentityRemoved") == "YES" and not (header.get("DeidentificationMethod") or coded):
        header.DeidentificationMethod = METHOD_NOT_STATED
    for keyword in ("DeidentificationMethod", "DeidentificationMethodCodeSequence"):
        if keyword in header and not header.get(keyword):
            del header[keyword]


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
    if isinstance(dataset, hd.SOPClass):
        dataset.copy_patient_and_study_information(source_header(source))
    for keyword in _RESTORED:
        dataset.pop(keyword, None)
        if keyword in source:
            dataset[keyword] = deepcopy(source[keyword])
        elif keyword != "SpecificCharacterSet":
            setattr(dataset, keyword, None)
    dataset.DeviceUID = provenance.device_uid
    dataset.StationName = provenance.station_name
    dataset.InstanceCreationDate = f"{provenance.now:%Y%m%d}"
    dataset.InstanceCreationTime = f"{provenance.now:%H%M%S.%f}"
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
