"""Who observes: this installation (PS3.16 TID 1002, 1004)."""

from __future__ import annotations

from highdicom import sr

from inference.results.records import PRODUCT, Inputs


def device_observer(inputs: Inputs) -> sr.ObserverContext:
    """The installation, under a UID that does not change between runs."""
    provenance = inputs.provenance
    return sr.ObserverContext(
        observer_type=sr.CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=provenance.device_uid,
            name=provenance.station_name,
            manufacturer_name=PRODUCT,
            model_name=f"{PRODUCT} {provenance.software_version}",
            serial_number=provenance.device_uid,
        ),
    )
